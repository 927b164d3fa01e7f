//! Any process that can be trained and sampled: of positions alone, or of positions and velocities.
//!
//! The two have no solver, grid or loss in common, so a [`Process`] is one or the other; what both have is a
//! time that runs from the data to a prior, and a law of the position at each.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chains::{Ddpm, Smld};
use crate::damped::DampedLangevin;
use crate::families::{
    Brownian, Cosine, Edm, SubVariancePreserving, VarianceExploding, VariancePreserving,
};
use crate::{AffineSde, Marginal, Prior, SdeConfig, SdeError, Sigma, Time};

/// A process as plain data, `kind` naming it: one of [`SdeConfig`]'s, or [`DampedLangevin`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum ProcessConfig {
    /// Of positions alone.
    Affine(SdeConfig),
    /// Of positions and velocities.
    Damped(DampedLangevin),
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self::Affine(SdeConfig::default())
    }
}

impl From<SdeConfig> for ProcessConfig {
    fn from(sde: SdeConfig) -> Self {
        Self::Affine(sde)
    }
}

impl From<DampedLangevin> for ProcessConfig {
    fn from(process: DampedLangevin) -> Self {
        Self::Damped(process)
    }
}

impl ProcessConfig {
    /// The process, its parameters checked.
    ///
    /// # Errors
    /// [`SdeError`] names the first parameter that it cannot work with.
    pub fn build(self) -> Result<Process, SdeError> {
        Ok(match self {
            Self::Affine(sde) => Process::Affine(sde.build()?),
            Self::Damped(process) => Process::Damped(process.validated()?),
        })
    }
}

/// All kinds in one, so that an unknown one is answered with all of them.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Written {
    Vp(VariancePreserving),
    Ve(VarianceExploding),
    SubVp(SubVariancePreserving),
    Cosine(Cosine),
    Edm(Edm),
    Brownian(Brownian),
    Ddpm(Ddpm),
    Smld(Smld),
    DampedLangevin(DampedLangevin),
}

impl From<Written> for ProcessConfig {
    fn from(written: Written) -> Self {
        Self::Affine(match written {
            Written::Vp(sde) => SdeConfig::Vp(sde),
            Written::Ve(sde) => SdeConfig::Ve(sde),
            Written::SubVp(sde) => SdeConfig::SubVp(sde),
            Written::Cosine(sde) => SdeConfig::Cosine(sde),
            Written::Edm(sde) => SdeConfig::Edm(sde),
            Written::Brownian(sde) => SdeConfig::Brownian(sde),
            Written::Ddpm(chain) => SdeConfig::Ddpm(chain),
            Written::Smld(chain) => SdeConfig::Smld(chain),
            Written::DampedLangevin(process) => return Self::Damped(process),
        })
    }
}

impl From<ProcessConfig> for Written {
    fn from(config: ProcessConfig) -> Self {
        match config {
            ProcessConfig::Affine(SdeConfig::Vp(sde)) => Self::Vp(sde),
            ProcessConfig::Affine(SdeConfig::Ve(sde)) => Self::Ve(sde),
            ProcessConfig::Affine(SdeConfig::SubVp(sde)) => Self::SubVp(sde),
            ProcessConfig::Affine(SdeConfig::Cosine(sde)) => Self::Cosine(sde),
            ProcessConfig::Affine(SdeConfig::Edm(sde)) => Self::Edm(sde),
            ProcessConfig::Affine(SdeConfig::Brownian(sde)) => Self::Brownian(sde),
            ProcessConfig::Affine(SdeConfig::Ddpm(chain)) => Self::Ddpm(chain),
            ProcessConfig::Affine(SdeConfig::Smld(chain)) => Self::Smld(chain),
            ProcessConfig::Damped(process) => Self::DampedLangevin(process),
        }
    }
}

/// A process of either kind.
pub enum Process {
    /// Of positions alone.
    Affine(Box<dyn AffineSde>),
    /// Of positions and velocities.
    Damped(DampedLangevin),
}

/// A process of positions and velocities, where one of positions alone is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "`{}` moves a velocity beside each position, so it has no score and no α and σ of the data alone: this \
     takes one of {}", DampedLangevin::NAME, SdeConfig::KINDS.join(", ")
)]
pub struct HasVelocity;

impl Process {
    /// Its name, in kebab case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Affine(sde) => sde.name(),
            Self::Damped(_) => DampedLangevin::NAME,
        }
    }

    /// The process, if it is one of positions alone.
    ///
    /// # Errors
    /// [`HasVelocity`], if it is not.
    pub fn affine(&self) -> Result<&dyn AffineSde, HasVelocity> {
        match self {
            Self::Affine(sde) => Ok(&**sde),
            Self::Damped(_) => Err(HasVelocity),
        }
    }

    /// T.
    #[must_use]
    pub fn t_max(&self) -> Time {
        match self {
            Self::Affine(sde) => sde.t_max(),
            Self::Damped(process) => process.t_max(),
        }
    }

    /// The smallest t that sampling should integrate to.
    #[must_use]
    pub fn t_min_sampling(&self) -> Time {
        match self {
            Self::Affine(sde) => sde.t_min_sampling(),
            Self::Damped(process) => process.t_min_sampling(),
        }
    }

    /// The prior of the position.
    #[must_use]
    pub fn prior(&self) -> Prior {
        match self {
            Self::Affine(sde) => sde.prior(),
            Self::Damped(process) => process.prior().0,
        }
    }

    /// α and σ of the law of the position given x₀, N(α x₀, σ² I).
    #[must_use]
    pub fn position_marginal(&self, t: Time) -> Marginal {
        match self {
            Self::Affine(sde) => sde.marginal(t),
            Self::Damped(process) => process.position_marginal(t),
        }
    }

    /// The t at which σ/α of the position is `sigma`, clamped to [0, T].
    #[must_use]
    pub fn time_at_sigma(&self, sigma: Sigma) -> Time {
        match self {
            Self::Affine(sde) => sde.time_at_sigma(sigma),
            Self::Damped(process) => process.time_at_position_sigma(sigma),
        }
    }
}
