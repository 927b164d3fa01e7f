//! Variance exploding: the SDE that SMLD (NCSN) discretises.

use serde::{Deserialize, Serialize};

use super::{SdeError, require};
use crate::{AffineSde, Marginal, Prior, Sigma, Time};

/// dx = σ(t) √(2 ln(σ_max/σ_min)) dw with σ(t) = σ_min (σ_max/σ_min)^t, t ∈ [0, 1] (Song et al. 2021,
/// eq. 30-31).
///
/// As in the paper and its code the marginal's standard deviation is σ(t) itself: at t = 0 the data
/// counts as blurred by σ_min already, and (σ²)' = g² holds with σ²(0) = σ_min².
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VarianceExploding {
    /// σ(0); 0.01 as published for data in [0, 1].
    pub sigma_min: f64,
    /// σ(1); 50 as published: about the largest distance between two data points.
    pub sigma_max: f64,
}

impl Default for VarianceExploding {
    fn default() -> Self {
        Self {
            sigma_min: 0.01,
            sigma_max: 50.0,
        }
    }
}

impl VarianceExploding {
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
            "ve",
            "sigma_min",
            sigma_min,
            "it must be above 0",
        )?;
        require(
            sigma_max > sigma_min,
            "ve",
            "sigma_max",
            sigma_max,
            "it must be above sigma_min",
        )?;
        Ok(self)
    }

    fn log_ratio(self) -> f64 {
        (self.sigma_max / self.sigma_min).ln()
    }

    fn sigma(self, t: Time) -> f64 {
        self.sigma_min * (t.0 * self.log_ratio()).exp()
    }
}

impl AffineSde for VarianceExploding {
    fn name(&self) -> &'static str {
        "ve"
    }

    fn drift_rate(&self, _: Time) -> f64 {
        0.0
    }

    fn diffusion(&self, t: Time) -> f64 {
        self.sigma(t) * (2.0 * self.log_ratio()).sqrt()
    }

    fn marginal(&self, t: Time) -> Marginal {
        Marginal {
            alpha: 1.0,
            sigma: self.sigma(t),
        }
    }

    fn time_at_sigma(&self, Sigma(sigma): Sigma) -> Time {
        let t = (sigma / self.sigma_min).ln() / self.log_ratio();
        Time(t.clamp(0.0, 1.0))
    }

    fn t_max(&self) -> Time {
        Time(1.0)
    }

    fn t_min_sampling(&self) -> Time {
        Time(1e-5)
    }

    fn prior(&self) -> Prior {
        Prior {
            std: self.sigma_max,
        }
    }
}
