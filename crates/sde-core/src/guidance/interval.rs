//! At which noise levels guidance acts.

use serde::{Deserialize, Serialize};

use super::GuidanceError;
use crate::{AffineSde, Time};

/// Guidance acts at noise levels σ̃ = σ/α with `low` < σ̃ ≤ `high` (Kynkäänniemi et al. 2024): at high noise
/// it harms, at low noise it does nothing, and without both the paper's FID on ImageNet-512 falls from 1.81 to
/// 1.40. All levels by default.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuidanceInterval {
    /// σ_lo, in σ/α.
    pub low: f64,
    /// σ_hi, in σ/α. Infinity, the default, is left out of configuration files.
    #[serde(skip_serializing_if = "is_unbounded")]
    pub high: f64,
}

impl Default for GuidanceInterval {
    fn default() -> Self {
        Self {
            low: 0.0,
            high: f64::INFINITY,
        }
    }
}

impl GuidanceInterval {
    /// Whether guidance acts at time `t` of `sde`.
    #[must_use]
    pub fn holds(self, sde: &dyn AffineSde, t: Time) -> bool {
        let sigma = sde.marginal(t).sigma_ratio().0;
        self.low < sigma && sigma <= self.high
    }

    /// The places of the `times` at which guidance acts.
    pub(super) fn rows(self, sde: &dyn AffineSde, times: &[Time]) -> Vec<usize> {
        let all = 0..times.len();
        all.filter(|&i| self.holds(sde, times[i])).collect()
    }

    pub(super) fn check(self, guidance: &'static str) -> Result<(), GuidanceError> {
        let error = |field, value, reason| {
            Err(GuidanceError {
                guidance,
                field,
                value,
                reason,
            })
        };
        if !(self.low >= 0.0 && self.low.is_finite()) {
            return error(
                "interval.low",
                self.low,
                "a noise level σ/α is a finite number, 0 or above",
            );
        }
        // A NaN is not above either.
        if self.high > self.low {
            return Ok(());
        }
        error(
            "interval.high",
            self.high,
            "it must be above interval.low; guidance is between the two, in σ/α",
        )
    }
}

/// Whether σ_hi excludes nothing; not every configuration format can write an infinity.
fn is_unbounded(high: &f64) -> bool {
    *high == f64::INFINITY
}
