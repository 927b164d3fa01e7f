//! A residual MLP for points, such as the two-dimensional toy sets.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor};
use kernels::silu;
use serde::{Deserialize, Serialize};

use crate::embedding::{NoiseEmbedding, NoiseEmbeddingConfig, TimeEmbedding};
use crate::network::{ConfigError, Signature, Weights, positive};

/// Configuration of an [`Mlp`], as it stands in an experiment file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MlpConfig {
    /// Features of the hidden layers.
    pub width: usize,
    /// Residual blocks, of two linear layers each.
    pub blocks: usize,
    /// Features of the time embedding; even.
    pub embedding: usize,
    /// Which waves of c_noise are embedded.
    pub time_embedding: TimeEmbedding,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self {
            width: 128,
            blocks: 3,
            embedding: 64,
            time_embedding: TimeEmbedding::Sinusoidal,
        }
    }
}

impl MlpConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field that is zero, or the embedding if it is odd.
    pub fn validate(&self) -> Result<(), ConfigError> {
        positive("width", self.width)?;
        positive("blocks", self.blocks)?;
        crate::embedding::validate(self.embedding)
    }

    /// Builds the network for points of `features` coordinates, its weights drawn from `seed`.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate), and if there are no `features`.
    pub fn init(&self, features: usize, seed: u64, device: &Device) -> Result<Mlp, ConfigError> {
        self.init_for([features, 1, 1].into(), seed, device)
    }

    /// The same for samples of a shape, which it flattens, or for another [`Signature`].
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn init_for(
        &self,
        signature: Signature,
        seed: u64,
        device: &Device,
    ) -> Result<Mlp, ConfigError> {
        self.validate()?;
        let [features, features_out] = signature.features()?;
        let weights = &mut Weights::new(seed, device);
        Ok(Mlp {
            embedding: self.noise_embedding(signature.classes).init(weights),
            input: weights.linear([features, self.width], 1.0),
            blocks: (0..self.blocks)
                .map(|_| MlpBlock {
                    inner: weights.linear([self.width, self.width], 1.0),
                    modulation: weights.linear([self.embedding, 2 * self.width], 1.0),
                    outer: weights.linear([self.width, self.width], 1.0),
                })
                .collect(),
            output: weights.linear([self.width, features_out], 0.0),
        })
    }

    /// Number of trainable parameters for points of `features` coordinates.
    pub fn parameter_count(&self, features: usize) -> usize {
        self.count([features, features], 0)
    }

    /// The same for samples of a shape, which it flattens, or for another [`Signature`].
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn parameter_count_for(&self, signature: Signature) -> Result<usize, ConfigError> {
        self.validate()?;
        Ok(self.count(signature.features()?, signature.classes))
    }

    fn count(&self, [features, features_out]: [usize; 2], classes: usize) -> usize {
        let width = self.width;
        let block = 2 * (width + 1) * width + (self.embedding + 1) * 2 * width;
        self.noise_embedding(classes).parameter_count()
            + (features + 1) * width
            + self.blocks * block
            + (width + 1) * features_out
    }

    fn noise_embedding(&self, classes: usize) -> NoiseEmbeddingConfig {
        NoiseEmbeddingConfig {
            time_embedding: self.time_embedding,
            waves: self.embedding,
            features: self.embedding,
            classes,
        }
    }
}

/// Linear layer, residual blocks, SiLU, linear layer; the last one starts at zero.
#[derive(Module, Debug)]
pub struct Mlp {
    embedding: NoiseEmbedding,
    input: Linear,
    blocks: Vec<MlpBlock>,
    output: Linear,
}

/// x + W₂ silu((W₁ silu(x))·(1 + scale) + shift), scale and shift from the time embedding.
#[derive(Module, Debug)]
struct MlpBlock {
    inner: Linear,
    modulation: Linear,
    outer: Linear,
}

impl Mlp {
    /// Applies the network.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, features]`, output: `[batch, features_out]`
    /// - c_noise: `[batch]`, ¼·ln(σ/α)
    /// - classes: `[batch]`, see [`NoiseEmbedding::forward`]
    pub fn forward(
        &self,
        x: Tensor<2>,
        c_noise: Tensor<1>,
        classes: Option<Tensor<1, Int>>,
    ) -> Tensor<2> {
        let embedding = self.embedding.forward(c_noise, classes);
        let hidden = self
            .blocks
            .iter()
            .fold(self.input.forward(x), |hidden, block| {
                block.forward(hidden, embedding.clone())
            });
        self.output.forward(silu(hidden))
    }
}

impl MlpBlock {
    fn forward(&self, x: Tensor<2>, embedding: Tensor<2>) -> Tensor<2> {
        let [scale, shift] = self
            .modulation
            .forward(embedding)
            .chunk(2, 1)
            .try_into()
            .expect("two halves of an even width");
        let hidden = self.inner.forward(silu(x.clone()));
        let hidden = hidden.mul(scale.add_scalar(1.0)).add(shift);
        x.add(self.outer.forward(silu(hidden)))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn output_has_the_shape_of_the_input_and_starts_at_zero() {
        let device = Device::flex();
        for features in [1, 2, 5] {
            let mlp = MlpConfig::default().init(features, 0, &device).unwrap();
            let x = Tensor::random([7, features], Distribution::Normal(0.0, 1.0), &device);
            let y = mlp.forward(x, Tensor::zeros([7], &device), None);
            assert_eq!(y.dims(), [7, features]);
            assert_eq!(y.abs().max().into_scalar::<f32>(), 0.0);
        }
    }

    #[test]
    fn parameters_are_counted_without_building_the_network() {
        let config = MlpConfig {
            width: 12,
            blocks: 2,
            embedding: 6,
            ..MlpConfig::default()
        };
        let mlp = config.init(3, 0, &Device::flex()).unwrap();
        assert_eq!(config.parameter_count(3), mlp.num_params());
    }

    #[test]
    fn faults_are_named() {
        let check = |config: MlpConfig| config.validate().unwrap_err().to_string();
        let base = MlpConfig::default;
        assert_eq!(
            check(MlpConfig { width: 0, ..base() }),
            "network.width = 0: it must be at least 1"
        );
        assert_eq!(
            check(MlpConfig {
                embedding: 7,
                ..base()
            }),
            "network.embedding = 7: it must be even and at least 2, \
             a cosine and a sine for each frequency"
        );
    }
}
