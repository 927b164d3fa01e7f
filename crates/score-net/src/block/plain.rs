//! The residual block of networks that know no noise level.

use std::f64::consts::FRAC_1_SQRT_2;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

use super::convolution::{convolve, norm_silu_convolve};
use super::normalization::{GroupNorm, GroupNormConfig};
use crate::network::Weights;

/// Configuration of a [`PlainBlock`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlainBlockConfig {
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// The most groups of each group normalisation.
    pub groups: usize,
}

impl PlainBlockConfig {
    /// Builds the block; its last convolution is zero, so that it starts as its skip connection.
    pub fn init(&self, weights: &mut Weights) -> PlainBlock {
        let &Self {
            channels_in,
            channels_out,
            ..
        } = self;
        PlainBlock {
            norm_in: self.norm(channels_in).init(weights),
            conv_in: weights.conv([channels_in, channels_out], 3, 1, 1.0),
            norm_out: self.norm(channels_out).init(weights),
            conv_out: weights.conv([channels_out, channels_out], 3, 1, 0.0),
            skip: (channels_in != channels_out)
                .then(|| weights.conv([channels_in, channels_out], 1, 1, 1.0)),
        }
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        let &Self {
            channels_in,
            channels_out,
            ..
        } = self;
        let skip = if channels_in == channels_out {
            0
        } else {
            (channels_in + 1) * channels_out
        };
        self.norm(channels_in).parameter_count()
            + (9 * channels_in + 1) * channels_out
            + self.norm(channels_out).parameter_count()
            + (9 * channels_out + 1) * channels_out
            + skip
    }

    fn norm(&self, channels: usize) -> GroupNormConfig {
        GroupNormConfig {
            channels,
            groups: self.groups,
        }
    }
}

/// GroupNorm, SiLU, 3×3 convolution, twice; and the input beside it, through a 1×1 convolution where
/// the channels change. The sum is scaled by 1/√2, as in [`ResidualBlock`](super::ResidualBlock).
#[derive(Module, Debug)]
pub struct PlainBlock {
    norm_in: GroupNorm,
    conv_in: Conv2d,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    skip: Option<Conv2d>,
}

impl PlainBlock {
    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, height, width, channels_in]`
    /// - output: `[batch, height, width, channels_out]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let skip = match &self.skip {
            Some(conv) => convolve(conv, x.clone()),
            None => x.clone(),
        };
        let hidden = norm_silu_convolve(&self.norm_in, None, &self.conv_in, x, None);
        let residual = Some((skip, FRAC_1_SQRT_2));
        norm_silu_convolve(&self.norm_out, None, &self.conv_out, hidden, residual)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;

    fn normal(shape: [usize; 4]) -> Tensor<4> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    #[test]
    fn a_new_block_is_its_skip_connection_over_the_root_of_two() {
        let config = PlainBlockConfig {
            channels_in: 8,
            channels_out: 8,
            groups: 4,
        };
        let block = config.init(&mut Weights::new(0, &Device::flex()));
        let x = normal([2, 5, 3, 8]);
        block
            .forward(x.clone())
            .into_data()
            .assert_approx_eq::<f32>(
                &x.mul_scalar(FRAC_1_SQRT_2).into_data(),
                Tolerance::absolute(1e-6),
            );
    }

    #[test]
    fn parameters_are_counted_without_building_the_block() {
        for (channels_in, channels_out) in [(8, 8), (6, 4)] {
            let config = PlainBlockConfig {
                channels_in,
                channels_out,
                groups: 4,
            };
            let block = config.init(&mut Weights::new(0, &Device::flex()));
            assert_eq!(config.parameter_count(), block.num_params());
            assert_eq!(
                block.forward(normal([1, 4, 4, channels_in])).dims(),
                [1, 4, 4, channels_out]
            );
        }
    }
}
