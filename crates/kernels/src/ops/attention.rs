//! Attention.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use pulp::Arch;

use super::{Tracked, dims, slice, tensor};
use crate::attention::{self, Geometry};

/// The output from qkv, `[batch, pixels, 3·channels]`.
pub(super) fn forward(qkv: FlexTensor, heads: usize) -> FlexTensor {
    let geometry = geometry(&qkv, heads);
    let qkv = qkv.to_contiguous();
    let out = attention::forward(Arch::new(), slice(&qkv), geometry);
    tensor(out, [geometry.batch, geometry.pixels, geometry.channels()])
}

/// The same, recorded.
pub(super) fn record<C: CheckpointStrategy>(qkv: Tracked<C>, heads: usize) -> Tracked<C> {
    let prepared = Attention
        .prepare::<C>([qkv.node()])
        .compute_bound()
        .stateful();
    let output = forward(qkv.primitive().clone(), heads);
    match prepared {
        OpsKind::Tracked(mut graph) => {
            let state = (graph.checkpoint(&qkv), heads);
            graph.finish(state, output)
        }
        OpsKind::UnTracked(graph) => graph.finish(output),
    }
}

#[derive(Debug)]
struct Attention;

impl Backward<Flex, 1> for Attention {
    /// qkv, and the number of heads.
    type State = (NodeId, usize);

    fn backward(
        self,
        recorded: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node).to_contiguous();
        let (qkv, heads) = recorded.state;
        let qkv = checkpointer
            .retrieve_node_output::<FlexTensor>(qkv)
            .to_contiguous();
        let geometry = geometry(&qkv, heads);
        let [node] = recorded.parents;
        if let Some(node) = node {
            let found = attention::backward(Arch::new(), slice(&qkv), slice(&gradient), geometry);
            grads.register::<Flex>(node.id, tensor(found, dims::<3>(&qkv)));
        }
    }
}

fn geometry(qkv: &FlexTensor, heads: usize) -> Geometry {
    let [batch, pixels, thirds] = qkv.shape().dims();
    Geometry {
        batch,
        pixels,
        heads,
        width: thirds / 3 / heads,
    }
}
