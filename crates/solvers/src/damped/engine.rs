//! The walk over a time grid that the solvers of pairs share: [`crate::engine`]'s, for another process.

use sde_core::damped::{CountedVelocityScore, DampedLangevin, PhaseState, VelocityScore};
use sde_core::noise::{Noise, Role};
use sde_core::{State, StepIndex, Time};

use super::{DampedProblem, DampedSolver};
use crate::last_step::denoised_pair;
use crate::{
    FiniteCheck, Interval, LastStep, Observer, Progress, Scheme, Solution, SolveError, TimeGrid,
};

/// What a step may use of the run it belongs to.
pub struct DampedRun<'a, X> {
    process: DampedLangevin,
    score: CountedVelocityScore<'a, X>,
    noise: &'a dyn Noise<PhaseState<X>>,
}

impl<X: State> DampedRun<'_, X> {
    /// The forward process.
    #[must_use]
    pub fn process(&self) -> &DampedLangevin {
        &self.process
    }

    /// ∇_v log p_t(x, v); it counts as one evaluation.
    pub fn score(&self, z: &PhaseState<X>, t: Time) -> X {
        self.score.velocity_score(z, t)
    }

    /// Standard normal noise for the position and the velocity.
    pub fn noise(&self, like: &PhaseState<X>, step: StepIndex, role: Role) -> PhaseState<X> {
        self.noise.standard_normal(like, step, role)
    }
}

/// One step of a fixed-grid solver of pairs, which the engine makes a [`DampedSolver`].
///
/// A step must treat every sample of the batch by itself, and draw noise from [`DampedRun::noise`] only.
pub trait DampedStep<X: State>: Scheme {
    /// From z at `interval.from` to the state at `interval.to`.
    fn advance(
        &self,
        run: &DampedRun<'_, X>,
        interval: Interval,
        z: PhaseState<X>,
    ) -> PhaseState<X>;
}

impl<X: State, S: DampedStep<X>> DampedSolver<X> for S {
    fn solve(
        &self,
        problem: &DampedProblem<'_, X>,
        grid: &TimeGrid,
        mut z: PhaseState<X>,
        noise: &dyn Noise<PhaseState<X>>,
        observer: &mut dyn Observer<PhaseState<X>>,
    ) -> Result<Solution<PhaseState<X>>, SolveError> {
        self.validate()?;
        check_state(&z)?;
        check_grid(&problem.process, grid)?;
        let run = DampedRun {
            process: problem.process,
            score: CountedVelocityScore::new(problem.score),
            noise,
        };
        let steps = grid.steps();
        let mut report = |step: usize, time: Time, z: &PhaseState<X>| {
            let (step, nfe) = (StepIndex(step), run.score.evaluations());
            let look = problem.finite_check == FiniteCheck::EachStep || step.0 == steps;
            if look && !z.is_finite() {
                return Err(SolveError::NotFinite { step, time });
            }
            let progress = Progress {
                step,
                steps,
                time,
                x: z,
                nfe,
            };
            if observer.observe(progress).is_break() {
                return Err(SolveError::Stopped { step, time });
            }
            Ok(())
        };

        report(0, grid.start(), &z)?;
        for (i, ends) in grid.times().windows(2).enumerate() {
            let interval = Interval {
                index: StepIndex(i),
                from: ends[0],
                to: ends[1],
            };
            z = self.advance(&run, interval, z);
            report(i + 1, interval.to, &z)?;
        }
        if grid.last_step() == LastStep::Denoise {
            let s = run.score(&z, grid.end());
            z = denoised_pair(run.process(), grid.end(), z, &s);
            report(steps, Time(0.0), &z)?;
        }

        let nfe = run.score.evaluations();
        let (solver, family) = (self.info().name, DampedLangevin::NAME);
        tracing::debug!(solver, family, steps, nfe, batch = z.batch(), "solved");
        Ok(Solution { x: z, nfe })
    }
}

fn check_state<X: State>(z: &PhaseState<X>) -> Result<(), SolveError> {
    let size = |x: &X| (x.batch(), x.sample_len());
    let ((batch, sample_len), velocity) = (size(&z.position), size(&z.velocity));
    if batch == 0 || sample_len == 0 {
        return Err(SolveError::Empty { batch, sample_len });
    }
    if !z.is_paired() {
        let position = (batch, sample_len);
        return Err(SolveError::Unpaired { position, velocity });
    }
    Ok(())
}

fn check_grid(process: &DampedLangevin, grid: &TimeGrid) -> Result<(), SolveError> {
    let (start, end, t_max) = (grid.start(), grid.end(), process.t_max());
    if start > t_max || end.0 <= 0.0 {
        let family = DampedLangevin::NAME;
        return Err(SolveError::GridOutsideProcess {
            family,
            start,
            end,
            t_max,
        });
    }
    Ok(())
}
