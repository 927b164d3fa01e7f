//! P(x | z) of 8-bit images: a discretised logistic.
//!
//! A pixel is one of 256 levels, 2/255 apart in [−1, 1]. Its probability is the mass of a logistic
//! distribution within half a level of it, the outermost levels reaching to ±∞ (Kingma et al. 2016,
//! section 5.2; Salimans et al. 2017, eq. 2). With s = e^log_scale, a = (x + 1/255 − μ)/s and
//! b = (x − 1/255 − μ)/s,
//!
//! ```text
//! P = σ(a) − σ(b) = σ(a) σ(−b) (1 − e^{b − a})
//! ```
//!
//! where b − a is the same for every pixel: so its logarithm is a sum of three terms, none of which loses
//! digits however far away x is. On tensors of f32 the third, 1 − e^{b − a}, is known to about 1e-6 for scales
//! up to that of the levels' whole range. Of the lowest level σ(a) alone is left, of the highest σ(−b).

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

/// Half the distance of two levels.
const HALF_LEVEL: f64 = 1.0 / 255.0;

/// −ln P(x | μ) of each image in nats, over all its pixels.
///
/// Pixels count as the level that is the nearest to them.
///
/// # Shapes
///
/// - x, mean: `[batch, channels, height, width]`, pixels in [−1, 1]
/// - log_scale: `[1]`
/// - output: `[batch]`
pub(super) fn negative_log(x: Tensor<4>, mean: Tensor<4>, log_scale: Tensor<1>) -> Tensor<1> {
    let [batch, channels, height, width] = x.dims();
    let level = x
        .add_scalar(1.0)
        .mul_scalar(127.5)
        .round()
        .clamp(0.0, 255.0);
    let dtype = level.dtype();
    let above_lowest = level.clone().greater_elem(0.5).float().cast(dtype);
    let below_highest = level.clone().lower_elem(254.5).float().cast(dtype);
    let x = level.div_scalar(127.5).sub_scalar(1.0);
    let precision = log_scale.neg().exp();
    // 1 − e^{b − a}, of one number for all pixels.
    let width_of_level = precision.clone().mul_scalar(2.0 * HALF_LEVEL);
    let log_share = width_of_level.neg().exp().neg().add_scalar(1.0).log();
    let precision = precision.reshape([1, 1, 1, 1]);
    let distance = x - mean;
    let a = distance.clone().add_scalar(HALF_LEVEL) * precision.clone();
    let b = distance.sub_scalar(HALF_LEVEL) * precision;
    let inner = above_lowest.clone() * below_highest.clone() * log_share.reshape([1, 1, 1, 1]);
    let log_probability =
        below_highest * log_sigmoid(a) + above_lowest * log_sigmoid(b.neg()) + inner;
    log_probability
        .reshape([batch, channels * height * width])
        .sum_dim(1)
        .neg()
        .reshape([batch])
}

/// ln P of one pixel in nats, for the logistic distribution around `mean` with the scale e^`log_scale`.
///
/// `x`, in [−1, 1], counts as the level that is the nearest to it. Over all 256 levels the
/// probabilities sum to 1.
#[must_use]
pub fn log_discretised_logistic(x: f64, mean: f64, log_scale: f64) -> f64 {
    let level = ((x + 1.0) * 127.5).round().clamp(0.0, 255.0);
    let x = level / 127.5 - 1.0;
    let precision = (-log_scale).exp();
    let a = (x + HALF_LEVEL - mean) * precision;
    let b = (x - HALF_LEVEL - mean) * precision;
    let share = -(-2.0 * HALF_LEVEL * precision).exp_m1();
    if level == 0.0 {
        log_sigmoid_of(a)
    } else if level == 255.0 {
        log_sigmoid_of(-b)
    } else {
        log_sigmoid_of(a) + log_sigmoid_of(-b) + share.ln()
    }
}

/// ln σ(x).
fn log_sigmoid_of(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, TensorData};

    use super::*;

    /// x of a level.
    fn pixel(level: u32) -> f64 {
        f64::from(level) / 127.5 - 1.0
    }

    #[test]
    fn probabilities_of_all_levels_sum_to_one() {
        for mean in [-3.0, -1.0, -0.2, 0.004, 0.9, 1.4] {
            for log_scale in [-9.0, -5.0, -2.3, 0.0, 3.0] {
                let sum: f64 = (0..256)
                    .map(|level| log_discretised_logistic(pixel(level), mean, log_scale).exp())
                    .sum();
                // 256 terms of one rounding each, and that of the exponent, a few hundred at most.
                assert!((sum - 1.0).abs() < 1e-12, "{mean} {log_scale}: {sum}");
            }
        }
    }

    #[test]
    fn a_levels_probability_is_the_difference_of_the_distribution_function() {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let (mean, scale) = (0.1, 0.05_f64);
        for level in [1, 100, 140, 150, 254] {
            let [low, high] = [-1.0, 1.0].map(|side| (pixel(level) + side / 255.0 - mean) / scale);
            let exact = (sigmoid(high) - sigmoid(low)).ln();
            let found = log_discretised_logistic(pixel(level), mean, scale.ln());
            assert!((found - exact).abs() < 1e-6, "{level}: {found} {exact}");
        }
        // Far away, where the difference is nothing: ln of the density times the width.
        let far = log_discretised_logistic(pixel(254), -900.0, 0.0);
        let density = -(pixel(254) + 900.0) + (2.0_f64 / 255.0).ln();
        assert!((far - density).abs() < 1e-4, "{far} {density}");
    }

    #[test]
    fn tensors_and_the_host_agree_and_so_do_gradients_with_differences() {
        let device = Device::flex();
        let place = (&device, DType::F64);
        let x = [-1.0, -0.996, 0.0, 0.21, 1.0, 0.99, -1.0, 1.0];
        let mean = [-1.3, -0.8, 0.4, 0.2, 0.7, 1.2, 0.5, -2.0];
        let shape = [2, 1, 2, 2];
        let tensor = |values: &[f64]| -> Tensor<4> {
            Tensor::from_data(TensorData::new(values.to_vec(), shape), place)
        };
        let exact = |mean: &[f64], log_scale: f64| -> Vec<f64> {
            let each = x.iter().zip(mean);
            let each: Vec<f64> = each
                .map(|(&x, &mean)| -log_discretised_logistic(x, mean, log_scale))
                .collect();
            each.chunks(4).map(|image| image.iter().sum()).collect()
        };
        let log_scale = -2.0;
        let mean_tensor = tensor(&mean).autodiff().require_grad();
        let scale = Tensor::<1>::from_data([log_scale], place)
            .autodiff()
            .require_grad();
        let found = negative_log(tensor(&x).autodiff(), mean_tensor.clone(), scale.clone());
        let values: Vec<f64> = found.to_data().iter::<f64>().collect();
        for (found, exact) in values.iter().zip(exact(&mean, log_scale)) {
            assert!((found - exact).abs() < 1e-10 * exact, "{found} {exact}");
        }
        let gradients = found.sum().backward();
        let of_mean: Vec<f64> = (mean_tensor.grad(&gradients).unwrap().into_data())
            .iter::<f64>()
            .collect();
        let of_scale = scale.grad(&gradients).unwrap().into_scalar::<f64>();
        let step = 1e-5;
        for i in 0..mean.len() {
            let nudged = |step: f64| {
                let mut mean = mean;
                mean[i] += step;
                exact(&mean, log_scale).iter().sum::<f64>()
            };
            let difference = (nudged(step) - nudged(-step)) / (2.0 * step);
            assert!((of_mean[i] - difference).abs() < 1e-6, "{i}");
        }
        let nudged = |step: f64| exact(&mean, log_scale + step).iter().sum::<f64>();
        let difference = (nudged(step) - nudged(-step)) / (2.0 * step);
        assert!(
            (of_scale - difference).abs() < 1e-5,
            "{of_scale} {difference}"
        );
    }
}
