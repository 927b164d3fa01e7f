//! What the two chains have in common.

use super::{Posterior, SpacingError, StepSpacing, Transition};
use crate::prediction::Conversion;
use crate::{AffineSde, Marginal, Prediction, StepIndex, Time};

/// A chain x₀ → x₁ → … → x_N of Gaussian steps, which is an affine process seen at the times i/N.
///
/// `StepIndex(i)` is the step into x_{i+1}, the papers' t = i + 1.
///
/// # Panics
/// Every method that takes a [`StepIndex`] panics if the chain has no such step, as indexing does.
pub trait Chain: AffineSde {
    /// N, the number of steps.
    fn steps(&self) -> usize;

    /// q(x_t | x_{t−1}).
    fn transition(&self, step: StepIndex) -> Transition;

    /// q(x_t | x₀), after the step.
    fn marginal_at(&self, step: StepIndex) -> Marginal;

    /// q(x_{t−1} | x₀), before the step: all data and no noise before the first.
    fn marginal_before(&self, step: StepIndex) -> Marginal {
        match step.0.checked_sub(1) {
            Some(previous) => self.marginal_at(StepIndex(previous)),
            None => Marginal {
                alpha: 1.0,
                sigma: 0.0,
            },
        }
    }

    /// q(x_{t−1} | x_t, x₀) (Ho et al. 2020, eq. 6-7); x₀ itself at the first step.
    fn posterior(&self, step: StepIndex) -> Posterior {
        let (earlier, later) = (self.marginal_before(step), self.marginal_at(step));
        self.transition(step).posterior(earlier, later)
    }

    /// The mean of p(x_{t−1} | x_t), as a function of x_t and a network's prediction: the posterior's
    /// with the predicted x₀ in place of x₀.
    ///
    /// For DDPM and ε it is (x_t − β_t/√(1 − ᾱ_t) ε)/√α_t (Ho et al. 2020, eq. 11), for SMLD and the
    /// score x_t + (σ_t² − σ_{t−1}²) s (Song et al. 2021, appendix F).
    fn reverse_mean(&self, step: StepIndex, prediction: Prediction) -> Conversion {
        self.posterior(step)
            .mean_of(prediction, self.marginal_at(step))
    }

    /// (i + 1)/N, the process's time after the step.
    fn time_of(&self, step: StepIndex) -> Time {
        assert!(step.0 < self.steps(), "a step of the chain");
        Time((step.0 + 1) as f64 / self.steps() as f64)
    }

    /// The step whose time is the nearest: what a network that knows steps only is told at t.
    fn step_at(&self, t: Time) -> StepIndex {
        let count = self.steps();
        let node = (t.0 * count as f64).round().clamp(1.0, count as f64);
        // A NaN becomes the first step.
        StepIndex((node as usize).saturating_sub(1))
    }

    /// The steps that a sampler of `count` steps visits, noisiest first.
    ///
    /// # Errors
    /// From 1 to N steps.
    fn spaced_steps(
        &self,
        spacing: StepSpacing,
        count: usize,
    ) -> Result<Vec<StepIndex>, SpacingError> {
        spacing.steps(self.steps(), count)
    }

    /// The times of those steps, which fall strictly, for a solver's grid: the last of `count` steps
    /// then leads from the last time to the data.
    ///
    /// # Errors
    /// As [`Chain::spaced_steps`].
    fn spaced_times(&self, spacing: StepSpacing, count: usize) -> Result<Vec<Time>, SpacingError> {
        let steps = self.spaced_steps(spacing, count)?;
        Ok(steps.into_iter().map(|step| self.time_of(step)).collect())
    }
}
