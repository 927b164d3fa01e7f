//! Euler-Maruyama for the reverse-time SDE.

use sde_core::State;
use sde_core::noise::Role;

use crate::engine::{Interval, Run, Step, Stepwise};
use crate::{Order, Scheme, SolverInfo};

/// Euler-Maruyama on dx = [f(x, t) − g(t)² s(x, t)] dt + g(t) dw̄ (Song et al. 2021, eq. 6 and
/// appendix D.1; predictor `euler_maruyama` of score_sde). With h = t_i − t_{i+1} and f = a(t) x:
///
/// ```text
/// x_{i+1} = x_i − h [a(t_i) x_i − g(t_i)² s(x_i, t_i)] + g(t_i) √h z_i
/// ```
///
/// The noise is additive, so it is Milstein's scheme too and its strong order is 1, not ½.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EulerMaruyama;

impl Scheme for EulerMaruyama {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "euler-maruyama",
            order: Order::Sde {
                strong: 1.0,
                weak: 1.0,
            },
            stochastic: true,
            nfe_per_step: 1,
        }
    }
}

impl Stepwise for EulerMaruyama {}

impl<X: State> Step<X> for EulerMaruyama {
    type Memory = ();

    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, (): &mut ()) -> X {
        let (t, h) = (interval.from, interval.length());
        let (a, g) = (run.sde().drift_rate(t), run.sde().diffusion(t));
        let s = run.score(&x, t);
        let z = run.noise(&x, interval.index, Role::Diffusion);
        x.lincomb(1.0 - h * a, &s, h * g * g).axpy(g * h.sqrt(), &z)
    }
}
