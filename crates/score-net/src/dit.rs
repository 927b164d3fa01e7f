//! The diffusion transformer, DiT (Peebles & Xie 2023), with adaLN-zero.

mod block;
mod config;
mod final_layer;
mod position;
mod size;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Int, Tensor, TensorData};

use self::block::Block;
pub use self::config::DiTConfig;
use self::final_layer::{FinalLayer, unpatchify};
pub use self::size::DiTSize;
use crate::block::apply;
use crate::embedding::NoiseEmbedding;
use crate::patch::space_to_depth;
use crate::profile::layer;

/// A diffusion transformer F(x, c_noise), built by [`DiTConfig::init`].
///
/// Squares of pixels become tokens, a fixed wave tells each where it stands, every block lets the
/// tokens look at one another and then works on each alone, both as far as gates from the noise level
/// let it, and a last layer, zero at first, spreads the tokens out to pixels again.
#[derive(Module, Debug)]
pub struct DiT {
    embedding: NoiseEmbedding,
    input: Linear,
    blocks: Vec<Block>,
    output: FinalLayer,
    patch: usize,
}

impl DiT {
    /// Applies the network.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`; output: the same with the signature's `channels_out`
    /// - c_noise: `[batch]`, ¼·ln(σ/α)
    /// - classes: `[batch]`, see [`NoiseEmbedding::forward`]
    ///
    /// # Panics
    ///
    /// If x has other channels than the network was built for, or a height or width that `patch`
    /// does not divide. Other heights and widths than it was built for are accepted.
    pub fn forward(
        &self,
        x: Tensor<4>,
        c_noise: Tensor<1>,
        classes: Option<Tensor<1, Int>>,
    ) -> Tensor<4> {
        let embedding = self.embedding.forward(c_noise, classes);
        let patches = space_to_depth(x, self.patch);
        let [_, rows, columns, _] = patches.dims();
        let mut tokens = self.enter(patches.flatten(1, 2), [rows, columns]);
        for block in &self.blocks {
            tokens = block.forward(tokens, &embedding);
        }
        let patches = self.output.forward(tokens, &embedding);
        unpatchify(patches, [rows, columns], self.patch)
    }

    /// From patches to tokens that know their places.
    fn enter(&self, patches: Tensor<3>, [rows, columns]: [usize; 2]) -> Tensor<3> {
        let _span = layer!("input", [rows, columns]);
        let tokens = apply(&self.input, patches);
        let [_, count, width] = tokens.dims();
        let positions = TensorData::new(position::table([rows, columns], width), [1, count, width]);
        let positions = Tensor::from_data(positions, (&tokens.device(), tokens.dtype()));
        tokens.add(positions)
    }
}
