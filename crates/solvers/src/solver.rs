//! What a solver is: its interface, what it solves, what comes out, what can go wrong.

use std::fmt;

use sde_core::noise::Noise;
use sde_core::{AffineSde, Score, State, StepIndex, Time};
use thiserror::Error;

use crate::editing::{EditError, Replacement};
use crate::{Observer, TimeGrid};

/// The order of convergence in the largest step of a smooth grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    /// Of an ODE: the global error falls as hᵖ.
    Ode(u32),
    /// Of an SDE with additive noise.
    Sde {
        /// Of E‖x − x_h‖ on one Brownian path.
        strong: f64,
        /// Of |E φ(x) − E φ(x_h)| for smooth φ.
        weak: f64,
    },
    /// None is known, or the scheme is no integrator.
    None,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ode(order) => write!(f, "order {order}"),
            Self::Sde { strong, weak } => write!(f, "strong order {strong}, weak order {weak}"),
            Self::None => f.write_str("no order"),
        }
    }
}

/// What a solver says about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SolverInfo {
    /// Its name in configuration files, in kebab case.
    pub name: &'static str,
    /// Its order of convergence, asserted by test.
    pub order: Order,
    /// Whether it draws noise after the prior.
    pub stochastic: bool,
    /// Score evaluations of one step; the last step of [`LastStep::Denoise`](crate::LastStep::Denoise)
    /// takes one, and a corrector's before it.
    pub nfe_per_step: usize,
}

/// What is true of a solver whatever its states are made of.
pub trait Scheme: fmt::Debug + Send + Sync {
    /// Its name, order and cost.
    fn info(&self) -> SolverInfo;

    /// Checks its parameters; [`Solver::solve`] does so before it starts.
    ///
    /// # Errors
    /// Names the first parameter that the solver cannot work with.
    fn validate(&self) -> Result<(), ParameterError> {
        Ok(())
    }

    /// Whether it takes the variance of its steps from the score, which then has to be one with a
    /// [`LearnedVariance`](sde_core::LearnedVariance).
    fn takes_learned_variance(&self) -> bool {
        false
    }
}

/// An integrator of reverse processes on states `X`.
///
/// Every [`Step`](crate::Step) is one, through the engine; implement this trait by hand for a solver
/// that chooses its own times.
pub trait Solver<X: State>: Scheme {
    /// Takes `x`, shape `[batch, ...]`, from the first time of `grid` to its last, and from there to
    /// a sample.
    ///
    /// `x` must be distributed as p_t at the first time: [`sample_prior`](crate::sample_prior) at T.
    ///
    /// # Errors
    /// [`SolveError`]: a parameter out of range, an empty state, a grid that the process does not
    /// cover, an observer's stop, a state that is not finite.
    ///
    /// # Panics
    /// If the score returns another shape than x's.
    fn solve(
        &self,
        problem: &Problem<'_, X>,
        grid: &TimeGrid,
        x: X,
        noise: &dyn Noise<X>,
        observer: &mut dyn Observer<X>,
    ) -> Result<Solution<X>, SolveError>;
}

/// When to look for states that are not finite. Looking synchronises with the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FiniteCheck {
    /// Once, on the sample.
    #[default]
    AtEnd,
    /// On every state: it tells the step at which a run went wrong.
    EachStep,
}

/// What is to be solved: a process and the score of its marginals.
#[derive(Clone, Copy)]
pub struct Problem<'a, X> {
    /// The forward process.
    pub sde: &'a dyn AffineSde,
    /// ∇ₓ log pₜ(x), exact or learned.
    pub score: &'a dyn Score<X>,
    /// When states are checked.
    pub finite_check: FiniteCheck,
    /// What the run is held to, if anything: inpainting and its like, for stepwise solvers.
    pub replacement: Option<Replacement<'a, X>>,
}

impl<'a, X> Problem<'a, X> {
    /// The reversal of `sde` under `score`; the sample is checked to be finite.
    pub fn new(sde: &'a dyn AffineSde, score: &'a dyn Score<X>) -> Self {
        Self {
            sde,
            score,
            finite_check: FiniteCheck::AtEnd,
            replacement: None,
        }
    }

    /// The same problem held to something known, see [`Replacement`].
    #[must_use]
    pub fn holding(self, replacement: Replacement<'a, X>) -> Self {
        Self {
            replacement: Some(replacement),
            ..self
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

/// What a run yields.
#[derive(Clone, Debug)]
pub struct Solution<X> {
    /// The samples, shape `[batch, ...]`.
    pub x: X,
    /// The number of score evaluations, counted.
    pub nfe: usize,
}

/// A parameter that a solver cannot work with.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("solver `{solver}`: {field} = {value} is not possible: {reason}")]
pub struct ParameterError {
    /// The solver's name.
    pub solver: &'static str,
    /// The field that is wrong.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub reason: &'static str,
}

/// Why a run ended without samples.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SolveError {
    /// A parameter of the solver.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The starting state holds nothing.
    #[error(
        "the starting state has {batch} samples of {sample_len} elements: give at least one of each"
    )]
    Empty {
        /// The number of samples.
        batch: usize,
        /// The number of elements of one.
        sample_len: usize,
    },
    /// Positions and velocities do not belong together.
    #[error(
        "the positions are {} samples of {} elements, the velocities {} of {}: give both one shape",
        .position.0, .position.1, .velocity.0, .velocity.1
    )]
    Unpaired {
        /// Samples, and elements of one, of the positions.
        position: (usize, usize),
        /// Those of the velocities.
        velocity: (usize, usize),
    },
    /// Two states between which there is nothing.
    #[error(
        "{} samples of {} elements and {} of {} cannot be interpolated: give both one shape",
        .first.0, .first.1, .second.0, .second.1
    )]
    Interpolation {
        /// Samples, and elements of one, of the first.
        first: (usize, usize),
        /// Those of the second.
        second: (usize, usize),
    },
    /// The grid was built for another process.
    #[error(
        "the grid runs from t = {} to {}, but `{family}` can be reversed on (0, {}] only: build the \
         grid from the process that is solved", .start.0, .end.0, .t_max.0
    )]
    GridOutsideProcess {
        /// The process.
        family: &'static str,
        /// The grid's first time.
        start: Time,
        /// The grid's last time.
        end: Time,
        /// The end of the process.
        t_max: Time,
    },
    /// The score cannot say what the solver asks it.
    #[error(
        "solver `{solver}`: variance = learned, but this score has no learned variance: an exact score has \
         none, a network has one if it was trained with it; use variance = small or large"
    )]
    NoLearnedVariance {
        /// The solver.
        solver: &'static str,
    },
    /// What is known does not fit the run.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The solver does not stop where the known part could be replaced.
    #[error(
        "solver `{solver}` chooses its own steps, so the known part of its states cannot be replaced at those of \
         the grid: take a solver that walks the grid, or reconstruction guidance, which any solver takes"
    )]
    NotStepwise {
        /// The solver.
        solver: &'static str,
    },
    /// The observer said so.
    #[error("stopped by the observer after {} steps, at t = {}", .step.0, .time.0)]
    Stopped {
        /// The number of steps done.
        step: StepIndex,
        /// The time of the state it saw.
        time: Time,
    },
    /// A state holds an infinity or a NaN.
    #[error(
        "the state is not finite after {} steps, at t = {}: look at the score there, or take more \
         steps (checking each step tells where it began)", .step.0, .time.0
    )]
    NotFinite {
        /// The number of steps done when it was found.
        step: StepIndex,
        /// The time of the state.
        time: Time,
    },
    /// Two times of a flow that are no times.
    #[error(transparent)]
    Grid(#[from] crate::GridError),
    /// A sample holds an infinity or a NaN, and so does every step from it, however short.
    #[error(
        "sample {sample} is not finite at t = {}, however short the step: look at the score there",
        .time.0
    )]
    SampleNotFinite {
        /// Its place in the batch.
        sample: usize,
        /// The last time at which it was finite.
        time: Time,
    },
    /// A sample does not arrive.
    #[error(
        "solver `{solver}`: sample {sample} is at t = {} after {max_steps} steps with an absolute          tolerance of {absolute:e} and a relative one of {relative:e}: allow larger errors, or raise          `max_steps`", .time.0
    )]
    TooManySteps {
        /// The solver.
        solver: &'static str,
        /// Its place in the batch.
        sample: usize,
        /// Where it stands.
        time: Time,
        /// The steps it was allowed.
        max_steps: usize,
        /// The absolute tolerance.
        absolute: f64,
        /// The relative tolerance.
        relative: f64,
    },
    /// No step is short enough for the tolerance: it is below rounding, or the score jumps.
    #[error(
        "solver `{solver}`: at t = {} no step of sample {sample} is short enough for an absolute          tolerance of {absolute:e} and a relative one of {relative:e}: allow larger errors than          rounding's, or look whether the score jumps there", .time.0
    )]
    StepTooSmall {
        /// The solver.
        solver: &'static str,
        /// Its place in the batch.
        sample: usize,
        /// Where it stands.
        time: Time,
        /// The absolute tolerance.
        absolute: f64,
        /// The relative tolerance.
        relative: f64,
    },
}
