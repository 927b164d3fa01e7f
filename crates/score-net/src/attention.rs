//! Self-attention between the pixels of a feature map.

use std::f64::consts::FRAC_1_SQRT_2;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

use crate::block::{GroupNorm, GroupNormConfig, bias, convolve};
use crate::network::Weights;

/// Configuration of a [`SelfAttention`].
#[derive(Clone, Debug, PartialEq)]
pub struct SelfAttentionConfig {
    /// Channels of input and output.
    pub channels: usize,
    /// Heads; a divisor of `channels`.
    pub heads: usize,
    /// The most groups of the normalisation.
    pub groups: usize,
}

impl SelfAttentionConfig {
    /// Builds the layer; its last projection is zero, so that it starts as a plain skip connection.
    pub fn init(&self, weights: &mut Weights) -> SelfAttention {
        let mut project = |gain| weights.conv([self.channels, self.channels], 1, 1, gain);
        let [query, key, value] = [1.0, 1.0, 1.0].map(&mut project);
        let output = project(0.0);
        SelfAttention {
            norm: self.norm().init(weights),
            query,
            key,
            value,
            output,
            heads: self.heads,
        }
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        4 * (self.channels + 1) * self.channels + self.norm().parameter_count()
    }

    fn norm(&self) -> GroupNormConfig {
        GroupNormConfig {
            channels: self.channels,
            groups: self.groups,
        }
    }
}

/// GroupNorm, then multi-head attention with the pixels as its sequence, then the sum with the
/// input scaled by 1/√2 (Ho et al. 2020; the scaling of Song et al. 2021, appendix H).
///
/// Time grows with the square of the number of pixels; memory does not where [`kernels::attention`]
/// has a kernel.
#[derive(Module, Debug)]
pub struct SelfAttention {
    norm: GroupNorm,
    query: Conv2d,
    key: Conv2d,
    value: Conv2d,
    output: Conv2d,
    heads: usize,
}

impl SelfAttention {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, height, width, channels]`
    ///
    /// # Panics
    ///
    /// If the number of heads does not divide the channels.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, height, width, channels] = x.dims();
        let qkv = self.project(self.norm.forward(x.clone(), None));
        let qkv = qkv.reshape([batch, height * width, 3 * channels]);
        let mixed = kernels::attention(qkv, self.heads).reshape([batch, height, width, channels]);
        x.add(convolve(&self.output, mixed))
            .mul_scalar(FRAC_1_SQRT_2)
    }

    /// Queries, keys and values, in this order along the channels: three layers in the record, and
    /// one convolution.
    fn project(&self, x: Tensor<4>) -> Tensor<4> {
        let layers = [&self.query, &self.key, &self.value];
        let weight = Tensor::cat(layers.map(|conv| conv.weight.val()).to_vec(), 0);
        let bias = Tensor::cat(layers.map(bias).to_vec(), 0);
        kernels::conv2d(x, weight, bias, 1)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;

    fn layer(channels: usize, heads: usize) -> SelfAttention {
        let config = SelfAttentionConfig {
            channels,
            heads,
            groups: 2,
        };
        let weights = &mut Weights::new(0, &Device::flex());
        let mut layer = config.init(weights);
        layer.output = weights.conv([channels, channels], 1, 1, 1.0);
        layer
    }

    fn normal(shape: [usize; 4]) -> Tensor<4> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    #[test]
    fn a_new_layer_is_its_skip_connection_over_the_root_of_two() {
        let config = SelfAttentionConfig {
            channels: 4,
            heads: 2,
            groups: 2,
        };
        let layer = config.init(&mut Weights::new(0, &Device::flex()));
        let x = normal([2, 3, 5, 4]);
        layer
            .forward(x.clone())
            .into_data()
            .assert_approx_eq::<f32>(
                &x.mul_scalar(FRAC_1_SQRT_2).into_data(),
                Tolerance::absolute(1e-6),
            );
        assert_eq!(config.parameter_count(), layer.num_params());
    }

    #[test]
    fn output_is_that_of_attention_written_out_pixel_by_pixel() {
        let (channels, heads, pixels) = (6, 3, 4);
        let layer = layer(channels, heads);
        let x = normal([1, 2, 2, channels]);
        let read = |t: Tensor<4>| -> Vec<f64> { t.into_data().iter::<f64>().collect() };
        let normed = layer.norm.forward(x.clone(), None);
        let [q, k, v] = [&layer.query, &layer.key, &layer.value]
            .map(|conv| read(convolve(conv, normed.clone())));

        let size = channels / heads;
        let at = |t: &[f64], head: usize, feature: usize, pixel: usize| {
            t[pixel * channels + head * size + feature]
        };
        let mut mixed = vec![0.0_f32; channels * pixels];
        for head in 0..heads {
            for i in 0..pixels {
                let scores: Vec<f64> = (0..pixels)
                    .map(|j| {
                        let dot: f64 = (0..size)
                            .map(|f| at(&q, head, f, i) * at(&k, head, f, j))
                            .sum();
                        (dot / (size as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                for f in 0..size {
                    let sum: f64 = (0..pixels).map(|j| scores[j] * at(&v, head, f, j)).sum();
                    mixed[i * channels + head * size + f] = (sum / total) as f32;
                }
            }
        }
        let mixed = Tensor::<1>::from_data(mixed.as_slice(), &Device::flex());
        let expected = x
            .clone()
            .add(convolve(&layer.output, mixed.reshape([1, 2, 2, channels])))
            .mul_scalar(FRAC_1_SQRT_2);
        layer
            .forward(x)
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn permuting_the_pixels_permutes_the_output() {
        let layer = layer(4, 2);
        let x = normal([1, 3, 3, 4]);
        let mirrored = layer.forward(x.clone().flip([1, 2])).flip([1, 2]);
        mirrored
            .into_data()
            .assert_approx_eq::<f32>(&layer.forward(x).into_data(), Tolerance::absolute(1e-5));
    }
}
