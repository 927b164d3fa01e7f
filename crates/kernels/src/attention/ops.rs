//! Attention in Burn's autodiff graph.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use pulp::Arch;

use super::Geometry;
use crate::ops::{dims, slice, tensor};
use crate::profile::{heads as shape, operation};

/// The output from qkv, `[batch, pixels, 3·channels]`.
pub(crate) fn forward(qkv: FlexTensor, heads: usize) -> FlexTensor {
    let geometry = geometry(&qkv, heads);
    let qkv = qkv.to_contiguous();
    let out = super::forward(Arch::new(), slice(&qkv), geometry);
    tensor(out, [geometry.batch, geometry.pixels, geometry.channels()])
}

#[derive(Debug)]
pub(crate) struct Attention;

impl Backward<Flex, 1> for Attention {
    /// qkv, and the number of heads.
    type State = (NodeId, usize);

    fn backward(
        self,
        recorded: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let (qkv, heads) = recorded.state;
        let qkv = checkpointer.retrieve_node_output::<FlexTensor>(qkv);
        let _span = operation!("attention backward", shape(dims(&qkv), heads));
        let [gradient, qkv] = [gradient, qkv].map(|t| t.to_contiguous());
        let geometry = geometry(&qkv, heads);
        let [node] = recorded.parents;
        if let Some(node) = node {
            let found = super::backward(Arch::new(), slice(&qkv), slice(&gradient), geometry);
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
