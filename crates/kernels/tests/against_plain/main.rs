//! Every kernel against the same function in Burn's own operations, on random shapes.
//!
//! Both are given the same f32 numbers, and the plain path is run in f64: what is measured is the
//! kernels' error and not that of what they are compared with.

mod activation;
mod attention;
mod errors;
mod resampling;
mod tokens;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use kernels::{conv2d, group_norm, norm_silu_conv2d, plain};
use proptest::prelude::*;

/// Numbers from a seed, uniform on ±√3 (of variance one).
fn values(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 2.0 * 3.0_f32.sqrt()
    };
    (0..len).map(|_| next()).collect()
}

fn tensor<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(values(seed, shape.iter().product()), shape);
    Tensor::from_data(data, (&Device::flex(), DType::F32))
}

fn flat<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// The largest difference over the largest value.
fn error(found: &[f64], exact: &[f64]) -> f64 {
    assert_eq!(found.len(), exact.len());
    // Maxima, as they are taken here, pass over NaN.
    assert!(found.iter().chain(exact).all(|x| x.is_finite()));
    let largest = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    let worst = (found.iter().zip(exact)).fold(0.0_f64, |a, (x, y)| a.max((x - y).abs()));
    worst / largest.max(1e-30)
}

/// Output and gradients of `layer`, whose output is weighed by `weight`.
fn run<const A: usize, const B: usize, const C: usize>(
    layer: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<4>,
    inputs: (Tensor<A>, Tensor<B>, Tensor<C>),
    weight: &Tensor<4>,
    dtype: FloatDType,
) -> [Vec<f64>; 4] {
    let (a, b, c) = inputs;
    let (a, b, c) = (
        a.cast(dtype).autodiff().require_grad(),
        b.cast(dtype).autodiff().require_grad(),
        c.cast(dtype).autodiff().require_grad(),
    );
    let out = layer(a.clone(), b.clone(), c.clone());
    let grads = out.clone().mul(weight.clone().cast(dtype)).sum().backward();
    [
        flat(out),
        flat(a.grad(&grads).expect("a gradient")),
        flat(b.grad(&grads).expect("a gradient")),
        flat(c.grad(&grads).expect("a gradient")),
    ]
}

fn compare(found: [Vec<f64>; 4], exact: [Vec<f64>; 4], what: &str) {
    for (i, (found, exact)) in found.iter().zip(&exact).enumerate() {
        let (name, bound) = [
            ("output", 1e-5),
            ("first gradient", 1e-4),
            ("second gradient", 1e-4),
            ("third gradient", 1e-4),
        ][i];
        let error = error(found, exact);
        assert!(error < bound, "{what}: {name} is off by {error}");
    }
}

fn compare_conv(x: [usize; 4], channels_out: usize, side: usize, stride: usize, seed: u64) {
    let inputs = || {
        (
            tensor(seed, x),
            tensor(seed + 1, [channels_out, x[3], side, side]),
            tensor(seed + 2, [channels_out]),
        )
    };
    let [height, width] = [x[1], x[2]].map(|n| n.div_ceil(stride));
    let weight = tensor(seed + 3, [x[0], height, width, channels_out]);
    let ours = run(
        |x, w, b| conv2d(x, w, b, stride),
        inputs(),
        &weight,
        FloatDType::F32,
    );
    let plain = run(
        |x, w, b| plain::conv2d(x, w, b, stride),
        inputs(),
        &weight,
        FloatDType::F64,
    );
    compare(
        ours,
        plain,
        &format!("{x:?} to {channels_out} channels, side {side}, stride {stride}"),
    );
}

fn compare_norm(x: [usize; 4], groups: usize, silu: bool, seed: u64) {
    let per_channel = [x[0], x[3]];
    let inputs = || {
        (
            tensor(seed, x).mul_scalar(1.7).add_scalar(2.5),
            tensor(seed + 1, per_channel),
            tensor(seed + 2, per_channel),
        )
    };
    let weight = tensor(seed + 3, x);
    let ours = run(
        |x, a, b| group_norm(x, a, b, groups, silu),
        inputs(),
        &weight,
        FloatDType::F32,
    );
    let plain = run(
        |x, a, b| plain::group_norm(x, a, b, groups, silu),
        inputs(),
        &weight,
        FloatDType::F64,
    );
    compare(
        ours,
        plain,
        &format!("{x:?} in {groups} groups, SiLU {silu}"),
    );
}

type Fused = fn(
    Tensor<4>,
    [Tensor<2>; 2],
    usize,
    (Tensor<4>, Tensor<1>),
    Option<(Tensor<4>, f64)>,
) -> Tensor<4>;

/// Output and all gradients of normalisation, SiLU, convolution and sum in one.
fn run_fused(
    layer: Fused,
    x: [usize; 4],
    channels_out: usize,
    side: usize,
    groups: usize,
    gain: Option<f64>,
    dtype: FloatDType,
) -> Vec<Vec<f64>> {
    let [batch, height, width, channels] = x;
    let out = [batch, height, width, channels_out];
    let place = |t: Tensor<4>| t.cast(dtype).autodiff().require_grad();
    let affine = |seed| {
        tensor::<2>(seed, [batch, channels])
            .cast(dtype)
            .autodiff()
            .require_grad()
    };
    let input = place(tensor(1, x).mul_scalar(1.7).add_scalar(2.5));
    let [scale, shift] = [affine(2), affine(3)];
    let weight = place(tensor(4, [channels_out, channels, side, side]));
    let bias = tensor::<1>(5, [channels_out])
        .cast(dtype)
        .autodiff()
        .require_grad();
    let residual = place(tensor(6, out));
    let y = layer(
        input.clone(),
        [scale.clone(), shift.clone()],
        groups,
        (weight.clone(), bias.clone()),
        gain.map(|gain| (residual.clone(), gain)),
    );
    let grads = y
        .clone()
        .mul(tensor::<4>(7, out).cast(dtype))
        .sum()
        .backward();
    let mut found = vec![
        flat(y),
        flat(input.grad(&grads).expect("a gradient")),
        flat(scale.grad(&grads).expect("a gradient")),
        flat(shift.grad(&grads).expect("a gradient")),
        flat(weight.grad(&grads).expect("a gradient")),
        flat(bias.grad(&grads).expect("a gradient")),
    ];
    if gain.is_some() {
        found.push(flat(residual.grad(&grads).expect("a gradient")));
    }
    found
}

fn compare_fused(
    x: [usize; 4],
    channels_out: usize,
    side: usize,
    groups: usize,
    gain: Option<f64>,
) {
    let run = |layer: Fused, dtype| run_fused(layer, x, channels_out, side, groups, gain, dtype);
    let ours = run(norm_silu_conv2d, FloatDType::F32);
    let plain = run(plain::norm_silu_conv2d, FloatDType::F64);
    for (i, (ours, plain)) in ours.iter().zip(&plain).enumerate() {
        let bound = if i == 0 { 1e-5 } else { 1e-4 };
        let error = error(ours, plain);
        assert!(
            error < bound,
            "{x:?} to {channels_out} channels, side {side}, gain {gain:?}: \
             number {i} of output and gradients is off by {error}"
        );
    }
}

#[test]
fn halves_of_residual_blocks_of_the_sizes_of_networks() {
    for (x, channels_out, side, groups) in [
        ([3, 28, 28, 16], 16, 3, 4),
        ([9, 14, 14, 32], 32, 3, 8),
        ([17, 7, 7, 96], 64, 3, 16),
        ([1, 32, 32, 48], 96, 3, 12),
        ([2, 28, 28, 16], 1, 3, 4),
        ([2, 9, 5, 24], 8, 1, 4),
        ([2, 9, 5, 4], 24, 3, 1),
    ] {
        for gain in [None, Some(0.5_f64.sqrt()), Some(1.0)] {
            compare_fused(x, channels_out, side, groups, gain);
        }
    }
}

#[test]
fn half_a_block_gives_the_same_on_any_number_of_threads() {
    let all = || {
        run_fused(
            norm_silu_conv2d,
            [19, 7, 9, 20],
            24,
            3,
            5,
            Some(0.7),
            FloatDType::F32,
        )
    };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("a pool").install(all)
    };
    let one = with(1);
    assert!(one == with(3));
    // More threads than samples: one sample's rows are shared out.
    assert!(one == with(24));
}

#[test]
fn convolutions_of_the_sizes_of_networks() {
    for (x, channels_out, side, stride) in [
        ([2, 14, 14, 4], 32, 3, 1),
        ([3, 14, 14, 32], 32, 3, 1),
        ([9, 7, 7, 64], 64, 3, 1),
        ([2, 14, 14, 32], 64, 3, 2),
        ([2, 7, 7, 128], 64, 1, 1),
        ([2, 14, 14, 32], 4, 3, 1),
        ([2, 28, 28, 16], 1, 3, 1),
        ([2, 28, 28, 1], 16, 3, 1),
        ([2, 32, 32, 48], 3, 3, 1),
        ([11, 8, 8, 256], 128, 3, 1),
        ([2, 9, 10, 3], 2, 5, 3),
        ([1, 32, 32, 48], 40, 3, 1),
    ] {
        compare_conv(x, channels_out, side, stride, 7);
    }
}

#[test]
fn normalisations_of_the_sizes_of_networks() {
    for (x, groups) in [
        ([2, 14, 14, 32], 8),
        ([3, 7, 7, 128], 32),
        ([1, 32, 32, 48], 12),
    ] {
        for silu in [false, true] {
            compare_norm(x, groups, silu, 3);
        }
    }
}

#[test]
fn an_empty_batch_gives_an_empty_result_and_no_gradient_of_the_weights() {
    for (channels, stride) in [(4, 2), (4, 1), (16, 1), (1, 1)] {
        let inputs = (
            tensor(0, [0, 5, 5, channels]),
            tensor(1, [16, channels, 3, 3]),
            tensor(2, [16]),
        );
        let side = 5_usize.div_ceil(stride);
        let conv = |x, w, b| conv2d(x, w, b, stride);
        let found = run(
            conv,
            inputs,
            &tensor(3, [0, side, side, 16]),
            FloatDType::F32,
        );
        assert_eq!(
            found,
            [vec![], vec![], vec![0.0; 16 * channels * 9], vec![0.0; 16]]
        );
    }
    let inputs = (
        tensor(0, [0, 5, 5, 4]),
        tensor(1, [0, 4]),
        tensor(2, [0, 4]),
    );
    let norm = |x, a, b| group_norm(x, a, b, 2, true);
    let found = run(norm, inputs, &tensor(3, [0, 5, 5, 4]), FloatDType::F32);
    assert!(found.iter().all(Vec::is_empty));
}

#[test]
fn half_a_block_of_an_empty_batch_is_empty_and_has_no_gradient_of_the_weights() {
    // Fused, and not.
    for channels in [16, 4] {
        for gain in [None, Some(0.5)] {
            let x = [0, 5, 5, channels];
            let found = run_fused(norm_silu_conv2d, x, 24, 3, 2, gain, FloatDType::F32);
            for (i, found) in found.iter().enumerate() {
                let expected = match i {
                    4 => vec![0.0; 24 * channels * 9],
                    5 => vec![0.0; 24],
                    _ => vec![],
                };
                assert_eq!(*found, expected, "number {i} of output and gradients");
            }
        }
    }
}

#[test]
fn a_view_that_is_not_contiguous_gives_what_its_copy_gives() {
    let x = tensor::<4>(0, [2, 3, 6, 5]).permute([0, 2, 3, 1]);
    let copy = Tensor::from_data(x.clone().into_data(), (&Device::flex(), DType::F32));
    let conv = |x| conv2d(x, tensor(1, [4, 3, 3, 3]), tensor(2, [4]), 1);
    assert_eq!(conv(x.clone()).into_data(), conv(copy.clone()).into_data());
    let norm = |x| group_norm(x, tensor(1, [2, 3]), tensor(2, [2, 3]), 1, true);
    assert_eq!(norm(x).into_data(), norm(copy).into_data());
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let all = || {
        let inputs = (
            tensor(0, [19, 7, 7, 20]),
            tensor(1, [24, 20, 3, 3]),
            tensor(2, [24]),
        );
        let weight = tensor(3, [19, 7, 7, 24]);
        let conv = run(
            |x, w, b| conv2d(x, w, b, 1),
            inputs,
            &weight,
            FloatDType::F32,
        );
        let inputs = (
            tensor(0, [19, 7, 7, 20]),
            tensor(1, [19, 20]),
            tensor(2, [19, 20]),
        );
        let weight = tensor(3, [19, 7, 7, 20]);
        let norm = run(
            |x, a, b| group_norm(x, a, b, 5, true),
            inputs,
            &weight,
            FloatDType::F32,
        );
        (conv, norm)
    };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("a pool").install(all)
    };
    assert!(with(1) == with(3));
}

#[test]
fn what_is_not_finite_stays_so() {
    for fault in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = values(0, 2 * 5 * 5 * 8);
        values[77] = fault;
        let data = TensorData::new(values, [2, 5, 5, 8]);
        let x = Tensor::<4>::from_data(data, (&Device::flex(), DType::F32));
        let finite = |y: Tensor<4>| flat(y).iter().all(|y| y.is_finite());
        assert!(!finite(conv2d(
            x.clone(),
            tensor(1, [4, 8, 3, 3]),
            tensor(2, [4]),
            1
        )));
        for silu in [false, true] {
            let y = group_norm(x.clone(), tensor(1, [2, 8]), tensor(2, [2, 8]), 2, silu);
            assert!(!finite(y), "{fault}, SiLU {silu}");
        }
    }
}

#[test]
fn a_value_common_to_all_leaves_no_error() {
    for common in [1.3, 10.3, 1000.3, -3e5] {
        let x = Tensor::<4>::full([1, 64, 64, 4], common, (&Device::flex(), DType::F32));
        let shift = tensor::<2>(0, [1, 4]);
        let y = group_norm(x, tensor(1, [1, 4]), shift.clone(), 1, false);
        let shift = flat(shift);
        for (i, y) in flat(y).into_iter().enumerate() {
            assert!((y - shift[i % 4]).abs() < 1e-6, "{common}: {y}");
        }
    }
}

#[test]
fn a_gradient_is_the_same_when_nothing_else_is_tracked() {
    let (x, bias) = (tensor::<4>(0, [2, 4, 4, 3]), tensor::<1>(2, [5]));
    let weight = tensor::<4>(1, [5, 3, 3, 3]);
    let all = run(
        |x, w, b| conv2d(x, w, b, 1),
        (x.clone(), weight.clone(), bias.clone()),
        &Tensor::ones([2, 4, 4, 5], &Device::flex()),
        FloatDType::F32,
    );
    // The first layer of a network: its input is data.
    let tracked = weight.autodiff().require_grad();
    let grads = conv2d(x, tracked.clone(), bias, 1).sum().backward();
    assert_eq!(flat(tracked.grad(&grads).expect("a gradient")), all[2]);
}

#[test]
fn one_tensor_in_two_places_has_the_sum_of_both_gradients() {
    let x = tensor::<4>(0, [2, 3, 3, 6]);
    let both = tensor::<2>(1, [2, 6]);
    let weight = tensor::<4>(2, [2, 3, 3, 6]);
    let apart = run(
        |x, a, b| group_norm(x, a, b, 2, true),
        (x.clone(), both.clone(), both.clone()),
        &weight,
        FloatDType::F32,
    );
    let both = both.autodiff().require_grad();
    let y = group_norm(x, both.clone(), both.clone(), 2, true);
    let grads = y.mul(weight).sum().backward();
    let found = flat(both.grad(&grads).expect("a gradient"));
    let sum: Vec<f64> = apart[2].iter().zip(&apart[3]).map(|(a, b)| a + b).collect();
    assert!(error(&found, &sum) < 1e-6);
}

#[test]
fn a_side_of_no_pixels_gives_an_empty_result() {
    let y = conv2d(
        tensor(0, [1, 0, 5, 4]),
        tensor(1, [2, 4, 3, 3]),
        tensor(2, [2]),
        1,
    );
    assert_eq!(y.dims(), [1, 0, 5, 2]);
}

#[test]
#[should_panic(expected = "number types of x and of the weight")]
fn number_types_that_differ_are_refused() {
    let weight = tensor::<4>(1, [2, 3, 3, 3]).cast(FloatDType::F64);
    let _ = conv2d(tensor(0, [1, 4, 4, 3]), weight, tensor(2, [2]), 1);
}

#[test]
#[should_panic(expected = "channels of x and of the weight")]
fn channels_that_do_not_fit_are_refused() {
    let _ = conv2d(
        tensor(0, [1, 4, 4, 3]),
        tensor(1, [2, 5, 3, 3]),
        tensor(2, [2]),
        1,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn convolutions_of_any_size(
        batch in 1usize..4,
        height in 1usize..19,
        width in 1usize..35,
        channels_in in 1usize..40,
        channels_out in 1usize..72,
        half in 0usize..3,
        stride in 1usize..4,
        seed in any::<u32>(),
    ) {
        let x = [batch, height, width, channels_in];
        compare_conv(x, channels_out, 2 * half + 1, stride, u64::from(seed));
    }

    #[test]
    fn halves_of_residual_blocks_of_any_size(
        batch in 1usize..4,
        height in 1usize..19,
        width in 1usize..19,
        size in 1usize..9,
        groups in 1usize..9,
        channels_out in 1usize..72,
        half in 0usize..2,
        gain in proptest::option::of(0.1_f64..2.0),
    ) {
        // Of fewer, the gradients are differences of what is nearly equal.
        prop_assume!(height * width * size >= 4);
        let x = [batch, height, width, size * groups];
        compare_fused(x, channels_out, 2 * half + 1, groups, gain);
    }

    #[test]
    fn normalisations_of_any_size(
        batch in 1usize..5,
        height in 1usize..12,
        width in 1usize..12,
        size in 1usize..9,
        groups in 1usize..9,
        silu in any::<bool>(),
        seed in any::<u32>(),
    ) {
        prop_assume!(height * width * size >= 4);
        compare_norm([batch, height, width, size * groups], groups, silu, u64::from(seed));
    }
}
