//! The EDM sampler: Heun's method in the noise level, with optional churn.

use std::f64::consts::SQRT_2;

use sde_core::noise::Role;
use sde_core::{State, StepIndex, Time};
use serde::{Deserialize, Serialize};

use crate::engine::{Interval, Run, Step, Stepwise};
use crate::solver::ParameterError;
use crate::{Order, Scheme, SolverInfo};

/// Algorithm 2 of Karras et al. 2022, and its algorithm 1 when `s_churn` is 0.
///
/// It works on x̃ = x/α with the noise level σ̃ = σ/α as its time, so that σ̃(t) = t and s(t) = 1 as in
/// the paper whatever the family; the state keeps its own scale between steps. In these variables the
/// probability flow is dx̃/dσ̃ = ε(x, t) = −σ s(x, t). With N steps:
///
/// ```text
/// γ_i = min(S_churn/N, √2 − 1) if σ̃_i ∈ [S_min, S_max], else 0
/// σ̂_i = σ̃_i + γ_i σ̃_i             x̂_i = x̃_i + √(σ̂_i² − σ̃_i²) S_noise z_i
/// d_i = ε(x̂_i, σ̂_i)               x̃′ = x̂_i + (σ̃_{i+1} − σ̂_i) d_i
/// d′ = ε(x̃′, σ̃_{i+1})             x̃_{i+1} = x̂_i + (σ̃_{i+1} − σ̂_i) ½ (d_i + d′)
/// ```
///
/// and x̃_N = x̃′ for the step to σ̃ = 0, which is [`LastStep::Denoise`](crate::LastStep::Denoise). σ̂ is
/// held at the largest noise level of the process, where the paper's code asks the network for noise
/// that it was never trained on; the published S_max keeps clear of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdmSampler {
    /// S_churn: how much noise is added and removed again in the whole run; 0 makes it an ODE solver.
    pub s_churn: f64,
    /// S_min, in σ̃: no churn below.
    pub s_min: f64,
    /// S_max, in σ̃: no churn above. Infinity, the default, is left out of configuration files.
    #[serde(skip_serializing_if = "is_unbounded")]
    pub s_max: f64,
    /// S_noise: the standard deviation of the added noise, a little above 1 against oversmoothing.
    pub s_noise: f64,
}

impl Default for EdmSampler {
    /// Deterministic, as published for CIFAR-10 (with 18 steps).
    fn default() -> Self {
        Self {
            s_churn: 0.0,
            s_min: 0.0,
            s_max: f64::INFINITY,
            s_noise: 1.0,
        }
    }
}

impl EdmSampler {
    /// The published stochastic sampler for ImageNet-64 (Karras et al. 2022, table 5), to be run with
    /// 256 steps.
    #[must_use]
    pub fn imagenet64() -> Self {
        Self {
            s_churn: 40.0,
            s_min: 0.05,
            s_max: 50.0,
            s_noise: 1.003,
        }
    }

    /// σ̂ / σ̃ − 1 at the noise level σ̃ in a run of `steps` steps.
    fn gamma(&self, sigma: f64, steps: usize) -> f64 {
        if self.s_min <= sigma && sigma <= self.s_max {
            (self.s_churn / steps as f64).min(SQRT_2 - 1.0)
        } else {
            0.0
        }
    }

    /// Raises x at t to x̂ at t̂, the time at which the noise level is σ̂.
    fn churn<X: State>(&self, run: &Run<'_, X>, index: StepIndex, t: Time, x: X) -> (Time, X) {
        let from = run.sde().marginal(t);
        let sigma = from.sigma_ratio();
        let gamma = self.gamma(sigma.0, run.grid().steps());
        if gamma == 0.0 {
            return (t, x);
        }
        let raised = run
            .sde()
            .time_at_sigma(sde_core::Sigma(sigma.0 * (1.0 + gamma)));
        let to = run.sde().marginal(raised);
        let sigma_hat = to.sigma_ratio();
        if raised <= t || sigma_hat <= sigma {
            return (t, x);
        }
        let added = (sigma_hat.0 * sigma_hat.0 - sigma.0 * sigma.0).sqrt();
        let z = run.noise(&x, index, Role::Churn);
        let x = x.lincomb(to.alpha / from.alpha, &z, to.alpha * added * self.s_noise);
        (raised, x)
    }
}

impl Scheme for EdmSampler {
    fn info(&self) -> SolverInfo {
        let stochastic = self.s_churn > 0.0;
        SolverInfo {
            name: "edm",
            order: if stochastic {
                Order::None
            } else {
                Order::Ode(2)
            },
            stochastic,
            nfe_per_step: 2,
        }
    }

    fn validate(&self) -> Result<(), ParameterError> {
        let at_least_zero = "it must be a number, 0 or above";
        let fields = [
            ("s_churn", self.s_churn, self.s_churn.is_finite()),
            ("s_min", self.s_min, self.s_min.is_finite()),
            ("s_max", self.s_max, !self.s_max.is_nan()),
            ("s_noise", self.s_noise, self.s_noise.is_finite()),
        ];
        for (field, value, is_number) in fields {
            if !is_number || value < 0.0 {
                return Err(ParameterError {
                    solver: "edm",
                    field,
                    value,
                    reason: at_least_zero,
                });
            }
        }
        Ok(())
    }
}

impl Stepwise for EdmSampler {}

impl<X: State> Step<X> for EdmSampler {
    type Memory = ();

    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, (): &mut ()) -> X {
        let (t_hat, x_hat) = self.churn(run, interval.index, interval.from, x);
        let from = run.sde().marginal(t_hat);
        let to = run.sde().marginal(interval.to);
        // α' (σ̂ − σ̃') and α'/α̂: the step in x̃, written for x = α x̃.
        let fall = to.alpha * (from.sigma_ratio().0 - to.sigma_ratio().0);
        let scale = to.alpha / from.alpha;

        let s = run.score(&x_hat, t_hat);
        let predicted = x_hat.clone().lincomb(scale, &s, fall * from.sigma);
        let s = run.score(&predicted, interval.to);
        // ½ (x̂ + x̃′ + (σ̃′ − σ̂) d′), since x̃′ − x̂ is the first half already.
        predicted
            .lincomb(0.5, &s, 0.5 * fall * to.sigma)
            .axpy(0.5 * scale, &x_hat)
    }

    fn denoise(&self, run: &Run<'_, X>, index: StepIndex, t: Time, x: X, (): &mut ()) -> X {
        let (t_hat, x_hat) = self.churn(run, index, t, x);
        run.posterior_mean(&x_hat, t_hat)
    }
}

/// Whether S_max excludes nothing; not every configuration format can write an infinity.
fn is_unbounded(s_max: &f64) -> bool {
    s_max.is_infinite()
}
