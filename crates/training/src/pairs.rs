//! Hybrid score matching of the velocities of critically damped Langevin diffusion (Dockhorn, Vahdat & Kreis
//! 2022, section 3.2).
//!
//! The coefficients are `sde-core`'s ([`sde_core::damped::VelocityObjective`]); here they meet data.

use data::Source;
use rayon::prelude::*;
use score_net::{ModelConfig, ModelError, PairInput, Preconditioning};
use sde_core::Time;
use sde_core::damped::{DampedLangevin, Matching, VelocityObjective};
use sde_core::noise::{Role, fill_standard_normal};

use crate::objective::{Batch, Draw};
use crate::{ObjectiveConfig, TrainingError, compatible};

/// What is minimised for a process of positions and velocities: E_t λ(t) E‖s_θ(z_t, t) − ∇_v log p(z_t | x₀)‖².
pub struct PairObjective {
    config: ObjectiveConfig,
    process: DampedLangevin,
    matching: VelocityObjective,
    preconditioning: Preconditioning,
}

impl PairObjective {
    /// The objective of a model of velocities.
    ///
    /// # Errors
    /// [`TrainingError::Config`] names the first field that is for processes of positions alone.
    pub fn new(
        config: ObjectiveConfig,
        process: DampedLangevin,
        model: &ModelConfig,
    ) -> Result<Self, TrainingError> {
        config.validate()?;
        let process = process.validated()?;
        if model.classes > 0 {
            return Err(TrainingError::Config {
                field: "model.classes".into(),
                value: model.classes.to_string(),
                must: "0, where sde.kind = damped-langevin",
            });
        }
        let preconditioning = model.preconditioning.build().map_err(ModelError::from)?;
        let prediction = compatible::with_pairs(&config, &process, &model.preconditioning)?;
        Ok(Self {
            config,
            process,
            matching: VelocityObjective {
                matching: Matching::Hybrid,
                prediction,
                weighting: config.velocity_weighting.unwrap_or_default(),
            },
            preconditioning,
        })
    }

    /// The process.
    pub fn process(&self) -> &DampedLangevin {
        &self.process
    }

    /// What is matched, and how much each time counts.
    pub fn matching(&self) -> VelocityObjective {
        self.matching
    }

    /// The time of sample `sample` of the `batch` samples of step `step`.
    fn time(&self, seed: u64, step: u64, sample: u64, batch: u64) -> Time {
        let share = self.config.time.share(seed, step, sample, batch);
        let share = share.expect("the objective was built with such times");
        let t_min = (self.config.t_min).unwrap_or(self.process.t_min_training().0);
        Time(t_min + share * (self.process.t_max().0 - t_min))
    }

    /// The batch that `draw` names, or part of one, as [`Objective::draw`](crate::Objective::draw) has it: positions and
    /// then velocities of each sample, the target of the velocity alone.
    ///
    /// # Errors
    /// [`TrainingError::Data`] where a sample cannot be read.
    pub fn draw(
        &self,
        source: &dyn Source,
        indices: &[usize],
        draw: Draw,
    ) -> Result<Batch, TrainingError> {
        let Draw {
            seed,
            step,
            first_sample,
            batch,
        } = draw;
        let len: usize = source.sample_shape().iter().product();
        let mut data = Vec::new();
        source.write_augmented(indices, draw.augmentation(), &mut data)?;
        let times: Vec<Time> = (first_sample..)
            .take(indices.len())
            .map(|sample| self.time(seed, step, sample, batch))
            .collect();
        let mut noisy = vec![0.0; 2 * data.len()];
        let mut target = vec![0.0; data.len()];
        let each = noisy
            .par_chunks_exact_mut(2 * len)
            .zip(target.par_chunks_exact_mut(len));
        each.zip(data.par_chunks_exact(len))
            .zip(&times)
            .enumerate()
            .for_each_init(
                || vec![0.0; 2 * len],
                |noise, (sample, (((z, target), x0), &t))| {
                    let sample = first_sample + sample as u64;
                    fill_standard_normal(seed, sample, step, Role::Forward, noise);
                    let (of_position, of_velocity) = noise.split_at(len);
                    let c = self.matching.coefficients(&self.process, t);
                    let (mean, factor) = (c.kernel.mean, c.kernel.covariance.factor());
                    let (position, velocity) = z.split_at_mut(len);
                    for (i, x0) in x0.iter().map(|&x0| f64::from(x0)).enumerate() {
                        let (epsilon_x, epsilon_v) = (of_position[i], of_velocity[i]);
                        let v = mean.vx * x0 + factor.vx * epsilon_x + factor.vv * epsilon_v;
                        position[i] = (mean.xx * x0 + factor.xx * epsilon_x) as f32;
                        velocity[i] = v as f32;
                        target[i] = (c.target_v * v + c.target_epsilon * epsilon_v) as f32;
                    }
                },
            );
        let weight = |&t: &Time| self.matching.coefficients(&self.process, t).weight as f32;
        let input = |&t: &Time| -> PairInput { self.preconditioning.pair_input(&self.process, t) };
        Ok(Batch {
            noisy,
            target,
            weights: times.iter().map(weight).collect(),
            pairs: Some(times.iter().map(input).collect()),
            times,
            ..Batch::default()
        })
    }
}
