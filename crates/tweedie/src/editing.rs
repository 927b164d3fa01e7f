//! Samples that agree with a picture, in batches that do not show in the result.

use std::ops::{ControlFlow, Range};
use std::time::Instant;

use anyhow::Result;
use burn::tensor::{Device, Tensor};
use ndarray::{Array4, Axis, concatenate};
use score_net::Model;
use sde_core::noise::CounterNoise;
use sde_core::{AffineSde, State};
use solvers::editing::{Observation, Projection, Reconstruction, Replacement, Resampling, SdEdit};
use solvers::{GridSpec, Observer, Problem, Progress, Solution, Solver, sample_prior};

use crate::failure::Fault;
use crate::guidance::GuidedScore;
use crate::sampling::{Plan, Samples, to_array, to_tensor};

/// How samples are held to what is known.
#[derive(Clone, Copy, Debug)]
pub enum Hold {
    /// It is put in its place at every step.
    Replace(Resampling),
    /// The score knows it.
    Reconstruct(Reconstruction),
}

/// A model with what is needed to sample from it, guided or not.
pub struct Editor<'a> {
    /// The model.
    pub model: &'a Model,
    /// The process.
    pub sde: &'a dyn AffineSde,
    /// The solver.
    pub solver: &'a dyn Solver<Tensor<4>>,
    /// How many samples, by which steps, from which seed, of which classes.
    pub plan: &'a Plan,
    /// Where.
    pub device: &'a Device,
    /// Told how many steps are done, of how many.
    pub progress: &'a dyn Fn(u64, u64),
}

/// Draws a batch: from a score, zeros of the batch's shape, and its noise.
type Draw<'a> = dyn FnMut(
        &GuidedScore<'_>,
        &Tensor<4>,
        CounterNoise,
        &mut dyn Observer<Tensor<4>>,
    ) -> Result<Solution<Tensor<4>>>
    + 'a;

impl Editor<'_> {
    /// Samples of which `projection` knows what it knows of `picture`, `[1, C, H, W]`. They agree with it to
    /// rounding, whatever the method.
    ///
    /// # Errors
    /// Reconstruction with a score whose Jacobian is not to be had; else as [`Solver::solve`].
    pub fn hold(
        &self,
        projection: &dyn Projection,
        picture: &Array4<f32>,
        method: Hold,
    ) -> Result<Samples> {
        let picture = to_tensor(picture, self.device);
        let observation = Observation::new(projection, &picture)?;
        let known = observation.project(&picture);
        let grid = &self.plan.grid;
        self.in_batches(&picture, &mut |guided, like, noise, observer| {
            let start = sample_prior(self.sde, like, &noise);
            let solved = match method {
                Hold::Replace(resampling) => {
                    let replacement = Replacement::new(&observation).resampled(resampling)?;
                    let problem = Problem::new(self.sde, guided.score).holding(replacement);
                    self.solver.solve(&problem, grid, start, &noise, observer)?
                }
                Hold::Reconstruct(rule) => {
                    let score = guided.differentiable.ok_or_else(not_differentiable)?;
                    let score = rule.guide(self.sde, score, &observation)?;
                    let problem = Problem::new(self.sde, &score);
                    self.solver.solve(&problem, grid, start, &noise, observer)?
                }
            };
            // Guidance comes near to what is known, and a run may end short of the data.
            let known = known.select_samples(&vec![0; like.batch()]);
            let of_x = observation.project(&solved.x);
            let x = solved.x.axpy(-1.0, &of_x).axpy(1.0, &known);
            Ok(Solution { x, ..solved })
        })
    }

    /// Samples like `picture`, `[1, C, H, W]`, from an intermediate time; `spec` is the grid from there.
    ///
    /// # Errors
    /// As [`SdEdit::edit`].
    pub fn vary(&self, edit: SdEdit, spec: GridSpec, picture: &Array4<f32>) -> Result<Samples> {
        let picture = to_tensor(picture, self.device);
        self.in_batches(&picture, &mut |guided, like, noise, observer| {
            let problem = Problem::new(self.sde, guided.score);
            let pictures = picture.select_samples(&vec![0; like.batch()]);
            Ok(edit.edit(self.solver, &problem, spec, pictures, &noise, observer)?)
        })
    }

    /// The plan's samples.
    fn in_batches(&self, picture: &Tensor<4>, draw: &mut Draw<'_>) -> Result<Samples> {
        let started = Instant::now();
        let [_, channels, height, width] = picture.dims();
        let groups = self.plan.groups(self.model);
        // A batch is of one class: a score does not know which sample it is asked for.
        let batches: Vec<(Option<usize>, Range<usize>)> = (groups.iter())
            .flat_map(|(class, range)| {
                let starts = range.clone().step_by(self.plan.batch);
                starts.map(|first| (*class, first..range.end.min(first + self.plan.batch)))
            })
            .collect();
        let (mut parts, mut nfe) = (Vec::with_capacity(batches.len()), 0);
        for (index, (class, samples)) in batches.iter().enumerate() {
            let noise = CounterNoise::new(self.plan.seed).starting_at(samples.start as u64);
            let like = Tensor::<4>::zeros([samples.len(), channels, height, width], self.device);
            let mut observer = |state: Progress<'_, Tensor<4>>| {
                let (steps, batches) = (state.steps as u64, batches.len() as u64);
                let done = index as u64 * steps + state.step.0 as u64;
                (self.progress)(done, batches * steps);
                ControlFlow::Continue(())
            };
            let guidance = &self.plan.guidance;
            let solution = guidance.with_score(self.model, self.sde, *class, |guided| {
                draw(guided, &like, noise, &mut observer)
            })??;
            nfe = solution.nfe;
            parts.push(to_array(solution.x)?);
        }
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        Ok(Samples {
            values: concatenate(Axis(0), &views)?,
            groups,
            nfe,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}

fn not_differentiable() -> Fault {
    Fault::usage("--method reconstruct: with --classifier the score has no Jacobian to be had")
        .hint("take --method repaint, or guide without a classifier")
}
