//! The adaptive SDE solver of Jolicoeur-Martineau et al. 2021.

mod walking;

use sde_core::noise::{Noise, Role};
use sde_core::{CountedScore, Score, State, StepIndex, Time};
use serde::{Deserialize, Serialize};

use crate::adaptive::{SampleCost, chosen};
use crate::engine::{check_and_observe, check_free, check_grid, check_state};
use crate::last_step::posterior_mean;
use crate::solver::ParameterError;
use crate::{
    LastStep, Observer, Order, Problem, Progress, Scheme, Solution, SolveError, Solver, SolverInfo,
    TimeGrid,
};
use walking::Walking;

/// Algorithm 1 of "Gotta Go Fast When Generating Data with Score-Based Models" (Jolicoeur-Martineau et
/// al. 2021) on dx = d(x, t) dt + g dw̄ with d = f − g² s: an Euler-Maruyama step is compared with the
/// stochastic improved Euler step of the same noise, and the better of the two is kept. Each sample has
/// a step h of its own:
///
/// ```text
/// x′ = x − h d(x, t) + √h g(t) z
/// x̃ = x − h d(x′, t − h) + √h g(t − h) z          x″ = ½ (x′ + x̃)
/// δ = max(ε_abs, ε_rel max(|x′|, |x′_prev|))      E = √mean(((x′ − x″)/δ)²)
/// E ≤ 1: x ← x″, t ← t − h, x′_prev ← x′          h ← min(t − t_min, θ h E^{−r})
/// ```
///
/// The noise z is that of the sample's step number, which a rejected step does not advance: it tries
/// again with the same z. Drawing another would keep the small ones and so take noise away. With the
/// same z, steps where z is large still are shorter than others, a bias that falls with the tolerance and
/// the number of dimensions.
///
/// It is made for pictures. In a few dimensions E depends on z so much, and is near 0 by chance so often,
/// that steps become far too long: the variance of one-dimensional Gaussian data under VP comes out 21 %
/// too large at the default tolerance, in 64 dimensions right to the 2 % that can be told.
///
/// No step crosses a time of the grid, so that an observer sees the states there. Give it few: their
/// number is a lower bound on that of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaptiveSde {
    /// ε_abs, in units of the state. 0.0078 is one of 256 levels of data in [−1, 1], as published for
    /// VP; for data in [0, 1] it is half.
    pub epsilon_abs: f64,
    /// ε_rel; 0.01, as in the authors' code. Up to 0.05 is published.
    pub epsilon_rel: f64,
    /// θ, the safety factor; 0.9.
    pub theta: f64,
    /// r, the exponent; 0.9. Error theory asks for ½ to 1.
    pub r: f64,
    /// The first step, as a part of the process's whole time; 0.01.
    pub h_init: f64,
    /// The most steps that a sample may try; 100000.
    pub max_steps: usize,
}

impl Default for AdaptiveSde {
    fn default() -> Self {
        Self {
            epsilon_abs: 0.0078,
            epsilon_rel: 0.01,
            theta: 0.9,
            r: 0.9,
            h_init: 0.01,
            max_steps: 100_000,
        }
    }
}

impl AdaptiveSde {
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
        noise: &dyn Noise<X>,
        observer: &mut dyn Observer<X>,
    ) -> Result<(Solution<X>, Vec<SampleCost>), SolveError> {
        self.validate()?;
        check_free(problem, "adaptive-sde")?;
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
        let batch = x.batch();
        let mut costs = vec![SampleCost::default(); batch];
        let mut walking = Walking {
            samples: (0..batch).collect(),
            previous: x.clone(),
            x,
            t: vec![grid.start().0; batch],
            h: vec![self.h_init * problem.sde.t_max().0; batch],
        };
        for (i, &to) in grid.times().iter().enumerate().skip(1) {
            walking = self.walk(problem, &score, noise, walking, to, &mut costs)?;
            report(i, to, &walking.x)?;
        }
        let mut x = walking.x;
        if grid.last_step() == LastStep::Denoise {
            let s = score.score(&x, grid.end());
            x = posterior_mean(problem.sde, grid.end(), &x, s);
            for cost in &mut costs {
                cost.evaluations += 1;
            }
            report(steps, Time(0.0), &x)?;
        }
        let nfe = score.evaluations();
        let (solver, family) = (self.info().name, problem.sde.name());
        tracing::debug!(solver, family, nfe, batch, "solved");
        Ok((Solution { x, nfe }, costs))
    }

    /// Takes all samples to `to`.
    fn walk<X: State>(
        &self,
        problem: &Problem<'_, X>,
        score: &dyn Score<X>,
        noise: &dyn Noise<X>,
        mut walking: Walking<X>,
        to: Time,
        costs: &mut [SampleCost],
    ) -> Result<Walking<X>, SolveError> {
        let mut arrived: Vec<Walking<X>> = Vec::new();
        loop {
            let lengths = walking.lengths(to.0);
            let steps: Vec<StepIndex> = (walking.samples.iter())
                .map(|&sample| StepIndex(costs[sample].accepted))
                .collect();
            let role = Role::Diffusion;
            let z = noise.standard_normal_each(&walking.x, &walking.samples, &steps, role);
            let ends: Vec<f64> = (walking.t.iter().zip(&lengths))
                .map(|(t, h)| if t - h <= to.0 { to.0 } else { t - h })
                .collect();
            let euler = walking.step(problem, score, &walking.x, &walking.t, &lengths, &z);
            let improved = walking.step(problem, score, &euler, &ends, &lengths, &z);
            let improved = improved.lincomb(0.5, &euler, 0.5);
            let errors = self.errors(&euler, &improved, &walking.previous);

            let accepted: Vec<bool> = errors.iter().map(|&error| error <= 1.0).collect();
            walking.x = chosen(walking.x, improved, &accepted);
            walking.previous = chosen(walking.previous, euler, &accepted);
            for (i, &sample) in walking.samples.iter().enumerate() {
                let cost = &mut costs[sample];
                cost.evaluations += 2;
                let proposed = self.next_length(lengths[i], errors[i]);
                if accepted[i] {
                    cost.accepted += 1;
                    walking.t[i] = ends[i];
                    // A step that the grid cut short says nothing against its whole length.
                    let cut = lengths[i] < walking.h[i];
                    walking.h[i] = if cut {
                        proposed.max(walking.h[i])
                    } else {
                        proposed
                    };
                } else {
                    cost.rejected += 1;
                    walking.h[i] = proposed;
                }
                self.check(sample, walking.t[i], walking.h[i], errors[i], *cost, to)?;
            }

            let (done, left): (Vec<usize>, Vec<usize>) =
                (0..walking.t.len()).partition(|&i| walking.t[i] == to.0);
            if !done.is_empty() {
                arrived.push(walking.select(&done));
            }
            if left.is_empty() {
                return Ok(Walking::joined(&arrived));
            }
            if !done.is_empty() {
                walking = walking.select(&left);
            }
        }
    }

    /// E of each sample.
    ///
    /// With c = ε_abs/ε_rel, max(ε_abs, ε_rel |x|) is ε_abs + ε_rel |x − clamp(x, −c, c)|, the form that
    /// [`State::error_norms`] knows.
    fn errors<X: State>(&self, euler: &X, improved: &X, previous: &X) -> Vec<f64> {
        let difference = euler.clone().axpy(-1.0, improved);
        if self.epsilon_rel == 0.0 {
            return difference.error_norms(euler, euler, self.epsilon_abs, 0.0);
        }
        let c = self.epsilon_abs / self.epsilon_rel;
        let beyond = |x: &X| x.clone().axpy(-1.0, &x.clone().clamped(-c, c));
        let (euler, previous) = (beyond(euler), beyond(previous));
        difference.error_norms(&euler, &previous, self.epsilon_abs, self.epsilon_rel)
    }

    /// θ h E^{−r}; from a step that is not finite, a tenth of it.
    fn next_length(&self, h: f64, error: f64) -> f64 {
        if error.is_finite() {
            self.theta * h * error.max(1e-10).powf(-self.r)
        } else {
            0.1 * h
        }
    }

    /// Whether a sample at `t`, with the next step `h` after one of `error`, may go on.
    fn check(
        &self,
        sample: usize,
        t: f64,
        h: f64,
        error: f64,
        cost: SampleCost,
        to: Time,
    ) -> Result<(), SolveError> {
        let time = Time(t);
        let (solver, absolute, relative) = ("adaptive-sde", self.epsilon_abs, self.epsilon_rel);
        if t == to.0 {
            return Ok(());
        }
        if h <= 4.0 * f64::EPSILON * t {
            if !error.is_finite() {
                return Err(SolveError::SampleNotFinite { sample, time });
            }
            return Err(SolveError::StepTooSmall {
                solver,
                sample,
                time,
                absolute,
                relative,
            });
        }
        if cost.accepted + cost.rejected >= self.max_steps {
            return Err(SolveError::TooManySteps {
                solver,
                sample,
                time,
                max_steps: self.max_steps,
                absolute,
                relative,
            });
        }
        Ok(())
    }
}

impl Scheme for AdaptiveSde {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "adaptive-sde",
            order: Order::None,
            stochastic: true,
            nfe_per_step: 2,
        }
    }

    fn validate(&self) -> Result<(), ParameterError> {
        let fields = [
            (
                "epsilon_abs",
                self.epsilon_abs,
                self.epsilon_abs > 0.0,
                "a tolerance must be above 0; 0.0078 is published",
            ),
            (
                "epsilon_rel",
                self.epsilon_rel,
                self.epsilon_rel >= 0.0,
                "it must be 0 or above",
            ),
            (
                "theta",
                self.theta,
                self.theta > 0.0 && self.theta <= 1.0,
                "it must be above 0 and 1 at most",
            ),
            (
                "r",
                self.r,
                self.r > 0.0 && self.r <= 1.0,
                "it must be above 0 and 1 at most",
            ),
            (
                "h_init",
                self.h_init,
                self.h_init > 0.0 && self.h_init <= 1.0,
                "it must be above 0 and 1 at most",
            ),
            (
                "max_steps",
                self.max_steps as f64,
                self.max_steps > 0,
                "it must be 1 at least",
            ),
        ];
        for (field, value, holds, reason) in fields {
            if !(holds && value.is_finite()) {
                return Err(ParameterError {
                    solver: "adaptive-sde",
                    field,
                    value,
                    reason,
                });
            }
        }
        Ok(())
    }
}

impl<X: State> Solver<X> for AdaptiveSde {
    fn solve(
        &self,
        problem: &Problem<'_, X>,
        grid: &TimeGrid,
        x: X,
        noise: &dyn Noise<X>,
        observer: &mut dyn Observer<X>,
    ) -> Result<Solution<X>, SolveError> {
        Ok(self.solve_with_costs(problem, grid, x, noise, observer)?.0)
    }
}
