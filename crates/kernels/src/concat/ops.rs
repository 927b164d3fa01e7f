//! Joining in Burn's autodiff graph.

use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;

use crate::ops::{dims, slice, tensor};
use crate::profile::{extents, operation};

/// a and b `[batch, height, width, channels]` joined along their channels.
pub(crate) fn forward(a: FlexTensor, b: FlexTensor) -> FlexTensor {
    let [batch, height, width, of_a] = dims(&a);
    let [.., of_b] = dims::<4>(&b);
    let [a, b] = [a, b].map(|t| t.to_contiguous());
    let out = super::join(slice(&a), slice(&b), [of_a, of_b]);
    tensor(out, [batch, height, width, of_a + of_b])
}

/// Joins both again, where gradient checkpointing did not keep the result.
#[derive(Debug)]
pub(crate) struct Again {
    pub a: NodeId,
    pub b: NodeId,
}

impl RetroForward for Again {
    fn forward(&self, states: &mut BackwardStates, out: NodeId) {
        let [a, b] = [self.a, self.b].map(|node| states.get_state::<FlexTensor>(&node));
        states.save(out, forward(a, b));
    }
}

#[derive(Debug)]
pub(crate) struct Joining;

impl Backward<Flex, 2> for Joining {
    /// Channels of both.
    type State = [usize; 2];

    fn backward(self, recorded: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let [batch, height, width, channels] = dims(&gradient);
        let [of_a, of_b] = recorded.state;
        let _span = operation!(
            "concat backward",
            format!("{} +{of_b}", extents(&[batch, height, width, of_a]))
        );
        let gradient = gradient.to_contiguous();
        let parts = [(0, of_a), (of_a, of_b)];
        for (node, (start, count)) in recorded.parents.into_iter().zip(parts) {
            if let Some(node) = node {
                let part = super::part(slice(&gradient), channels, start, count);
                grads.register::<Flex>(node.id, tensor(part, [batch, height, width, count]));
            }
        }
    }
}
