//! Enlargement in Burn's autodiff graph.

use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use pulp::Arch;

use super::Geometry;
use crate::ops::{dims, slice, tensor};
use crate::profile::{extents, operation};

/// x `[batch, height, width, channels]` enlarged to `size`.
pub(crate) fn forward(x: FlexTensor, size: [usize; 2]) -> FlexTensor {
    let geometry = geometry(&x, size);
    let out = super::forward(slice(&x.to_contiguous()), geometry);
    tensor(out, [geometry.batch, size[0], size[1], geometry.channels])
}

pub(crate) fn geometry(x: &FlexTensor, to: [usize; 2]) -> Geometry {
    let [batch, height, width, channels] = dims(x);
    Geometry {
        batch,
        from: [height, width],
        to,
        channels,
    }
}

/// Enlarges again, where gradient checkpointing did not keep the result.
#[derive(Debug)]
pub(crate) struct Again {
    pub x: NodeId,
    pub size: [usize; 2],
}

impl RetroForward for Again {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let x = states.get_state::<FlexTensor>(&self.x);
        states.save(out, forward(x, self.size));
    }
}

#[derive(Debug)]
pub(crate) struct Enlargement;

impl Backward<Flex, 1> for Enlargement {
    type State = Geometry;

    fn backward(self, recorded: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let geometry = recorded.state;
        let [height, width] = geometry.from;
        let shape = [geometry.batch, height, width, geometry.channels];
        let _span = operation!("upsample backward", extents(&shape));
        let gradient = gradient.to_contiguous();
        let [node] = recorded.parents;
        if let Some(node) = node {
            let dx = super::backward(Arch::new(), slice(&gradient), geometry);
            grads.register::<Flex>(node.id, tensor(dx, shape));
        }
    }
}
