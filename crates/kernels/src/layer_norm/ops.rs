//! Layer normalisation in Burn's autodiff graph.

use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use pulp::Arch;

use super::Geometry;
use crate::EPSILON_OF_LAYERS;
use crate::ops::{dims, slice, tensor};
use crate::profile::{extents, operation};

/// The output from x, `[batch, tokens, channels]`, and the mean and rate of each token.
pub(crate) fn forward(
    x: FlexTensor,
    scale: FlexTensor,
    shift: FlexTensor,
) -> (FlexTensor, Vec<[f32; 2]>) {
    let [x, scale, shift] = [x, scale, shift].map(|t| t.to_contiguous());
    let affine = [slice(&scale), slice(&shift)];
    let epsilon = EPSILON_OF_LAYERS as f32;
    let found = super::forward(Arch::new(), slice(&x), affine, epsilon, geometry(&x));
    (tensor(found.out, dims::<3>(&x)), found.moments)
}

#[derive(Debug)]
pub(crate) struct LayerNorm;

/// What the gradients are computed from.
#[derive(Clone, Debug)]
pub(crate) struct Normalised {
    /// x and the scale.
    pub nodes: [NodeId; 2],
    pub moments: Vec<[f32; 2]>,
}

impl Backward<Flex, 3> for LayerNorm {
    type State = Normalised;

    fn backward(
        self,
        recorded: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let Normalised { nodes, moments } = recorded.state;
        let [x, scale] = nodes.map(|node| checkpointer.retrieve_node_output::<FlexTensor>(node));
        let _span = operation!("layer_norm backward", extents(&dims::<3>(&x)));
        let [gradient, x, scale] = [gradient, x, scale].map(|t| t.to_contiguous());
        let found = super::backward(
            Arch::new(),
            slice(&gradient),
            slice(&x),
            slice(&scale),
            &moments,
            geometry(&x),
        );
        let per_channel = dims::<2>(&scale);
        let results = [
            tensor(found.x, dims::<3>(&x)),
            tensor(found.scale, per_channel),
            tensor(found.shift, per_channel),
        ];
        for (node, result) in recorded.parents.into_iter().zip(results) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, result);
            }
        }
    }
}

fn geometry(x: &FlexTensor) -> Geometry {
    let [batch, tokens, channels] = dims(x);
    Geometry {
        batch,
        tokens,
        channels,
    }
}
