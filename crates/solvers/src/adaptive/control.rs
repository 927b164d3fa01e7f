//! How long the next step is.

use serde::{Deserialize, Serialize};

use crate::solver::ParameterError;

/// A PID controller for the steps of an embedded method (Söderlind 2003, eq. 32 in the form of Kennedy
/// & Carpenter 2003).
///
/// With the error e_n of a step in units of its tolerance and k the order of that error,
///
/// ```text
/// h′ = h · safety · e_n^{−(I + P + D)/k} e_{n−1}^{(P + 2D)/k} e_{n−2}^{−D/k}
/// ```
///
/// held between `min_factor` and `max_factor`. P = D = 0 and I = 1 is the elementary controller. A step
/// with e > 1 is rejected and tried again at h · safety · e^{−1/k}; the one after it does not grow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepControl {
    /// P.
    pub proportional: f64,
    /// I.
    pub integral: f64,
    /// D.
    pub derivative: f64,
    /// What is left of the step that would just meet the tolerance; 0.9.
    pub safety: f64,
    /// The least ratio of a step to the one before; 0.2.
    pub min_factor: f64,
    /// The largest; 10.
    pub max_factor: f64,
}

impl Default for StepControl {
    /// The stabilised controller of `dopri5`, β = 0.04, with its safety factors (Hairer, Nørsett &
    /// Wanner 1993, section IV.2 and eq. II.4.13): P = 0.2, I = 0.65.
    fn default() -> Self {
        Self {
            proportional: 0.2,
            integral: 0.65,
            derivative: 0.0,
            safety: 0.9,
            min_factor: 0.2,
            max_factor: 10.0,
        }
    }
}

impl StepControl {
    /// h′/h after an accepted step; `errors` are e_n, e_{n−1}, e_{n−2}, and k is `order`.
    #[must_use]
    pub fn after_accepted(&self, order: f64, errors: [f64; 3]) -> f64 {
        let Self {
            proportional: p,
            integral: i,
            derivative: d,
            ..
        } = *self;
        // An error of 0 is any error far below the tolerance.
        let [now, before, earlier] = errors.map(|e| e.max(1e-10).ln() / order);
        let exponent = -(i + p + d) * now + (p + 2.0 * d) * before - d * earlier;
        (self.safety * exponent.exp()).clamp(self.min_factor, self.max_factor)
    }

    /// h′/h after a rejected step of error `error`, which may be infinite or NaN; k is `order`.
    #[must_use]
    pub fn after_rejected(&self, order: f64, error: f64) -> f64 {
        let factor = self.safety * error.powf(-order.recip());
        // Not `clamp`: a NaN is the least factor.
        if factor > self.min_factor {
            factor.min(self.safety)
        } else {
            self.min_factor
        }
    }

    /// Names the first of these that no controller can work with.
    pub(crate) fn validate(&self, solver: &'static str) -> Result<(), ParameterError> {
        let any = |value: f64| value.is_finite();
        let fields = [
            (
                "control.proportional",
                self.proportional,
                any(self.proportional),
                "it must be finite",
            ),
            (
                "control.integral",
                self.integral,
                self.integral > 0.0 && any(self.integral),
                "it must be above 0, or the steps never learn from the error",
            ),
            (
                "control.derivative",
                self.derivative,
                any(self.derivative),
                "it must be finite",
            ),
            (
                "control.safety",
                self.safety,
                self.safety > 0.0 && self.safety < 1.0,
                "it must be above 0 and below 1",
            ),
            (
                "control.min_factor",
                self.min_factor,
                self.min_factor > 0.0 && self.min_factor < 1.0,
                "it must be above 0 and below 1",
            ),
            (
                "control.max_factor",
                self.max_factor,
                self.max_factor > 1.0 && any(self.max_factor),
                "it must be above 1",
            ),
        ];
        for (field, value, holds, reason) in fields {
            if !holds {
                return Err(ParameterError {
                    solver,
                    field,
                    value,
                    reason,
                });
            }
        }
        Ok(())
    }
}
