//! Heun's method for the probability flow of pairs.

use sde_core::State;
use sde_core::damped::PhaseState;

use super::{DampedRun, DampedStep};
use crate::{Interval, Order, Scheme, SolverInfo};

/// Heun's method on dz/dt = d(z, t), the probability flow of position and velocity. With
/// h = t_i − t_{i+1}:
///
/// ```text
/// d_i = d(z_i, t_i)                 z′ = z_i − h d_i
/// d′ = d(z′, t_{i+1})               z_{i+1} = z_i − ½ h (d_i + d′)
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DampedHeun;

impl Scheme for DampedHeun {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "damped-heun",
            order: Order::Ode(2),
            stochastic: false,
            nfe_per_step: 2,
        }
    }
}

impl<X: State> DampedStep<X> for DampedHeun {
    fn advance(
        &self,
        run: &DampedRun<'_, X>,
        interval: Interval,
        z: PhaseState<X>,
    ) -> PhaseState<X> {
        let h = interval.length();
        let flow = |z: &PhaseState<X>, t| run.process().flow(z, &run.score(z, t));
        let first = flow(&z, interval.from);
        let second = flow(&z.clone().axpy(-h, &first), interval.to);
        z.axpy(-0.5 * h, &first).axpy(-0.5 * h, &second)
    }
}
