//! Denoising score matching: E_t λ(t) E‖s_θ(x_t, t) − ∇log p(x_t | x₀)‖² (Song et al. 2021, eq. 7).
//!
//! The weightings and the distributions of t are `sde-core`'s; here they meet data.

use data::{AugmentationKey, Source};
use rayon::prelude::*;
use score_net::{ModelConfig, ModelError, PairInput};
use sde_core::chains::bound::Decoder;
use sde_core::damped::VelocityWeighting;
use sde_core::noise::{Role, fill_standard_normal};
use sde_core::objective::{ObjectiveError, TimeDistribution, TimeSampler, Weighting};
use sde_core::{AffineSde, Marginal, Prediction, SdeConfig, Time};
use serde::{Deserialize, Serialize};

use crate::classes::Told;
use crate::elbo::{ElboConfig, LatentNoise};
use crate::hybrid::{BoundTerm, Hybrid};
use crate::{HybridConfig, TrainingError, UncertaintyConfig, compatible};

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
    /// The bound that trains a learned variance, beside the above, which trains the prediction: L_simple with
    /// the weighting `sigma-squared`, whatever is predicted. None unless it is asked for.
    pub hybrid: Option<HybridConfig>,
    /// λ(t) for the score of velocities, in place of `weighting` and where the process has them; without it
    /// the published one for images.
    pub velocity_weighting: Option<VelocityWeighting>,
    /// The share of examples whose class is not told, where the model knows classes, so that it learns the
    /// unconditional score as well; without it 0.1 as published (Ho & Salimans 2022).
    pub class_dropout: Option<f64>,
    /// How an autoencoder's bound is trained, in place of all others; without it the bound itself.
    pub elbo: Option<ElboConfig>,
}

impl ObjectiveConfig {
    pub(crate) fn validate(&self) -> Result<(), TrainingError> {
        self.elbo.unwrap_or_default().validate()?;
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
        if let Some(HybridConfig {
            vlb_weight,
            decoder,
        }) = self.hybrid
        {
            if !(vlb_weight > 0.0 && vlb_weight.is_finite()) {
                return Err(named(ObjectiveError {
                    field: "hybrid.vlb_weight",
                    value: vlb_weight,
                    must: "above 0 and finite",
                }));
            }
            if let Some(Decoder::Discretised {
                levels: levels @ ..2,
            }) = decoder
            {
                return Err(named(ObjectiveError {
                    field: "hybrid.decoder.levels",
                    value: f64::from(levels),
                    must: "at least 2",
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
    hybrid: Option<Hybrid>,
    told: Option<Told>,
}

/// Which part of which batch. Times and noise are functions of (seed, step, place in the whole batch) alone,
/// stratified times of the whole batch's size as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The seed.
    pub seed: u64,
    /// The step, counted from 0.
    pub step: u64,
    /// The place of the part's first sample in the whole batch.
    pub first_sample: u64,
    /// The size of the whole batch.
    pub batch: u64,
}

impl Draw {
    /// The whole batch of step `step`.
    #[must_use]
    pub fn whole(seed: u64, step: u64, batch: u64) -> Self {
        Self {
            seed,
            step,
            first_sample: 0,
            batch,
        }
    }

    /// What random flips and crops are functions of.
    pub(crate) fn augmentation(self) -> AugmentationKey {
        AugmentationKey {
            seed: self.seed,
            step: self.step,
            first_sample: self.first_sample,
        }
    }
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
    /// The bound's term of each sample, where a variance is learned.
    pub bound: Option<Vec<BoundTerm>>,
    /// What the network is told of each sample, where `noisy` holds positions and velocities; `marginals` is
    /// empty then.
    pub pairs: Option<Vec<PairInput>>,
    /// The class that the network is told of each sample; empty where it is told none at all.
    pub classes: Vec<Option<usize>>,
    /// The class that a classifier should tell of each sample; then `target` is empty, and the loss the
    /// cross-entropy.
    pub labels: Option<Vec<usize>>,
    /// The noise of an autoencoder's latents; then `noisy` holds samples as they are, `times` is 0, and all else
    /// is empty.
    pub latent_noise: Option<LatentNoise>,
}

impl Objective {
    /// The objective of a network that answers with `prediction`, under `sde`, for data of standard
    /// deviation `sigma_data` (which the EDM weighting needs).
    ///
    /// # Errors
    /// `t_min` must lie before the process's end; a hybrid objective takes [`Objective::of_model`].
    pub fn new(
        config: ObjectiveConfig,
        sde: Box<dyn AffineSde>,
        prediction: Prediction,
        sigma_data: f64,
    ) -> Result<Self, TrainingError> {
        if config.hybrid.is_some() {
            return Err(TrainingError::Config {
                field: "training.objective.hybrid".into(),
                value: format!("{:?}", config.hybrid),
                must: "left out, where the model and its chain are not known",
            });
        }
        Self::with(config, sde, prediction, sigma_data, None)
    }

    /// The objective of a model under a process.
    ///
    /// # Errors
    /// [`TrainingError::Config`] names the first field that does not go with the others: a learned variance is
    /// trained by the bound of a DDPM chain, whose steps are drawn alike, and by nothing else. `t_min` must lie
    /// before the process's end.
    pub fn of_model(
        config: ObjectiveConfig,
        sde: SdeConfig,
        model: &ModelConfig,
    ) -> Result<Self, TrainingError> {
        compatible::with_positions(&config, sde, &model.preconditioning)?;
        let preconditioning = model.preconditioning.build().map_err(ModelError::from)?;
        let prediction = preconditioning.prediction();
        let hybrid = match (config.hybrid, sde) {
            (Some(hybrid), SdeConfig::Ddpm(chain)) => {
                Some(Hybrid::new(hybrid, chain.chain()?, prediction, model.shape))
            }
            _ => None,
        };
        let sigma_data = preconditioning.sigma_data();
        let objective = Self::with(config, sde.build()?, prediction, sigma_data, hybrid)?;
        Ok(Self {
            told: Told::of(config.class_dropout, model)?,
            ..objective
        })
    }

    /// The noise of a classifier's examples: every level's cross-entropy counts alike.
    pub(crate) fn of_classifier(
        config: ObjectiveConfig,
        sde: SdeConfig,
        model: &ModelConfig,
    ) -> Result<Self, TrainingError> {
        let preconditioning = model.preconditioning.build().map_err(ModelError::from)?;
        // Weights are those of the network's own output.
        let prediction = preconditioning.prediction();
        let sigma_data = preconditioning.sigma_data();
        Self::with(config, sde.build()?, prediction, sigma_data, None)
    }

    fn with(
        config: ObjectiveConfig,
        sde: Box<dyn AffineSde>,
        prediction: Prediction,
        sigma_data: f64,
        hybrid: Option<Hybrid>,
    ) -> Result<Self, TrainingError> {
        config.validate()?;
        let objective = Self {
            config,
            sde,
            prediction,
            sigma_data,
            hybrid,
            told: None,
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
        // A chain's steps share [0, 1].
        let first = match self.hybrid {
            Some(_) => Time(0.0),
            None => self.t_min(),
        };
        self.config.time.over(&*self.sde, first).map_err(named)
    }

    /// The distribution of t; where a variance is learned, each t stands for the step that holds it.
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

    /// The batch that `draw` names, or part of one, from the samples of `source` at `indices`. The times and the
    /// noise are functions of `draw` alone.
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
        let mut noisy = Vec::new();
        source.write_augmented(indices, draw.augmentation(), &mut noisy)?;
        let mut target = vec![0.0; noisy.len()];
        let distribution = self.times();
        let drawn = (first_sample..)
            .take(indices.len())
            .map(|sample| distribution.time(seed, step, sample, batch));
        let times: Vec<Time> = match &self.hybrid {
            None => drawn.collect(),
            Some(hybrid) => drawn.map(|t| hybrid.time(hybrid.step(t))).collect(),
        };
        let data = self.hybrid.is_some().then(|| noisy.clone());
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
        let classes = match self.told {
            Some(told) => told.draw(source, indices, draw)?,
            None => Vec::new(),
        };
        let bound = (self.hybrid.as_ref().zip(data)).map(|(hybrid, data)| {
            let samples = data.chunks_exact(len).zip(noisy.chunks_exact(len));
            let each = times.iter().zip(samples);
            each.map(|(&t, (x0, x))| hybrid.term(hybrid.step_at(t), x0, x))
                .collect()
        });
        Ok(Batch {
            pairs: None,
            latent_noise: None,
            labels: None,
            classes,
            bound,
            noisy,
            target,
            weights: times.iter().map(|&t| self.weight(t) as f32).collect(),
            marginals,
            times,
        })
    }
}
