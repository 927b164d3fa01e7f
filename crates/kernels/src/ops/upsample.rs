//! Enlargement.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use pulp::Arch;

use super::{Tracked, dims, slice, tensor};
use crate::upsample::{self, Geometry};

/// x `[batch, height, width, channels]` enlarged to `size`.
pub(super) fn forward(x: FlexTensor, size: [usize; 2]) -> FlexTensor {
    let geometry = geometry(&x, size);
    let out = upsample::forward(slice(&x.to_contiguous()), geometry);
    tensor(out, [geometry.batch, size[0], size[1], geometry.channels])
}

fn geometry(x: &FlexTensor, to: [usize; 2]) -> Geometry {
    let [batch, height, width, channels] = dims(x);
    Geometry {
        batch,
        from: [height, width],
        to,
        channels,
    }
}

/// The same, recorded.
pub(super) fn record<C: CheckpointStrategy>(x: Tracked<C>, size: [usize; 2]) -> Tracked<C> {
    let geometry = geometry(x.primitive(), size);
    let prepared = Enlargement
        .prepare::<C>([x.node()])
        .compute_bound()
        .stateful();
    let output = forward(x.into_primitive(), size);
    match prepared {
        OpsKind::Tracked(graph) => graph.finish(geometry, output),
        OpsKind::UnTracked(graph) => graph.finish(output),
    }
}

#[derive(Debug)]
struct Enlargement;

impl Backward<Flex, 1> for Enlargement {
    type State = Geometry;

    fn backward(self, recorded: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&recorded.node).to_contiguous();
        let geometry = recorded.state;
        let [node] = recorded.parents;
        if let Some(node) = node {
            let dx = upsample::backward(Arch::new(), slice(&gradient), geometry);
            let [height, width] = geometry.from;
            let shape = [geometry.batch, height, width, geometry.channels];
            grads.register::<Flex>(node.id, tensor(dx, shape));
        }
    }
}
