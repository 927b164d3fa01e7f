//! The U-Net's configuration, as plain data.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::UNet;
use crate::embedding::TimeEmbedding;
use crate::network::{ConfigError, MOST, MOST_LEVELS, Signature, Weights, at_most, positive};

/// Configuration of a [`UNet`], as it stands in an experiment file.
///
/// The data's shape is no part of it: it comes with [`init`](Self::init).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UNetConfig {
    /// Side of the square of pixels that the first layer gathers into channels and the last one
    /// spreads out again; 1 for none. With 2 a 28×28 image is worked on at 14×14.
    pub patch: usize,
    /// Channels of the first level.
    pub channels: usize,
    /// Channels of each level, as multiples of `channels`. Each level has half the height and
    /// width of the one before, rounded up.
    pub multipliers: Vec<usize>,
    /// Residual blocks per level on the way down; there is one more on the way up.
    pub blocks: usize,
    /// Heights, in pixels of the feature map, of the levels whose blocks are followed by attention.
    pub attention: Vec<usize>,
    /// Whether there is attention between the two blocks of the lowest resolution, as in DDPM.
    pub middle_attention: bool,
    /// Heads of each attention.
    pub heads: usize,
    /// The most groups of a group normalisation; what is used is the largest divisor of its
    /// channels that is not above it and leaves at least four channels to a group.
    pub groups: usize,
    /// Features of the time embedding; even.
    pub embedding: usize,
    /// Which waves of c_noise are embedded.
    pub time_embedding: TimeEmbedding,
    /// Whether the time embedding scales and shifts (ADM) or is added (DDPM).
    pub scale_shift: bool,
    /// Probability with which an activation is dropped while training, in [0, 1).
    ///
    /// The draws come from Burn's generator for the device, whose state cannot be saved: with
    /// dropout a resumed run is not bit-identical to an uninterrupted one.
    pub dropout: f64,
}

impl Default for UNetConfig {
    fn default() -> Self {
        Self {
            patch: 1,
            channels: 64,
            multipliers: vec![1, 2],
            blocks: 2,
            attention: Vec::new(),
            middle_attention: true,
            heads: 4,
            groups: 32,
            embedding: 256,
            time_embedding: TimeEmbedding::Sinusoidal,
            scale_shift: true,
            dropout: 0.0,
        }
    }
}

impl UNetConfig {
    /// Checks what can be checked without knowing the data.
    ///
    /// # Errors
    ///
    /// Names the field at fault, its value and what to change.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("patch", self.patch),
            ("channels", self.channels),
            ("blocks", self.blocks),
            ("heads", self.heads),
            ("groups", self.groups),
        ] {
            positive(field, value)?;
        }
        crate::embedding::validate(self.embedding)?;
        if self.multipliers.is_empty() {
            return Err(ConfigError::Empty {
                field: "multipliers",
                remedy: "give one multiple of `channels` per level, such as [1, 2]",
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
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(ConfigError::OutOfRange {
                field: "dropout",
                value: self.dropout,
                allowed: "at least 0 and below 1",
            });
        }
        Ok(())
    }

    /// Builds the network for images of a shape, channels × height × width, or of another [`Signature`],
    /// its weights drawn from `seed`.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate); and if `patch` does not divide the image, no level has a
    /// height listed in `attention`, or `heads` does not divide the channels of a level that
    /// attends.
    pub fn init(
        &self,
        signature: impl Into<Signature>,
        seed: u64,
        device: &Device,
    ) -> Result<UNet, ConfigError> {
        let plan = self.plan(signature.into())?;
        Ok(plan.init(&mut Weights::new(seed, device)))
    }

    /// Number of trainable parameters for images of a shape, channels × height × width, or of another
    /// [`Signature`].
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn parameter_count(&self, signature: impl Into<Signature>) -> Result<usize, ConfigError> {
        Ok(self.plan(signature.into())?.parameter_count())
    }

    /// One sentence for a reader: levels, sizes and options.
    pub(crate) fn describe(&self, shape: [usize; 3]) -> Result<String, ConfigError> {
        let [channels, height, width] = shape;
        let levels: Vec<String> = self
            .levels(shape)?
            .iter()
            .map(|level| {
                let [h, w] = level.size;
                let attention = if level.attend { " (attention)" } else { "" };
                format!("{} channels at {h}x{w}{attention}", level.channels)
            })
            .collect();
        let middle = if self.middle_attention {
            " with attention"
        } else {
            ""
        };
        let conditioning = if self.scale_shift {
            "scaling and shifting"
        } else {
            "added"
        };
        Ok(format!(
            "U-Net for images of {channels}x{height}x{width} in patches of {}: {}; {} per level, a \
             middle{middle}; {} time embedding of {} features, {conditioning}; dropout {}",
            self.patch,
            levels.join(", "),
            match self.blocks {
                1 => "one residual block".to_owned(),
                blocks => format!("{blocks} residual blocks"),
            },
            format!("{:?}", self.time_embedding).to_lowercase(),
            self.embedding,
            self.dropout,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(config: UNetConfig, shape: [usize; 3]) -> String {
        config.parameter_count(shape).unwrap_err().to_string()
    }

    #[test]
    fn faults_name_field_value_and_remedy() {
        let base = UNetConfig::default;
        let image = [1, 28, 28];
        let cases = [
            (
                UNetConfig {
                    channels: 0,
                    ..base()
                },
                "network.channels = 0: it must be at least 1",
            ),
            (
                UNetConfig {
                    multipliers: vec![],
                    ..base()
                },
                "network.multipliers = []: give one multiple of `channels` per level, such as [1, 2]",
            ),
            (
                UNetConfig {
                    multipliers: vec![1, 0],
                    ..base()
                },
                "network.multipliers[_] = 0: it must be at least 1",
            ),
            (
                UNetConfig {
                    dropout: 1.0,
                    ..base()
                },
                "network.dropout = 1: it must be at least 0 and below 1",
            ),
            (
                UNetConfig {
                    dropout: f64::NAN,
                    ..base()
                },
                "network.dropout = NaN: it must be at least 0 and below 1",
            ),
            (
                UNetConfig { patch: 3, ..base() },
                "network.patch = 3 does not divide the images' height = 28: use 1, or a common \
                 divisor of height and width",
            ),
            (
                UNetConfig {
                    attention: vec![14, 16],
                    ..base()
                },
                "network.attention lists 16, but on this data the levels are [28, 14] high: list \
                 some of these, or none",
            ),
            (
                UNetConfig { heads: 3, ..base() },
                "network.heads = 3 does not divide the channels of a level with attention = 128: \
                 change heads, channels or multipliers",
            ),
        ];
        for (config, message) in cases {
            assert_eq!(fault(config, image), message);
        }
    }

    #[test]
    fn heads_matter_only_where_there_is_attention() {
        let config = UNetConfig {
            heads: 3,
            middle_attention: false,
            ..UNetConfig::default()
        };
        assert!(config.parameter_count([1, 8, 8]).is_ok());
    }
}
