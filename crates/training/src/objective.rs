//! Denoising score matching: E_t λ(t) E‖s_θ(x_t, t) − ∇log p(x_t | x₀)‖² (Song et al. 2021, eq. 7).
//!
//! The weightings and the distributions of t are `sde-core`'s; here they meet data.

use data::{AugmentationKey, Source};
use rayon::prelude::*;
use sde_core::noise::{Role, fill_standard_normal};
use sde_core::objective::{ObjectiveError, TimeDistribution, TimeSampler, Weighting};
use sde_core::{AffineSde, Marginal, Prediction, Time};
use serde::{Deserialize, Serialize};

use crate::{TrainingError, UncertaintyConfig};

/// The objective as plain data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectiveConfig {
    /// λ(t).
    pub weighting: Weighting,
    /// How t is drawn.
    pub time: TimeSampler,
    /// The smallest t; without it the process's own, 1e-5.
    pub t_min: Option<f64>,
    /// A weight for each noise level that is learned, on top of λ; none unless it is asked for.
    pub uncertainty: Option<UncertaintyConfig>,
}

impl ObjectiveConfig {
    pub(crate) fn validate(&self) -> Result<(), TrainingError> {
        self.weighting.validated().map_err(named)?;
        self.time.validated().map_err(named)?;
        if let Some(uncertainty) = self.uncertainty {
            uncertainty.features(0).validated().map_err(named)?;
            let rate = uncertainty.learning_rate;
            if !(rate > 0.0 && rate.is_finite()) {
                return Err(named(ObjectiveError {
                    field: "uncertainty.learning_rate",
                    value: rate,
                    must: "above 0 and finite",
                }));
            }
        }
        match self.t_min {
            Some(t) if !(t > 0.0 && t.is_finite()) => Err(named(ObjectiveError {
                field: "t_min",
                value: t,
                must: "above 0 and finite",
            })),
            _ => Ok(()),
        }
    }
}

/// The error with the name that the field has in a configuration file.
fn named(error: ObjectiveError) -> TrainingError {
    TrainingError::Config {
        field: format!("training.objective.{}", error.field),
        value: error.value.to_string(),
        must: error.must,
    }
}

/// What is minimised, for one process and one prediction.
pub struct Objective {
    config: ObjectiveConfig,
    sde: Box<dyn AffineSde>,
    prediction: Prediction,
    sigma_data: f64,
}

/// A batch to learn from: host arrays of `[batch, ...]` in row-major order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// x_t = α x₀ + σ ε.
    pub noisy: Vec<f32>,
    /// What the network should answer.
    pub target: Vec<f32>,
    /// The weight of each sample's squared error.
    pub weights: Vec<f32>,
    /// The marginal of each sample.
    pub marginals: Vec<Marginal>,
    /// The time of each sample.
    pub times: Vec<Time>,
}

impl Objective {
    /// The objective of a network that answers with `prediction`, under `sde`, for data of standard
    /// deviation `sigma_data` (which the EDM weighting needs).
    ///
    /// # Errors
    /// `t_min` must lie before the process's end.
    pub fn new(
        config: ObjectiveConfig,
        sde: Box<dyn AffineSde>,
        prediction: Prediction,
        sigma_data: f64,
    ) -> Result<Self, TrainingError> {
        config.validate()?;
        let objective = Self {
            config,
            sde,
            prediction,
            sigma_data,
        };
        // Refuses a `t_min` that the process or the sampler cannot work with.
        objective.try_times()?;
        Ok(objective)
    }

    /// The process.
    pub fn sde(&self) -> &dyn AffineSde {
        &*self.sde
    }

    /// The smallest t that is drawn.
    pub fn t_min(&self) -> Time {
        self.config.t_min.map_or(self.sde.t_min_training(), Time)
    }

    fn try_times(&self) -> Result<TimeDistribution<'_>, TrainingError> {
        (self.config.time)
            .over(&*self.sde, self.t_min())
            .map_err(named)
    }

    /// The distribution of t.
    pub fn times(&self) -> TimeDistribution<'_> {
        self.try_times()
            .expect("the objective was built with these times")
    }

    /// What multiplies the mean squared error of the network's own output at time t, where t was drawn
    /// by [`Objective::times`].
    pub fn weight(&self, t: Time) -> f64 {
        let weighting = self.config.weighting;
        let weight = weighting.weight(self.prediction, &*self.sde, t, self.sigma_data);
        weight * self.times().loss_factor(t)
    }

    /// The batch of step `step`, or the part of it that begins with its sample `first_sample`, from
    /// the samples of `source` at `indices`: the times and the noise are functions of (seed, step,
    /// place in the whole batch) alone, stratified times of the whole batch's size `batch` as well.
    ///
    /// # Errors
    /// [`TrainingError::Data`] where a sample cannot be read.
    pub fn draw(
        &self,
        source: &dyn Source,
        indices: &[usize],
        seed: u64,
        step: u64,
        first_sample: u64,
        batch: u64,
    ) -> Result<Batch, TrainingError> {
        let len: usize = source.sample_shape().iter().product();
        let mut noisy = Vec::new();
        let key = AugmentationKey {
            seed,
            step,
            first_sample,
        };
        source.write_augmented(indices, key, &mut noisy)?;
        let mut target = vec![0.0; noisy.len()];
        let distribution = self.times();
        let times: Vec<Time> = (first_sample..)
            .take(indices.len())
            .map(|sample| distribution.time(seed, step, sample, batch))
            .collect();
        let marginals: Vec<Marginal> = times.iter().map(|&t| self.sde.marginal(t)).collect();
        (noisy.par_chunks_exact_mut(len))
            .zip(target.par_chunks_exact_mut(len))
            .zip(&marginals)
            .enumerate()
            .for_each_init(
                || vec![0.0; len],
                |noise, (sample, ((x, target), &marginal))| {
                    let sample = first_sample + sample as u64;
                    fill_standard_normal(seed, sample, step, Role::Forward, noise);
                    let (x0_part, epsilon_part) = self.prediction.target(marginal);
                    for ((x, target), &epsilon) in x.iter_mut().zip(target).zip(&*noise) {
                        let x0 = f64::from(*x);
                        *x = (marginal.alpha * x0 + marginal.sigma * epsilon) as f32;
                        *target = (x0_part * x0 + epsilon_part * epsilon) as f32;
                    }
                },
            );
        Ok(Batch {
            noisy,
            target,
            weights: times.iter().map(|&t| self.weight(t) as f32).collect(),
            marginals,
            times,
        })
    }
}
