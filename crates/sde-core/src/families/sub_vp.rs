//! Sub-VP: VP's drift with a smaller diffusion, made for likelihoods.

use serde::{Deserialize, Serialize};

use super::{LinearBeta, SdeError};
use crate::{AffineSde, Marginal, Prior, Sigma, Time};

/// dx = −½ β(t) x dt + √(β(t) (1 − e^{−2B(t)})) dw, linear β, t ∈ [0, 1]; σ = 1 − e^{−B}
/// (Song et al. 2021, eq. 28 and 33).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubVariancePreserving {
    /// β(t).
    pub schedule: LinearBeta,
}

impl SubVariancePreserving {
    /// The process, its parameters checked.
    ///
    /// # Errors
    /// β must rise from a value that is not negative.
    pub fn validated(self) -> Result<Self, SdeError> {
        self.schedule.validate("sub-vp")?;
        Ok(self)
    }
}

impl AffineSde for SubVariancePreserving {
    fn name(&self) -> &'static str {
        "sub-vp"
    }

    fn drift_rate(&self, t: Time) -> f64 {
        -0.5 * self.schedule.rate(t)
    }

    fn diffusion(&self, t: Time) -> f64 {
        let discount = -(-2.0 * self.schedule.integral(t)).exp_m1();
        (self.schedule.rate(t) * discount).sqrt()
    }

    fn marginal(&self, t: Time) -> Marginal {
        let integral = self.schedule.integral(t);
        Marginal {
            alpha: (-0.5 * integral).exp(),
            sigma: -(-integral).exp_m1(),
        }
    }

    fn time_at_sigma(&self, Sigma(sigma): Sigma) -> Time {
        // σ̃ = e^{B/2} − e^{−B/2} = 2 sinh(B/2).
        self.schedule.time_at_integral(2.0 * (0.5 * sigma).asinh())
    }

    fn t_max(&self) -> Time {
        Time(1.0)
    }

    fn t_min_sampling(&self) -> Time {
        Time(1e-3)
    }

    fn prior(&self) -> Prior {
        Prior { std: 1.0 }
    }
}
