//! β(t) = β_min + t (β_max − β_min) on [0, 1], shared by VP and sub-VP.

use serde::{Deserialize, Serialize};

use super::{SdeError, require};
use crate::Time;

/// The linear schedule of Ho et al. 2020 in continuous time: 0.1 → 20 (Song et al. 2021, eq. 32).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearBeta {
    /// β(0).
    pub beta_min: f64,
    /// β(1).
    pub beta_max: f64,
}

impl Default for LinearBeta {
    fn default() -> Self {
        Self {
            beta_min: 0.1,
            beta_max: 20.0,
        }
    }
}

impl LinearBeta {
    pub(super) fn validate(self, family: &'static str) -> Result<(), SdeError> {
        let Self { beta_min, beta_max } = self;
        require(
            beta_min >= 0.0,
            family,
            "beta_min",
            beta_min,
            "it must be at least 0",
        )?;
        require(
            beta_max > beta_min,
            family,
            "beta_max",
            beta_max,
            "it must be above beta_min",
        )
    }

    /// β(t).
    #[must_use]
    pub fn rate(self, t: Time) -> f64 {
        self.beta_min + t.0 * (self.beta_max - self.beta_min)
    }

    /// B(t) = ∫₀ᵗ β(s) ds.
    #[must_use]
    pub fn integral(self, t: Time) -> f64 {
        t.0 * (self.beta_min + 0.5 * t.0 * (self.beta_max - self.beta_min))
    }

    /// The t in [0, 1] at which B(t) is `integral`, in the form of the quadratic's root that does not
    /// cancel; clamped.
    #[must_use]
    pub fn time_at_integral(self, integral: f64) -> Time {
        let slope = self.beta_max - self.beta_min;
        let root = (self.beta_min * self.beta_min + 2.0 * slope * integral).sqrt();
        let t = 2.0 * integral / (self.beta_min + root);
        Time(if integral <= 0.0 { 0.0 } else { t.min(1.0) })
    }
}
