//! The symmetric splitting sampler of critically damped Langevin diffusion.

use sde_core::damped::PhaseState;
use sde_core::noise::Role;
use sde_core::{State, StepIndex, Time};
use serde::{Deserialize, Serialize};

use super::{DampedRun, DampedStep};
use crate::{Interval, Order, Scheme, SolverInfo};

/// How SSCS takes the part of the reverse SDE that has the score in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreStep {
    /// One Euler step with the score at t_i, as in the authors' code. The splitting is symmetric, but
    /// this step is of order 1, and so is the whole.
    #[default]
    Euler,
    /// The midpoint rule with the score at (t_i + t_{i+1})/2, for two evaluations: weak order 2. Not in
    /// the paper.
    Midpoint,
}

/// SSCS, the symmetric splitting CLD sampler (Dockhorn, Vahdat & Kreis 2022, section 3.3).
///
/// The reverse-time SDE is split in two. A is the diffusion without data, a linear process whose steps
/// are drawn exactly; S is the force of what the data add to it, which moves the velocity alone:
///
/// ```text
/// A:  dx = −β M⁻¹ v ds     dv = (β x − Γβ M⁻¹ v) ds + √(2Γβ) dw        s = T − t
/// S:  dv = 2Γβ (∇_v log p_t(x, v) + M⁻¹ v) ds
/// ```
///
/// One step of length h is A for h/2, S for h, A for h/2. Near T, where the data add little, A is nearly
/// the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Sscs {
    /// How S is taken; by Euler as published.
    pub score_step: ScoreStep,
}

impl Sscs {
    /// The same splitting with S to second order.
    #[must_use]
    pub fn midpoint() -> Self {
        Self {
            score_step: ScoreStep::Midpoint,
        }
    }
}

impl Scheme for Sscs {
    fn info(&self) -> SolverInfo {
        let (weak, nfe_per_step) = match self.score_step {
            ScoreStep::Euler => (1.0, 1),
            ScoreStep::Midpoint => (2.0, 2),
        };
        SolverInfo {
            name: "sscs",
            order: Order::Sde { strong: 1.0, weak },
            stochastic: true,
            nfe_per_step,
        }
    }
}

/// v + h 2Γβ (s(z, t) + M⁻¹ v), where s and the v in brackets are those of `at`.
fn kicked<X: State>(run: &DampedRun<'_, X>, velocity: X, at: &PhaseState<X>, t: Time, h: f64) -> X {
    let process = run.process();
    let force = 2.0 * process.friction() * process.beta * h;
    velocity
        .axpy(force, &run.score(at, t))
        .axpy(force * process.inverse_mass, &at.velocity)
}

impl<X: State> DampedStep<X> for Sscs {
    fn advance(
        &self,
        run: &DampedRun<'_, X>,
        interval: Interval,
        z: PhaseState<X>,
    ) -> PhaseState<X> {
        let h = interval.length();
        let half = run.process().backward_transition(Time(0.5 * h));
        // Two draws a step, numbered through the run.
        let drift = |z: PhaseState<X>, part: usize| {
            let step = StepIndex(2 * interval.index.0 + part);
            half.sample(&z, &run.noise(&z, step, Role::Diffusion))
        };
        let mut z = drift(z, 0);
        z.velocity = match self.score_step {
            ScoreStep::Euler => kicked(run, z.velocity.clone(), &z, interval.from, h),
            ScoreStep::Midpoint => {
                let middle = Time(interval.from.0 - 0.5 * h);
                let ahead = PhaseState {
                    position: z.position.clone(),
                    velocity: kicked(run, z.velocity.clone(), &z, middle, 0.5 * h),
                };
                kicked(run, z.velocity.clone(), &ahead, middle, h)
            }
        };
        drift(z, 1)
    }
}
