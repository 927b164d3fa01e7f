//! Joining.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;

use super::{Tracked, dims, slice, tensor};
use crate::concat;

/// a and b `[batch, height, width, channels]` joined along their channels.
pub(super) fn forward(a: FlexTensor, b: FlexTensor) -> FlexTensor {
    let [batch, height, width, of_a] = dims(&a);
    let [.., of_b] = dims::<4>(&b);
    let [a, b] = [a, b].map(|t| t.to_contiguous());
    let out = concat::join(slice(&a), slice(&b), [of_a, of_b]);
    tensor(out, [batch, height, width, of_a + of_b])
}

/// The same, recorded.
pub(super) fn record<C: CheckpointStrategy>(a: Tracked<C>, b: Tracked<C>) -> Tracked<C> {
    let channels = [a.primitive(), b.primitive()].map(|t| dims::<4>(t)[3]);
    let prepared = Joining
        .prepare::<C>([a.node(), b.node()])
        .compute_bound()
        .stateful();
    let output = forward(a.into_primitive(), b.into_primitive());
    match prepared {
        OpsKind::Tracked(graph) => graph.finish(channels, output),
        OpsKind::UnTracked(graph) => graph.finish(output),
    }
}

#[derive(Debug)]
struct Joining;

impl Backward<Flex, 2> for Joining {
    /// Channels of both.
    type State = [usize; 2];

    fn backward(self, recorded: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&recorded.node).to_contiguous();
        let [batch, height, width, channels] = dims(&gradient);
        let [of_a, of_b] = recorded.state;
        let parts = [(0, of_a), (of_a, of_b)];
        for (node, (start, count)) in recorded.parents.into_iter().zip(parts) {
            if let Some(node) = node {
                let part = concat::part(slice(&gradient), channels, start, count);
                grads.register::<Flex>(node.id, tensor(part, [batch, height, width, count]));
            }
        }
    }
}
