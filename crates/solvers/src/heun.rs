//! Heun's method for the probability flow, in t.

use sde_core::State;

use crate::engine::{Interval, Run, Step, Stepwise};
use crate::euler_ode::velocity;
use crate::{Order, Scheme, SolverInfo};

/// Heun's method on dx/dt = d(x, t) = f(x, t) − ½ g(t)² s(x, t): algorithm 1 of Karras et al. 2022
/// with the family's own σ(t) and scale s(t) = α(t). With h = t_i − t_{i+1}:
///
/// ```text
/// d_i = d(x_i, t_i)                 x′ = x_i − h d_i
/// d′ = d(x′, t_{i+1})               x_{i+1} = x_i − ½ h (d_i + d′)
/// ```
///
/// For the EDM family, whose t is σ, it is [`EdmSampler`](crate::EdmSampler) without churn; for the others
/// that one steps in σ/α instead. Neither is always better: on eight Gaussians this one is for VP and
/// sub-VP, the other for VE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeunOde;

impl Scheme for HeunOde {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "heun",
            order: Order::Ode(2),
            stochastic: false,
            nfe_per_step: 2,
        }
    }
}

impl Stepwise for HeunOde {}

impl<X: State> Step<X> for HeunOde {
    type Memory = ();

    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, (): &mut ()) -> X {
        let h = interval.length();
        let s = run.score(&x, interval.from);
        let (a, b) = velocity(run.sde(), interval.from);
        let predicted = x.clone().lincomb(1.0 - h * a, &s, -h * b);
        let s = run.score(&predicted, interval.to);
        let (a, b) = velocity(run.sde(), interval.to);
        // h d_i = x_i − x′, so d_i need not be kept: x_{i+1} = ½ (x_i + x′ − h d′).
        predicted
            .lincomb(0.5 * (1.0 - h * a), &s, -0.5 * h * b)
            .axpy(0.5, &x)
    }
}
