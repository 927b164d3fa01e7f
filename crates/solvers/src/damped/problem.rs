//! What is solved, and by what.

use sde_core::damped::{DampedLangevin, PhaseState, VelocityScore};
use sde_core::noise::{Noise, Role};
use sde_core::{State, StepIndex};

use crate::{FiniteCheck, Observer, Scheme, Solution, SolveError, TimeGrid};

/// A process of positions and velocities, and the score of its velocities.
#[derive(Clone, Copy)]
pub struct DampedProblem<'a, X> {
    /// The forward process.
    pub process: DampedLangevin,
    /// ∇_v log p_t(x, v), exact or learned.
    pub score: &'a dyn VelocityScore<X>,
    /// When states are checked.
    pub finite_check: FiniteCheck,
}

impl<'a, X> DampedProblem<'a, X> {
    /// The reversal of `process` under `score`; the sample is checked to be finite.
    pub fn new(process: DampedLangevin, score: &'a dyn VelocityScore<X>) -> Self {
        Self {
            process,
            score,
            finite_check: FiniteCheck::AtEnd,
        }
    }

    /// The same problem with another check.
    #[must_use]
    pub fn checked(self, finite_check: FiniteCheck) -> Self {
        Self {
            finite_check,
            ..self
        }
    }
}

/// An integrator of the reversals of [`DampedLangevin`] on positions and velocities `X`.
///
/// Every [`DampedStep`](super::DampedStep) is one.
pub trait DampedSolver<X: State>: Scheme {
    /// Takes `z` from the first time of `grid` to its last, and from there to a sample; the positions of
    /// the solution are the samples of the data.
    ///
    /// `z` must be distributed as p_t at the first time: [`sample_damped_prior`] at T.
    ///
    /// With [`LastStep::Denoise`](crate::LastStep::Denoise) the step from t_min to 0 is one step of
    /// Euler-Maruyama without its noise, positions and velocities both, as in the authors' code; with
    /// [`LastStep::Plain`](crate::LastStep::Plain) the run ends at t_min.
    ///
    /// # Errors
    /// [`SolveError`]: a parameter out of range, an empty state, positions without velocities, a grid
    /// that the process does not cover, an observer's stop, a state that is not finite.
    ///
    /// # Panics
    /// If the score returns another shape than v's.
    fn solve(
        &self,
        problem: &DampedProblem<'_, X>,
        grid: &TimeGrid,
        z: PhaseState<X>,
        noise: &dyn Noise<PhaseState<X>>,
        observer: &mut dyn Observer<PhaseState<X>>,
    ) -> Result<Solution<PhaseState<X>>, SolveError>;
}

/// (x_T, v_T) from the prior N(0, I) × N(0, M I) of `process`, both of `like`'s shape, type and device.
pub fn sample_damped_prior<X: State>(
    process: &DampedLangevin,
    like: &X,
    noise: &dyn Noise<PhaseState<X>>,
) -> PhaseState<X> {
    let like = PhaseState {
        position: like.clone(),
        velocity: like.clone(),
    };
    let PhaseState { position, velocity } = noise.standard_normal(&like, StepIndex(0), Role::Prior);
    let (of_position, of_velocity) = process.prior();
    PhaseState {
        position: position.scale(of_position.std),
        velocity: velocity.scale(of_velocity.std),
    }
}
