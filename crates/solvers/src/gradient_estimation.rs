//! Gradient estimation: DDIM along a better estimate of the direction to the data.

use sde_core::{Prediction, State};
use serde::{Deserialize, Serialize};

use crate::engine::{Interval, Run, Step};
use crate::solver::ParameterError;
use crate::{Order, Scheme, SolverInfo, Stepwise, Transition};

/// The second-order sampler of Permenter & Yuan 2023, algorithm 2. They read DDIM as gradient descent
/// on the squared distance to the data, of which each ε̂ is an estimate with an error of its own, and
/// lessen it by this and the estimate before. In x̃ = x/α and σ̃ = σ/α:
///
/// ```text
/// ε̄_t = γ ε̂_t + (1 − γ) ε̂_{t+1}          x̃_s = x̃_t + (σ̃_s − σ̃_t) ε̄_t
/// ```
///
/// The first step has ε̄ = ε̂. γ = 1 is [`Ddim`](crate::Ddim). As an integrator it has order 1, but for
/// γ = 3/2, which is the method of Adams and Bashforth where neighbouring steps are equal, and has order 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GradientEstimation {
    /// γ; 2 as published.
    pub gamma: f64,
}

impl Default for GradientEstimation {
    fn default() -> Self {
        Self { gamma: 2.0 }
    }
}

impl Scheme for GradientEstimation {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "gradient-estimation",
            order: Order::Ode(if self.gamma == 1.5 { 2 } else { 1 }),
            stochastic: false,
            nfe_per_step: 1,
        }
    }

    fn validate(&self) -> Result<(), ParameterError> {
        if self.gamma.is_finite() {
            return Ok(());
        }
        Err(ParameterError {
            solver: "gradient-estimation",
            field: "gamma",
            value: self.gamma,
            reason: "it must be a number, 2 as published",
        })
    }
}

impl Stepwise for GradientEstimation {}

impl<X: State> Step<X> for GradientEstimation {
    /// ε̂ of the step before.
    type Memory = Option<X>;

    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, before: &mut Option<X>) -> X {
        let step = Transition::new(run.sde(), interval);
        let s = run.score(&x, interval.from);
        let epsilon = Prediction::Score.convert(Prediction::Epsilon, step.from, &x, s);
        // α_s (σ̃_s − σ̃_t).
        let fall = step.to.alpha * (step.to.sigma_ratio().0 - step.from.sigma_ratio().0);
        let x = match before.take() {
            None => x.lincomb(step.scale(), &epsilon, fall),
            Some(earlier) => x
                .lincomb(step.scale(), &epsilon, fall * self.gamma)
                .axpy(fall * (1.0 - self.gamma), &earlier),
        };
        *before = Some(epsilon);
        x
    }
}
