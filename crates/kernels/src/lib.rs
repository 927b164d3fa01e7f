//! Convolution and group normalisation for Burn's CPU backend, channels last, with their gradients.
//!
//! Two layers take nearly all of a U-Net's time: [`conv2d`] and [`group_norm`]. On Burn's CPU
//! backend, Flex, in f32, both run kernels of their own: a direct convolution over a register tile,
//! and a normalisation that applies scale, shift and SiLU while a sample is in cache, both forward
//! and backward. SIMD is chosen at run time (AVX-512, AVX2, NEON, or none), threads are rayon's,
//! and a result does not depend on their number.
//!
//! On every other backend, and for other number types, the same functions are written in Burn's own
//! operations: see [`plain`], against which the kernels are tested.
//!
//! [`adamw_ema`] is the optimiser's step, clipping and the weights' moving average included, as one
//! pass over the memory of all parameters.
//!
//! Images are `[batch, height, width, channels]`. A pixel's channels are then contiguous, which is
//! what a convolution sums over, what a normalisation shares and what a linear layer maps.

mod adamw;
mod conv;
mod norm;
mod ops;
pub mod plain;

use burn::backend::Dispatch;
use burn::tensor::{DType, Device, Tensor};

use self::ops::Ops;

pub use self::adamw::{Gradient, Moments, Parameter, Step, adamw_ema, global_norm};

/// Added to a variance before its root, as in EDM and PyTorch.
pub const EPSILON: f64 = 1e-5;

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

/// Whether there are kernels for the tensor's backend and number type.
fn has_kernels<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && x.device() == Device::flex()
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
