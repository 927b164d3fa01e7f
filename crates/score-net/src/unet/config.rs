//! The U-Net's configuration, and the plan of layers that it stands for.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::UNet;
use super::level::{DownLevel, Middle, Stage, UpLevel};
use crate::attention::SelfAttentionConfig;
use crate::block::{DownsampleConfig, GroupNormConfig, ResidualBlockConfig, UpsampleConfig};
use crate::embedding::{NoiseEmbeddingConfig, TimeEmbedding};
use crate::network::{ConfigError, Weights, nonempty, positive};

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
        for &multiplier in &self.multipliers {
            positive("multipliers[_]", multiplier)?;
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

    /// Builds the network for images of `shape`, channels × height × width, its weights drawn from
    /// `seed`.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate); and if `patch` does not divide the image, no level has a
    /// height listed in `attention`, or `heads` does not divide the channels of a level that
    /// attends.
    pub fn init(&self, shape: [usize; 3], seed: u64, device: &Device) -> Result<UNet, ConfigError> {
        let plan = self.plan(shape)?;
        let weights = &mut Weights::new(seed, device);
        let init_stage = |stage: &StagePlan, weights: &mut Weights| Stage {
            block: stage.block.init(weights),
            attention: stage.attention.as_ref().map(|a| a.init(weights)),
        };
        let init_stages = |stages: &[StagePlan], weights: &mut Weights| {
            stages.iter().map(|s| init_stage(s, weights)).collect()
        };
        Ok(UNet {
            embedding: plan.embedding.init(weights),
            input: weights.conv([plan.depth, self.channels], 3, 1, 1.0),
            down: plan
                .down
                .iter()
                .map(|(stages, down)| DownLevel {
                    stages: init_stages(stages, weights),
                    down: down.as_ref().map(|d| d.init(weights)),
                })
                .collect(),
            middle: Middle {
                first: init_stage(&plan.middle[0], weights),
                second: init_stage(&plan.middle[1], weights),
            },
            up: plan
                .up
                .iter()
                .map(|(up, stages)| UpLevel {
                    up: up.as_ref().map(|u| u.init(weights)),
                    stages: init_stages(stages, weights),
                })
                .collect(),
            norm: plan.norm.init(weights),
            output: weights.conv([plan.norm.channels, plan.depth], 3, 1, 0.0),
            patch: self.patch,
        })
    }

    /// Number of trainable parameters for images of `shape`, channels × height × width.
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn parameter_count(&self, shape: [usize; 3]) -> Result<usize, ConfigError> {
        let plan = self.plan(shape)?;
        let conv = |channels_in: usize, channels_out: usize| (9 * channels_in + 1) * channels_out;
        let stages =
            |stages: &[StagePlan]| -> usize { stages.iter().map(StagePlan::parameter_count).sum() };
        let down = plan.down.iter().map(|(list, down)| {
            let down = down.as_ref().map_or(0, DownsampleConfig::parameter_count);
            down + stages(list)
        });
        let up = plan.up.iter().map(|(up, list)| {
            let up = up.as_ref().map_or(0, UpsampleConfig::parameter_count);
            up + stages(list)
        });
        Ok(plan.embedding.parameter_count()
            + conv(plan.depth, self.channels)
            + down.sum::<usize>()
            + stages(&plan.middle)
            + up.sum::<usize>()
            + plan.norm.parameter_count()
            + conv(plan.norm.channels, plan.depth))
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
            "U-Net for images of {channels}x{height}x{width} in patches of {}: {}; {} blocks per \
             level, a middle{middle}; {:?} time embedding of {} features, {conditioning}; dropout \
             {}",
            self.patch,
            levels.join(", "),
            self.blocks,
            self.time_embedding,
            self.embedding,
            self.dropout,
        ))
    }
}

/// Size and width of one level.
struct Level {
    size: [usize; 2],
    channels: usize,
    attend: bool,
}

/// The layers, in the order in which they are built.
struct Plan {
    /// Channels of the image after gathering patches.
    depth: usize,
    embedding: NoiseEmbeddingConfig,
    down: Vec<(Vec<StagePlan>, Option<DownsampleConfig>)>,
    middle: [StagePlan; 2],
    up: Vec<(Option<UpsampleConfig>, Vec<StagePlan>)>,
    norm: GroupNormConfig,
}

/// A block and the attention after it.
struct StagePlan {
    block: ResidualBlockConfig,
    attention: Option<SelfAttentionConfig>,
}

impl StagePlan {
    fn parameter_count(&self) -> usize {
        let attention = self.attention.as_ref();
        self.block.parameter_count() + attention.map_or(0, SelfAttentionConfig::parameter_count)
    }
}

impl UNetConfig {
    /// Lays out the network for images of `shape`, having checked that it fits them.
    fn plan(&self, shape: [usize; 3]) -> Result<Plan, ConfigError> {
        let levels = self.levels(shape)?;
        let last = levels.len() - 1;
        let mut channels = self.channels;
        let mut skips = vec![channels];

        let mut down = Vec::new();
        for (index, level) in levels.iter().enumerate() {
            let mut stages = Vec::new();
            for _ in 0..self.blocks {
                stages.push(self.stage(channels, level.channels, level.attend));
                channels = level.channels;
                skips.push(channels);
            }
            let halving = (index < last).then(|| {
                skips.push(channels);
                DownsampleConfig { channels }
            });
            down.push((stages, halving));
        }

        let middle = [
            self.stage(channels, channels, self.middle_attention),
            self.stage(channels, channels, false),
        ];

        let mut up = Vec::new();
        for (index, level) in levels.iter().enumerate().rev() {
            let doubling = (index < last).then_some(UpsampleConfig {
                channels_in: channels,
                channels_out: level.channels,
            });
            channels = level.channels;
            let stages = (0..=self.blocks)
                .map(|_| {
                    let skip = skips.pop().expect("a skip for every block on the way up");
                    self.stage(channels + skip, channels, level.attend)
                })
                .collect();
            up.push((doubling, stages));
        }

        Ok(Plan {
            depth: shape[0] * self.patch * self.patch,
            embedding: NoiseEmbeddingConfig {
                time_embedding: self.time_embedding,
                features: self.embedding,
            },
            down,
            middle,
            up,
            norm: GroupNormConfig {
                channels,
                groups: self.groups,
            },
        })
    }

    /// The levels for images of `shape`, having checked every field.
    fn levels(&self, shape: [usize; 3]) -> Result<Vec<Level>, ConfigError> {
        self.validate()?;
        let [_, height, width] = nonempty(shape)?;
        for (whole_name, whole) in [("the images' height", height), ("the images' width", width)] {
            if !whole.is_multiple_of(self.patch) {
                return Err(ConfigError::NotADivisor {
                    field: "patch",
                    value: self.patch,
                    whole_name,
                    whole,
                    remedy: "use 1, or a common divisor of height and width",
                });
            }
        }
        let mut size = [height / self.patch, width / self.patch];
        let mut levels = Vec::new();
        for multiplier in &self.multipliers {
            levels.push(Level {
                size,
                channels: multiplier * self.channels,
                attend: self.attention.contains(&size[0]),
            });
            size = size.map(DownsampleConfig::halved);
        }
        self.check_attention(&levels)?;
        Ok(levels)
    }

    fn check_attention(&self, levels: &[Level]) -> Result<(), ConfigError> {
        let available: Vec<usize> = levels.iter().map(|level| level.size[0]).collect();
        if let Some(&height) = self.attention.iter().find(|h| !available.contains(h)) {
            return Err(ConfigError::NoSuchLevel { height, available });
        }
        let middle = levels.last().filter(|_| self.middle_attention);
        let attending = levels.iter().filter(|level| level.attend).chain(middle);
        for level in attending {
            if !level.channels.is_multiple_of(self.heads) {
                return Err(ConfigError::NotADivisor {
                    field: "heads",
                    value: self.heads,
                    whole_name: "the channels of a level with attention",
                    whole: level.channels,
                    remedy: "change heads, channels or multipliers",
                });
            }
        }
        Ok(())
    }

    fn stage(&self, channels_in: usize, channels_out: usize, attend: bool) -> StagePlan {
        StagePlan {
            block: ResidualBlockConfig {
                channels_in,
                channels_out,
                embedding: self.embedding,
                groups: self.groups,
                dropout: self.dropout,
                scale_shift: self.scale_shift,
            },
            attention: attend.then_some(SelfAttentionConfig {
                channels: channels_out,
                heads: self.heads,
                groups: self.groups,
            }),
        }
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

    #[test]
    fn levels_halve_with_rounding_up_after_patching() {
        let config = UNetConfig {
            patch: 2,
            multipliers: vec![1, 1, 2],
            ..UNetConfig::default()
        };
        let levels = config.levels([3, 28, 20]).unwrap();
        let sizes: Vec<[usize; 2]> = levels.iter().map(|level| level.size).collect();
        assert_eq!(sizes, [[14, 10], [7, 5], [4, 3]]);
    }
}
