//! A transformer block with adaLN-zero (Peebles & Xie 2023, section 3.2).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use kernels::{attention, gated_sum, gelu, layer_norm};

use crate::block::apply;
use crate::network::Weights;
use crate::profile::layer;

/// Configuration of a [`Block`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct BlockConfig {
    /// Features of a token.
    pub width: usize,
    /// Features between the two layers of the MLP.
    pub hidden: usize,
    /// Heads; a divisor of `width`.
    pub heads: usize,
}

impl BlockConfig {
    /// Builds the block; its modulation is zero, so that both gates are shut and it passes on what it gets.
    pub(super) fn init(&self, weights: &mut Weights) -> Block {
        let &Self { width, hidden, .. } = self;
        Block {
            modulation: weights.linear([width, 6 * width], 0.0),
            qkv: weights.linear([width, 3 * width], 1.0),
            projection: weights.linear([width, width], 1.0),
            inner: weights.linear([width, hidden], 1.0),
            outer: weights.linear([hidden, width], 1.0),
            heads: self.heads,
        }
    }

    /// Number of trainable parameters.
    pub(super) fn parameter_count(&self) -> usize {
        let &Self { width, hidden, .. } = self;
        (width + 1) * (6 + 3 + 1) * width + (width + 1) * hidden + (hidden + 1) * width
    }
}

/// x + gate·attention(norm(x)), and x + gate·MLP(norm(x)) of that, both norms without weights of their
/// own and then, like both gates, scaled and shifted by the embedding of the noise level.
#[derive(Module, Debug)]
pub(super) struct Block {
    modulation: Linear,
    qkv: Linear,
    projection: Linear,
    inner: Linear,
    outer: Linear,
    heads: usize,
}

impl Block {
    /// Applies the block.
    ///
    /// # Shapes
    ///
    /// - x, output: `[batch, tokens, width]`
    /// - embedding: `[batch, width]`, after its last SiLU
    pub(super) fn forward(&self, x: Tensor<3>, embedding: &Tensor<2>) -> Tensor<3> {
        // In the published order, which is that of the weights.
        let [shift, scale, gate, shift_of_mlp, scale_of_mlp, gate_of_mlp] = self
            .modulation
            .forward(embedding.clone())
            .chunk(6, 1)
            .try_into()
            .expect("six parts of six times the width");
        let attended = self.attend(layer_norm(x.clone(), scale.add_scalar(1.0), shift));
        let x = gated_sum(x, gate, attended);
        let normal = layer_norm(x.clone(), scale_of_mlp.add_scalar(1.0), shift_of_mlp);
        gated_sum(x, gate_of_mlp, self.transform(normal))
    }

    fn attend(&self, x: Tensor<3>) -> Tensor<3> {
        let _span = layer!("attention");
        let qkv = apply(&self.qkv, x);
        apply(&self.projection, attention(qkv, self.heads))
    }

    fn transform(&self, x: Tensor<3>) -> Tensor<3> {
        let _span = layer!("mlp");
        apply(&self.outer, gelu(apply(&self.inner, x)))
    }
}
