//! Euler-Maruyama for the reverse-time SDE of pairs.

use sde_core::State;
use sde_core::damped::PhaseState;
use sde_core::noise::Role;

use super::{DampedRun, DampedStep};
use crate::{Interval, Order, Scheme, SolverInfo};

/// Euler-Maruyama on the reverse-time SDE (Dockhorn, Vahdat & Kreis 2022, section 3.3). With h = t_i − t_{i+1},
/// s = ∇_v log p_{t_i}(x_i, v_i) and z standard normal:
///
/// ```text
/// x_{i+1} = x_i − h β M⁻¹ v_i
/// v_{i+1} = v_i + h (β x_i + Γβ M⁻¹ v_i + 2Γβ s) + √(2Γβ h) z_i
/// ```
///
/// Only the velocity's half of the draw is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DampedEulerMaruyama;

impl Scheme for DampedEulerMaruyama {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "damped-euler-maruyama",
            order: Order::Sde {
                strong: 1.0,
                weak: 1.0,
            },
            stochastic: true,
            nfe_per_step: 1,
        }
    }
}

impl<X: State> DampedStep<X> for DampedEulerMaruyama {
    fn advance(
        &self,
        run: &DampedRun<'_, X>,
        interval: Interval,
        z: PhaseState<X>,
    ) -> PhaseState<X> {
        let h = interval.length();
        let drift = run
            .process()
            .reverse_drift(&z, &run.score(&z, interval.from));
        let noise = run.noise(&z, interval.index, Role::Diffusion);
        let PhaseState { position, velocity } = z.axpy(-h, &drift);
        PhaseState {
            position,
            velocity: velocity.axpy(run.process().diffusion() * h.sqrt(), &noise.velocity),
        }
    }
}
