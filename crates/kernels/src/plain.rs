//! The same functions in Burn's own operations, for every backend and number type.

use burn::tensor::activation::{gelu_approximate, silu as activation, softmax};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, FloatDType, Tensor, module, s};

use crate::{EPSILON, EPSILON_OF_LAYERS};

/// [`crate::conv2d`] by way of Burn's convolution, whose channels come before the pixels.
///
/// # Panics
///
/// As [`crate::conv2d`].
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    crate::check_conv2d(&x, &weight, &bias, stride);
    let [_, _, side, _] = weight.dims();
    let options = ConvOptions::new([stride; 2], [side / 2; 2], [1; 2], 1);
    let x = x.permute([0, 3, 1, 2]);
    module::conv2d(x, weight, Some(bias), options).permute([0, 2, 3, 1])
}

/// [`crate::group_norm`] by way of one product and one sum a channel.
///
/// The statistics of half-precision inputs are taken in f32.
///
/// # Panics
///
/// As [`crate::group_norm`].
pub fn group_norm(
    x: Tensor<4>,
    scale: Tensor<2>,
    shift: Tensor<2>,
    groups: usize,
    silu: bool,
) -> Tensor<4> {
    crate::check_group_norm(&x, &scale, &shift, groups);
    let [batch, height, width, channels] = x.dims();
    let dtype: FloatDType = x.dtype().into();
    let size = channels / groups;
    let grouped = x
        .clone()
        .reshape([batch, height * width, groups, size])
        .permute([0, 2, 1, 3])
        .reshape([batch * groups, height * width * size]);
    let grouped = match x.dtype() {
        DType::F16 | DType::BF16 => grouped.cast(FloatDType::F32),
        _ => grouped,
    };
    let mean = grouped.clone().mean_dim(1);
    let variance = grouped.sub(mean.clone()).square().mean_dim(1);
    let deviation = variance.add_scalar(EPSILON).sqrt();

    let per_group = |t: Tensor<2>| t.cast(dtype).reshape([batch, groups, 1]);
    let per_channel = |t: Tensor<2>| t.reshape([batch, groups, size]);
    let slope = per_channel(scale).div(per_group(deviation));
    let offset = per_channel(shift).sub(per_group(mean).mul(slope.clone()));
    let spread = |t: Tensor<3>| t.reshape([batch, 1, 1, channels]);
    let normal = x.mul(spread(slope)).add(spread(offset));
    if silu { activation(normal) } else { normal }
}

/// [`crate::norm_silu_conv2d`] in its steps.
///
/// # Panics
///
/// As [`crate::norm_silu_conv2d`].
pub fn norm_silu_conv2d(
    x: Tensor<4>,
    affine: [Tensor<2>; 2],
    groups: usize,
    weights: (Tensor<4>, Tensor<1>),
    residual: Option<(Tensor<4>, f64)>,
) -> Tensor<4> {
    crate::check_norm_silu_conv2d(&x, &affine, groups, &weights, &residual);
    let [scale, shift] = affine;
    let (weight, bias) = weights;
    let out = conv2d(group_norm(x, scale, shift, groups, true), weight, bias, 1);
    match residual {
        Some((residual, gain)) => out.add(residual).mul_scalar(gain),
        None => out,
    }
}

/// [`crate::attention`] by way of all the weights at once.
///
/// # Panics
///
/// As [`crate::attention`].
pub fn attention(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    crate::check_attention(&qkv, heads);
    let [batch, pixels, thirds] = qkv.dims();
    let width = thirds / 3 / heads;
    // `[batch, heads, pixels, channels of a head]`
    let [query, key, value] = [0, 1, 2].map(|third| {
        qkv.clone()
            .narrow(2, third * heads * width, heads * width)
            .reshape([batch, pixels, heads, width])
            .swap_dims(1, 2)
    });
    let scale = 1.0 / (width as f64).sqrt();
    let scores = query.mul_scalar(scale).matmul(key.transpose());
    softmax(scores, 3)
        .matmul(value)
        .swap_dims(1, 2)
        .reshape([batch, pixels, heads * width])
}

/// [`crate::silu`], arranged for a backend whose exponential is the slowest thing it does.
///
/// Recorded step by step, the backward pass would evaluate the exponential a second time and keep
/// several full-size intermediates. The derivative s·(1 + x − f), with f = x·s, costs three cheap
/// passes while s is at hand. So it is computed with the value, outside the graph, and what is
/// recorded is the straight line x·f′ + (f − x·f′), whose constant is −f·(x − f): the value is f,
/// the gradient is f′, and the backward pass is a single product. Only first derivatives are
/// right, which is all that Burn can differentiate.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !x.is_autodiff() {
        let denominator = x.clone().neg().exp().add_scalar(1.0);
        return x.div(denominator);
    }
    let point = x.clone().without_autodiff();
    let logistic = point.clone().neg().exp().add_scalar(1.0).recip();
    let value = point.clone().mul(logistic.clone());
    let rest = point.sub(value.clone());
    let offset = value.mul(rest.clone());
    let slope = rest.add_scalar(1.0).mul(logistic);
    x.mul(slope).sub(offset)
}

/// [`crate::upsample`] by repeating rows and columns.
///
/// # Panics
///
/// As [`crate::upsample`].
pub fn upsample(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    crate::check_upsample(&x, size);
    let [batch, height, width, channels] = x.dims();
    let doubled = x
        .reshape([batch, height, 1, width, 1, channels])
        .expand([batch, height, 2, width, 2, channels])
        .reshape([batch, 2 * height, 2 * width, channels]);
    if size == [2 * height, 2 * width] {
        doubled
    } else {
        doubled.slice(s![.., 0..size[0], 0..size[1], ..])
    }
}

/// [`crate::concat`] by Burn's own.
///
/// # Panics
///
/// As [`crate::concat`].
pub fn concat(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    crate::check_concat(&a, &b);
    Tensor::cat(vec![a, b], 3)
}

/// [`crate::linear`] by Burn's own.
///
/// # Panics
///
/// As [`crate::linear`].
pub fn linear(x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<3> {
    crate::check_linear(&x, &weight, &bias);
    module::linear(x, weight, Some(bias))
}

/// [`crate::layer_norm`] step by step.
///
/// The statistics of half-precision inputs are taken in f32.
///
/// # Panics
///
/// As [`crate::layer_norm`].
pub fn layer_norm(x: Tensor<3>, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<3> {
    crate::check_per_channel(&x, [("scale", &scale), ("shift", &shift)]);
    let dtype: FloatDType = x.dtype().into();
    let x = match x.dtype() {
        DType::F16 | DType::BF16 => x.cast(FloatDType::F32),
        _ => x,
    };
    let centred = x.clone().sub(x.mean_dim(2));
    let variance = centred.clone().square().mean_dim(2);
    let normal = centred.div(variance.add_scalar(EPSILON_OF_LAYERS).sqrt());
    let of_all = |t: Tensor<2>| t.unsqueeze_dim::<3>(1);
    normal.cast(dtype).mul(of_all(scale)).add(of_all(shift))
}

/// [`crate::gated_sum`] as a product and a sum.
///
/// # Panics
///
/// As [`crate::gated_sum`].
pub fn gated_sum(x: Tensor<3>, gate: Tensor<2>, y: Tensor<3>) -> Tensor<3> {
    crate::check_per_channel(&x, [("gate", &gate)]);
    x.add(y.mul(gate.unsqueeze_dim::<3>(1)))
}

/// [`crate::gelu`] by Burn's own.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    gelu_approximate(x)
}
