//! What an autoencoder is trained with: the negative of the evidence lower bound.
//!
//! ```text
//! loss = reconstruction + kl_weight · kl
//! reconstruction = E_q[−log₂ P(x | z)] / D          bits per dimension
//! kl = KL(q(z | x) ‖ N(0, I)) / (D ln 2)
//! ```
//!
//! with one draw z of each image's q(z | x) (Kingma & Welling 2014, eq. 10; the weight is that of
//! Higgins et al. 2017), and D numbers an image.

use std::f64::consts::LN_2;

use burn::tensor::Tensor;
use data::Source;
use rayon::prelude::*;
use score_net::{Autoencoder, ConfigError, ModelConfig, ModelError, NetworkConfig};
use sde_core::Time;
use sde_core::noise::{Role, fill_standard_normal};
use serde::{Deserialize, Serialize};

use crate::TrainingError;
use crate::objective::{Batch, Draw};

/// How the bound is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElboConfig {
    /// The weight of the divergence beside the reconstruction; 1 makes the loss the bound itself.
    pub kl_weight: f64,
}

impl Default for ElboConfig {
    fn default() -> Self {
        Self { kl_weight: 1.0 }
    }
}

impl ElboConfig {
    pub(crate) fn validate(&self) -> Result<(), TrainingError> {
        match self.kl_weight >= 0.0 && self.kl_weight.is_finite() {
            true => Ok(()),
            false => Err(TrainingError::Config {
                field: "training.objective.elbo.kl_weight".into(),
                value: self.kl_weight.to_string(),
                must: "at least 0 and finite",
            }),
        }
    }
}

/// The bound's two terms, in bits per dimension of the data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElboTerms {
    /// E_q[−log₂ P(x | z)].
    pub reconstruction: f64,
    /// KL(q(z | x) ‖ N(0, I)).
    pub kl: f64,
}

/// The objective of one autoencoder.
#[derive(Clone, Copy, Debug)]
pub struct ElboObjective {
    config: ElboConfig,
    latent_shape: [usize; 3],
}

impl ElboObjective {
    /// Of the model's autoencoder; none of another network.
    ///
    /// # Errors
    /// A weight that is none, or a network that cannot be built.
    pub(crate) fn of(
        config: Option<ElboConfig>,
        model: &ModelConfig,
    ) -> Result<Option<Self>, TrainingError> {
        let NetworkConfig::Autoencoder(network) = &model.network else {
            return Ok(None);
        };
        let config = config.unwrap_or_default();
        config.validate()?;
        let built = |error: ConfigError| TrainingError::Model(ModelError::Network(error));
        Ok(Some(Self {
            config,
            latent_shape: network.latent_shape(model.shape).map_err(built)?,
        }))
    }

    /// The weight of the divergence.
    #[must_use]
    pub fn kl_weight(&self) -> f64 {
        self.config.kl_weight
    }

    /// The batch that `draw` names, or part of one: samples, and the noise of their latents, which is a
    /// function of `draw` alone.
    ///
    /// # Errors
    /// [`TrainingError::Data`] where a sample cannot be read.
    pub(crate) fn draw(
        &self,
        source: &dyn Source,
        indices: &[usize],
        draw: Draw,
    ) -> Result<Batch, TrainingError> {
        let mut samples = Vec::new();
        source.write_augmented(indices, draw.augmentation(), &mut samples)?;
        let len: usize = self.latent_shape.iter().product();
        let mut epsilon = vec![0.0_f32; len * indices.len()];
        (epsilon.par_chunks_exact_mut(len))
            .enumerate()
            .for_each_init(
                || vec![0.0; len],
                |noise, (sample, epsilon)| {
                    let sample = draw.first_sample + sample as u64;
                    fill_standard_normal(draw.seed, sample, draw.step, Role::Posterior, noise);
                    for (to, &from) in epsilon.iter_mut().zip(&*noise) {
                        *to = from as f32;
                    }
                },
            );
        Ok(Batch {
            noisy: samples,
            // What is encoded carries no noise.
            times: vec![Time(0.0); indices.len()],
            latent_noise: Some(LatentNoise {
                epsilon,
                shape: self.latent_shape,
                kl_weight: self.config.kl_weight,
            }),
            ..Batch::default()
        })
    }
}

/// What a batch of an autoencoder holds beside its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentNoise {
    /// ε of each sample's latents, sample after sample.
    pub epsilon: Vec<f32>,
    /// Channels, height and width of the latents.
    pub shape: [usize; 3],
    /// The weight of the divergence.
    pub kl_weight: f64,
}

/// Losses of samples and the two terms that they are made of, `[samples]` each, in bits per dimension.
pub(crate) struct ElboLosses {
    pub losses: Tensor<1>,
    pub terms: [Tensor<1>; 2],
}

/// The losses of the images `x`, `[samples, channels, height, width]`, at z = mean + σ ε.
pub(crate) fn losses(
    autoencoder: &Autoencoder,
    x: Tensor<4>,
    epsilon: Tensor<4>,
    kl_weight: f64,
) -> ElboLosses {
    let [_, channels, height, width] = x.dims();
    let per_bit = (channels * height * width) as f64 * LN_2;
    let elbo = autoencoder.elbo(x, epsilon);
    let terms = [elbo.reconstruction, elbo.kl].map(|nats| nats.div_scalar(per_bit));
    let [reconstruction, kl] = terms.clone();
    ElboLosses {
        losses: reconstruction + kl.mul_scalar(kl_weight),
        terms,
    }
}
