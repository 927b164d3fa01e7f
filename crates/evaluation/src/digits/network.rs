//! The judge's classifier: two strided convolutions and two dense layers.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData, s};
use sde_core::noise::{Role, fill_standard_normal};

use super::picture::{PIXELS, SIDE};
use super::{CLASSES, FEATURES};

/// Side, stride and padding of the first convolution's windows.
const FIRST: (usize, usize, usize) = (5, 2, 1);

/// Windows of the first convolution along a side: (28 + 2 − 5)/2 + 1.
const FIRST_SIDE: usize = 13;

/// Side and stride of the second convolution's windows.
const SECOND: (usize, usize) = (3, 2);

/// Windows of the second convolution along a side: (13 − 3)/2 + 1.
const SECOND_SIDE: usize = 6;

/// Channels after each convolution.
const CHANNELS: [usize; 2] = [24, 48];

/// From the windows of pictures to the logits of the digits 0 to 9 and of "not a digit".
///
/// Convolutions are written as matrix products over windows, those of the pictures being cut on the
/// host, where no gradient goes. With so few channels that is several times as fast on a CPU as
/// Burn's convolution, and training has to be quick. There is neither normalisation nor pooling,
/// for the same reason: a stride does what pooling would.
#[derive(Module, Debug)]
pub(crate) struct Network {
    first: Linear,
    second: Linear,
    penultimate: Linear,
    last: Linear,
}

impl Network {
    /// A network with He-normal weights (He et al. 2015, eq. 10) and zero biases, as a function of
    /// the seed alone: a device's own generator differs between devices and is shared by threads.
    pub(crate) fn new(seed: u64, device: &Device) -> Self {
        let dense = |from: usize, to: usize, layer| {
            let mut linear = LinearConfig::new(from, to).init(device);
            linear.weight = he_normal([from, to], seed, layer, device);
            let bias = TensorData::new(vec![0.0_f32; to], [to]);
            linear.bias = Some(Param::from_data(bias, device));
            linear
        };
        let [one, two] = CHANNELS;
        Self {
            first: dense(FIRST.0 * FIRST.0, one, 0),
            second: dense(SECOND.0 * SECOND.0 * one, two, 1),
            penultimate: dense(SECOND_SIDE * SECOND_SIDE * two, FEATURES, 2),
            last: dense(FEATURES, CLASSES, 3),
        }
    }

    /// The penultimate layer's output.
    ///
    /// # Shapes
    /// - `windows`: `[N · 169, 25]`, as [`windows`] cuts them
    /// - output: `[N, FEATURES]`, nonnegative
    pub(crate) fn features(&self, windows: Tensor<2>) -> Tensor<2> {
        let [rows, _] = windows.dims();
        let count = rows / (FIRST_SIDE * FIRST_SIDE);
        let [channels, last_channels] = CHANNELS;
        let x = relu(self.first.forward(windows));
        let x = windows_of(x.reshape([count, FIRST_SIDE, FIRST_SIDE, channels]));
        let x = relu(self.second.forward(x));
        let x = x.reshape([count, SECOND_SIDE * SECOND_SIDE * last_channels]);
        relu(self.penultimate.forward(x))
    }

    /// The logits of the classes.
    ///
    /// # Shapes
    /// - `features`: `[N, FEATURES]`
    /// - output: `[N, CLASSES]`
    pub(crate) fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.last.forward(features)
    }
}

/// The windows of the first convolution over pictures `[N, 28, 28]` in [−1, 1]: `[N · 169, 25]`.
/// Beyond a picture's edge there is no ink, which is −1.
pub(crate) fn windows(pictures: &[f32], device: &Device) -> Tensor<2> {
    let (size, stride, padding) = FIRST;
    let count = pictures.len() / PIXELS;
    let mut windows = Vec::with_capacity(count * FIRST_SIDE * FIRST_SIDE * size * size);
    for picture in pictures.chunks_exact(PIXELS) {
        for place in 0..FIRST_SIDE * FIRST_SIDE {
            let (top, left) = (place / FIRST_SIDE * stride, place % FIRST_SIDE * stride);
            for cell in 0..size * size {
                let (row, column) = (top + cell / size, left + cell % size);
                let inside = padding..SIDE + padding;
                windows.push(if inside.contains(&row) && inside.contains(&column) {
                    picture[(row - padding) * SIDE + column - padding]
                } else {
                    -1.0
                });
            }
        }
    }
    let shape = [count * FIRST_SIDE * FIRST_SIDE, size * size];
    Tensor::from_data(TensorData::new(windows, shape), device)
}

/// The windows of the second convolution.
///
/// # Shapes
/// - `x`: `[N, 13, 13, C]`
/// - output: `[N · 36, 9 · C]`
fn windows_of(x: Tensor<4>) -> Tensor<2> {
    let (size, stride) = SECOND;
    let [count, _, _, channels] = x.dims();
    let reach = (SECOND_SIDE - 1) * stride + 1;
    let cells = (0..size * size).map(|cell| {
        let (row, column) = (cell / size, cell % size);
        x.clone()
            .slice(s![.., row..row + reach;2, column..column + reach;2, ..])
    });
    Tensor::cat(cells.collect(), 3)
        .reshape([count * SECOND_SIDE * SECOND_SIDE, size * size * channels])
}

fn he_normal(shape: [usize; 2], seed: u64, layer: u64, device: &Device) -> Param<Tensor<2>> {
    let mut normal = vec![0.0; shape[0] * shape[1]];
    // The step tells weights from the draws for training examples, whose steps are small numbers.
    fill_standard_normal(seed, layer, u64::MAX, Role::Data, &mut normal);
    let deviation = (2.0 / shape[0] as f64).sqrt();
    let values: Vec<f32> = normal.iter().map(|z| (deviation * z) as f32).collect();
    Param::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn features_and_logits_have_the_documented_shapes() {
        let device = Device::flex();
        let network = Network::new(0, &device);
        let features = network.features(windows(&[0.0; 3 * PIXELS], &device));
        assert_eq!(features.dims(), [3, FEATURES]);
        assert_eq!(network.logits(features).dims(), [3, CLASSES]);
    }

    #[test]
    fn products_over_the_pictures_windows_are_a_convolution() {
        let device = Device::flex();
        let pictures = Tensor::<4>::random([2, 1, 28, 28], Distribution::Default, &device);
        let kernel = Tensor::<4>::random([3, 1, 5, 5], Distribution::Default, &device);
        let values = pictures.to_data().try_into_vec::<f32>().unwrap();
        let found = windows(&values, &device)
            .matmul(kernel.clone().reshape([3, 25]).transpose())
            .reshape([2, 13, 13, 3])
            .permute([0, 3, 1, 2]);
        // No ink is −1, and Burn pads with 0.
        let options = ConvOptions::new([2, 2], [1, 1], [1, 1], 1);
        let expected = conv2d(pictures + 1.0, kernel.clone(), None, options)
            - kernel.sum_dim(2).sum_dim(3).reshape([1, 3, 1, 1]);
        found
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-4));
    }

    #[test]
    fn products_over_the_second_windows_are_a_convolution() {
        let device = Device::flex();
        let x = Tensor::<4>::random([2, 13, 13, 4], Distribution::Default, &device);
        let kernel = Tensor::<4>::random([5, 4, 3, 3], Distribution::Default, &device);
        let columns = kernel.clone().permute([2, 3, 1, 0]).reshape([36, 5]);
        let found = windows_of(x.clone())
            .matmul(columns)
            .reshape([2, 6, 6, 5])
            .permute([0, 3, 1, 2]);
        let options = ConvOptions::new([2, 2], [0, 0], [1, 1], 1);
        let expected = conv2d(x.permute([0, 3, 1, 2]), kernel, None, options);
        found
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-4));
    }

    #[test]
    fn weights_have_the_variance_that_keeps_the_signal_and_depend_on_the_seed_alone() {
        let device = Device::flex();
        let weights = |seed| {
            let weight = Network::new(seed, &device).second.weight.val();
            weight.into_data().try_into_vec::<f32>().unwrap()
        };
        let first = weights(1);
        let square = first.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / first.len() as f64;
        let fan_in = SECOND.0 * SECOND.0 * CHANNELS[0];
        // Four relative standard errors of a variance, √(2/n) each.
        let tolerance = 4.0 * (2.0 / first.len() as f64).sqrt();
        assert!((square * fan_in as f64 / 2.0 - 1.0).abs() < tolerance);
        assert_eq!(first, weights(1));
        assert_ne!(first, weights(2));
    }
}
