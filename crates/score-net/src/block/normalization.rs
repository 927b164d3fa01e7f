//! Group normalisation, with the time embedding's scale and shift folded into its affine part.

use burn::module::{Module, Param};
use burn::tensor::{DType, FloatDType, Tensor};

use crate::network::Weights;

/// Configuration of a [`GroupNorm`].
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNormConfig {
    /// Channels of the input.
    pub channels: usize,
    /// The most groups to make of them: see [`group_count`](Self::group_count).
    pub groups: usize,
}

impl GroupNormConfig {
    /// Builds the layer with scale one and shift zero.
    pub fn init(&self, weights: &mut Weights) -> GroupNorm {
        GroupNorm {
            gamma: weights.constant(self.channels, 1.0),
            beta: weights.constant(self.channels, 0.0),
            groups: self.group_count(),
        }
    }

    /// The number of groups: the largest divisor of `channels` that is not above `groups` and
    /// leaves at least four channels to a group, as in EDM.
    ///
    /// A channel that is a group of its own would lose its mean: whatever the time embedding adds
    /// to it, if it is added and not scaled, and the brightness of the image.
    pub fn group_count(&self) -> usize {
        let limit = self.groups.min(self.channels / 4);
        (1..=limit)
            .rev()
            .find(|groups| self.channels.is_multiple_of(*groups))
            .unwrap_or(1)
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        2 * self.channels
    }
}

/// A scale and a shift for each sample and channel, both `[batch, channels]`: the normalised
/// activation h becomes h·(1 + scale) + shift.
#[derive(Clone, Debug)]
pub struct Modulation {
    /// What is added to the scale of one.
    pub scale: Tensor<2>,
    /// The shift.
    pub shift: Tensor<2>,
}

/// Group normalisation (Wu & He 2018): each sample's channels are standardised in groups, then
/// scaled by γ and shifted by β.
///
/// Mean and mean square are taken in one look at the input, and normalisation, γ, β and
/// [`Modulation`] are applied as a single product and sum per channel.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// Scale γ, `[channels]`.
    pub gamma: Param<Tensor<1>>,
    /// Shift β, `[channels]`.
    pub beta: Param<Tensor<1>>,
    /// Number of groups.
    pub groups: usize,
}

/// Added to the variance, as in EDM and in PyTorch's layer.
const EPSILON: f64 = 1e-5;

impl GroupNorm {
    /// Normalises `x`, and modulates it where a `modulation` is given.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, channels, height, width]`
    /// - modulation: `[batch, channels]` each
    pub fn forward(&self, x: Tensor<4>, modulation: Option<Modulation>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let groups = self.groups;
        let dtype: FloatDType = x.dtype().into();

        let grouped = x
            .clone()
            .reshape([batch * groups, channels / groups * height * width]);
        let (mean, deviation) = moments(grouped);
        let per_group = |t: Tensor<2>| t.cast(dtype).reshape([batch, groups, 1]);
        let per_channel = |t: Tensor<1>| t.reshape([1, groups, channels / groups]);

        let mut gamma = per_channel(self.gamma.val());
        let mut beta = per_channel(self.beta.val());
        if let Some(Modulation { scale, shift }) = modulation {
            let shape = [batch, groups, channels / groups];
            let scale = scale.reshape(shape).add_scalar(1.0);
            gamma = gamma.mul(scale.clone());
            beta = beta.mul(scale).add(shift.reshape(shape));
        }
        let slope = gamma.div(per_group(deviation));
        let offset = beta.sub(per_group(mean).mul(slope.clone()));

        // Two axes only: the gradients of slope and offset are then sums along the last one.
        let rows = [batch * channels, 1];
        x.reshape([batch * channels, height * width])
            .mul(slope.reshape(rows))
            .add(offset.reshape(rows))
            .reshape([batch, channels, height, width])
    }
}

/// Mean and standard deviation of each row of `x`, `[rows, n]` to twice `[rows, 1]`, in f32 where
/// `x` has half precision.
///
/// The variance is E[x²] − E[x]², clamped at zero against rounding, as in Flax: the input of a
/// normalisation has a mean of the order of its deviation. Its square is recorded as a product
/// with a constant, which halves what the backward pass does: t = E[x·c] with c = x fixed has half
/// the gradient of E[x²], so 2t − t.detach() has the value and the gradient.
fn moments(x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let x = match x.dtype() {
        DType::F16 | DType::BF16 => x.cast(FloatDType::F32),
        _ => x,
    };
    let fixed = x.clone().without_autodiff();
    let mean = x.clone().mean_dim(1);
    let half = x.mul(fixed).mean_dim(1);
    let square = half.clone().mul_scalar(2.0).sub(half.without_autodiff());
    let variance = square.sub(mean.clone().square()).clamp_min(0.0);
    (mean, variance.add_scalar(EPSILON).sqrt())
}

#[cfg(test)]
mod tests {
    use burn::nn;
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;

    fn layer(channels: usize, groups: usize) -> (GroupNorm, nn::GroupNorm) {
        let device = Device::flex().autodiff();
        let config = GroupNormConfig { channels, groups };
        let mut ours = config.init(&mut Weights::new(0, &device));
        let mut burns = nn::GroupNormConfig::new(config.group_count(), channels).init(&device);
        let gamma = Tensor::<1>::random([channels], Distribution::Uniform(0.5, 2.0), &device);
        let beta = Tensor::<1>::random([channels], Distribution::Uniform(-1.0, 1.0), &device);
        ours.gamma = Param::from_tensor(gamma.clone());
        ours.beta = Param::from_tensor(beta.clone());
        burns.gamma = Some(Param::from_tensor(gamma));
        burns.beta = Some(Param::from_tensor(beta));
        (ours, burns)
    }

    #[test]
    fn number_of_groups_is_the_largest_divisor_that_leaves_four_channels_to_each() {
        for (channels, groups, expected) in [
            (256, 32, 32),
            (64, 32, 16),
            (48, 10, 8),
            (12, 8, 3),
            (7, 4, 1),
            (3, 8, 1),
        ] {
            assert_eq!(GroupNormConfig { channels, groups }.group_count(), expected);
        }
    }

    #[test]
    fn value_and_all_gradients_agree_with_burns_layer() {
        let (ours, burns) = layer(12, 3);
        let device = Device::flex();
        // A mean of three deviations, so that the subtraction in the variance is at work.
        let input = Tensor::<4>::random([3, 12, 5, 4], Distribution::Normal(3.0, 1.0), &device);
        let weight = Tensor::<4>::random([3, 12, 5, 4], Distribution::Default, &device);

        let x = input.clone().autodiff().require_grad();
        let y = ours.forward(x.clone(), None);
        let grads = y.clone().mul(weight.clone()).sum().backward();

        let x_burn = input.autodiff().require_grad();
        let y_burn = burns.forward(x_burn.clone());
        let grads_burn = y_burn.clone().mul(weight).sum().backward();

        let tolerance = Tolerance::<f32>::absolute(2e-5).set_relative(2e-5);
        let same = |a: burn::tensor::TensorData, b| a.assert_approx_eq::<f32>(&b, tolerance);
        same(y.into_data(), y_burn.into_data());
        same(
            x.grad(&grads).unwrap().into_data(),
            x_burn.grad(&grads_burn).unwrap().into_data(),
        );
        same(
            ours.gamma.grad(&grads).unwrap().into_data(),
            burns.gamma.unwrap().grad(&grads_burn).unwrap().into_data(),
        );
        same(
            ours.beta.grad(&grads).unwrap().into_data(),
            burns.beta.unwrap().grad(&grads_burn).unwrap().into_data(),
        );
    }

    #[test]
    fn modulation_scales_and_shifts_the_normalised_activation() {
        let (layer, _) = layer(8, 2);
        let device = Device::flex();
        let normal = Distribution::Normal(0.0, 1.0);
        let x = Tensor::<4>::random([2, 8, 3, 3], normal, &device);
        let scale = Tensor::<2>::random([2, 8], normal, &device);
        let shift = Tensor::<2>::random([2, 8], normal, &device);

        let wide = |t: Tensor<2>| t.reshape([2, 8, 1, 1]);
        let expected = layer
            .forward(x.clone(), None)
            .mul(wide(scale.clone()).add_scalar(1.0))
            .add(wide(shift.clone()));
        let folded = layer.forward(x, Some(Modulation { scale, shift }));
        folded
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-5));
    }

    #[test]
    fn a_constant_input_far_from_zero_stays_finite() {
        let (layer, _) = layer(8, 2);
        let x = Tensor::<4>::full([1, 8, 3, 3], 1000.3, &Device::flex());
        let y = layer.forward(x, None);
        assert!(y.into_data().iter::<f32>().all(f32::is_finite));
    }

    #[test]
    fn half_precision_takes_its_statistics_in_full() {
        let (mut layer, _) = layer(8, 2);
        let device = Device::flex();
        layer.gamma = Param::from_tensor(Tensor::ones([8], &device));
        layer.beta = Param::from_tensor(Tensor::zeros([8], &device));
        // Squares beyond f16's largest number, 65504.
        let x = Tensor::<4>::random([2, 8, 4, 4], Distribution::Normal(300.0, 60.0), &device);
        let expected = layer.forward(x.clone(), None);
        layer.gamma = Param::from_tensor(layer.gamma.val().cast(FloatDType::F16));
        layer.beta = Param::from_tensor(layer.beta.val().cast(FloatDType::F16));
        let half = layer.forward(x.cast(FloatDType::F16), None);
        assert_eq!(half.dtype(), DType::F16);
        half.cast(FloatDType::F32)
            .into_data()
            .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(0.02));
    }
}
