//! How wide p(x_{t−1} | x_t) of a DDPM chain is.

use serde::{Deserialize, Serialize};

use super::{Chain, DdpmChain};
use crate::StepIndex;

/// The two variances of Ho et al. 2020, section 3.2: those of the reversal for the widest and for the
/// narrowest data, N(0, I) and a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FixedVariance {
    /// σ_t² = β_t (`fixed_large`).
    #[default]
    Large,
    /// σ_t² = β̃_t, the posterior's (`fixed_small`).
    Small,
}

impl DdpmChain {
    /// σ_t² of sampling, a variance: β_t or β̃_t, where β̃_1 = 0.
    ///
    /// # Panics
    /// If the chain has no such step.
    #[must_use]
    pub fn variance(&self, step: StepIndex, variance: FixedVariance) -> f64 {
        match variance {
            FixedVariance::Large => self.beta(step),
            FixedVariance::Small => self.posterior(step).variance,
        }
    }

    /// ln σ_t² of the bound, where β̃_2 stands for the first step's variance, with which p(x₀ | x₁)
    /// has a density and, says the code of Ho et al., a better likelihood than with β_1.
    ///
    /// # Panics
    /// If the chain has no such step.
    #[must_use]
    pub fn log_variance(&self, step: StepIndex, variance: FixedVariance) -> f64 {
        match step {
            StepIndex(0) => self.posterior(StepIndex(1)).variance.ln(),
            step => self.variance(step, variance).ln(),
        }
    }

    /// ln β̃_t and ln β_t, between which a learned variance lies; β̃_2 stands for β̃_1 = 0.
    ///
    /// # Panics
    /// If the chain has no such step.
    #[must_use]
    pub fn log_variance_range(&self, step: StepIndex) -> (f64, f64) {
        let low = self.log_variance(step, FixedVariance::Small);
        (low, self.beta(step).ln())
    }

    /// ln σ_t² = v ln β_t + (1 − v) ln β̃_t (Nichol & Dhariwal 2021, eq. 15), for v of [0, 1]; in their
    /// code the network's output is 2v − 1. Nothing holds v there, as they intend.
    ///
    /// # Panics
    /// If the chain has no such step.
    #[must_use]
    pub fn learned_log_variance(&self, step: StepIndex, v: f64) -> f64 {
        let (low, high) = self.log_variance_range(step);
        v * high + (1.0 - v) * low
    }
}
