//! The kernels as operations of Burn's CPU backend, and their place in its autodiff graph: a file an
//! operation, in each the forward pass on tensors, the same recorded, and the gradients.

mod attention;
mod concat;
mod conv;
mod fused;
mod norm;
mod upsample;

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::TensorData;

/// The operations, on tensors `[batch, height, width, channels]` of f32.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait Ops: Backend {
    /// See [`crate::conv2d`].
    fn conv2d_channels_last(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
    ) -> FloatTensor<Self>;

    /// See [`crate::group_norm`].
    fn group_norm_channels_last(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        groups: usize,
        silu: bool,
    ) -> FloatTensor<Self>;

    /// See [`crate::norm_silu_conv2d`]; a residual of shape `[0; 4]` is none.
    #[allow(clippy::too_many_arguments)]
    fn norm_silu_conv2d_channels_last(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        groups: usize,
        gain: f64,
    ) -> FloatTensor<Self>;

    /// See [`crate::attention`].
    fn attention_channels_last(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self>;

    /// See [`crate::upsample`].
    fn upsample_channels_last(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self>;

    /// See [`crate::concat`].
    fn concat_channels_last(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Ops for Flex {
    fn conv2d_channels_last(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
    ) -> FloatTensor<Self> {
        conv::forward([x, weight, bias], stride)
    }

    fn group_norm_channels_last(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        groups: usize,
        silu: bool,
    ) -> FloatTensor<Self> {
        norm::forward([x, scale, shift], groups, silu).0
    }

    fn norm_silu_conv2d_channels_last(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        groups: usize,
        gain: f64,
    ) -> FloatTensor<Self> {
        fused::forward([x, scale, shift, weight, bias, residual], groups, gain).0
    }

    fn attention_channels_last(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        attention::forward(qkv, heads)
    }

    fn upsample_channels_last(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        upsample::forward(x, size)
    }

    fn concat_channels_last(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        concat::forward(a, b)
    }
}

impl<C: CheckpointStrategy> Ops for Autodiff<Flex, C> {
    fn conv2d_channels_last(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
    ) -> FloatTensor<Self> {
        conv::record::<C>([x, weight, bias], stride)
    }

    fn group_norm_channels_last(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        groups: usize,
        silu: bool,
    ) -> FloatTensor<Self> {
        norm::record::<C>([x, scale, shift], groups, silu)
    }

    fn norm_silu_conv2d_channels_last(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        groups: usize,
        gain: f64,
    ) -> FloatTensor<Self> {
        fused::record::<C>([x, scale, shift, weight, bias, residual], groups, gain)
    }

    fn attention_channels_last(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        attention::record::<C>(qkv, heads)
    }

    fn upsample_channels_last(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        upsample::record::<C>(x, size)
    }

    fn concat_channels_last(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        concat::record::<C>(a, b)
    }
}

/// A tensor in the autodiff graph.
type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

pub(crate) fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    tensor.shape().dims()
}

/// The values of a contiguous tensor.
pub(crate) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of f32")
}

pub(crate) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
