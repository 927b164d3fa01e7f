//! Samples that agree with a picture, in batches that do not show in the result.

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::Result;
use burn::tensor::{Device, Tensor};
use ndarray::{Array4, Axis, concatenate};
use sde_core::noise::CounterNoise;
use sde_core::{AffineSde, DifferentiableScore, State};
use solvers::editing::{Observation, Projection, Reconstruction, Replacement, Resampling, SdEdit};
use solvers::{GridSpec, Observer, Problem, Progress, Solution, SolveError, Solver, sample_prior};

use crate::sampling::{Plan, Samples, to_array, to_tensor};

/// How samples are held to what is known.
#[derive(Clone, Copy, Debug)]
pub enum Hold {
    /// It is put in its place at every step.
    Replace(Resampling),
    /// The score knows it.
    Reconstruct(Reconstruction),
}

/// A score, guided or not, with what is needed to sample from it.
pub struct Editor<'a> {
    /// The process.
    pub sde: &'a dyn AffineSde,
    /// Its score.
    pub score: &'a dyn DifferentiableScore<Tensor<4>>,
    /// The solver.
    pub solver: &'a dyn Solver<Tensor<4>>,
    /// How many samples, by which steps, from which seed.
    pub plan: &'a Plan,
    /// Where.
    pub device: &'a Device,
    /// Told how many steps are done, of how many.
    pub progress: &'a dyn Fn(u64, u64),
}

type Solved = Result<Solution<Tensor<4>>, SolveError>;

impl Editor<'_> {
    /// Samples of which `projection` knows what it knows of `picture`, `[1, C, H, W]`. They agree with it to
    /// rounding, whatever the method.
    pub fn hold(
        &self,
        projection: &dyn Projection,
        picture: &Array4<f32>,
        method: Hold,
    ) -> Result<Samples> {
        let picture = to_tensor(picture, self.device);
        let observation = Observation::new(projection, &picture)?;
        let known = observation.project(&picture);
        self.in_batches(&picture, &mut |like, noise, observer| {
            let start = sample_prior(self.sde, like, &noise);
            let grid = &self.plan.grid;
            let solved = match method {
                Hold::Replace(resampling) => {
                    let replacement = Replacement::new(&observation).resampled(resampling)?;
                    let problem = Problem::new(self.sde, self.score).holding(replacement);
                    self.solver.solve(&problem, grid, start, &noise, observer)?
                }
                Hold::Reconstruct(rule) => {
                    let guided = rule.guide(self.sde, self.score, &observation)?;
                    let problem = Problem::new(self.sde, &guided);
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
    pub fn vary(&self, edit: SdEdit, spec: GridSpec, picture: &Array4<f32>) -> Result<Samples> {
        let picture = to_tensor(picture, self.device);
        let problem = Problem::new(self.sde, self.score);
        self.in_batches(&picture, &mut |like, noise, observer| {
            let pictures = picture.select_samples(&vec![0; like.batch()]);
            edit.edit(self.solver, &problem, spec, pictures, &noise, observer)
        })
    }

    /// The plan's samples; `draw` is given zeros of a batch's shape and its noise.
    fn in_batches(
        &self,
        picture: &Tensor<4>,
        draw: &mut dyn FnMut(&Tensor<4>, CounterNoise, &mut dyn Observer<Tensor<4>>) -> Solved,
    ) -> Result<Samples> {
        let started = Instant::now();
        let [_, channels, height, width] = picture.dims();
        let starts: Vec<usize> = (0..self.plan.count).step_by(self.plan.batch).collect();
        let (mut parts, mut nfe) = (Vec::with_capacity(starts.len()), 0);
        for (index, &first) in starts.iter().enumerate() {
            let size = self.plan.batch.min(self.plan.count - first);
            let noise = CounterNoise::new(self.plan.seed).starting_at(first as u64);
            let like = Tensor::<4>::zeros([size, channels, height, width], self.device);
            let mut observer = |state: Progress<'_, Tensor<4>>| {
                let (steps, batches) = (state.steps as u64, starts.len() as u64);
                let done = index as u64 * steps + state.step.0 as u64;
                (self.progress)(done, batches * steps);
                ControlFlow::Continue(())
            };
            let solution = draw(&like, noise, &mut observer)?;
            nfe = solution.nfe;
            parts.push(to_array(solution.x)?);
        }
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        Ok(Samples {
            values: concatenate(Axis(0), &views)?,
            nfe,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
