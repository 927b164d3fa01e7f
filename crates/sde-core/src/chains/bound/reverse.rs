//! p_θ(x_{t−1} | x_t), the step that the model takes.

use crate::chains::{Chain, DdpmChain, FixedVariance};
use crate::{Prediction, State, StepIndex};

use super::Elements;

/// p_θ(x_{t−1} | x_t) = N(mean, e^log_variance), a Gaussian of independent elements.
#[derive(Clone, Debug, PartialEq)]
pub struct ReverseStep<X> {
    /// μ_θ(x_t, t), of x_t's shape.
    pub mean: X,
    /// ln σ_t².
    pub log_variance: LogVariance,
}

/// The logarithm of a Gaussian's variance.
#[derive(Clone, Debug, PartialEq)]
pub enum LogVariance {
    /// One for all elements.
    Common(f64),
    /// One an element, sample after sample in row-major order.
    Each(Vec<f64>),
}

impl LogVariance {
    /// That of element `i` of the batch.
    #[must_use]
    pub fn of(&self, i: usize) -> f64 {
        match self {
            Self::Common(value) => *value,
            Self::Each(values) => values[i],
        }
    }
}

impl DdpmChain {
    /// The step of a model that predicts ε, with a fixed variance (Ho et al. 2020, eq. 11).
    ///
    /// # Panics
    /// If the shapes differ, or the chain has no such step.
    pub fn reverse_step<X: State>(
        &self,
        step: StepIndex,
        variance: FixedVariance,
        x: &X,
        epsilon: X,
    ) -> ReverseStep<X> {
        ReverseStep {
            mean: self
                .reverse_mean(step, Prediction::Epsilon)
                .apply(x, epsilon),
            log_variance: LogVariance::Common(self.log_variance(step, variance)),
        }
    }

    /// The step of a model that predicts ε and, in `v`, how far each element's log variance lies from
    /// ln β̃_t, at 0, to ln β_t, at 1 (Nichol & Dhariwal 2021, eq. 15).
    ///
    /// # Panics
    /// If the shapes differ, or the chain has no such step.
    pub fn learned_step<X: Elements>(
        &self,
        step: StepIndex,
        x: &X,
        epsilon: X,
        v: &X,
    ) -> ReverseStep<X> {
        let each = v.elements().into_iter();
        let each = each.map(|v| self.learned_log_variance(step, v));
        ReverseStep {
            mean: self
                .reverse_mean(step, Prediction::Epsilon)
                .apply(x, epsilon),
            log_variance: LogVariance::Each(each.collect()),
        }
    }
}
