//! The layers of a U-Net and of a transformer for Burn's CPU backend, channels last, with their gradients.
//!
//! Two layers take nearly all of a U-Net's time, [`conv2d`] and [`group_norm`], and [`attention`] its
//! share of a network that has it. On Burn's CPU backend, Flex, in f32, they run kernels of their own,
//! forward and backward: a convolution by Winograd's tiles where they apply and over a register tile
//! directly where not, a normalisation that applies scale, shift and SiLU while a sample is in cache
//! ([`norm_silu_conv2d`] does both in one), and an attention whose weights never leave it. So do
//! [`silu()`], for what is not normalised first, and [`upsample`] and [`concat()`], which only move
//! values, and would otherwise do it on one core; and, of a transformer, [`linear`], [`layer_norm`],
//! [`gelu`] and [`gated_sum`]. SIMD is chosen at run time (AVX-512, AVX2, NEON, or
//! none), threads are rayon's, and a result does not depend on their number.
//!
//! On every other backend, and for other number types, the same functions are written in Burn's own
//! operations: see [`plain`], against which the kernels are tested.
//!
//! [`adamw_ema`] is the optimiser's step, clipping and the weights' moving average included, as one
//! pass over the memory of all parameters.
//!
//! Images are `[batch, height, width, channels]`. A pixel's channels are then contiguous, which is
//! what a convolution sums over, what a normalisation shares and what a linear layer maps.

mod activation;
mod adamw;
mod attention;
// Memory that is not filled with zeros first.
#[allow(unsafe_code)]
mod buffer;
mod choice;
mod concat;
mod conv;
mod fused;
mod gated;
mod kept;
mod layer_norm;
mod linear;
mod norm;
mod ops;
pub mod plain;
mod profile;
mod silu;
// Bounds are asserted once a product: checking every load would cost as much as the arithmetic.
#[allow(unsafe_code)]
mod tile;
mod upsample;
// A load or store a vector: checking its bounds would cost as much as what is done with it.
#[allow(unsafe_code)]
mod vector;

use burn::backend::Dispatch;
use burn::tensor::{DType, Device, Tensor};

pub use self::choice::{Kernels, UnknownKernels, choose, chosen};
use self::ops::Ops;
use self::profile::operation;

pub use self::adamw::{Gradient, Moments, Parameter, Step, adamw_ema, global_norm};

/// Added to a variance before its root, as in EDM and PyTorch.
pub const EPSILON: f64 = 1e-5;

/// The same in [`layer_norm`], as in the vision transformers.
pub const EPSILON_OF_LAYERS: f64 = 1e-6;

/// Convolution (cross-correlation) with a square kernel of odd side, zero-padded by half of it, so
/// that stride 1 keeps the size and stride 2 halves it, rounding up.
///
/// # Shapes
///
/// - x: `[batch, height, width, channels_in]`
/// - weight: `[channels_out, channels_in, side, side]`
/// - bias: `[channels_out]`
/// - output: `[batch, ⌈height/stride⌉, ⌈width/stride⌉, channels_out]`
///
/// # Panics
///
/// If shapes or number types do not fit each other, x has no channels, the kernel is not square with an odd side, or the stride
/// is zero.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    check_conv2d(&x, &weight, &bias, stride);
    let _span = operation!(
        "conv2d",
        profile::convolution(x.dims(), weight.dims(), stride)
    );
    if !has_kernels(&x) {
        return plain::conv2d(x, weight, bias, stride);
    }
    let [x, weight, bias] = [
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ];
    Tensor::from_dispatch(Dispatch::conv2d_channels_last(x, weight, bias, stride))
}

/// Group normalisation (Wu & He 2018) with a scale and a shift for each sample and channel, and
/// SiLU after it where `silu` says so: act((x − mean)/√(variance + ε)·scale + shift).
///
/// # Shapes
///
/// - x, output: `[batch, height, width, channels]`
/// - scale, shift: `[batch, channels]`
///
/// # Panics
///
/// If shapes or number types do not fit each other, or `groups` does not divide the channels.
pub fn group_norm(
    x: Tensor<4>,
    scale: Tensor<2>,
    shift: Tensor<2>,
    groups: usize,
    silu: bool,
) -> Tensor<4> {
    check_group_norm(&x, &scale, &shift, groups);
    let _span = operation!("group_norm", profile::extents(&x.dims()));
    if !has_kernels(&x) {
        return plain::group_norm(x, scale, shift, groups, silu);
    }
    let [x, scale, shift] = [
        x.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
    ];
    Tensor::from_dispatch(Dispatch::group_norm_channels_last(
        x, scale, shift, groups, silu,
    ))
}

/// [`group_norm`] with SiLU, then [`conv2d`] of stride 1, then the sum with a residual of the output's
/// shape, times `gain`: a half of a residual block.
///
/// Where a kernel does it in one, the normalised activation is not written to memory, neither for the
/// backward pass.
///
/// # Shapes
///
/// - x: `[batch, height, width, channels_in]`
/// - affine: scale and shift, both `[batch, channels_in]`
/// - weights: `[channels_out, channels_in, side, side]`, and the bias, `[channels_out]`
/// - residual, output: `[batch, height, width, channels_out]`
///
/// # Panics
///
/// As [`group_norm`] and [`conv2d`], and if the residual has another shape than the output.
pub fn norm_silu_conv2d(
    x: Tensor<4>,
    affine: [Tensor<2>; 2],
    groups: usize,
    weights: (Tensor<4>, Tensor<1>),
    residual: Option<(Tensor<4>, f64)>,
) -> Tensor<4> {
    check_norm_silu_conv2d(&x, &affine, groups, &weights, &residual);
    if !has_kernels(&x) {
        return plain::norm_silu_conv2d(x, affine, groups, weights, residual);
    }
    let [scale, shift] = affine;
    let (weight, bias) = weights;
    let ([batch, height, width, channels_in], [channels_out, _, kernel, _]) =
        (x.dims(), weight.dims());
    let geometry = conv::Geometry {
        batch,
        size: [height, width],
        channels_in,
        channels_out,
        kernel,
        stride: 1,
    };
    if !conv::takes_samples(&geometry) {
        let out = conv2d(group_norm(x, scale, shift, groups, true), weight, bias, 1);
        return match residual {
            Some((residual, gain)) => out.add(residual).mul_scalar(gain),
            None => out,
        };
    }
    let _span = operation!("norm_silu_conv2d", profile::geometry(&geometry));
    let (residual, gain) = match residual {
        Some(residual) => residual,
        None => (Tensor::empty([0; 4], &x.device()), 1.0),
    };
    Tensor::from_dispatch(Dispatch::norm_silu_conv2d_channels_last(
        x.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        residual.into_dispatch(),
        groups,
        gain,
    ))
}

/// Multi-head self-attention (Vaswani et al. 2017) between the pixels of a feature map:
/// softmax(q·kᵀ/√d)·v for each head, whose d channels of queries, keys and values are neighbours.
///
/// # Shapes
///
/// - qkv: `[batch, pixels, 3·channels]`, the channels of the queries, then of the keys, then of the
///   values
/// - output: `[batch, pixels, channels]`
///
/// # Panics
///
/// If there are no channels, or not `heads` times as many as a whole number in each third.
pub fn attention(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    check_attention(&qkv, heads);
    let _span = operation!("attention", profile::heads(qkv.dims(), heads));
    if !has_kernels(&qkv) {
        return plain::attention(qkv, heads);
    }
    let qkv = qkv.into_dispatch();
    Tensor::from_dispatch(Dispatch::attention_channels_last(qkv, heads))
}

/// Nearest-neighbour enlargement to twice the height and width, or one less: the last row or column
/// is then cut off.
///
/// # Shapes
///
/// - x: `[batch, height, width, channels]`
/// - output: `[batch, size[0], size[1], channels]`
///
/// # Panics
///
/// If `size` is neither twice the height and width nor one less, or x has no channels.
pub fn upsample(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    check_upsample(&x, size);
    let _span = operation!("upsample", profile::extents(&x.dims()));
    if !has_kernels(&x) {
        return plain::upsample(x, size);
    }
    let x = x.into_dispatch();
    Tensor::from_dispatch(Dispatch::upsample_channels_last(x, size))
}

/// Two feature maps as one, with the channels of both.
///
/// # Shapes
///
/// - a, b: `[batch, height, width, channels]`, of any numbers of channels
/// - output: `[batch, height, width, channels of a + channels of b]`
///
/// # Panics
///
/// If shapes or number types do not fit each other, or one has no channels.
pub fn concat(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    check_concat(&a, &b);
    let _span = operation!(
        "concat",
        format!("{} +{}", profile::extents(&a.dims()), b.dims()[3])
    );
    if !has_kernels(&a) {
        return plain::concat(a, b);
    }
    let [a, b] = [a, b].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::concat_channels_last(a, b))
}

/// SiLU (swish), x ↦ x·s(x) with s the logistic function (Elfwing et al. 2017).
///
/// # Shapes
///
/// - x, output: any, the same
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let _span = operation!("silu", profile::extents(&x.dims()));
    if !has_kernels(&x) {
        return plain::silu(x);
    }
    Tensor::from_dispatch(Dispatch::silu_of_each(x.into_dispatch()))
}

/// A linear layer of each token: x·weight + bias.
///
/// # Shapes
///
/// - x: `[batch, tokens, features_in]`
/// - weight: `[features_in, features_out]`, as Burn stores it; bias: `[features_out]`
/// - output: `[batch, tokens, features_out]`
///
/// # Panics
///
/// If shapes or number types do not fit each other, or x has no features.
pub fn linear(x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<3> {
    check_linear(&x, &weight, &bias);
    let _span = operation!("linear", profile::product(x.dims(), weight.dims()));
    if !has_kernels(&x) {
        return plain::linear(x, weight, bias);
    }
    let [weight, bias] = [weight.into_dispatch(), bias.into_dispatch()];
    Tensor::from_dispatch(Dispatch::linear_of_tokens(x.into_dispatch(), weight, bias))
}

/// Layer normalisation (Ba, Kiros & Hinton 2016) of each token over its channels, with a scale and a
/// shift for each sample and channel: (x − mean)/√(variance + 10⁻⁶)·scale + shift.
///
/// # Shapes
///
/// - x, output: `[batch, tokens, channels]`
/// - scale, shift: `[batch, channels]`
///
/// # Panics
///
/// If shapes or number types do not fit each other, or x has no channels.
pub fn layer_norm(x: Tensor<3>, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<3> {
    check_per_channel(&x, [("scale", &scale), ("shift", &shift)]);
    let _span = operation!("layer_norm", profile::extents(&x.dims()));
    if !has_kernels(&x) {
        return plain::layer_norm(x, scale, shift);
    }
    let [scale, shift] = [scale, shift].map(Tensor::into_dispatch);
    let x = x.into_dispatch();
    Tensor::from_dispatch(Dispatch::layer_norm_of_tokens(x, scale, shift))
}

/// x + gate·y, with a gate for each sample and channel: how a branch joins the residual stream.
///
/// # Shapes
///
/// - x, y, output: `[batch, tokens, channels]`
/// - gate: `[batch, channels]`
///
/// # Panics
///
/// If shapes or number types do not fit each other, or x has no channels.
pub fn gated_sum(x: Tensor<3>, gate: Tensor<2>, y: Tensor<3>) -> Tensor<3> {
    check_per_channel(&x, [("gate", &gate)]);
    assert_eq!(x.dims(), y.dims(), "shapes of what is summed");
    assert_eq!(x.dtype(), y.dtype(), "number types of what is summed");
    let _span = operation!("gated_sum", profile::extents(&x.dims()));
    if !has_kernels(&x) {
        return plain::gated_sum(x, gate, y);
    }
    let [x, y] = [x, y].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::gated_sum_of_tokens(x, gate.into_dispatch(), y))
}

/// GELU (Hendrycks & Gimpel 2016) as it is approximated by a tanh, x·½(1 + tanh(√(2/π)(x + 0.044715x³))).
///
/// # Shapes
///
/// - x, output: any, the same
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let _span = operation!("gelu", profile::extents(&x.dims()));
    if !has_kernels(&x) {
        return plain::gelu(x);
    }
    Tensor::from_dispatch(Dispatch::gelu_of_each(x.into_dispatch()))
}

fn check_linear(x: &Tensor<3>, weight: &Tensor<2>, bias: &Tensor<1>) {
    let ([_, _, features], [features_in, features_out]) = (x.dims(), weight.dims());
    assert_eq!(features, features_in, "features of x and of the weight");
    assert!(features > 0, "x without features");
    assert_eq!([features_out], bias.dims(), "features of the bias");
    for (name, dtype) in [("weight", weight.dtype()), ("bias", bias.dtype())] {
        assert_eq!(x.dtype(), dtype, "number types of x and of the {name}");
    }
}

fn check_per_channel<const N: usize>(x: &Tensor<3>, values: [(&str, &Tensor<2>); N]) {
    let [batch, _, channels] = x.dims();
    assert!(channels > 0, "x without channels");
    for (name, value) in values {
        assert_eq!([batch, channels], value.dims(), "shape of the {name}");
        assert_eq!(
            x.dtype(),
            value.dtype(),
            "number types of x and of the {name}"
        );
    }
}

fn check_attention(qkv: &Tensor<3>, heads: usize) {
    let [_, _, thirds] = qkv.dims();
    assert!(
        heads > 0 && thirds > 0 && thirds % (3 * heads) == 0,
        "{heads} heads of queries, keys and values in {thirds} channels"
    );
}

fn check_upsample(x: &Tensor<4>, size: [usize; 2]) {
    let [_, height, width, channels] = x.dims();
    assert!(channels > 0, "x without channels");
    for (name, from, to) in [("height", height, size[0]), ("width", width, size[1])] {
        assert!(
            to.div_ceil(2) == from,
            "a {name} of {from} enlarged to {to}"
        );
    }
}

fn check_concat(a: &Tensor<4>, b: &Tensor<4>) {
    let ([of_a @ .., channels], [of_b @ .., others]) = (a.dims(), b.dims());
    assert_eq!(of_a, of_b, "batch, height and width");
    assert!(channels > 0 && others > 0, "a map without channels");
    assert_eq!(a.dtype(), b.dtype(), "number types");
}

fn check_conv2d(x: &Tensor<4>, weight: &Tensor<4>, bias: &Tensor<1>, stride: usize) {
    let [_, _, _, channels] = x.dims();
    let [channels_out, channels_in, side, width] = weight.dims();
    assert_eq!(channels, channels_in, "channels of x and of the weight");
    assert!(channels > 0, "x without channels");
    assert_eq!([channels_out], bias.dims(), "channels of the bias");
    assert!(side == width && side % 2 == 1, "a kernel of {side}x{width}");
    assert!(stride > 0, "a stride of zero");
    assert_eq!(
        x.dtype(),
        weight.dtype(),
        "number types of x and of the weight"
    );
    assert_eq!(x.dtype(), bias.dtype(), "number types of x and of the bias");
}

fn check_group_norm(x: &Tensor<4>, scale: &Tensor<2>, shift: &Tensor<2>, groups: usize) {
    let [batch, _, _, channels] = x.dims();
    assert_eq!([batch, channels], scale.dims(), "shape of the scale");
    assert_eq!([batch, channels], shift.dims(), "shape of the shift");
    assert!(
        groups > 0 && channels > 0 && channels % groups == 0,
        "{groups} groups of {channels} channels"
    );
    for (name, dtype) in [("scale", scale.dtype()), ("shift", shift.dtype())] {
        assert_eq!(x.dtype(), dtype, "number types of x and of the {name}");
    }
}

fn check_norm_silu_conv2d(
    x: &Tensor<4>,
    [scale, shift]: &[Tensor<2>; 2],
    groups: usize,
    (weight, bias): &(Tensor<4>, Tensor<1>),
    residual: &Option<(Tensor<4>, f64)>,
) {
    check_group_norm(x, scale, shift, groups);
    check_conv2d(x, weight, bias, 1);
    if let Some((residual, _)) = residual {
        let ([batch, height, width, _], [channels, ..]) = (x.dims(), weight.dims());
        let shape = [batch, height, width, channels];
        assert_eq!(shape, residual.dims(), "shape of the residual");
        assert_eq!(x.dtype(), residual.dtype(), "number type of the residual");
    }
}

/// Whether there are kernels for the tensor's backend and number type.
fn has_kernels<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && x.device() == Device::flex() && chosen() == Kernels::Own
}

/// What this machine can run a kernel with, by name.
#[cfg(test)]
fn instruction_sets() -> Vec<(&'static str, pulp::Arch)> {
    let mut sets = vec![("the best there is", pulp::Arch::new())];
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        sets.push(("AVX2", pulp::Arch::V3(v3)));
    }
    sets
}

/// The README's snippet, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
