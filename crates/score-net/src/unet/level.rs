//! The levels of the U-Net: down, the middle, and up again.

use burn::module::Module;
use burn::tensor::Tensor;

use super::size;
use crate::attention::SelfAttention;
use crate::block::{Downsample, ResidualBlock, Upsample};
use crate::profile::layer;

/// A residual block and, where the level attends, attention after it.
#[derive(Module, Debug)]
pub(super) struct Stage {
    pub(super) block: ResidualBlock,
    pub(super) attention: Option<SelfAttention>,
}

impl Stage {
    fn forward(&self, x: Tensor<4>, embedding: &Tensor<2>) -> Tensor<4> {
        let x = self.block.forward(x, embedding.clone());
        match &self.attention {
            Some(attention) => attention.forward(x),
            None => x,
        }
    }
}

/// A level on the way down. Every stage's output, and the halved one, is left for the way up.
#[derive(Module, Debug)]
pub(super) struct DownLevel {
    pub(super) stages: Vec<Stage>,
    pub(super) down: Option<Downsample>,
}

impl DownLevel {
    pub(super) fn forward(
        &self,
        mut x: Tensor<4>,
        embedding: &Tensor<2>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        let _span = layer!("down", size(&x));
        for stage in &self.stages {
            x = stage.forward(x, embedding);
            skips.push(x.clone());
        }
        if let Some(down) = &self.down {
            x = down.forward(x);
            skips.push(x.clone());
        }
        x
    }
}

/// A block, attention and a block at the lowest resolution.
#[derive(Module, Debug)]
pub(super) struct Middle {
    pub(super) first: Stage,
    pub(super) second: Stage,
}

impl Middle {
    pub(super) fn forward(&self, x: Tensor<4>, embedding: &Tensor<2>) -> Tensor<4> {
        let _span = layer!("middle", size(&x));
        self.second
            .forward(self.first.forward(x, embedding), embedding)
    }
}

/// A level on the way up: each stage takes one skip connection beside its input.
#[derive(Module, Debug)]
pub(super) struct UpLevel {
    pub(super) up: Option<Upsample>,
    pub(super) stages: Vec<Stage>,
}

impl UpLevel {
    pub(super) fn forward(
        &self,
        mut x: Tensor<4>,
        embedding: &Tensor<2>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        let _span = layer!("up", skips.last().map_or([0; 2], size));
        for (index, stage) in self.stages.iter().enumerate() {
            let skip = skips.pop().expect("as many skips as stages on the way up");
            if let (0, Some(up)) = (index, &self.up) {
                let [_, height, width, _] = skip.dims();
                x = up.forward(x, [height, width]);
            }
            x = stage.forward(kernels::concat(x, skip), embedding);
        }
        x
    }
}
