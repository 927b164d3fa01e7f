//! Burn's convolution layer on feature maps with the channels last.

use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

use super::normalization::{GroupNorm, Modulation};

/// Applies a layer built by [`Weights::conv`](crate::Weights::conv), whose padding is what the
/// kernels assume.
///
/// The layer itself is Burn's, so that its weights are stored and exchanged as everyone's are;
/// only the order of the axes differs, and what computes it: see [`kernels::conv2d`].
///
/// # Shapes
///
/// - x: `[batch, height, width, channels_in]`
/// - output: `[batch, ⌈height/stride⌉, ⌈width/stride⌉, channels_out]`
///
/// # Panics
///
/// If x has other channels than the layer was built for, or the layer has no bias.
pub(crate) fn convolve(conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    kernels::conv2d(x, conv.weight.val(), bias(conv), conv.stride[0])
}

/// The bias of a layer.
///
/// # Panics
///
/// If it has none.
pub(crate) fn bias(conv: &Conv2d) -> Tensor<1> {
    let bias = conv.bias.as_ref().expect("a convolution with a bias");
    bias.val()
}

/// GroupNorm, SiLU and a convolution of stride 1, and the sum with `residual` times `gain` where one is
/// given: [`kernels::norm_silu_conv2d`], which does it all in one where it can.
///
/// # Shapes
///
/// As [`convolve`] and [`GroupNorm::forward`]; the residual has the output's.
pub(crate) fn norm_silu_convolve(
    norm: &GroupNorm,
    modulation: Option<Modulation>,
    conv: &Conv2d,
    x: Tensor<4>,
    residual: Option<(Tensor<4>, f64)>,
) -> Tensor<4> {
    let [batch, ..] = x.dims();
    let bias = conv.bias.as_ref().expect("a convolution with a bias");
    kernels::norm_silu_conv2d(
        x,
        norm.affine(batch, modulation),
        norm.groups,
        (conv.weight.val(), bias.val()),
        residual,
    )
}
