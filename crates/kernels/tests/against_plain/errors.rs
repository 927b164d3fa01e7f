//! The error of each kernel, which the README states as measured here: run with `--nocapture` to measure
//! again. Another instruction set sums in another order, so the bound has room for it.

use burn::tensor::{FloatDType, Tensor};
use kernels::{attention, conv2d, group_norm, norm_silu_conv2d, plain};

use crate::{flat, run, run_fused, tensor};

/// The root of the mean squared difference over that of the mean square.
fn relative(found: &[f64], exact: &[f64]) -> f64 {
    assert_eq!(found.len(), exact.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let difference = square(&mut found.iter().zip(exact).map(|(a, b)| a - b));
    (difference / square(&mut exact.iter().copied())).sqrt()
}

/// Errors of the output, and the largest of those of the gradients.
fn errors(found: &[Vec<f64>], exact: &[Vec<f64>]) -> [f64; 2] {
    let each: Vec<f64> = (found.iter().zip(exact))
        .map(|(found, exact)| relative(found, exact))
        .collect();
    assert!(each.iter().all(|error| error.is_finite()));
    [each[0], each[1..].iter().copied().fold(0.0, f64::max)]
}

/// The largest errors over some shapes stay below the bounds.
// What is measured is what the README states.
#[allow(clippy::print_stdout)]
fn check(name: &str, bounds: [f64; 2], shapes: impl Iterator<Item = [f64; 2]>) {
    let worst = shapes.fold([0.0_f64; 2], |a, b| [a[0].max(b[0]), a[1].max(b[1])]);
    println!(
        "{name}: output {:.1e}, gradients {:.1e}",
        worst[0], worst[1]
    );
    assert!(worst[0] < bounds[0] && worst[1] < bounds[1], "{name}");
}

#[test]
fn the_error_of_each_kernel_is_of_the_size_stated() {
    let shapes = [
        [3, 28, 28, 16],
        [2, 14, 13, 32],
        [5, 7, 7, 64],
        [1, 9, 16, 128],
        [2, 5, 3, 24],
    ];
    let layers = [(3, 1), (3, 2), (1, 1), (5, 1)];
    check(
        "conv2d",
        [1e-6; 2],
        shapes.iter().flat_map(|&x| {
            layers.map(|(side, stride)| {
                let [height, width] = [x[1], x[2]].map(|n: usize| n.div_ceil(stride));
                let weight = tensor(9, [x[0], height, width, 40]);
                let inputs = || {
                    (
                        tensor(1, x),
                        tensor(2, [40, x[3], side, side]),
                        tensor(3, [40]),
                    )
                };
                errors(
                    &run(
                        |x, w, b| conv2d(x, w, b, stride),
                        inputs(),
                        &weight,
                        FloatDType::F32,
                    ),
                    &run(
                        |x, w, b| plain::conv2d(x, w, b, stride),
                        inputs(),
                        &weight,
                        FloatDType::F64,
                    ),
                )
            })
        }),
    );
    check(
        "group_norm",
        [1e-6; 2],
        shapes.iter().flat_map(|&x| {
            [false, true].map(|silu| {
                let affine = [x[0], x[3]];
                let weight = tensor(9, x);
                let inputs = || (tensor(1, x), tensor(2, affine), tensor(3, affine));
                errors(
                    &run(
                        |x, a, b| group_norm(x, a, b, 4, silu),
                        inputs(),
                        &weight,
                        FloatDType::F32,
                    ),
                    &run(
                        |x, a, b| plain::group_norm(x, a, b, 4, silu),
                        inputs(),
                        &weight,
                        FloatDType::F64,
                    ),
                )
            })
        }),
    );
    check(
        "norm_silu_conv2d",
        [1e-6; 2],
        shapes.iter().map(|&x| {
            errors(
                &run_fused(norm_silu_conv2d, x, 40, 3, 4, Some(0.7), FloatDType::F32),
                &run_fused(
                    plain::norm_silu_conv2d,
                    x,
                    40,
                    3,
                    4,
                    Some(0.7),
                    FloatDType::F64,
                ),
            )
        }),
    );
    check(
        "attention",
        [1e-6; 2],
        [[3, 49, 64], [2, 196, 32], [1, 256, 128], [2, 30, 20]]
            .iter()
            .map(|&[batch, pixels, channels]| {
                let run = |layer: fn(Tensor<3>, usize) -> Tensor<3>, dtype| {
                    let qkv = tensor::<3>(1, [batch, pixels, 3 * channels]);
                    let qkv = qkv.cast(dtype).autodiff().require_grad();
                    let out = layer(qkv.clone(), 4);
                    let weight = tensor(2, [batch, pixels, channels]).cast(dtype);
                    let grads = out.clone().mul(weight).sum().backward();
                    [flat(out), flat(qkv.grad(&grads).expect("a gradient"))]
                };
                errors(
                    &run(attention, FloatDType::F32),
                    &run(plain::attention, FloatDType::F64),
                )
            }),
    );
}
