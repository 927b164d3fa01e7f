//! Burn's linear layer on tokens.

use burn::nn::Linear;
use burn::tensor::Tensor;

/// Applies a layer built by [`Weights::linear`](crate::Weights::linear) to each token: Burn's own, which
/// [`kernels::linear`] computes.
///
/// # Shapes
///
/// - x: `[batch, tokens, features_in]`; output: `[batch, tokens, features_out]`
///
/// # Panics
///
/// If x has other features than the layer was built for, or the layer has no bias.
pub(crate) fn apply(linear: &Linear, x: Tensor<3>) -> Tensor<3> {
    let bias = linear.bias.as_ref().expect("a linear layer with a bias");
    kernels::linear(x, linear.weight.val(), bias.val())
}
