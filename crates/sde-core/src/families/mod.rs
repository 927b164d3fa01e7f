//! The families of processes, one a file, and their plain-data configuration.
//!
//! | kind | dx = | time | source |
//! |---|---|---|---|
//! | [`vp`](VariancePreserving) | −½ β x dt + √β dw | [0, 1] | Song et al. 2021, eq. 32 |
//! | [`ve`](VarianceExploding) | √(d(σ²)/dt) dw | [0, 1] | Song et al. 2021, eq. 30 |
//! | [`sub-vp`](SubVariancePreserving) | −½ β x dt + √(β (1 − e^{−2B})) dw | [0, 1] | Song et al. 2021, eq. 33 |
//! | [`cosine`](Cosine) | −½ β x dt + √β dw, α a cosine | [0, 0.9946] | Nichol & Dhariwal 2021, eq. 17 |
//! | [`edm`](Edm) | √(2t) dw | [0, 80] | Karras et al. 2022, σ(t) = t |
//! | [`brownian`](Brownian) | dw | [0, T] | |
//!
//! Adding a family is one file and one arm of [`SdeConfig`].

mod brownian;
mod cosine;
mod edm;
mod linear_beta;
mod sub_vp;
mod ve;
mod vp;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::AffineSde;

pub use brownian::Brownian;
pub use cosine::Cosine;
pub use edm::Edm;
pub use linear_beta::LinearBeta;
pub use sub_vp::SubVariancePreserving;
pub use ve::VarianceExploding;
pub use vp::{BetaConvention, VariancePreserving};

/// A parameter that a family cannot work with.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("sde `{family}`: {field} = {value} is not possible: {reason}")]
pub struct SdeError {
    /// The family's name.
    pub family: &'static str,
    /// The field that is wrong.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub reason: &'static str,
}

/// Refuses a parameter that is not finite or for which `holds` is false.
pub(crate) fn require(
    holds: bool,
    family: &'static str,
    field: &'static str,
    value: f64,
    reason: &'static str,
) -> Result<(), SdeError> {
    if holds && value.is_finite() {
        Ok(())
    } else {
        Err(SdeError {
            family,
            field,
            value,
            reason,
        })
    }
}

/// Any family as plain data, `kind` naming it: what configuration files and checkpoints hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SdeConfig {
    /// Variance preserving, linear β.
    Vp(VariancePreserving),
    /// Variance exploding, geometric σ.
    Ve(VarianceExploding),
    /// Sub-VP, linear β.
    SubVp(SubVariancePreserving),
    /// Variance preserving, α a cosine.
    Cosine(Cosine),
    /// EDM's σ(t) = t.
    Edm(Edm),
    /// Brownian motion.
    Brownian(Brownian),
}

impl SdeConfig {
    /// The kinds, as written in configuration files.
    pub const KINDS: [&'static str; 6] = ["vp", "ve", "sub-vp", "cosine", "edm", "brownian"];

    /// The process, its parameters checked.
    ///
    /// # Errors
    /// [`SdeError`] names the first parameter that the family cannot work with.
    pub fn build(self) -> Result<Box<dyn AffineSde>, SdeError> {
        Ok(match self {
            Self::Vp(sde) => Box::new(sde.validated()?),
            Self::Ve(sde) => Box::new(sde.validated()?),
            Self::SubVp(sde) => Box::new(sde.validated()?),
            Self::Cosine(sde) => Box::new(sde.validated()?),
            Self::Edm(sde) => Box::new(sde.validated()?),
            Self::Brownian(sde) => Box::new(sde.validated()?),
        })
    }
}

impl Default for SdeConfig {
    fn default() -> Self {
        Self::Vp(VariancePreserving::default())
    }
}
