//! Halving and doubling the size of feature maps, odd sizes included.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

use super::convolution::convolve;
use crate::network::Weights;

/// Configuration of a [`Downsample`].
#[derive(Clone, Debug, PartialEq)]
pub struct DownsampleConfig {
    /// Channels of input and output.
    pub channels: usize,
}

impl DownsampleConfig {
    /// Builds the layer.
    pub fn init(&self, weights: &mut Weights) -> Downsample {
        Downsample {
            conv: weights.conv([self.channels, self.channels], 3, 2, 1.0),
        }
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        (9 * self.channels + 1) * self.channels
    }

    /// The extent that an extent of `size` pixels is taken to: half of it, rounded up.
    pub fn halved(size: usize) -> usize {
        size.div_ceil(2)
    }
}

/// Halves height and width, rounding up, by a 3×3 convolution of stride 2 (Ho et al. 2020).
#[derive(Module, Debug)]
pub struct Downsample {
    conv: Conv2d,
}

impl Downsample {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, height, width, channels]`
    /// - output: `[batch, ⌈height/2⌉, ⌈width/2⌉, channels]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        convolve(&self.conv, x)
    }
}

/// Configuration of an [`Upsample`].
#[derive(Clone, Debug, PartialEq)]
pub struct UpsampleConfig {
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
}

impl UpsampleConfig {
    /// Builds the layer.
    pub fn init(&self, weights: &mut Weights) -> Upsample {
        Upsample {
            conv: weights.conv([self.channels_in, self.channels_out], 3, 1, 1.0),
        }
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        (9 * self.channels_in + 1) * self.channels_out
    }
}

/// A 3×3 convolution, then nearest-neighbour enlargement to a given size.
///
/// DDPM enlarges first and convolves four times as many pixels. Convolving at the low resolution,
/// and going to the next level's channels in the same step, is the order of the Efficient U-Net
/// (Saharia et al. 2022); the blocks that follow smooth the result.
#[derive(Module, Debug)]
pub struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    /// Enlarges to `size`, height and width: that of the skip connection to be joined. What was
    /// halved with rounding up comes out at the size it had, its last row or column cut off.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, height, width, channels_in]`
    /// - output: `[batch, size[0], size[1], channels_out]`
    ///
    /// # Panics
    ///
    /// If `size` is neither twice the height and width of x nor one less.
    pub fn forward(&self, x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        kernels::upsample(convolve(&self.conv, x), size)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn going_down_and_up_again_restores_every_size() {
        let device = Device::flex();
        let mut weights = Weights::new(0, &device);
        let down = DownsampleConfig { channels: 3 }.init(&mut weights);
        let up = UpsampleConfig {
            channels_in: 3,
            channels_out: 2,
        }
        .init(&mut weights);
        for [height, width] in [[8, 8], [7, 7], [15, 9], [1, 1], [2, 5]] {
            let low = down.forward(Tensor::zeros([1, height, width, 3], &device));
            let halved = [height, width].map(DownsampleConfig::halved);
            assert_eq!(low.dims(), [1, halved[0], halved[1], 3]);
            let high = up.forward(low, [height, width]);
            assert_eq!(high.dims(), [1, height, width, 2]);
        }
    }

    #[test]
    fn an_even_size_is_enlarged_by_repeating_each_pixel() {
        let device = Device::flex();
        let mut up = UpsampleConfig {
            channels_in: 1,
            channels_out: 1,
        }
        .init(&mut Weights::new(0, &device));
        let kernel = [[[[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]];
        up.conv.weight = burn::module::Param::from_tensor(Tensor::from_data(kernel, &device));
        let x = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device).reshape([1, 2, 2, 1]);
        let expected = Tensor::<2>::from_data(
            [
                [1.0, 1.0, 2.0, 2.0],
                [1.0, 1.0, 2.0, 2.0],
                [3.0, 3.0, 4.0, 4.0],
                [3.0, 3.0, 4.0, 4.0],
            ],
            &device,
        )
        .reshape([1, 4, 4, 1]);
        assert_eq!(up.forward(x, [4, 4]).into_data(), expected.into_data());
    }
}
