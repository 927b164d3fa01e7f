//! The U-Net, in the line of DDPM++ (Song et al. 2021) and ADM (Dhariwal & Nichol 2021).

mod classifier;
mod config;
mod level;
mod plan;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Int, Tensor};

pub use self::classifier::{NoisyClassifier, NoisyClassifierConfig};
pub use self::config::UNetConfig;
use self::level::{DownLevel, Middle, UpLevel};
use crate::block::{GroupNorm, convolve, norm_silu_convolve};
use crate::embedding::NoiseEmbedding;
use crate::patch::{depth_to_space, space_to_depth};
use crate::profile::layer;

/// A U-Net F(x, c_noise), built by [`UNetConfig::init`].
///
/// Pixels are gathered into patches, a convolution takes them to the base number of channels, a
/// descent through the levels leaves a skip connection behind every block, an ascent joins them,
/// and a convolution that starts at zero returns to the image's channels. In between the channels
/// are the last axis, which is how [`kernels`] want them.
#[derive(Module, Debug)]
pub struct UNet {
    embedding: NoiseEmbedding,
    input: Conv2d,
    down: Vec<DownLevel>,
    middle: Middle,
    up: Vec<UpLevel>,
    norm: GroupNorm,
    output: Conv2d,
    patch: usize,
}

impl UNet {
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
        let mut hidden = self.enter(x);
        let mut skips = vec![hidden.clone()];
        for level in &self.down {
            hidden = level.forward(hidden, &embedding, &mut skips);
        }
        hidden = self.middle.forward(hidden, &embedding);
        for level in &self.up {
            hidden = level.forward(hidden, &embedding, &mut skips);
        }
        self.leave(hidden)
    }

    /// From the image to the first feature map, channels last.
    fn enter(&self, x: Tensor<4>) -> Tensor<4> {
        let patches = space_to_depth(x, self.patch);
        let _span = layer!("input", size(&patches));
        convolve(&self.input, patches)
    }

    /// And from the last one back.
    fn leave(&self, hidden: Tensor<4>) -> Tensor<4> {
        let _span = layer!("output", size(&hidden));
        let output = norm_silu_convolve(&self.norm, None, &self.output, hidden, None);
        depth_to_space(output, self.patch)
    }
}

/// Height and width of a feature map.
fn size(map: &Tensor<4>) -> [usize; 2] {
    let [_, height, width, _] = map.dims();
    [height, width]
}
