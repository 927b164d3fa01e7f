//! The kernels as operations of Burn's CPU backend, and their place in its autodiff graph.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops as Recorded, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::TensorData;
use pulp::Arch;

use crate::conv::{Correlation, Direction};
use crate::profile::{self, operation};
use crate::silu::Function;
use crate::{
    EPSILON, attention, concat, conv, fused, gated, kept, layer_norm, linear, norm, silu, upsample,
};

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

    /// See [`crate::silu`].
    fn silu_of_each(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::gelu`].
    fn gelu_of_each(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::linear`].
    fn linear_of_tokens(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// See [`crate::layer_norm`].
    fn layer_norm_of_tokens(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// See [`crate::gated_sum`].
    fn gated_sum_of_tokens(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        y: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl Ops for Flex {
    fn conv2d_channels_last(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        stride: usize,
    ) -> FlexTensor {
        let geometry = convolution(&x, &weight, stride);
        let [x, weight, bias] = [x, weight, bias].map(|t| t.to_contiguous());
        let correlation = kept::correlation(&weight, &geometry);
        convolved(&correlation, &x, &bias, &geometry)
    }

    fn group_norm_channels_last(
        x: FlexTensor,
        scale: FlexTensor,
        shift: FlexTensor,
        groups: usize,
        silu: bool,
    ) -> FlexTensor {
        let (geometry, options) = normalisation(&x, groups, silu);
        let shape = dims::<4>(&x);
        let [x, scale, shift] = [x, scale, shift].map(|t| t.to_contiguous());
        let forward = norm::forward(
            Arch::new(),
            slice(&x),
            slice(&scale),
            slice(&shift),
            geometry,
            options,
        );
        tensor(forward.out, shape)
    }

    fn norm_silu_conv2d_channels_last(
        x: FlexTensor,
        scale: FlexTensor,
        shift: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        residual: FlexTensor,
        groups: usize,
        gain: f64,
    ) -> FlexTensor {
        let inputs = [x, scale, shift, weight, bias, residual].map(|t| t.to_contiguous());
        let geometry = normalised_convolution(&inputs[0], &inputs[3], groups);
        let correlation = kept::correlation(&inputs[3], &geometry.conv);
        let (forward, shape) = fused_forward(&correlation, &inputs, geometry, gain);
        tensor(forward.out, shape)
    }

    fn attention_channels_last(qkv: FlexTensor, heads: usize) -> FlexTensor {
        attention::ops::forward(qkv, heads)
    }

    fn upsample_channels_last(x: FlexTensor, size: [usize; 2]) -> FlexTensor {
        upsample::ops::forward(x, size)
    }

    fn concat_channels_last(a: FlexTensor, b: FlexTensor) -> FlexTensor {
        concat::ops::forward(a, b)
    }

    fn silu_of_each(x: FlexTensor) -> FlexTensor {
        silu::ops::forward(Function::Silu, x)
    }

    fn gelu_of_each(x: FlexTensor) -> FlexTensor {
        silu::ops::forward(Function::Gelu, x)
    }

    fn linear_of_tokens(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
        linear::ops::forward(x, weight, bias)
    }

    fn layer_norm_of_tokens(x: FlexTensor, scale: FlexTensor, shift: FlexTensor) -> FlexTensor {
        layer_norm::ops::forward(x, scale, shift).0
    }

    fn gated_sum_of_tokens(x: FlexTensor, gate: FlexTensor, y: FlexTensor) -> FlexTensor {
        gated::ops::forward(x, gate, y)
    }
}

/// Of contiguous x and bias.
fn convolved(
    correlation: &Correlation,
    x: &FlexTensor,
    bias: &FlexTensor,
    geometry: &conv::Geometry,
) -> FlexTensor {
    let epilogue = conv::Epilogue {
        bias: slice(bias),
        ..conv::Epilogue::default()
    };
    let [height, width] = geometry.size_out();
    let shape = [geometry.batch, height, width, geometry.channels_out];
    tensor(correlation.run(slice(x), epilogue, geometry.batch), shape)
}

/// Of contiguous x, scale, shift, weight, bias and residual.
fn fused_forward(
    correlation: &Correlation,
    [x, scale, shift, _, bias, residual]: &[FlexTensor; 6],
    geometry: fused::Geometry,
    gain: f64,
) -> (norm::Forward, [usize; 4]) {
    let epilogue = conv::Epilogue {
        bias: slice(bias),
        residual: slice(residual),
        gain: gain as f32,
    };
    let affine = [slice(scale), slice(shift)];
    let arch = Arch::new();
    let forward = fused::forward(arch, slice(x), affine, correlation, epilogue, geometry);
    let [height, width] = geometry.conv.size_out();
    let shape = [
        geometry.conv.batch,
        height,
        width,
        geometry.conv.channels_out,
    ];
    (forward, shape)
}

/// Weights that change at every step, laid out for this one.
fn laid_out(weight: &FlexTensor, geometry: &conv::Geometry) -> Correlation {
    Correlation::new(Arch::new(), slice(weight), geometry, Direction::Forward)
}

fn normalised_convolution(x: &FlexTensor, weight: &FlexTensor, groups: usize) -> fused::Geometry {
    let (norm, options) = normalisation(x, groups, true);
    fused::Geometry {
        norm,
        options,
        conv: convolution(x, weight, 1),
    }
}

impl<C: CheckpointStrategy> Ops for Autodiff<Flex, C> {
    fn conv2d_channels_last(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        stride: usize,
    ) -> FloatTensor<Self> {
        let prepared = Convolution
            .prepare::<C>([x.node(), weight.node(), bias.node()])
            .compute_bound()
            .stateful();
        let geometry = convolution(x.primitive(), weight.primitive(), stride);
        let [contiguous, weights] = [&x, &weight].map(|t| t.primitive().to_contiguous());
        let bias = bias.into_primitive().to_contiguous();
        let correlation = laid_out(&weights, &geometry);
        let output = convolved(&correlation, &contiguous, &bias, &geometry);
        match prepared {
            OpsKind::Tracked(mut graph) => {
                let state = (graph.checkpoint(&x), graph.checkpoint(&weight), stride);
                graph.finish(state, output)
            }
            OpsKind::UnTracked(graph) => graph.finish(output),
        }
    }

    fn group_norm_channels_last(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        groups: usize,
        silu: bool,
    ) -> FloatTensor<Self> {
        let (geometry, options) = normalisation(x.primitive(), groups, silu);
        let shape = dims::<4>(x.primitive());
        let prepared = Normalisation
            .prepare::<C>([x.node(), scale.node(), shift.node()])
            .compute_bound()
            .stateful();
        match prepared {
            OpsKind::Tracked(mut graph) => {
                let nodes = [&x, &scale, &shift].map(|t| graph.checkpoint(t));
                let [x, scale, shift] =
                    [x, scale, shift].map(|t| t.into_primitive().to_contiguous());
                let forward = norm::forward(
                    Arch::new(),
                    slice(&x),
                    slice(&scale),
                    slice(&shift),
                    geometry,
                    options,
                );
                let state = Normalised {
                    nodes,
                    mean: forward.mean,
                    rate: forward.rate,
                    geometry,
                    options,
                };
                graph.finish(state, tensor(forward.out, shape))
            }
            OpsKind::UnTracked(graph) => graph.finish(Flex::group_norm_channels_last(
                x.into_primitive(),
                scale.into_primitive(),
                shift.into_primitive(),
                groups,
                silu,
            )),
        }
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
        let inputs = [x, scale, shift, weight, bias, residual];
        let prepared = NormalisedConvolution
            .prepare::<C>(inputs.each_ref().map(|t| t.node()))
            .compute_bound()
            .stateful();
        let contiguous = inputs.each_ref().map(|t| t.primitive().to_contiguous());
        let geometry = normalised_convolution(&contiguous[0], &contiguous[3], groups);
        let correlation = laid_out(&contiguous[3], &geometry.conv);
        let (forward, shape) = fused_forward(&correlation, &contiguous, geometry, gain);
        let output = tensor(forward.out, shape);
        match prepared {
            OpsKind::Tracked(mut graph) => {
                let [x, scale, shift, weight, _, residual] = &inputs;
                let state = FusedState {
                    nodes: [x, scale, shift, weight].map(|t| graph.checkpoint(t)),
                    has_residual: dims::<4>(residual.primitive()) != [0; 4],
                    mean: forward.mean,
                    rate: forward.rate,
                    groups,
                    gain: gain as f32,
                };
                graph.finish(state, output)
            }
            OpsKind::UnTracked(graph) => graph.finish(output),
        }
    }

    fn attention_channels_last(qkv: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        let prepared = attention::ops::Attention
            .prepare::<C>([qkv.node()])
            .compute_bound()
            .stateful();
        let output = Flex::attention_channels_last(qkv.primitive().clone(), heads);
        match prepared {
            OpsKind::Tracked(mut graph) => {
                let state = (graph.checkpoint(&qkv), heads);
                graph.finish(state, output)
            }
            OpsKind::UnTracked(graph) => graph.finish(output),
        }
    }

    fn upsample_channels_last(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self> {
        let geometry = upsample::ops::geometry(x.primitive(), size);
        let prepared = upsample::ops::Enlargement
            .prepare::<C>([x.node()])
            .memory_bound()
            .retro_forward(upsample::ops::Again {
                x: x.node().id(),
                size,
            })
            .parents([&x])
            .stateful();
        let output = Flex::upsample_channels_last(x.into_primitive(), size);
        match prepared {
            OpsKind::Tracked(graph) => graph.finish(geometry, output),
            OpsKind::UnTracked(graph) => graph.finish(output),
        }
    }

    fn concat_channels_last(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let channels = [a.primitive(), b.primitive()].map(|t| dims::<4>(t)[3]);
        let prepared = concat::ops::Joining
            .prepare::<C>([a.node(), b.node()])
            .memory_bound()
            .retro_forward(concat::ops::Again {
                a: a.node().id(),
                b: b.node().id(),
            })
            .parents([&a, &b])
            .stateful();
        let output = Flex::concat_channels_last(a.into_primitive(), b.into_primitive());
        match prepared {
            OpsKind::Tracked(graph) => graph.finish(channels, output),
            OpsKind::UnTracked(graph) => graph.finish(output),
        }
    }

    fn silu_of_each(x: FloatTensor<Self>) -> FloatTensor<Self> {
        activated::<C>(Function::Silu, x)
    }

    fn gelu_of_each(x: FloatTensor<Self>) -> FloatTensor<Self> {
        activated::<C>(Function::Gelu, x)
    }

    fn linear_of_tokens(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let prepared = linear::ops::Linear
            .prepare::<C>([x.node(), weight.node(), bias.node()])
            .compute_bound()
            .stateful();
        let [input, weights] = [&x, &weight].map(|t| t.primitive().clone());
        let output = linear::ops::forward(input, weights, bias.into_primitive());
        match prepared {
            OpsKind::Tracked(mut graph) => {
                let state = [&x, &weight].map(|t| graph.checkpoint(t));
                graph.finish(state, output)
            }
            OpsKind::UnTracked(graph) => graph.finish(output),
        }
    }

    fn layer_norm_of_tokens(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let prepared = layer_norm::ops::LayerNorm
            .prepare::<C>([x.node(), scale.node(), shift.node()])
            .compute_bound()
            .stateful();
        let inputs = [&x, &scale].map(|t| t.primitive().clone());
        let [input, scales] = inputs;
        let (output, moments) = layer_norm::ops::forward(input, scales, shift.into_primitive());
        match prepared {
            OpsKind::Tracked(mut graph) => {
                let nodes = [&x, &scale].map(|t| graph.checkpoint(t));
                graph.finish(layer_norm::ops::Normalised { nodes, moments }, output)
            }
            OpsKind::UnTracked(graph) => graph.finish(output),
        }
    }

    fn gated_sum_of_tokens(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        y: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let prepared = gated::ops::GatedSum
            .prepare::<C>([x.node(), gate.node(), y.node()])
            .compute_bound()
            .stateful();
        let [gates, values] = [&gate, &y].map(|t| t.primitive().clone());
        let output = gated::ops::forward(x.into_primitive(), gates, values);
        match prepared {
            OpsKind::Tracked(mut graph) => {
                let state = [&gate, &y].map(|t| graph.checkpoint(t));
                graph.finish(state, output)
            }
            OpsKind::UnTracked(graph) => graph.finish(output),
        }
    }
}

/// A function of each value, recorded.
fn activated<C: CheckpointStrategy>(
    function: Function,
    x: FloatTensor<Autodiff<Flex, C>>,
) -> FloatTensor<Autodiff<Flex, C>> {
    let prepared = silu::ops::Activation
        .prepare::<C>([x.node()])
        .compute_bound()
        .stateful();
    let output = silu::ops::forward(function, x.primitive().clone());
    match prepared {
        OpsKind::Tracked(mut graph) => {
            let state = (graph.checkpoint(&x), function);
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
        recorded: Recorded<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let (x, weight, stride) = recorded.state;
        let x: FlexTensor = checkpointer.retrieve_node_output(x);
        let weight: FlexTensor = checkpointer.retrieve_node_output(weight);
        let geometry = convolution(&x, &weight, stride);
        let _span = operation!("conv2d backward", profile::geometry(&geometry));
        let gradient = gradient.to_contiguous();
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

#[derive(Debug)]
struct Normalisation;

/// What the gradients of a normalisation are computed from.
#[derive(Clone, Debug)]
struct Normalised {
    /// x, scale and shift.
    nodes: [NodeId; 3],
    mean: Vec<f32>,
    rate: Vec<f32>,
    geometry: norm::Geometry,
    options: norm::Options,
}

impl Backward<Flex, 3> for Normalisation {
    type State = Normalised;

    fn backward(
        self,
        recorded: Recorded<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let _span = operation!(
            "group_norm backward",
            profile::extents(&dims::<4>(&gradient))
        );
        let gradient = gradient.to_contiguous();
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
            mean: &state.mean,
            rate: &state.rate,
        };
        let found = norm::backward(
            Arch::new(),
            slice(&gradient),
            passed,
            state.geometry,
            state.options,
        );
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

#[derive(Debug)]
struct NormalisedConvolution;

/// What the gradients of a normalisation and its convolution are computed from.
#[derive(Clone, Debug)]
struct FusedState {
    /// x, scale, shift and weight.
    nodes: [NodeId; 4],
    has_residual: bool,
    mean: Vec<f32>,
    rate: Vec<f32>,
    groups: usize,
    gain: f32,
}

impl Backward<Flex, 6> for NormalisedConvolution {
    type State = FusedState;

    fn backward(
        self,
        recorded: Recorded<Self::State, 6>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = grads.consume::<Flex>(&recorded.node);
        let state = recorded.state;
        let [x, scale, shift, weight] =
            (state.nodes).map(|node| checkpointer.retrieve_node_output::<FlexTensor>(node));
        let geometry = normalised_convolution(&x, &weight, state.groups);
        let _span = operation!(
            "norm_silu_conv2d backward",
            profile::geometry(&geometry.conv)
        );
        let mut gradient = gradient.to_contiguous();
        if state.gain != 1.0 {
            let scaled = slice(&gradient).iter().map(|g| g * state.gain).collect();
            gradient = tensor(scaled, dims::<4>(&gradient));
        }
        let [x, scale, shift, weight] = [x, scale, shift, weight].map(|t| t.to_contiguous());
        let passed = norm::Passed {
            x: slice(&x),
            scale: slice(&scale),
            shift: slice(&shift),
            mean: &state.mean,
            rate: &state.rate,
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

fn convolution(x: &FlexTensor, weight: &FlexTensor, stride: usize) -> conv::Geometry {
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

fn normalisation(x: &FlexTensor, groups: usize, silu: bool) -> (norm::Geometry, norm::Options) {
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
