//! The transformer's configuration, as plain data.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::DiT;
use super::block::BlockConfig;
use super::final_layer::FinalLayerConfig;
use super::size::{DiTSize, Written};
use crate::embedding::{NoiseEmbeddingConfig, TimeEmbedding};
use crate::network::{ConfigError, MOST, Signature, Weights, at_most, nonempty, positive};
use crate::patch;

/// Configuration of a [`DiT`], as it stands in an experiment file, where `size = "S"` is short for a
/// published depth, width and number of heads: see [`DiTSize`].
///
/// The data's shape is no part of it: it comes with [`init`](Self::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct DiTConfig {
    /// Side of the square of pixels that is a token. With 4 a 28×28 image is 49 tokens; the time of
    /// a step goes with their number, and that of attention with its square.
    pub patch: usize,
    /// Blocks, each attention and an MLP.
    pub depth: usize,
    /// Features of a token; a multiple of 4, and of `heads`.
    pub width: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// Features of an MLP's hidden layer, as a multiple of `width`.
    pub mlp_ratio: usize,
    /// Waves of c_noise, which two layers turn into `width` features; even.
    pub embedding: usize,
    /// Which waves of c_noise are embedded.
    pub time_embedding: TimeEmbedding,
}

impl Default for DiTConfig {
    fn default() -> Self {
        Self::of(DiTSize::Mini)
    }
}

impl DiTConfig {
    /// The configuration of a size with a name, for patches of 2×2 pixels.
    #[must_use]
    pub fn of(size: DiTSize) -> Self {
        let [depth, width, heads] = size.dimensions();
        Self {
            patch: 2,
            depth,
            width,
            heads,
            mlp_ratio: 4,
            embedding: 256,
            time_embedding: TimeEmbedding::Sinusoidal,
        }
    }

    /// The size that has this depth, this width and as many heads, if one has a name.
    #[must_use]
    pub fn size(&self) -> Option<DiTSize> {
        let own = [self.depth, self.width, self.heads];
        DiTSize::ALL
            .into_iter()
            .find(|size| size.dimensions() == own)
    }

    /// Checks what can be checked without knowing the data.
    ///
    /// # Errors
    ///
    /// Names the field at fault, its value and what to change.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("patch", self.patch),
            ("depth", self.depth),
            ("width", self.width),
            ("heads", self.heads),
            ("mlp_ratio", self.mlp_ratio),
        ] {
            positive(field, value)?;
        }
        at_most("width times mlp_ratio", self.width * self.mlp_ratio, MOST)?;
        crate::embedding::validate(self.embedding)?;
        if !self.width.is_multiple_of(4) {
            return Err(ConfigError::OutOfRange {
                field: "width",
                value: self.width as f64,
                allowed: "a multiple of 4, a cosine and a sine of each token's row and column",
            });
        }
        if !self.width.is_multiple_of(self.heads) {
            return Err(ConfigError::NotADivisor {
                field: "heads",
                value: self.heads,
                whole_name: "width",
                whole: self.width,
                remedy: "change heads or width",
            });
        }
        Ok(())
    }

    /// Builds the network for images of a shape, channels × height × width, or of another [`Signature`],
    /// its weights drawn from `seed`: first the embedding's, then the first layer's, then block by block,
    /// then the last layer's.
    ///
    /// Weights start as published, by Glorot & Bengio's uniform distribution and with the modulations
    /// and the last layer at zero; so do those of the embedding, for which the published code takes
    /// normal ones of standard deviation 0.02.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate); and if `patch` does not divide the image.
    pub fn init(
        &self,
        signature: impl Into<Signature>,
        seed: u64,
        device: &Device,
    ) -> Result<DiT, ConfigError> {
        let signature = signature.into();
        let [depth_in, depth_out] = self.patches(signature)?;
        let weights = &mut Weights::new(seed, device);
        Ok(DiT {
            embedding: self.noise_embedding(signature.classes).init(weights),
            input: weights.linear([depth_in, self.width], 1.0),
            blocks: (0..self.depth)
                .map(|_| self.block().init(weights))
                .collect(),
            output: self.output(depth_out).init(weights),
            patch: self.patch,
        })
    }

    /// Number of trainable parameters for images of a shape, channels × height × width, or of another
    /// [`Signature`].
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn parameter_count(&self, signature: impl Into<Signature>) -> Result<usize, ConfigError> {
        let signature = signature.into();
        let [depth_in, depth_out] = self.patches(signature)?;
        Ok(self.noise_embedding(signature.classes).parameter_count()
            + (depth_in + 1) * self.width
            + self.depth * self.block().parameter_count()
            + self.output(depth_out).parameter_count())
    }

    /// One sentence for a reader: tokens, sizes and options.
    pub(crate) fn describe(&self, shape: [usize; 3]) -> Result<String, ConfigError> {
        self.patches(shape.into())?;
        let [channels, height, width] = shape;
        let name = match self.size() {
            Some(size) => format!("DiT-{}/{}", size.name(), self.patch),
            None => "DiT".to_owned(),
        };
        Ok(format!(
            "{name} for images of {channels}x{height}x{width} in patches of {}: {} tokens of width {}, {} \
             blocks of {} heads and {} hidden features; {} time embedding of {} waves",
            self.patch,
            height / self.patch * (width / self.patch),
            self.width,
            self.depth,
            self.heads,
            self.block().hidden,
            format!("{:?}", self.time_embedding).to_lowercase(),
            self.embedding,
        ))
    }

    /// Numbers of a patch of what comes in and of one of what goes out, having checked every field.
    fn patches(&self, signature: Signature) -> Result<[usize; 2], ConfigError> {
        self.validate()?;
        signature.features()?;
        let [channels, height, width] = nonempty(signature.shape)?;
        patch::check(self.patch, [height, width])?;
        let area = self.patch * self.patch;
        Ok([channels * area, signature.channels_out * area])
    }

    fn noise_embedding(&self, classes: usize) -> NoiseEmbeddingConfig {
        NoiseEmbeddingConfig {
            time_embedding: self.time_embedding,
            waves: self.embedding,
            features: self.width,
            classes,
        }
    }

    fn block(&self) -> BlockConfig {
        BlockConfig {
            width: self.width,
            hidden: self.mlp_ratio * self.width,
            heads: self.heads,
        }
    }

    fn output(&self, depth: usize) -> FinalLayerConfig {
        FinalLayerConfig {
            width: self.width,
            depth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_field_value_and_remedy() {
        let base = DiTConfig::default;
        let cases = [
            (
                DiTConfig { depth: 0, ..base() },
                "network.depth = 0: it must be at least 1",
            ),
            (
                DiTConfig {
                    depth: 5000,
                    ..base()
                },
                "network.depth = 5000: it must be at most 1024",
            ),
            (
                DiTConfig {
                    width: 126,
                    ..base()
                },
                "network.width = 126: it must be a multiple of 4, a cosine and a sine of each token's row \
                 and column",
            ),
            (
                DiTConfig { heads: 3, ..base() },
                "network.heads = 3 does not divide width = 128: change heads or width",
            ),
            (
                DiTConfig { patch: 3, ..base() },
                "network.patch = 3 does not divide the images' height = 28: use 1, or a common divisor of \
                 height and width",
            ),
            (
                DiTConfig {
                    width: 16384,
                    ..base()
                },
                "network.width times mlp_ratio = 65536: it must be at most 32768",
            ),
            (
                DiTConfig {
                    embedding: 9,
                    ..base()
                },
                "network.embedding = 9: it must be even and at least 2, a cosine and a sine for each \
                 frequency",
            ),
        ];
        for (config, message) in cases {
            let error = config.parameter_count([1, 28, 28]).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn a_description_names_the_size_that_has_a_name() {
        let published = DiTConfig::of(DiTSize::Xl).describe([4, 32, 32]).unwrap();
        assert!(
            published.starts_with("DiT-XL/2 for images of 4x32x32"),
            "{published}"
        );
        assert!(
            published.contains("256 tokens of width 1152"),
            "{published}"
        );
        let own = DiTConfig {
            width: 96,
            ..DiTConfig::default()
        };
        assert!(
            own.describe([1, 28, 28])
                .unwrap()
                .starts_with("DiT for images")
        );
    }
}
