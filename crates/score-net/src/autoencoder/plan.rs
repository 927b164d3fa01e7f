//! The layers that a configuration stands for on images of a given shape, in the order in which they
//! are built: what is built from it and what is counted by it cannot differ.

use super::{Autoencoder, AutoencoderConfig, Decoder, DownLevel, Encoder, UpLevel};
use crate::block::{DownsampleConfig, GroupNormConfig, PlainBlockConfig, UpsampleConfig};
use crate::network::{ConfigError, Weights};

/// ln s of a new decoder: a scale of 0.1, of pixels in [−1, 1].
const LOG_SCALE: f64 = -2.3;

/// The layers, in the order in which they are built.
pub(super) struct Plan {
    shape: [usize; 3],
    latent_channels: usize,
    /// Channels of the first level and of the last.
    ends: [usize; 2],
    down: Vec<(Vec<PlainBlockConfig>, Option<DownsampleConfig>)>,
    up: Vec<(Option<UpsampleConfig>, Vec<PlainBlockConfig>)>,
    groups: usize,
}

impl Plan {
    /// Builds the network.
    pub(super) fn init(&self, weights: &mut Weights) -> Autoencoder {
        let [channels, height, width] = self.shape;
        let [first, last] = self.ends;
        Autoencoder {
            encoder: Encoder {
                input: weights.conv([channels, first], 3, 1, 1.0),
                down: (self.down.iter())
                    .map(|(blocks, down)| DownLevel {
                        blocks: blocks.iter().map(|block| block.init(weights)).collect(),
                        down: down.as_ref().map(|down| down.init(weights)),
                    })
                    .collect(),
                norm: self.norm(last).init(weights),
                output: weights.conv([last, 2 * self.latent_channels], 3, 1, 1.0),
            },
            decoder: Decoder {
                input: weights.conv([self.latent_channels, last], 3, 1, 1.0),
                up: (self.up.iter())
                    .map(|(up, blocks)| UpLevel {
                        up: up.as_ref().map(|up| up.init(weights)),
                        blocks: blocks.iter().map(|block| block.init(weights)).collect(),
                    })
                    .collect(),
                norm: self.norm(first).init(weights),
                output: weights.conv([first, channels], 3, 1, 0.0),
            },
            log_scale: weights.constant(1, LOG_SCALE),
            height,
            width,
        }
    }

    /// Number of trainable parameters.
    pub(super) fn parameter_count(&self) -> usize {
        let conv = |channels_in: usize, channels_out: usize| (9 * channels_in + 1) * channels_out;
        let blocks = |blocks: &[PlainBlockConfig]| -> usize {
            blocks.iter().map(PlainBlockConfig::parameter_count).sum()
        };
        let down = self.down.iter().map(|(stages, down)| {
            let down = down.as_ref().map_or(0, DownsampleConfig::parameter_count);
            blocks(stages) + down
        });
        let up = self.up.iter().map(|(up, stages)| {
            let up = up.as_ref().map_or(0, UpsampleConfig::parameter_count);
            up + blocks(stages)
        });
        let [first, last] = self.ends;
        let [channels, ..] = self.shape;
        let encoder = conv(channels, first)
            + down.sum::<usize>()
            + self.norm(last).parameter_count()
            + conv(last, 2 * self.latent_channels);
        let decoder = conv(self.latent_channels, last)
            + up.sum::<usize>()
            + self.norm(first).parameter_count()
            + conv(first, channels);
        encoder + decoder + 1
    }

    fn norm(&self, channels: usize) -> GroupNormConfig {
        GroupNormConfig {
            channels,
            groups: self.groups,
        }
    }
}

impl AutoencoderConfig {
    /// Lays out the network, having checked that it fits the images.
    pub(super) fn plan(&self, shape: [usize; 3]) -> Result<Plan, ConfigError> {
        self.latent_shape(shape)?;
        let levels = self.levels(shape)?;
        let ends = [0, levels.len() - 1].map(|index| levels[index].channels);
        let block = |channels_in, channels_out| PlainBlockConfig {
            channels_in,
            channels_out,
            groups: self.groups,
        };

        let mut channels = ends[0];
        let mut down = Vec::new();
        for (index, level) in levels.iter().enumerate() {
            let mut blocks = Vec::new();
            for _ in 0..self.blocks {
                blocks.push(block(channels, level.channels));
                channels = level.channels;
            }
            let halving = (index + 1 < levels.len()).then_some(DownsampleConfig { channels });
            down.push((blocks, halving));
        }

        let mut up = Vec::new();
        for (index, level) in levels.iter().enumerate().rev() {
            let doubling = (index + 1 < levels.len()).then_some(UpsampleConfig {
                channels_in: channels,
                channels_out: level.channels,
            });
            channels = level.channels;
            let blocks = (0..self.blocks).map(|_| block(channels, channels));
            up.push((doubling, blocks.collect()));
        }

        Ok(Plan {
            shape,
            latent_channels: self.latent_channels,
            ends,
            down,
            up,
            groups: self.groups,
        })
    }
}
