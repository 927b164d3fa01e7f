//! The normalisation.

use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use pulp::Arch;

use super::{Tracked, dims, slice, tensor};
use crate::{EPSILON, norm};

/// The output from x, scale and shift, and what the backward pass needs of the way to it.
pub(super) fn forward(
    [x, scale, shift]: [FlexTensor; 3],
    groups: usize,
    silu: bool,
) -> (FlexTensor, Statistics) {
    let (geometry, options) = geometry(&x, groups, silu);
    let shape = dims::<4>(&x);
    let [x, scale, shift] = [x, scale, shift].map(|t| t.to_contiguous());
    let norm::Forward { out, mean, rate } = norm::forward(
        Arch::new(),
        slice(&x),
        slice(&scale),
        slice(&shift),
        geometry,
        options,
    );
    (tensor(out, shape), Statistics { mean, rate })
}

/// Mean of each sample and group, and one over the standard deviation.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    pub mean: Vec<f32>,
    pub rate: Vec<f32>,
}

/// The same, recorded.
pub(super) fn record<C: CheckpointStrategy>(
    inputs: [Tracked<C>; 3],
    groups: usize,
    silu: bool,
) -> Tracked<C> {
    let prepared = Normalisation
        .prepare::<C>(inputs.each_ref().map(|t| t.node()))
        .compute_bound()
        .stateful();
    let primitives = inputs.each_ref().map(|t| t.primitive().clone());
    let (output, statistics) = forward(primitives, groups, silu);
    match prepared {
        OpsKind::Tracked(mut graph) => {
            let state = Normalised {
                nodes: inputs.each_ref().map(|t| graph.checkpoint(t)),
                statistics,
                groups,
                silu,
            };
            graph.finish(state, output)
        }
        OpsKind::UnTracked(graph) => graph.finish(output),
    }
}

#[derive(Debug)]
struct Normalisation;

/// What the gradients of a normalisation are computed from.
#[derive(Clone, Debug)]
struct Normalised {
    /// x, scale and shift.
    nodes: [NodeId; 3],
    statistics: Statistics,
    groups: usize,
    silu: bool,
}

impl Backward<Flex, 3> for Normalisation {
    type State = Normalised;

    fn backward(
        self,
        recorded: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node).to_contiguous();
        let state = recorded.state;
        let [x, scale, shift] = (state.nodes).map(|node| {
            checkpointer
                .retrieve_node_output::<FlexTensor>(node)
                .to_contiguous()
        });
        let (shape, per_channel) = (dims::<4>(&x), dims::<2>(&scale));
        let passed = norm::Passed {
            x: slice(&x),
            scale: slice(&scale),
            shift: slice(&shift),
            mean: &state.statistics.mean,
            rate: &state.statistics.rate,
        };
        let (geometry, options) = geometry(&x, state.groups, state.silu);
        let found = norm::backward(Arch::new(), slice(&gradient), passed, geometry, options);
        let [x_node, scale_node, shift_node] = recorded.parents;
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, tensor(found.x, shape));
        }
        if let Some(node) = scale_node {
            grads.register::<Flex>(node.id, tensor(found.scale, per_channel));
        }
        if let Some(node) = shift_node {
            grads.register::<Flex>(node.id, tensor(found.shift, per_channel));
        }
    }
}

pub(super) fn geometry(
    x: &FlexTensor,
    groups: usize,
    silu: bool,
) -> (norm::Geometry, norm::Options) {
    let [_, height, width, channels] = dims(x);
    let geometry = norm::Geometry {
        positions: height * width,
        channels,
        groups,
    };
    let options = norm::Options {
        epsilon: EPSILON as f32,
        silu,
    };
    (geometry, options)
}
