//! The walk over a time grid that all solvers share.
//!
//! A solver of this crate is one [`Step`]; the engine calls it for every interval, applies the last
//! step, counts evaluations, reports to the observer and looks for states that are not finite.

use std::cell::Cell;

use sde_core::noise::{Noise, Role};
use sde_core::{AffineSde, CountedScore, Score, State, StepIndex, Time};

use crate::editing::{Move, Replacement, Resampling};
use crate::last_step::{can_end_at, posterior_mean};
use crate::{
    FiniteCheck, LastStep, Observer, Problem, Progress, Scheme, Solution, SolveError, Solver,
    TimeGrid, Transition,
};

/// One interval of the grid, walked from `from` down to `to` < `from`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its index, counted from 0 at the noise.
    pub index: StepIndex,
    /// t_i.
    pub from: Time,
    /// t_{i+1}.
    pub to: Time,
}

impl Interval {
    /// h = t_i − t_{i+1} > 0.
    #[must_use]
    pub fn length(self) -> f64 {
        self.from.0 - self.to.0
    }
}

/// What a step may use of the run it belongs to.
pub struct Run<'a, X> {
    sde: &'a dyn AffineSde,
    score: CountedScore<'a, X>,
    noise: &'a dyn Noise<X>,
    grid: &'a TimeGrid,
    /// How often the steps that are taken were taken before.
    pass: Cell<usize>,
}

/// The draws of a step that is taken again are those of a step so much later; no grid is as long.
const PASS: usize = 1 << 24;

impl<X: State> Run<'_, X> {
    /// The forward process.
    #[must_use]
    pub fn sde(&self) -> &dyn AffineSde {
        self.sde
    }

    /// The times of the run.
    #[must_use]
    pub fn grid(&self) -> &TimeGrid {
        self.grid
    }

    /// s(x, t); it counts as one evaluation.
    pub fn score(&self, x: &X, t: Time) -> X {
        self.score.score(x, t)
    }

    /// Standard normal noise of `like`'s shape.
    pub fn noise(&self, like: &X, step: StepIndex, role: Role) -> X {
        let step = self.numbered(step.0);
        self.noise.standard_normal(like, step, role)
    }

    /// The number under which this pass draws noise at `step`.
    fn numbered(&self, step: usize) -> StepIndex {
        StepIndex(step.wrapping_add(self.pass.get().wrapping_mul(PASS)))
    }

    /// x at place `place` of the grid, held to what is known.
    fn held(&self, replacement: Option<&Replacement<'_, X>>, place: usize, x: X) -> X {
        match replacement {
            None => x,
            Some(known) => {
                let (t, step) = (self.grid.times()[place], self.numbered(place));
                known.hold(self.sde, x, t, step, self.noise)
            }
        }
    }

    /// Tweedie's E[x₀ | x_t = x], for one evaluation.
    pub fn posterior_mean(&self, x: &X, t: Time) -> X {
        posterior_mean(self.sde, t, x, self.score(x, t))
    }

    /// The same and the learned v of each element, for one evaluation together.
    ///
    /// # Panics
    /// If the score has no learned variance: whoever asks [takes one](Scheme::takes_learned_variance), and
    /// the engine lets no run of it begin without.
    pub fn posterior_mean_and_variance(&self, x: &X, t: Time) -> (X, X) {
        let (score, v) = (self.score.score_and_variance(x, t))
            .expect("the engine refuses scores without a learned variance");
        (posterior_mean(self.sde, t, x, score), v)
    }
}

/// A solver that takes one [`Step`] an interval of the grid, for states of any kind.
///
/// It has no method. It tells the compiler which solvers the engine walks, so that others can implement
/// [`Solver`] by hand.
pub trait Stepwise: Scheme {}

/// One step of a fixed-grid solver, which the engine makes a [`Solver`].
///
/// A step must treat every sample of the batch by itself, and draw noise from [`Run::noise`] only.
pub trait Step<X: State>: Stepwise {
    /// What the solver keeps from one step to the next within a run, such as earlier predictions of a
    /// multistep method; `()` where a step needs the state alone.
    type Memory: Default;

    /// What the solver does at the grid's first time, before the first interval; nothing by default.
    fn begin(&self, _run: &Run<'_, X>, _t: Time, x: X, _memory: &mut Self::Memory) -> X {
        x
    }

    /// From x at `interval.from` to the state at `interval.to`.
    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, memory: &mut Self::Memory) -> X;

    /// The last of [`LastStep::Denoise`], step number `index`: from x at the grid's last time to a
    /// sample. The posterior mean by default.
    fn denoise(
        &self,
        run: &Run<'_, X>,
        _index: StepIndex,
        t: Time,
        x: X,
        _memory: &mut Self::Memory,
    ) -> X {
        run.posterior_mean(&x, t)
    }
}

impl<X: State, S: Step<X>> Solver<X> for S {
    fn solve(
        &self,
        problem: &Problem<'_, X>,
        grid: &TimeGrid,
        mut x: X,
        noise: &dyn Noise<X>,
        observer: &mut dyn Observer<X>,
    ) -> Result<Solution<X>, SolveError> {
        self.validate()?;
        check_state(&x)?;
        check_grid(problem.sde, grid)?;
        if self.takes_learned_variance() && problem.score.with_learned_variance().is_none() {
            let solver = self.info().name;
            return Err(SolveError::NoLearnedVariance { solver });
        }
        let run = Run {
            sde: problem.sde,
            score: CountedScore::new(problem.score),
            noise,
            grid,
            pass: Cell::new(0),
        };
        let replacement = problem.replacement.as_ref();
        let resampling = replacement.map_or(Resampling::default(), Replacement::resampling);
        if let Some(known) = replacement {
            known.check(&x)?;
        }
        let moves = resampling.moves(grid.times().len() - 1);
        let walked = moves.iter().filter(|m| matches!(m, Move::Down { .. }));
        let steps = walked.count() + usize::from(grid.last_step() == LastStep::Denoise);
        let mut report = |step: usize, time: Time, x: &X| {
            let (step, nfe) = (StepIndex(step), run.score.evaluations());
            let progress = Progress {
                step,
                steps,
                time,
                x,
                nfe,
            };
            check_and_observe(problem.finite_check, observer, progress)
        };

        let mut memory = S::Memory::default();
        x = self.begin(&run, grid.start(), x, &mut memory);
        x = run.held(replacement, 0, x);
        report(0, grid.start(), &x)?;
        let between = |place: usize, from: usize, to: usize| Interval {
            index: StepIndex(place),
            from: grid.times()[from],
            to: grid.times()[to],
        };
        let mut done = 0;
        for step in moves {
            match step {
                Move::Down { interval, pass } => {
                    run.pass.set(pass);
                    let ends = between(interval, interval, interval + 1);
                    x = self.advance(&run, ends, x, &mut memory);
                    x = run.held(replacement, interval + 1, x);
                    done += 1;
                    report(done, ends.to, &x)?;
                }
                Move::Up { from, to, pass } => {
                    run.pass.set(pass);
                    memory = S::Memory::default();
                    let transition = Transition::new(run.sde, between(to, to, from));
                    x = Replacement::noised(transition, x, run.numbered(to), noise);
                }
            }
        }
        if grid.last_step() == LastStep::Denoise {
            run.pass.set(0);
            let index = StepIndex(grid.steps() - 1);
            x = self.denoise(&run, index, grid.end(), x, &mut memory);
            if let Some(known) = replacement {
                x = known.hold_sample(x);
            }
            report(steps, Time(0.0), &x)?;
        }

        let nfe = run.score.evaluations();
        let (solver, family) = (self.info().name, problem.sde.name());
        tracing::debug!(solver, family, steps, nfe, batch = x.batch(), "solved");
        Ok(Solution { x, nfe })
    }
}

/// Looks whether a state is finite, if it is to be looked at, and shows it to the observer.
pub(crate) fn check_and_observe<X: State>(
    check: FiniteCheck,
    observer: &mut dyn Observer<X>,
    progress: Progress<'_, X>,
) -> Result<(), SolveError> {
    let (step, time) = (progress.step, progress.time);
    let look = check == FiniteCheck::EachStep || step.0 == progress.steps;
    if look && !progress.x.is_finite() {
        return Err(SolveError::NotFinite { step, time });
    }
    if observer.observe(progress).is_break() {
        return Err(SolveError::Stopped { step, time });
    }
    Ok(())
}

/// Refuses to be held to what is known, for solvers that do not walk the grid.
pub(crate) fn check_free<X>(
    problem: &Problem<'_, X>,
    solver: &'static str,
) -> Result<(), SolveError> {
    match problem.replacement {
        Some(_) => Err(SolveError::NotStepwise { solver }),
        None => Ok(()),
    }
}

pub(crate) fn check_state<X: State>(x: &X) -> Result<(), SolveError> {
    let (batch, sample_len) = (x.batch(), x.sample_len());
    if batch == 0 || sample_len == 0 {
        return Err(SolveError::Empty { batch, sample_len });
    }
    Ok(())
}

pub(crate) fn check_grid(sde: &dyn AffineSde, grid: &TimeGrid) -> Result<(), SolveError> {
    let (start, end, t_max) = (grid.start(), grid.end(), sde.t_max());
    if start > t_max || !can_end_at(sde, end) {
        let family = sde.name();
        return Err(SolveError::GridOutsideProcess {
            family,
            start,
            end,
            t_max,
        });
    }
    Ok(())
}
