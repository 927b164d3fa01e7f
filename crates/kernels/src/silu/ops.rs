//! SiLU and GELU in Burn's autodiff graph.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;
use pulp::Arch;

use super::Function;
use crate::ops::slice;
use crate::profile::{extents, operation};

/// The output from x, of any shape.
pub(crate) fn forward(function: Function, x: FlexTensor) -> FlexTensor {
    let x = x.to_contiguous();
    shaped(super::forward(Arch::new(), function, slice(&x)), &x)
}

#[derive(Debug)]
pub(crate) struct Activation;

impl Backward<Flex, 1> for Activation {
    /// x.
    type State = (NodeId, Function);

    fn backward(
        self,
        recorded: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let (x, function) = recorded.state;
        let _span = match function {
            Function::Silu => operation!("silu backward", extents(gradient.shape().as_slice())),
            Function::Gelu => operation!("gelu backward", extents(gradient.shape().as_slice())),
        };
        let gradient = gradient.to_contiguous();
        let x = checkpointer
            .retrieve_node_output::<FlexTensor>(x)
            .to_contiguous();
        let [node] = recorded.parents;
        if let Some(node) = node {
            let dx = super::backward(Arch::new(), function, slice(&x), slice(&gradient));
            grads.register::<Flex>(node.id, shaped(dx, &x));
        }
    }
}

fn shaped(values: Vec<f32>, like: &FlexTensor) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, like.shape()))
}
