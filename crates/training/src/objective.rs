//! Denoising score matching: E_t λ(t) E‖s_θ(x_t, t) − ∇log p(x_t | x₀)‖² (Song et al. 2021, eq. 7).
//!
//! Whatever the network predicts, its error is the score's error times a number that depends on the
//! marginal alone. So a weighting λ is stated once, for the score, and carried over to the network's
//! own output, where the loss is computed.

use data::Source;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use rayon::prelude::*;
use sde_core::noise::{Role, fill_standard_normal, generator};
use sde_core::{AffineSde, Marginal, Prediction, Sigma, Time};
use serde::{Deserialize, Serialize};

use crate::TrainingError;

/// λ(t), the weight of an error of the score at time t.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// 1 on the network's own output: for ε this is L_simple (Ho et al. 2020, eq. 14).
    #[default]
    Simple,
    /// σ², which makes every noise level count alike (Song & Ermon 2019; Song et al. 2021).
    SigmaSquared,
    /// g², the maximum-likelihood weighting (Song, Durkan, Murray & Ermon 2021).
    Likelihood,
    /// (σ̃² + σ_data²)/(σ̃ σ_data)² on the denoiser, σ̃ = σ/α (Karras et al. 2022, table 1).
    Edm,
}

/// How t is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TimeSampler {
    /// Uniform on [t_min, t_max].
    #[default]
    Uniform,
    /// ln σ̃ ~ N(`mean`, `std`²), σ̃ = σ/α (Karras et al. 2022, table 1: −1.2 and 1.2).
    LogNormal {
        /// P_mean.
        mean: f64,
        /// P_std.
        std: f64,
    },
}

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
}

impl ObjectiveConfig {
    pub(crate) fn validate(&self) -> Result<(), TrainingError> {
        let refuse = |field: &str, value: f64, must| {
            Err(TrainingError::Config {
                field: format!("training.objective.{field}"),
                value: value.to_string(),
                must,
            })
        };
        if let TimeSampler::LogNormal { mean, std } = self.time {
            if !mean.is_finite() {
                return refuse("time.mean", mean, "finite");
            }
            if !(std > 0.0 && std.is_finite()) {
                return refuse("time.std", std, "above 0 and finite");
            }
        }
        match self.t_min {
            Some(t) if !(t > 0.0 && t.is_finite()) => refuse("t_min", t, "above 0 and finite"),
            _ => Ok(()),
        }
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
        if objective.t_min().0 >= objective.sde.t_max().0 {
            return Err(TrainingError::Config {
                field: "training.objective.t_min".into(),
                value: objective.t_min().0.to_string(),
                must: "before the end of the process",
            });
        }
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

    /// The time of sample `sample` of the batch of step `step`: a function of its arguments.
    pub fn time(&self, seed: u64, step: u64, sample: u64) -> Time {
        let mut generator = generator(seed, sample, step, Role::Time);
        let (t_min, t_max) = (self.t_min().0, self.sde.t_max().0);
        let t = match self.config.time {
            TimeSampler::Uniform => {
                let u: f64 = StandardUniform.sample(&mut generator);
                t_min + u * (t_max - t_min)
            }
            TimeSampler::LogNormal { mean, std } => {
                let z: f64 = StandardNormal.sample(&mut generator);
                self.sde.time_at_sigma(Sigma((mean + std * z).exp())).0
            }
        };
        Time(t.clamp(t_min, t_max))
    }

    /// What multiplies the mean squared error of the network's own output at time t.
    pub fn weight(&self, t: Time) -> f64 {
        let marginal = self.sde.marginal(t);
        // |∂(target)/∂(output)|²: an error of the output times this is the target's.
        let square = |target: Prediction| self.prediction.conversion(target, marginal).p.powi(2);
        match self.config.weighting {
            Weighting::Simple => 1.0,
            Weighting::SigmaSquared => square(Prediction::Epsilon),
            Weighting::Likelihood => self.sde.diffusion(t).powi(2) * square(Prediction::Score),
            Weighting::Edm => {
                let sigma = marginal.sigma_ratio().0;
                let weight =
                    (sigma.powi(2) + self.sigma_data.powi(2)) / (sigma * self.sigma_data).powi(2);
                weight * square(Prediction::X0)
            }
        }
    }

    /// The batch of step `step`, or the part of it that begins with its sample `first_sample`, from
    /// the samples of `source` at `indices`: the times and the noise are functions of (seed, step,
    /// place in the whole batch) alone.
    pub fn draw(
        &self,
        source: &dyn Source,
        indices: &[usize],
        seed: u64,
        step: u64,
        first_sample: u64,
    ) -> Batch {
        let len: usize = source.sample_shape().iter().product();
        let mut noisy = Vec::new();
        source.write_samples(indices, &mut noisy);
        let mut target = vec![0.0; noisy.len()];
        let times: Vec<Time> = (first_sample..)
            .take(indices.len())
            .map(|sample| self.time(seed, step, sample))
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
        Batch {
            noisy,
            target,
            weights: times.iter().map(|&t| self.weight(t) as f32).collect(),
            marginals,
            times,
        }
    }
}
