//! Normalisation, SiLU, convolution and sum in one.

use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use pulp::Arch;

use super::norm::Statistics;
use super::{Tracked, conv, dims, norm, slice, tensor};
use crate::conv::Epilogue;
use crate::fused;
use crate::norm::Passed;

/// The output from x, scale, shift, weight, bias and residual, and the normalisation's statistics.
pub(super) fn forward(
    inputs: [FlexTensor; 6],
    groups: usize,
    gain: f64,
) -> (FlexTensor, Statistics) {
    let [x, scale, shift, weight, bias, residual] = inputs.map(|t| t.to_contiguous());
    let geometry = geometry(&x, &weight, groups);
    let epilogue = Epilogue {
        bias: slice(&bias),
        residual: slice(&residual),
        gain: gain as f32,
    };
    let affine = [slice(&scale), slice(&shift)];
    let arch = Arch::new();
    let forward = fused::forward(arch, slice(&x), affine, slice(&weight), epilogue, geometry);
    let [height, width] = geometry.conv.size_out();
    let (batch, channels) = (geometry.conv.batch, geometry.conv.channels_out);
    let statistics = Statistics {
        mean: forward.mean,
        rate: forward.rate,
    };
    (
        tensor(forward.out, [batch, height, width, channels]),
        statistics,
    )
}

/// The same, recorded.
pub(super) fn record<C: CheckpointStrategy>(
    inputs: [Tracked<C>; 6],
    groups: usize,
    gain: f64,
) -> Tracked<C> {
    let prepared = NormalisedConvolution
        .prepare::<C>(inputs.each_ref().map(|t| t.node()))
        .compute_bound()
        .stateful();
    let primitives = inputs.each_ref().map(|t| t.primitive().clone());
    let (output, statistics) = forward(primitives, groups, gain);
    match prepared {
        OpsKind::Tracked(mut graph) => {
            let [x, scale, shift, weight, _, residual] = &inputs;
            let state = FusedState {
                nodes: [x, scale, shift, weight].map(|t| graph.checkpoint(t)),
                has_residual: dims(residual.primitive()) != [0; 4],
                statistics,
                groups,
                gain: gain as f32,
            };
            graph.finish(state, output)
        }
        OpsKind::UnTracked(graph) => graph.finish(output),
    }
}

#[derive(Debug)]
struct NormalisedConvolution;

/// What the gradients of a normalisation and its convolution are computed from.
#[derive(Clone, Debug)]
struct FusedState {
    /// x, scale, shift and weight.
    nodes: [NodeId; 4],
    has_residual: bool,
    statistics: Statistics,
    groups: usize,
    gain: f32,
}

impl Backward<Flex, 6> for NormalisedConvolution {
    type State = FusedState;

    fn backward(
        self,
        recorded: Ops<Self::State, 6>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let mut gradient = grads.consume::<Flex>(&recorded.node).to_contiguous();
        let state = recorded.state;
        if state.gain != 1.0 {
            let scaled = slice(&gradient).iter().map(|g| g * state.gain).collect();
            gradient = tensor(scaled, dims::<4>(&gradient));
        }
        let [x, scale, shift, weight] = (state.nodes).map(|node| {
            checkpointer
                .retrieve_node_output::<FlexTensor>(node)
                .to_contiguous()
        });
        let geometry = geometry(&x, &weight, state.groups);
        let passed = Passed {
            x: slice(&x),
            scale: slice(&scale),
            shift: slice(&shift),
            mean: &state.statistics.mean,
            rate: &state.statistics.rate,
        };
        let arch = Arch::new();
        let found = fused::backward(arch, slice(&gradient), passed, slice(&weight), geometry);
        let per_channel = dims::<2>(&scale);
        let channels_out = found.bias.len();
        let results = [
            tensor(found.norm.x, dims::<4>(&x)),
            tensor(found.norm.scale, per_channel),
            tensor(found.norm.shift, per_channel),
            tensor(found.weight, dims::<4>(&weight)),
            tensor(found.bias, [channels_out]),
        ];
        let [inputs @ .., residual] = recorded.parents;
        for (node, result) in inputs.into_iter().zip(results) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, result);
            }
        }
        if let Some(node) = residual.filter(|_| state.has_residual) {
            grads.register::<Flex>(node.id, gradient);
        }
    }
}

fn geometry(x: &FlexTensor, weight: &FlexTensor, groups: usize) -> fused::Geometry {
    let (norm, options) = norm::geometry(x, groups, true);
    fused::Geometry {
        norm,
        options,
        conv: conv::geometry(x, weight, 1),
    }
}
