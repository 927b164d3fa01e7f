//! The gated sum in Burn's autodiff graph.

use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use pulp::Arch;

use crate::ops::{dims, slice, tensor};
use crate::profile::{extents, operation};

/// The sum, `[batch, tokens, channels]`.
pub(crate) fn forward(x: FlexTensor, gate: FlexTensor, y: FlexTensor) -> FlexTensor {
    let shape = dims::<3>(&x);
    let [x, gate, y] = [x, gate, y].map(|t| t.to_contiguous());
    let out = super::forward(Arch::new(), slice(&x), slice(&gate), slice(&y), shape[2]);
    tensor(out, shape)
}

#[derive(Debug)]
pub(crate) struct GatedSum;

impl Backward<Flex, 3> for GatedSum {
    /// The gate and y.
    type State = [NodeId; 2];

    fn backward(
        self,
        recorded: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let [gate, y] = recorded
            .state
            .map(|node| checkpointer.retrieve_node_output::<FlexTensor>(node));
        let shape = dims::<3>(&y);
        let _span = operation!("gated_sum backward", extents(&shape));
        let [gradient, gate, y] = [gradient, gate, y].map(|t| t.to_contiguous());
        let [x_node, gate_node, y_node] = recorded.parents;
        if gate_node.is_some() || y_node.is_some() {
            let [dgate, dy] = super::backward(
                Arch::new(),
                slice(&gradient),
                slice(&gate),
                slice(&y),
                shape[2],
            );
            if let Some(node) = gate_node {
                grads.register::<Flex>(node.id, tensor(dgate, dims::<2>(&gate)));
            }
            if let Some(node) = y_node {
                grads.register::<Flex>(node.id, tensor(dy, shape));
            }
        }
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, gradient);
        }
    }
}
