//! A linear layer in Burn's autodiff graph.

use burn::backend::Flex;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use pulp::Arch;

use super::Geometry;
use crate::conv;
use crate::ops::{dims, slice, tensor};
use crate::profile::{operation, product};

/// The output from x, `[batch, tokens, features_in]`.
pub(crate) fn forward(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
    let geometry = geometry(&x, &weight);
    let [x, weight, bias] = [x, weight, bias].map(|t| t.to_contiguous());
    let out = super::forward(
        Arch::new(),
        slice(&x),
        slice(&weight),
        slice(&bias),
        geometry,
    );
    tensor(
        out,
        [geometry.batch, geometry.tokens, geometry.features_out],
    )
}

#[derive(Debug)]
pub(crate) struct Linear;

impl Backward<Flex, 3> for Linear {
    /// x and the weight.
    type State = [NodeId; 2];

    fn backward(
        self,
        recorded: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let [x, weight] = recorded
            .state
            .map(|node| checkpointer.retrieve_node_output::<FlexTensor>(node));
        let geometry = geometry(&x, &weight);
        let _span = operation!("linear backward", product(dims(&x), dims(&weight)));
        let [gradient, x, weight] = [gradient, x, weight].map(|t| t.to_contiguous());
        let (arch, values) = (Arch::new(), slice(&gradient));
        let [x_node, weight_node, bias_node] = recorded.parents;
        if let Some(node) = x_node {
            let dx = super::input_gradient(arch, values, slice(&weight), geometry);
            grads.register::<Flex>(node.id, tensor(dx, dims::<3>(&x)));
        }
        if let Some(node) = weight_node {
            let dw = super::weight_gradient(arch, slice(&x), values, geometry);
            grads.register::<Flex>(node.id, tensor(dw, dims::<2>(&weight)));
        }
        if let Some(node) = bias_node {
            let db = conv::bias_gradient(values, geometry.features_out);
            grads.register::<Flex>(node.id, tensor(db, [geometry.features_out]));
        }
    }
}

fn geometry(x: &FlexTensor, weight: &FlexTensor) -> Geometry {
    let [batch, tokens, features_in] = dims(x);
    let [_, features_out] = dims(weight);
    Geometry {
        batch,
        tokens,
        features_in,
        features_out,
    }
}
