//! Dormand & Prince's embedded Runge-Kutta method on the probability flow, under error control.

use std::ops::ControlFlow;

use sde_core::noise::Noise;
use sde_core::{CountedScore, State, StepIndex, Time};
use serde::{Deserialize, Serialize};

use super::dense::Dense;
use super::walk::{Cause, Controlled, Failure, Taken};
use super::{Augmented, SampleCost, StepControl};
use crate::engine::{check_and_observe, check_free, check_grid, check_state};
use crate::flow_variable::{FlowPoint, FlowVariable, slope, unscaled};
use crate::last_step::posterior_mean;
use crate::solver::ParameterError;
use crate::tableau::DORMAND_PRINCE;
use crate::{
    LastStep, Observer, Order, Problem, Progress, Scheme, Solution, SolveError, Solver, SolverInfo,
    TimeGrid,
};

/// The probability flow by Dormand & Prince 1980, order 5(4), each sample with steps of its own: the
/// "RK45" of Song et al. 2021 (section 4.3), whose one step for the whole batch would let a sample's
/// result depend on its neighbours.
///
/// A step is accepted if √mean((e/(atol + rtol · max(|y|, |y′|)))²) ≤ 1 over the elements of the sample,
/// e being the error that the embedded method shows, and the solution of order 5 goes on. All samples
/// on their way are evaluated in one batch, 6 evaluations a step.
///
/// Of the grid only the first and the last time matter to the samples; an observer sees the times
/// between as it does with every solver, by interpolation within the steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rk45 {
    /// The relative tolerance; 1e-5 as published.
    pub rtol: f64,
    /// The absolute tolerance, in units of the state y of `variable`; 1e-5 as published.
    pub atol: f64,
    /// The most steps that a sample may try; 10000.
    pub max_steps: usize,
    /// What it steps in. The angle by default, in which every family takes the same evaluations for an
    /// error, a third to all of those in t, where Song et al. step.
    pub variable: FlowVariable,
    /// How steps are chosen.
    pub control: StepControl,
}

impl Default for Rk45 {
    fn default() -> Self {
        Self {
            rtol: 1e-5,
            atol: 1e-5,
            max_steps: 10_000,
            variable: FlowVariable::Angle,
            control: StepControl::default(),
        }
    }
}

/// Where a flow took a batch, and what it cost.
#[derive(Clone, Debug)]
pub struct Transported<X> {
    /// The states at the end, shape `[batch, ...]`.
    pub x: X,
    /// Evaluations of a batch of scores, counted.
    pub nfe: usize,
    /// What each sample cost; a batch goes on until its slowest sample is there.
    pub costs: Vec<SampleCost>,
}

impl Rk45 {
    /// The solver with both tolerances `tolerance`.
    #[must_use]
    pub fn with_tolerance(tolerance: f64) -> Self {
        Self {
            rtol: tolerance,
            atol: tolerance,
            ..Self::default()
        }
    }

    /// Takes `x` along the probability flow from the time `from` to `to`, in either direction: data to
    /// noise as well as noise to data. There is no last step.
    ///
    /// # Errors
    /// As [`Solver::solve`]; both times must be of the process, and have noise.
    ///
    /// # Panics
    /// If the score returns another shape than x's.
    pub fn transport<X: State>(
        &self,
        problem: &Problem<'_, X>,
        x: X,
        from: Time,
        to: Time,
    ) -> Result<Transported<X>, SolveError> {
        self.validate()?;
        check_free(problem, "rk45")?;
        check_state(&x)?;
        let (start, end) = if from > to { (from, to) } else { (to, from) };
        let times = vec![start, end];
        // Two equal times make no grid, and ask for nothing to be done.
        if start != end {
            check_grid(problem.sde, &TimeGrid::from_times(times, LastStep::Plain)?)?;
        }
        let counted = CountedScore::new(problem.score);
        let costs = vec![SampleCost::default(); x.batch()];
        let (x, costs) = if start == end {
            (x, costs)
        } else {
            let ends = (from, to);
            self.flow(problem, &counted, x, ends, &mut |_| {
                ControlFlow::Continue(())
            })?
        };
        let nfe = counted.evaluations();
        Ok(Transported { x, nfe, costs })
    }

    /// [`Solver::solve`], with what each sample cost beside the solution.
    ///
    /// # Errors
    /// As [`Solver::solve`].
    ///
    /// # Panics
    /// If the score returns another shape than x's.
    pub fn solve_with_costs<X: State>(
        &self,
        problem: &Problem<'_, X>,
        grid: &TimeGrid,
        x: X,
        observer: &mut dyn Observer<X>,
    ) -> Result<(Solution<X>, Vec<SampleCost>), SolveError> {
        self.validate()?;
        check_free(problem, "rk45")?;
        check_state(&x)?;
        check_grid(problem.sde, grid)?;
        let score = CountedScore::new(problem.score);
        let steps = grid.steps();
        let mut report = |step: usize, time: Time, x: &X| {
            let (step, nfe) = (StepIndex(step), score.evaluations());
            let progress = Progress {
                step,
                steps,
                time,
                x,
                nfe,
            };
            check_and_observe(problem.finite_check, observer, progress)
        };

        report(0, grid.start(), &x)?;
        let mut x = x;
        let mut costs = vec![SampleCost::default(); x.batch()];
        let times = grid.times();
        if times.len() > 1 {
            let inner = &times[1..times.len() - 1];
            let u = |&t: &Time| self.variable.value(problem.sde, t);
            let places: Vec<f64> = inner.iter().map(u).collect();
            let mut dense = Dense::new(&DORMAND_PRINCE, places.clone(), x.batch());
            let mut stop = None;
            let flown = self.flow(
                problem,
                &score,
                x,
                (grid.start(), grid.end()),
                &mut |step| {
                    dense.collect(&step);
                    while let Some((i, y)) = dense.next_ready() {
                        let x = self.variable.rescaled(problem.sde, places[i], y, true);
                        if let Err(error) = report(i + 1, inner[i], &x) {
                            stop = Some(error);
                            return ControlFlow::Break(());
                        }
                    }
                    ControlFlow::Continue(())
                },
            );
            (x, costs) = match (flown, stop) {
                (_, Some(error)) => return Err(error),
                (flown, None) => flown?,
            };
            report(times.len() - 1, grid.end(), &x)?;
        }
        if grid.last_step() == LastStep::Denoise {
            let s = sde_core::Score::score(&score, &x, grid.end());
            x = posterior_mean(problem.sde, grid.end(), &x, s);
            for cost in &mut costs {
                cost.evaluations += 1;
            }
            report(steps, Time(0.0), &x)?;
        }
        let nfe = score.evaluations();
        let (solver, family) = (self.info().name, problem.sde.name());
        tracing::debug!(solver, family, nfe, batch = x.batch(), "solved");
        Ok((Solution { x, nfe }, costs))
    }

    /// x at the second time, from x at the first.
    fn flow<X: State>(
        &self,
        problem: &Problem<'_, X>,
        score: &CountedScore<'_, X>,
        x: X,
        (from, to): (Time, Time),
        taken: &mut dyn FnMut(Taken<'_, X>) -> ControlFlow<()>,
    ) -> Result<(X, Vec<SampleCost>), SolveError> {
        let (sde, variable) = (problem.sde, self.variable);
        let [start, end] = [from, to].map(|t| variable.value(sde, t));
        let y = Augmented::plain(variable.rescaled(sde, start, x, false));
        let mut flow = |y: &X, us: &[f64], _: &[usize]| {
            let points: Vec<FlowPoint> = us.iter().map(|&u| variable.point(sde, u)).collect();
            let times: Vec<Time> = points.iter().map(|point| point.time).collect();
            let s = sde_core::Score::score_each(score, &unscaled(y, &points), &times);
            Augmented::plain(slope(y, s, &points))
        };
        let (y, costs) = (self.controlled())
            .walk(y, (start, end), &mut flow, taken)
            .map_err(|failure| self.error(failure, variable.time(sde, failure.u)))?;
        Ok((variable.rescaled(sde, end, y.y, true), costs))
    }

    /// The method with its tolerances.
    pub(crate) fn controlled(&self) -> Controlled {
        Controlled {
            tableau: &DORMAND_PRINCE,
            control: self.control,
            rtol: self.rtol,
            atol: self.atol,
            max_steps: self.max_steps,
        }
    }

    /// What to tell of a failure at `time`.
    pub(crate) fn error(&self, failure: Failure, time: Time) -> SolveError {
        let (sample, solver) = (failure.sample, "rk45");
        let (absolute, relative) = (self.atol, self.rtol);
        match failure.cause {
            Cause::NotFinite => SolveError::SampleNotFinite { sample, time },
            Cause::TooManySteps => SolveError::TooManySteps {
                solver,
                sample,
                time,
                max_steps: self.max_steps,
                absolute,
                relative,
            },
            Cause::StepTooSmall => SolveError::StepTooSmall {
                solver,
                sample,
                time,
                absolute,
                relative,
            },
            Cause::Stopped => SolveError::Stopped {
                step: StepIndex(0),
                time,
            },
        }
    }
}

impl Scheme for Rk45 {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "rk45",
            order: Order::Ode(DORMAND_PRINCE.order),
            stochastic: false,
            nfe_per_step: DORMAND_PRINCE.stages(),
        }
    }

    fn validate(&self) -> Result<(), ParameterError> {
        for (field, value) in [("rtol", self.rtol), ("atol", self.atol)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(ParameterError {
                    solver: "rk45",
                    field,
                    value,
                    reason: "a tolerance must be above 0, which no step can meet; 1e-5 is usual",
                });
            }
        }
        if self.max_steps == 0 {
            return Err(ParameterError {
                solver: "rk45",
                field: "max_steps",
                value: 0.0,
                reason: "it must be 1 at least",
            });
        }
        self.control.validate("rk45")
    }
}

impl<X: State> Solver<X> for Rk45 {
    fn solve(
        &self,
        problem: &Problem<'_, X>,
        grid: &TimeGrid,
        x: X,
        _: &dyn Noise<X>,
        observer: &mut dyn Observer<X>,
    ) -> Result<Solution<X>, SolveError> {
        Ok(self.solve_with_costs(problem, grid, x, observer)?.0)
    }
}
