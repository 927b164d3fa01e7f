//! Variance preserving: the SDE that DDPM discretises.

use serde::{Deserialize, Serialize};

use super::{LinearBeta, SdeError};
use crate::{AffineSde, Marginal, Prior, Sigma, Time};

/// How β enters the equation; the two are one family with β and 2β exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BetaConvention {
    /// dx = −½ β x dt + √β dw: α = e^{−B/2}, σ² = 1 − e^{−B} (Song et al. 2021, eq. 32).
    #[default]
    Half,
    /// dx = −β x dt + √(2β) dw: α = e^{−B}, σ² = 1 − e^{−2B} (the Ornstein-Uhlenbeck form).
    Full,
}

impl BetaConvention {
    /// What multiplies β to get the β of [`BetaConvention::Half`].
    fn factor(self) -> f64 {
        match self {
            Self::Half => 1.0,
            Self::Full => 2.0,
        }
    }
}

/// dx = −½ β(t) x dt + √β(t) dw with linear β, on t ∈ [0, 1] (Song et al. 2021, eq. 32), or the same
/// with [`BetaConvention::Full`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VariancePreserving {
    /// β(0); 0.1 as published.
    pub beta_min: f64,
    /// β(1); 20 as published.
    pub beta_max: f64,
    /// Which equation β stands in.
    pub convention: BetaConvention,
}

impl Default for VariancePreserving {
    fn default() -> Self {
        let LinearBeta { beta_min, beta_max } = LinearBeta::default();
        Self {
            beta_min,
            beta_max,
            convention: BetaConvention::Half,
        }
    }
}

impl VariancePreserving {
    /// The process, its parameters checked.
    ///
    /// # Errors
    /// β must rise from a value that is not negative.
    pub fn validated(self) -> Result<Self, SdeError> {
        // As the caller wrote them: the message quotes the values.
        let Self {
            beta_min, beta_max, ..
        } = self;
        LinearBeta { beta_min, beta_max }.validate("vp")?;
        Ok(self)
    }

    /// β in the convention of [`BetaConvention::Half`].
    fn schedule(self) -> LinearBeta {
        let factor = self.convention.factor();
        LinearBeta {
            beta_min: factor * self.beta_min,
            beta_max: factor * self.beta_max,
        }
    }
}

impl AffineSde for VariancePreserving {
    fn name(&self) -> &'static str {
        "vp"
    }

    fn drift_rate(&self, t: Time) -> f64 {
        -0.5 * self.schedule().rate(t)
    }

    fn diffusion(&self, t: Time) -> f64 {
        self.schedule().rate(t).sqrt()
    }

    fn marginal(&self, t: Time) -> Marginal {
        let integral = self.schedule().integral(t);
        Marginal {
            alpha: (-0.5 * integral).exp(),
            sigma: (-(-integral).exp_m1()).sqrt(),
        }
    }

    fn time_at_sigma(&self, Sigma(sigma): Sigma) -> Time {
        // σ̃² = e^B − 1.
        self.schedule().time_at_integral((sigma * sigma).ln_1p())
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
