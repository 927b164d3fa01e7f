//! The autoencoder's configuration, as plain data.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::Autoencoder;
use crate::block::DownsampleConfig;
use crate::network::{ConfigError, MOST, MOST_LEVELS, Weights, at_most, nonempty, positive};

/// Configuration of an [`Autoencoder`], as it stands in an experiment file.
///
/// The data's shape is no part of it: it comes with [`init`](Self::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoencoderConfig {
    /// Channels of the first level.
    pub channels: usize,
    /// Channels of each level, as multiples of `channels`. Each level has half the height and width of
    /// the one before, rounded up; the latents have those of the last.
    pub multipliers: Vec<usize>,
    /// Residual blocks per level, on either way.
    pub blocks: usize,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// The most groups of a group normalisation, as in the U-Net.
    pub groups: usize,
}

impl Default for AutoencoderConfig {
    fn default() -> Self {
        Self {
            channels: 32,
            multipliers: vec![1, 2, 4],
            blocks: 1,
            latent_channels: 4,
            groups: 32,
        }
    }
}

impl AutoencoderConfig {
    /// Checks what can be checked without knowing the data.
    ///
    /// # Errors
    ///
    /// Names the field at fault, its value and what to change.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("channels", self.channels),
            ("blocks", self.blocks),
            ("latent_channels", self.latent_channels),
            ("groups", self.groups),
        ] {
            positive(field, value)?;
        }
        if self.multipliers.is_empty() {
            return Err(ConfigError::Empty {
                field: "multipliers",
                remedy: "give one multiple of `channels` per level, such as [1, 2, 4]",
            });
        }
        at_most(
            "multipliers (their number)",
            self.multipliers.len(),
            MOST_LEVELS,
        )?;
        for &multiplier in &self.multipliers {
            positive("multipliers[_]", multiplier)?;
            at_most(
                "channels times a multiplier",
                self.channels * multiplier,
                MOST,
            )?;
        }
        Ok(())
    }

    /// Builds the network for images of `shape`, channels × height × width, its weights drawn from
    /// `seed`.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate), and if the images have no extent.
    pub fn init(
        &self,
        shape: [usize; 3],
        seed: u64,
        device: &Device,
    ) -> Result<Autoencoder, ConfigError> {
        Ok(self.plan(shape)?.init(&mut Weights::new(seed, device)))
    }

    /// Number of trainable parameters for images of `shape`.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn parameter_count(&self, shape: [usize; 3]) -> Result<usize, ConfigError> {
        Ok(self.plan(shape)?.parameter_count())
    }

    /// The shape of the latents of images of `shape`, both channels × height × width.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn latent_shape(&self, shape: [usize; 3]) -> Result<[usize; 3], ConfigError> {
        let levels = self.levels(shape)?;
        let [height, width] = levels.last().expect("one level at least").size;
        nonempty([self.latent_channels, height, width])
    }

    /// The levels for images of `shape`, having checked every field.
    pub(super) fn levels(&self, shape: [usize; 3]) -> Result<Vec<Level>, ConfigError> {
        self.validate()?;
        let [_, height, width] = nonempty(shape)?;
        let mut size = [height, width];
        let mut levels = Vec::new();
        for multiplier in &self.multipliers {
            levels.push(Level {
                size,
                channels: multiplier * self.channels,
            });
            size = size.map(DownsampleConfig::halved);
        }
        Ok(levels)
    }

    /// One sentence for a reader: levels, sizes, latents.
    pub(crate) fn describe(&self, shape: [usize; 3]) -> Result<String, ConfigError> {
        let [channels, height, width] = shape;
        let [latent_channels, latent_height, latent_width] = self.latent_shape(shape)?;
        let levels = self.levels(shape)?;
        let levels = levels.iter().map(|level| {
            let [h, w] = level.size;
            format!("{} channels at {h}x{w}", level.channels)
        });
        Ok(format!(
            "variational autoencoder for images of {channels}x{height}x{width}, with latents of \
             {latent_channels}x{latent_height}x{latent_width}: {}; {} per level on either way",
            levels.collect::<Vec<_>>().join(", "),
            match self.blocks {
                1 => "one residual block".to_owned(),
                blocks => format!("{blocks} residual blocks"),
            },
        ))
    }
}

/// Size and width of one level.
pub(super) struct Level {
    pub(super) size: [usize; 2],
    pub(super) channels: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latents_have_the_size_of_the_last_level() {
        let config = AutoencoderConfig::default();
        assert_eq!(config.latent_shape([1, 28, 28]).unwrap(), [4, 7, 7]);
        assert_eq!(config.latent_shape([3, 15, 9]).unwrap(), [4, 4, 3]);
    }

    #[test]
    fn faults_name_field_value_and_remedy() {
        let base = AutoencoderConfig::default;
        let cases = [
            (
                AutoencoderConfig {
                    latent_channels: 0,
                    ..base()
                },
                "network.latent_channels = 0: it must be at least 1",
            ),
            (
                AutoencoderConfig {
                    multipliers: vec![],
                    ..base()
                },
                "network.multipliers = []: give one multiple of `channels` per level, such as [1, 2, 4]",
            ),
            (
                AutoencoderConfig {
                    multipliers: vec![1; 17],
                    ..base()
                },
                "network.multipliers (their number) = 17: it must be at most 16",
            ),
            (
                AutoencoderConfig {
                    channels: 1 << 14,
                    ..base()
                },
                "network.channels times a multiplier = 65536: it must be at most 32768",
            ),
        ];
        for (config, message) in cases {
            let fault = config.parameter_count([1, 28, 28]).unwrap_err();
            assert_eq!(fault.to_string(), message);
        }
        assert!(base().parameter_count([1, 0, 28]).is_err());
    }
}
