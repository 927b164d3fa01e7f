//! Samples that agree with a picture, in batches that do not show in the result.

use std::ops::ControlFlow;
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
            let x = agreeing(&observation, solved.x, &picture);
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
        let batches = self.plan.batches(self.model);
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
            groups: self.plan.groups(self.model),
            nfe,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}

/// x − P x + P x₀ for the picture x₀, `[1, C, H, W]`.
fn agreeing(
    observation: &Observation<'_, Tensor<4>>,
    x: Tensor<4>,
    picture: &Tensor<4>,
) -> Tensor<4> {
    let known = observation.project(picture);
    let known = known.select_samples(&vec![0; x.batch()]);
    let of_x = observation.project(&x);
    x.axpy(-1.0, &of_x).axpy(1.0, &known)
}

fn not_differentiable() -> Fault {
    Fault::usage("--method reconstruct: with --classifier the score has no Jacobian to be had")
        .hint("take --method repaint, or guide without a classifier")
}

#[cfg(test)]
mod tests {
    use solvers::editing::AveragePooling;

    use super::*;

    #[test]
    fn samples_get_the_means_of_the_picture_and_keep_what_differs_within_squares() {
        let means = AveragePooling::new([1, 2, 4], 2).unwrap();
        let device = runtime::select(Some(runtime::Backend::Flex))
            .unwrap()
            .device;
        let picture =
            Array4::from_shape_fn((1, 1, 2, 4), |(.., row, column)| (row + column) as f32);
        let picture = to_tensor(&picture, &device);
        let observation = Observation::new(&means, &picture).unwrap();
        let x = Array4::from_shape_fn((2, 1, 2, 4), |(n, _, row, column)| {
            (7 * n + 3 * row + column * column) as f32
        });
        let found = agreeing(&observation, to_tensor(&x, &device), &picture);
        let found = to_array(found).unwrap();
        // The picture's squares have the means 1 and 3; those of x are 2 and 8, and 7 more in the second.
        for ((n, _, row, column), found) in found.indexed_iter() {
            let (of_x, of_picture) = if column < 2 { (2.0, 1.0) } else { (8.0, 3.0) };
            let expected = x[[n, 0, row, column]] - of_x - 7.0 * n as f32 + of_picture;
            assert!(
                (found - expected).abs() < 1e-5,
                "{n}, {row}, {column}: {found}"
            );
        }
    }
}
