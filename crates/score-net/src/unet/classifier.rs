//! A classifier of noised images: the U-Net's way down, and a mean over the pixels.

use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::level::{DownLevel, Middle};
use super::{UNetConfig, size};
use crate::block::{GroupNorm, convolve};
use crate::embedding::{NoiseEmbedding, TimeEmbedding};
use crate::network::{ConfigError, Signature, Weights, at_most};
use crate::patch::space_to_depth;
use crate::profile::layer;

/// Configuration of a [`NoisyClassifier`], as it stands in an experiment file; the number of classes is the
/// model's. Fields mean what they mean for a [`UNetConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoisyClassifierConfig {
    /// Side of the square of pixels that the first layer gathers into channels.
    pub patch: usize,
    /// Channels of the first level.
    pub channels: usize,
    /// Channels of each level, as multiples of `channels`.
    pub multipliers: Vec<usize>,
    /// Residual blocks per level.
    pub blocks: usize,
    /// Heights of the levels whose blocks are followed by attention.
    pub attention: Vec<usize>,
    /// Whether there is attention between the two blocks of the lowest resolution.
    pub middle_attention: bool,
    /// Heads of each attention.
    pub heads: usize,
    /// The most groups of a group normalisation.
    pub groups: usize,
    /// Features of the time embedding; even.
    pub embedding: usize,
    /// Which waves of c_noise are embedded.
    pub time_embedding: TimeEmbedding,
    /// Probability with which an activation is dropped while training, in [0, 1).
    pub dropout: f64,
}

impl Default for NoisyClassifierConfig {
    fn default() -> Self {
        let trunk = UNetConfig::default();
        Self {
            patch: trunk.patch,
            channels: 16,
            multipliers: vec![1, 2, 4],
            blocks: 1,
            attention: trunk.attention,
            middle_attention: trunk.middle_attention,
            heads: trunk.heads,
            groups: trunk.groups,
            embedding: 128,
            time_embedding: trunk.time_embedding,
            dropout: trunk.dropout,
        }
    }
}

/// The most classes.
const MOST_CLASSES: usize = 1 << 15;

impl NoisyClassifierConfig {
    fn trunk(&self) -> UNetConfig {
        UNetConfig {
            patch: self.patch,
            channels: self.channels,
            multipliers: self.multipliers.clone(),
            blocks: self.blocks,
            attention: self.attention.clone(),
            middle_attention: self.middle_attention,
            heads: self.heads,
            groups: self.groups,
            embedding: self.embedding,
            time_embedding: self.time_embedding,
            scale_shift: true,
            dropout: self.dropout,
        }
    }

    /// Checks what can be checked without knowing the data.
    ///
    /// # Errors
    ///
    /// Names the field at fault, its value and what to change.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.trunk().validate()
    }

    /// Builds the classifier for images and classes of a signature, its weights drawn from `seed`. It is told
    /// no class, and gives each the same probability at first.
    ///
    /// # Errors
    ///
    /// As [`UNetConfig::init`]; and there must be two classes at least.
    pub fn init(
        &self,
        signature: Signature,
        seed: u64,
        device: &Device,
    ) -> Result<NoisyClassifier, ConfigError> {
        let (plan, classes) = self.plan(signature)?;
        Ok(plan.init_classifier(classes, &mut Weights::new(seed, device)))
    }

    /// Number of trainable parameters.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn parameter_count(&self, signature: Signature) -> Result<usize, ConfigError> {
        let (plan, classes) = self.plan(signature)?;
        Ok(plan.classifier_parameter_count(classes))
    }

    fn plan(&self, signature: Signature) -> Result<(super::plan::Plan, usize), ConfigError> {
        let classes = signature.classes;
        if classes < 2 {
            return Err(ConfigError::TooFewClasses { classes });
        }
        at_most("classes", classes, MOST_CLASSES)?;
        // It answers with the class, and is told none.
        let trunk = Signature::from(signature.shape);
        Ok((self.trunk().plan(trunk)?, classes))
    }

    /// One sentence for a reader.
    pub(crate) fn describe(&self, shape: [usize; 3]) -> Result<String, ConfigError> {
        let levels = self.trunk().levels(shape)?;
        let levels = levels.iter().map(|level| {
            let [height, width] = level.size;
            format!("{} channels at {height}x{width}", level.channels)
        });
        let [channels, height, width] = shape;
        Ok(format!(
            "classifier of noised images of {channels}x{height}x{width}: {}; {} residual blocks per level",
            levels.collect::<Vec<_>>().join(", "),
            self.blocks
        ))
    }
}

/// Logits of p(c | x, t): the way down of a U-Net, GroupNorm, SiLU, the mean over the pixels, and a linear layer
/// that starts at zero (Dhariwal & Nichol 2021, section 4, with the pooling that their code calls `adaptive`).
#[derive(Module, Debug)]
pub struct NoisyClassifier {
    pub(super) embedding: NoiseEmbedding,
    pub(super) input: Conv2d,
    pub(super) down: Vec<DownLevel>,
    pub(super) middle: Middle,
    pub(super) norm: GroupNorm,
    pub(super) output: Linear,
    pub(super) patch: usize,
}

impl NoisyClassifier {
    /// Applies the network.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`
    /// - c_noise: `[batch]`, ¼·ln(σ/α)
    /// - output: `[batch, classes]`, logits
    ///
    /// # Panics
    ///
    /// As [`UNet::forward`](super::UNet::forward).
    pub fn forward(&self, x: Tensor<4>, c_noise: Tensor<1>) -> Tensor<2> {
        let embedding = self.embedding.forward(c_noise, None);
        let patches = space_to_depth(x, self.patch);
        let mut hidden = convolve(&self.input, patches);
        // Nothing goes up again.
        let mut skips = Vec::new();
        for level in &self.down {
            hidden = level.forward(hidden, &embedding, &mut skips);
            skips.clear();
        }
        hidden = self.middle.forward(hidden, &embedding);
        let _span = layer!("output", size(&hidden));
        let [batch, height, width, channels] = hidden.dims();
        let hidden = self.norm.forward_silu(hidden, None);
        let mean = hidden
            .reshape([batch, height * width, channels])
            .mean_dim(1);
        self.output.forward(mean.reshape([batch, channels]))
    }
}
