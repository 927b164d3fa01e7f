//! Group normalisation, with the time embedding's scale and shift folded into its affine part.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

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
/// scaled by γ and shifted by β, and by a [`Modulation`] where there is one: see
/// [`kernels::group_norm`].
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// Scale γ, `[channels]`.
    pub gamma: Param<Tensor<1>>,
    /// Shift β, `[channels]`.
    pub beta: Param<Tensor<1>>,
    /// Number of groups.
    pub groups: usize,
}

impl GroupNorm {
    /// Normalises `x`, and modulates it where a `modulation` is given.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, height, width, channels]`
    /// - modulation: `[batch, channels]` each
    pub fn forward(&self, x: Tensor<4>, modulation: Option<Modulation>) -> Tensor<4> {
        self.apply(x, modulation, false)
    }

    /// [`forward`](Self::forward), and SiLU of what comes out of it, in the same pass.
    pub fn forward_silu(&self, x: Tensor<4>, modulation: Option<Modulation>) -> Tensor<4> {
        self.apply(x, modulation, true)
    }

    fn apply(&self, x: Tensor<4>, modulation: Option<Modulation>, silu: bool) -> Tensor<4> {
        let [batch, ..] = x.dims();
        let [scale, shift] = self.affine(batch, modulation);
        kernels::group_norm(x, scale, shift, self.groups, silu)
    }

    /// Scale and shift of each sample and channel, `[batch, channels]` both.
    pub(super) fn affine(&self, batch: usize, modulation: Option<Modulation>) -> [Tensor<2>; 2] {
        let gamma = self.gamma.val().unsqueeze::<2>();
        let beta = self.beta.val().unsqueeze::<2>();
        match modulation {
            Some(Modulation { scale, shift }) => {
                let scale = scale.add_scalar(1.0);
                [scale.clone().mul(gamma), scale.mul(beta).add(shift)]
            }
            None => {
                let [_, channels] = gamma.dims();
                [
                    gamma.expand([batch, channels]),
                    beta.expand([batch, channels]),
                ]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::nn;
    use burn::tensor::{DType, Device, Distribution, FloatDType, Tolerance};

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
        let input = Tensor::<4>::random([3, 5, 4, 12], Distribution::Normal(3.0, 1.0), &device);
        let weight = Tensor::<4>::random([3, 5, 4, 12], Distribution::Default, &device);

        let x = input.clone().autodiff().require_grad();
        let y = ours.forward(x.clone(), None);
        let grads = y.clone().mul(weight.clone()).sum().backward();

        let x_burn = input.autodiff().require_grad();
        let y_burn = burns
            .forward(x_burn.clone().permute([0, 3, 1, 2]))
            .permute([0, 2, 3, 1]);
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
        let x = Tensor::<4>::random([2, 3, 3, 8], normal, &device);
        let scale = Tensor::<2>::random([2, 8], normal, &device);
        let shift = Tensor::<2>::random([2, 8], normal, &device);

        let wide = |t: Tensor<2>| t.reshape([2, 1, 1, 8]);
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
        let x = Tensor::<4>::full([1, 3, 3, 8], 1000.3, &Device::flex());
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
        let x = Tensor::<4>::random([2, 4, 4, 8], Distribution::Normal(300.0, 60.0), &device);
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
