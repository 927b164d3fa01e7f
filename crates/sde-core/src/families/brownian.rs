//! Brownian motion, the plainest process of all.

use serde::{Deserialize, Serialize};

use super::{SdeError, require};
use crate::{AffineSde, Marginal, Prior, Sigma, Time};

/// dx = dw on [0, T]: x_t = x₀ + w_t, Var x_t = Var x₀ + t.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Brownian {
    /// T; √T must be far above the data's scale for N(0, T) to stand for p_T.
    pub t_max: f64,
}

impl Default for Brownian {
    fn default() -> Self {
        Self { t_max: 100.0 }
    }
}

impl Brownian {
    /// The process, its parameters checked.
    ///
    /// # Errors
    /// T must be above the smallest time of sampling, 1e-5.
    pub fn validated(self) -> Result<Self, SdeError> {
        let reason = "it must be above 1e-5";
        require(self.t_max > 1e-5, "brownian", "t_max", self.t_max, reason)?;
        Ok(self)
    }
}

impl AffineSde for Brownian {
    fn name(&self) -> &'static str {
        "brownian"
    }

    fn drift_rate(&self, _: Time) -> f64 {
        0.0
    }

    fn diffusion(&self, _: Time) -> f64 {
        1.0
    }

    fn marginal(&self, t: Time) -> Marginal {
        Marginal {
            alpha: 1.0,
            sigma: t.0.sqrt(),
        }
    }

    fn time_at_sigma(&self, Sigma(sigma): Sigma) -> Time {
        Time((sigma * sigma).clamp(0.0, self.t_max))
    }

    fn t_max(&self) -> Time {
        Time(self.t_max)
    }

    fn t_min_sampling(&self) -> Time {
        Time(1e-5)
    }

    fn prior(&self) -> Prior {
        Prior {
            std: self.t_max.sqrt(),
        }
    }
}
