//! Euler's method for the probability flow, in t.

use sde_core::{AffineSde, State, Time};

use crate::engine::{Interval, Run, Step, Stepwise};
use crate::{Order, Scheme, SolverInfo};

/// Euler's method on dx/dt = f(x, t) − ½ g(t)² s(x, t) (Song et al. 2021, eq. 13), the baseline of
/// the deterministic solvers. With h = t_i − t_{i+1} and f = a(t) x:
///
/// ```text
/// x_{i+1} = x_i − h [a(t_i) x_i − ½ g(t_i)² s(x_i, t_i)]
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EulerOde;

impl Scheme for EulerOde {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "euler-ode",
            order: Order::Ode(1),
            stochastic: false,
            nfe_per_step: 1,
        }
    }
}

impl Stepwise for EulerOde {}

impl<X: State> Step<X> for EulerOde {
    type Memory = ();

    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, (): &mut ()) -> X {
        let (t, h) = (interval.from, interval.length());
        let s = run.score(&x, t);
        let (a, b) = velocity(run.sde(), t);
        x.lincomb(1.0 - h * a, &s, -h * b)
    }
}

/// The coefficients (a, b) of the probability flow dx/dt = a x + b s(x, t): a(t) and −½ g(t)².
pub(crate) fn velocity(sde: &dyn AffineSde, t: Time) -> (f64, f64) {
    let g = sde.diffusion(t);
    (sde.drift_rate(t), -0.5 * g * g)
}
