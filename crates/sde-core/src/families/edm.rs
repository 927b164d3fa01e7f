//! EDM: time is the noise level.

use serde::{Deserialize, Serialize};

use super::{SdeError, require};
use crate::{AffineSde, Marginal, Prior, Sigma, Time};

/// dx = √(2t) dw, so that σ(t) = t and α = 1, t ∈ [0, σ_max] (Karras et al. 2022, table 1).
///
/// Unlike VE's, its noise starts at 0 at t = 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edm {
    /// Where sampling ends, before the last step to 0; 0.002 as published.
    pub sigma_min: f64,
    /// Where sampling starts; 80 as published.
    pub sigma_max: f64,
}

impl Default for Edm {
    fn default() -> Self {
        Self {
            sigma_min: 0.002,
            sigma_max: 80.0,
        }
    }
}

impl Edm {
    /// The process, its parameters checked.
    ///
    /// # Errors
    /// σ must rise from a positive value.
    pub fn validated(self) -> Result<Self, SdeError> {
        let Self {
            sigma_min,
            sigma_max,
        } = self;
        require(
            sigma_min > 0.0,
            "edm",
            "sigma_min",
            sigma_min,
            "it must be above 0",
        )?;
        require(
            sigma_max > sigma_min,
            "edm",
            "sigma_max",
            sigma_max,
            "it must be above sigma_min",
        )?;
        Ok(self)
    }
}

impl AffineSde for Edm {
    fn name(&self) -> &'static str {
        "edm"
    }

    fn drift_rate(&self, _: Time) -> f64 {
        0.0
    }

    fn diffusion(&self, t: Time) -> f64 {
        (2.0 * t.0).sqrt()
    }

    fn marginal(&self, t: Time) -> Marginal {
        Marginal {
            alpha: 1.0,
            sigma: t.0,
        }
    }

    fn time_at_sigma(&self, Sigma(sigma): Sigma) -> Time {
        Time(sigma.clamp(0.0, self.sigma_max))
    }

    fn t_max(&self) -> Time {
        Time(self.sigma_max)
    }

    fn t_min_sampling(&self) -> Time {
        Time(self.sigma_min)
    }

    fn prior(&self) -> Prior {
        Prior {
            std: self.sigma_max,
        }
    }
}
