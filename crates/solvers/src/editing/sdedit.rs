//! From a picture that is like the one wanted.

use sde_core::noise::{Noise, Role};
use sde_core::{AffineSde, Sigma, State, StepIndex};
use serde::{Deserialize, Serialize};

use super::{EditError, require};
use crate::{GridSpec, Observer, Problem, Solution, SolveError, Solver};

/// SDEdit (Meng et al. 2022, algorithm 1): a picture, such as a sketch, is noised to an intermediate level
/// and taken down from there. More noise makes the result truer to the data and less like the picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SdEdit {
    /// The noise level σ/α, in units of the data; 1 by default. For VP the paper has t₀ = 0.3 to 0.6, which
    /// is 1.2 to 6.1.
    pub sigma: Sigma,
}

impl Default for SdEdit {
    fn default() -> Self {
        Self { sigma: Sigma(1.0) }
    }
}

impl SdEdit {
    /// The same, its value checked against the noise levels of a run.
    ///
    /// # Errors
    /// The level must be above that of the run's end, and no higher than the process goes.
    fn check(self, sde: &dyn AffineSde, grid: &GridSpec) -> Result<(), EditError> {
        let level = |t| sde.marginal(t).sigma_ratio();
        let end = grid.end.unwrap_or(sde.t_min_sampling());
        let within = self.sigma > level(end) && self.sigma <= level(sde.t_max());
        let reason = "it must be above the noise level σ/α at the end of the run, and the process must reach it";
        require(within, "sdedit.sigma", self.sigma.0, reason)
    }

    /// Samples that resemble `pictures`, shape `[batch, ...]`: the spec's grid begins at the noise level.
    ///
    /// # Errors
    /// The level must be one between the run's end and the process's; else as [`GridSpec::build`] and
    /// [`Solver::solve`].
    ///
    /// # Panics
    /// If the score returns another shape than the pictures'.
    pub fn edit<X: State>(
        self,
        solver: &dyn Solver<X>,
        problem: &Problem<'_, X>,
        spec: GridSpec,
        pictures: X,
        noise: &dyn Noise<X>,
        observer: &mut dyn Observer<X>,
    ) -> Result<Solution<X>, SolveError> {
        self.check(problem.sde, &spec)?;
        let start = problem.sde.time_at_sigma(self.sigma);
        let spec = GridSpec {
            start: Some(start),
            ..spec
        };
        let grid = spec.build(problem.sde)?;
        let marginal = problem.sde.marginal(start);
        let z = noise.standard_normal(&pictures, StepIndex(0), Role::Prior);
        let x = pictures.lincomb(marginal.alpha, &z, marginal.sigma);
        solver.solve(problem, &grid, x, noise, observer)
    }
}
