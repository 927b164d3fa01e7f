//! The convolution.

use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use pulp::Arch;

use super::{Tracked, dims, slice, tensor};
use crate::conv;

/// The output from x, weight and bias.
pub(super) fn forward([x, weight, bias]: [FlexTensor; 3], stride: usize) -> FlexTensor {
    let geometry = geometry(&x, &weight, stride);
    let [x, weight, bias] = [x, weight, bias].map(|t| t.to_contiguous());
    let out = conv::forward(
        Arch::new(),
        slice(&x),
        slice(&weight),
        slice(&bias),
        &geometry,
    );
    let [height, width] = geometry.size_out();
    tensor(out, [geometry.batch, height, width, geometry.channels_out])
}

/// The same, recorded.
pub(super) fn record<C: CheckpointStrategy>(inputs: [Tracked<C>; 3], stride: usize) -> Tracked<C> {
    let prepared = Convolution
        .prepare::<C>(inputs.each_ref().map(|t| t.node()))
        .compute_bound()
        .stateful();
    let output = forward(inputs.each_ref().map(|t| t.primitive().clone()), stride);
    match prepared {
        OpsKind::Tracked(mut graph) => {
            let [x, weight, _] = &inputs;
            let state = (graph.checkpoint(x), graph.checkpoint(weight), stride);
            graph.finish(state, output)
        }
        OpsKind::UnTracked(graph) => graph.finish(output),
    }
}

#[derive(Debug)]
struct Convolution;

impl Backward<Flex, 3> for Convolution {
    /// x, the weight and the stride.
    type State = (NodeId, NodeId, usize);

    fn backward(
        self,
        recorded: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node).to_contiguous();
        let (x, weight, stride) = recorded.state;
        let x: FlexTensor = checkpointer.retrieve_node_output(x);
        let weight: FlexTensor = checkpointer.retrieve_node_output(weight);
        let geometry = geometry(&x, &weight, stride);
        let (shape, shape_of_weight) = (dims::<4>(&x), dims::<4>(&weight));
        let [x, weight] = [x, weight].map(|t| t.to_contiguous());
        let gradient = slice(&gradient);

        let [x_node, weight_node, bias_node] = recorded.parents;
        if let Some(node) = x_node {
            let dx = conv::input_gradient(Arch::new(), gradient, slice(&weight), &geometry);
            grads.register::<Flex>(node.id, tensor(dx, shape));
        }
        if let Some(node) = weight_node {
            let dw = conv::weight_gradient(Arch::new(), slice(&x), gradient, &geometry);
            grads.register::<Flex>(node.id, tensor(dw, shape_of_weight));
        }
        if let Some(node) = bias_node {
            let db = conv::bias_gradient(gradient, geometry.channels_out);
            grads.register::<Flex>(node.id, tensor(db, [geometry.channels_out]));
        }
    }
}

pub(super) fn geometry(x: &FlexTensor, weight: &FlexTensor, stride: usize) -> conv::Geometry {
    let [batch, height, width, channels_in] = dims(x);
    let [channels_out, _, kernel, _] = dims(weight);
    conv::Geometry {
        batch,
        size: [height, width],
        channels_in,
        channels_out,
        kernel,
        stride,
    }
}
