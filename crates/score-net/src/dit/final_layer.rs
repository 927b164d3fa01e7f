//! The last layer of a transformer, and from tokens to pixels.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kernels::layer_norm;

use crate::block::apply;
use crate::network::Weights;
use crate::profile::layer;

/// Configuration of an [`FinalLayer`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FinalLayerConfig {
    /// Features of a token.
    pub width: usize,
    /// Numbers of a patch.
    pub depth: usize,
}

impl FinalLayerConfig {
    /// Builds the layer, all of it zero.
    pub(super) fn init(&self, weights: &mut Weights) -> FinalLayer {
        FinalLayer {
            modulation: weights.linear([self.width, 2 * self.width], 0.0),
            linear: weights.linear([self.width, self.depth], 0.0),
        }
    }

    /// Number of trainable parameters.
    pub(super) fn parameter_count(&self) -> usize {
        (self.width + 1) * (2 * self.width + self.depth)
    }
}

/// A norm, scaled and shifted by the embedding of the noise level, and a linear layer.
#[derive(Module, Debug)]
pub(super) struct FinalLayer {
    modulation: Linear,
    linear: Linear,
}

impl FinalLayer {
    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, tokens, width]`; output: `[batch, tokens, depth]`
    /// - embedding: `[batch, width]`, after its last SiLU
    pub(super) fn forward(&self, x: Tensor<3>, embedding: &Tensor<2>) -> Tensor<3> {
        let _span = layer!("output");
        let [shift, scale] = self
            .modulation
            .forward(embedding.clone())
            .chunk(2, 1)
            .try_into()
            .expect("two parts of twice the width");
        apply(&self.linear, layer_norm(x, scale.add_scalar(1.0), shift))
    }
}

/// Spreads tokens out to squares of `patch` × `patch` pixels.
///
/// A token's numbers are by row and column in the square and then by channel, the published order. What
/// comes in has them by channel first: so do the published weights, a convolution's and a linear layer's.
///
/// # Shapes
///
/// - x: `[batch, rows·columns, patch²·channels]`
/// - output: `[batch, channels, rows·patch, columns·patch]`
pub(super) fn unpatchify(x: Tensor<3>, [rows, columns]: [usize; 2], patch: usize) -> Tensor<4> {
    let [batch, _, depth] = x.dims();
    let channels = depth / (patch * patch);
    x.reshape([batch, rows, columns, patch, patch, channels])
        .permute([0, 5, 1, 3, 2, 4])
        .reshape([batch, channels, rows * patch, columns * patch])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int};

    use super::*;
    use crate::patch::space_to_depth;

    fn numbered(shape: [usize; 4]) -> Tensor<4> {
        let count = shape.iter().product::<usize>() as i64;
        Tensor::<1, Int>::arange(0..count, &Device::flex())
            .float()
            .reshape(shape)
    }

    #[test]
    fn tokens_are_spread_out_to_where_they_were_gathered() {
        for patch in [1, 2, 3] {
            let x = numbered([2, 3, 6, 12]);
            let [rows, columns] = [6 / patch, 12 / patch];
            // From channel, row, column to row, column, channel.
            let tokens = space_to_depth(x.clone(), patch)
                .reshape([2, rows * columns, 3, patch * patch])
                .swap_dims(2, 3)
                .reshape([2, rows * columns, 3 * patch * patch]);
            let back = unpatchify(tokens, [rows, columns], patch);
            assert_eq!(back.into_data(), x.into_data());
        }
    }
}
