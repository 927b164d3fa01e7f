//! The residual block, conditioned on the time embedding.

use std::f64::consts::FRAC_1_SQRT_2;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::Tensor;

use super::convolution::{convolve, norm_silu_convolve};
use super::normalization::{GroupNorm, GroupNormConfig, Modulation};
use crate::network::Weights;

/// Configuration of a [`ResidualBlock`].
#[derive(Clone, Debug, PartialEq)]
pub struct ResidualBlockConfig {
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// Features of the time embedding.
    pub embedding: usize,
    /// The most groups of each group normalisation.
    pub groups: usize,
    /// Probability with which an activation is dropped while training, in [0, 1).
    pub dropout: f64,
    /// Whether the embedding scales and shifts the second normalisation (Dhariwal & Nichol 2021)
    /// or is added before it (Ho et al. 2020).
    pub scale_shift: bool,
}

impl ResidualBlockConfig {
    /// Builds the block; its last convolution is zero, so that it starts as its skip connection.
    ///
    /// # Panics
    ///
    /// If `dropout` is not in [0, 1).
    pub fn init(&self, weights: &mut Weights) -> ResidualBlock {
        let &Self {
            channels_in,
            channels_out,
            ..
        } = self;
        ResidualBlock {
            norm_in: self.norm(channels_in).init(weights),
            conv_in: weights.conv([channels_in, channels_out], 3, 1, 1.0),
            embedding: weights.linear([self.embedding, self.modulation_width()], 1.0),
            norm_out: self.norm(channels_out).init(weights),
            dropout: DropoutConfig::new(self.dropout).init(),
            conv_out: weights.conv([channels_out, channels_out], 3, 1, 0.0),
            skip: (channels_in != channels_out)
                .then(|| weights.conv([channels_in, channels_out], 1, 1, 1.0)),
            scale_shift: self.scale_shift,
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
            + (self.embedding + 1) * self.modulation_width()
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

    fn modulation_width(&self) -> usize {
        if self.scale_shift {
            2 * self.channels_out
        } else {
            self.channels_out
        }
    }
}

/// GroupNorm, SiLU, 3×3 convolution; the time embedding; GroupNorm, SiLU, dropout, 3×3
/// convolution; and the input beside it, through a 1×1 convolution where the channels change.
///
/// The sum of both branches is scaled by 1/√2, so that its variance is that of its terms, as in
/// the DDPM++ and NCSN++ of Song et al. 2021 (appendix H).
#[derive(Module, Debug)]
pub struct ResidualBlock {
    norm_in: GroupNorm,
    conv_in: Conv2d,
    embedding: Linear,
    norm_out: GroupNorm,
    dropout: Dropout,
    conv_out: Conv2d,
    skip: Option<Conv2d>,
    scale_shift: bool,
}

impl ResidualBlock {
    /// Applies the block.
    ///
    /// `embedding` is the time embedding after its activation, which all blocks share.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, height, width, channels_in]`
    /// - embedding: `[batch, embedding]`
    /// - output: `[batch, height, width, channels_out]`
    pub fn forward(&self, x: Tensor<4>, embedding: Tensor<2>) -> Tensor<4> {
        let skip = match &self.skip {
            Some(conv) => convolve(conv, x.clone()),
            None => x.clone(),
        };
        let hidden = norm_silu_convolve(&self.norm_in, None, &self.conv_in, x, None);
        let (hidden, modulation) = self.condition(hidden, embedding);
        if self.dropout.prob == 0.0 {
            let residual = Some((skip, FRAC_1_SQRT_2));
            return norm_silu_convolve(
                &self.norm_out,
                modulation,
                &self.conv_out,
                hidden,
                residual,
            );
        }
        let hidden = self.norm_out.forward_silu(hidden, modulation);
        let hidden = convolve(&self.conv_out, self.dropout.forward(hidden));
        skip.add(hidden).mul_scalar(FRAC_1_SQRT_2)
    }

    /// The embedding's part in the second normalisation: the scale and shift, or its sum with the input.
    fn condition(
        &self,
        hidden: Tensor<4>,
        embedding: Tensor<2>,
    ) -> (Tensor<4>, Option<Modulation>) {
        let embedding = self.embedding.forward(embedding);
        if self.scale_shift {
            let [scale, shift] = embedding
                .chunk(2, 1)
                .try_into()
                .expect("two halves of an even width");
            (hidden, Some(Modulation { scale, shift }))
        } else {
            let [batch, channels] = embedding.dims();
            (hidden.add(embedding.reshape([batch, 1, 1, channels])), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;

    fn config(channels_in: usize, channels_out: usize) -> ResidualBlockConfig {
        ResidualBlockConfig {
            channels_in,
            channels_out,
            embedding: 10,
            groups: 4,
            dropout: 0.0,
            scale_shift: true,
        }
    }

    fn normal<const D: usize>(shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    #[test]
    fn a_new_block_is_its_skip_connection_over_the_root_of_two() {
        let block = config(8, 8).init(&mut Weights::new(0, &Device::flex()));
        let x = normal([2, 5, 3, 8]);
        let y = block.forward(x.clone(), normal([2, 10]));
        y.into_data().assert_approx_eq::<f32>(
            &x.mul_scalar(FRAC_1_SQRT_2).into_data(),
            Tolerance::absolute(1e-6),
        );
    }

    #[test]
    fn the_embedding_reaches_the_output_scaled_or_added() {
        for scale_shift in [true, false] {
            let config = ResidualBlockConfig {
                scale_shift,
                ..config(6, 4)
            };
            let weights = &mut Weights::new(0, &Device::flex());
            let mut block = config.init(weights);
            block.conv_out = weights.conv([4, 4], 3, 1, 1.0);
            let x = normal([1, 4, 4, 6]);
            let one = block.forward(x.clone(), normal([1, 10]));
            let other = block.forward(x, normal([1, 10]));
            assert_eq!(one.dims(), [1, 4, 4, 4]);
            let difference = one.sub(other).abs().mean().into_scalar::<f32>();
            assert!(difference > 0.05, "{scale_shift}: {difference}");
        }
    }

    #[test]
    fn parameters_are_counted_without_building_the_block() {
        for scale_shift in [true, false] {
            for (channels_in, channels_out) in [(8, 8), (6, 4)] {
                let config = ResidualBlockConfig {
                    scale_shift,
                    ..config(channels_in, channels_out)
                };
                let block = config.init(&mut Weights::new(0, &Device::flex()));
                assert_eq!(config.parameter_count(), block.num_params());
            }
        }
    }
}
