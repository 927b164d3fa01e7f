//! p(x₀ | x₁), the last step of the bound.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::normal::log_normal_interval;

/// What the likelihood of x₀ is stated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decoder {
    /// x₀ is one of so many equally spaced levels in [−1, 1]: its probability is the Gaussian's mass
    /// within half a level of it, the outermost levels reaching to ±∞ (Ho et al. 2020, eq. 13).
    Discretised {
        /// The number of levels, at least 2; 256 for 8 bits.
        levels: u32,
    },
    /// x₀ is a point of space: its density under the Gaussian.
    Density {},
}

impl Default for Decoder {
    /// Eight bits.
    fn default() -> Self {
        Self::Discretised { levels: 256 }
    }
}

impl Decoder {
    /// ln p(x₀ | x₁) of one element in nats, for the Gaussian N(mean, e^log_variance).
    ///
    /// A discretised x₀ counts as the level that is the nearest to it. The probability is exact where
    /// the papers' code approximates the normal distribution and holds it above 1e-12, so that over all
    /// levels it sums to 1.
    #[must_use]
    pub fn log_likelihood(self, x0: f64, mean: f64, log_variance: f64) -> f64 {
        match self {
            Self::Density {} => {
                let square = (x0 - mean).powi(2) * (-log_variance).exp();
                -0.5 * (square + log_variance + TAU.ln())
            }
            Self::Discretised { levels } => {
                let [low, high] = edges(levels, x0, mean, log_variance);
                log_normal_interval(low, high)
            }
        }
    }

    /// ∂ ln p(x₀ | x₁)/∂ ln σ² of one element, by which a learned variance is trained.
    #[must_use]
    pub fn log_variance_slope(self, x0: f64, mean: f64, log_variance: f64) -> f64 {
        match self {
            Self::Density {} => 0.5 * ((x0 - mean).powi(2) * (-log_variance).exp() - 1.0),
            Self::Discretised { levels } => {
                let [low, high] = edges(levels, x0, mean, log_variance);
                let log_share = log_normal_interval(low, high);
                // ∂z/∂ ln σ² = −z/2, and φ(z)/P as one exponential, as both may underflow.
                let pull = |z: f64| match z.is_finite() {
                    true => z * (-0.5 * (z * z + TAU.ln()) - log_share).exp(),
                    false => 0.0,
                };
                0.5 * (pull(low) - pull(high))
            }
        }
    }
}

/// The edges of x₀'s level in units of the Gaussian's standard deviation.
fn edges(levels: u32, x0: f64, mean: f64, log_variance: f64) -> [f64; 2] {
    let last = f64::from(levels) - 1.0;
    let level = ((x0 + 1.0) * 0.5 * last).round().clamp(0.0, last);
    let edge = |place: f64| ((2.0 * place - last) / last - mean) * (-0.5 * log_variance).exp();
    let low = if level == 0.0 {
        f64::NEG_INFINITY
    } else {
        edge(level - 0.5)
    };
    let high = if level == last {
        f64::INFINITY
    } else {
        edge(level + 0.5)
    };
    [low, high]
}
