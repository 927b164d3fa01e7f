//! The layers that a configuration stands for on data of a given shape, in the order in which they
//! are built: what is built from it and what is counted by it cannot differ.

use super::level::{DownLevel, Middle, Stage, UpLevel};
use super::{NoisyClassifier, UNet, UNetConfig};
use crate::attention::SelfAttentionConfig;
use crate::block::{DownsampleConfig, GroupNormConfig, ResidualBlockConfig, UpsampleConfig};
use crate::embedding::NoiseEmbeddingConfig;
use crate::network::{ConfigError, Signature, Weights, nonempty};
use crate::patch;

/// Size and width of one level.
pub(super) struct Level {
    pub(super) size: [usize; 2],
    pub(super) channels: usize,
    pub(super) attend: bool,
}

/// The layers, in the order in which they are built.
pub(super) struct Plan {
    /// Channels of the image after gathering patches.
    depth: usize,
    /// Channels of the answer before spreading patches out.
    depth_out: usize,
    /// Channels of the first level.
    channels: usize,
    embedding: NoiseEmbeddingConfig,
    down: Vec<(Vec<StagePlan>, Option<DownsampleConfig>)>,
    middle: [StagePlan; 2],
    up: Vec<(Option<UpsampleConfig>, Vec<StagePlan>)>,
    norm: GroupNormConfig,
    patch: usize,
}

impl Plan {
    /// Builds the network.
    pub(super) fn init(&self, weights: &mut Weights) -> UNet {
        UNet {
            embedding: self.embedding.init(weights),
            input: weights.conv([self.depth, self.channels], 3, 1, 1.0),
            down: self.init_down(weights),
            middle: self.init_middle(weights),
            up: self
                .up
                .iter()
                .map(|(up, stages)| UpLevel {
                    up: up.as_ref().map(|up| up.init(weights)),
                    stages: init_stages(stages, weights),
                })
                .collect(),
            norm: self.norm.init(weights),
            output: weights.conv([self.norm.channels, self.depth_out], 3, 1, 0.0),
            patch: self.patch,
        }
    }

    /// Builds the way down and the middle, and what makes logits of `classes` of the last feature map.
    pub(super) fn init_classifier(&self, classes: usize, weights: &mut Weights) -> NoisyClassifier {
        NoisyClassifier {
            embedding: self.embedding.init(weights),
            input: weights.conv([self.depth, self.channels], 3, 1, 1.0),
            down: self.init_down(weights),
            middle: self.init_middle(weights),
            norm: self.last_norm().init(weights),
            output: weights.linear([self.middle_channels(), classes], 0.0),
            patch: self.patch,
        }
    }

    /// Number of trainable parameters of the same.
    pub(super) fn classifier_parameter_count(&self, classes: usize) -> usize {
        self.count_down()
            + self.last_norm().parameter_count()
            + (self.middle_channels() + 1) * classes
    }

    fn middle_channels(&self) -> usize {
        self.middle[1].block.channels_out
    }

    fn last_norm(&self) -> GroupNormConfig {
        GroupNormConfig {
            channels: self.middle_channels(),
            groups: self.norm.groups,
        }
    }

    fn init_down(&self, weights: &mut Weights) -> Vec<DownLevel> {
        let level = |(stages, down): &(Vec<StagePlan>, Option<DownsampleConfig>)| DownLevel {
            stages: init_stages(stages, weights),
            down: down.as_ref().map(|down| down.init(weights)),
        };
        self.down.iter().map(level).collect()
    }

    fn init_middle(&self, weights: &mut Weights) -> Middle {
        Middle {
            first: self.middle[0].init(weights),
            second: self.middle[1].init(weights),
        }
    }

    /// Parameters from the embedding to the middle.
    fn count_down(&self) -> usize {
        let down = self.down.iter().map(|(stages, down)| {
            let down = down.as_ref().map_or(0, DownsampleConfig::parameter_count);
            down + count(stages)
        });
        self.embedding.parameter_count()
            + conv_parameters(self.depth, self.channels)
            + down.sum::<usize>()
            + count(&self.middle)
    }

    /// Number of trainable parameters.
    pub(super) fn parameter_count(&self) -> usize {
        let up = self.up.iter().map(|(up, stages)| {
            let up = up.as_ref().map_or(0, UpsampleConfig::parameter_count);
            up + count(stages)
        });
        self.count_down()
            + up.sum::<usize>()
            + self.norm.parameter_count()
            + conv_parameters(self.norm.channels, self.depth_out)
    }
}

/// Of a 3×3 convolution.
fn conv_parameters(channels_in: usize, channels_out: usize) -> usize {
    (9 * channels_in + 1) * channels_out
}

fn init_stages(stages: &[StagePlan], weights: &mut Weights) -> Vec<Stage> {
    stages.iter().map(|stage| stage.init(weights)).collect()
}

fn count(stages: &[StagePlan]) -> usize {
    stages.iter().map(StagePlan::parameter_count).sum()
}

/// A block and the attention after it.
struct StagePlan {
    block: ResidualBlockConfig,
    attention: Option<SelfAttentionConfig>,
}

impl StagePlan {
    fn init(&self, weights: &mut Weights) -> Stage {
        Stage {
            block: self.block.init(weights),
            attention: self.attention.as_ref().map(|a| a.init(weights)),
        }
    }

    fn parameter_count(&self) -> usize {
        let attention = self.attention.as_ref();
        self.block.parameter_count() + attention.map_or(0, SelfAttentionConfig::parameter_count)
    }
}

impl UNetConfig {
    /// Lays out the network, having checked that it fits the images.
    pub(super) fn plan(&self, signature: Signature) -> Result<Plan, ConfigError> {
        signature.features()?;
        let levels = self.levels(signature.shape)?;
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
            depth: signature.shape[0] * self.patch * self.patch,
            depth_out: signature.channels_out * self.patch * self.patch,
            channels: self.channels,
            embedding: NoiseEmbeddingConfig {
                time_embedding: self.time_embedding,
                waves: self.embedding,
                features: self.embedding,
                classes: signature.classes,
            },
            down,
            middle,
            up,
            norm: GroupNormConfig {
                channels,
                groups: self.groups,
            },
            patch: self.patch,
        })
    }

    /// The levels for images of `shape`, having checked every field.
    pub(super) fn levels(&self, shape: [usize; 3]) -> Result<Vec<Level>, ConfigError> {
        self.validate()?;
        let [_, height, width] = nonempty(shape)?;
        patch::check(self.patch, [height, width])?;
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
