//! The layers of a transformer against Burn's own operations.

use burn::tensor::{FloatDType, Tensor};
use kernels::{gated_sum, gelu, layer_norm, linear, plain};
use proptest::prelude::*;

use crate::{error, flat, tensor};

/// A layer of three inputs whose output has three axes.
type Layer<const A: usize, const B: usize, const C: usize> =
    fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<3>;

/// Output and gradients of `layer`, whose output is weighed by numbers from `seed`.
fn run<const A: usize, const B: usize, const C: usize>(
    layer: Layer<A, B, C>,
    (a, b, c): (Tensor<A>, Tensor<B>, Tensor<C>),
    seed: u64,
    dtype: FloatDType,
) -> [Vec<f64>; 4] {
    let a = a.cast(dtype).autodiff().require_grad();
    let b = b.cast(dtype).autodiff().require_grad();
    let c = c.cast(dtype).autodiff().require_grad();
    let out = layer(a.clone(), b.clone(), c.clone());
    let weight = tensor(seed, out.dims()).cast(dtype);
    let grads = out.clone().mul(weight).sum().backward();
    [
        flat(out),
        flat(a.grad(&grads).expect("a gradient")),
        flat(b.grad(&grads).expect("a gradient")),
        flat(c.grad(&grads).expect("a gradient")),
    ]
}

fn compare<const A: usize, const B: usize, const C: usize>(
    [ours, plain]: [Layer<A, B, C>; 2],
    inputs: (Tensor<A>, Tensor<B>, Tensor<C>),
    seed: u64,
    what: &str,
) {
    let recorded = run(ours, inputs.clone(), seed, FloatDType::F32);
    let exact = run(plain, inputs.clone(), seed, FloatDType::F64);
    for (i, (found, exact)) in recorded.iter().zip(&exact).enumerate() {
        let error = error(found, exact);
        let bound = if i == 0 { 1e-5 } else { 1e-4 };
        assert!(error < bound, "{what}: result {i} is off by {error}");
    }
    let (a, b, c) = inputs;
    assert_eq!(flat(ours(a, b, c)), recorded[0], "{what}: without a graph");
}

fn compare_linear([batch, tokens, from, to]: [usize; 4], seed: u64) {
    let inputs = (
        tensor(seed, [batch, tokens, from]),
        tensor(seed + 1, [from, to]),
        tensor(seed + 2, [to]),
    );
    let what = format!("{batch}x{tokens} {from}->{to}");
    compare([linear, plain::linear], inputs, seed + 3, &what);
}

fn compare_norm([batch, tokens, channels]: [usize; 3], seed: u64) {
    let inputs = (
        tensor::<3>(seed, [batch, tokens, channels])
            .mul_scalar(1.7)
            .add_scalar(2.5),
        tensor(seed + 1, [batch, channels]),
        tensor(seed + 2, [batch, channels]),
    );
    let what = format!("{batch}x{tokens}x{channels}");
    compare([layer_norm, plain::layer_norm], inputs, seed + 3, &what);
}

fn compare_gated([batch, tokens, channels]: [usize; 3], seed: u64) {
    let inputs = (
        tensor(seed, [batch, tokens, channels]),
        tensor(seed + 1, [batch, channels]),
        tensor(seed + 2, [batch, tokens, channels]),
    );
    let what = format!("{batch}x{tokens}x{channels}");
    compare([gated_sum, plain::gated_sum], inputs, seed + 3, &what);
}

/// Output and gradient.
fn run_gelu(layer: fn(Tensor<3>) -> Tensor<3>, x: Tensor<3>, dtype: FloatDType) -> [Vec<f64>; 2] {
    let x = x.cast(dtype).autodiff().require_grad();
    let out = layer(x.clone());
    let weight = tensor(9, out.dims()).cast(dtype);
    let grads = out.clone().mul(weight).sum().backward();
    [flat(out), flat(x.grad(&grads).expect("a gradient"))]
}

fn compare_gelu(shape: [usize; 3], spread: f64, seed: u64) {
    let x = tensor::<3>(seed, shape).mul_scalar(spread);
    let found = run_gelu(gelu, x.clone(), FloatDType::F32);
    let exact = run_gelu(plain::gelu, x.clone(), FloatDType::F64);
    for (found, exact) in found.iter().zip(&exact) {
        let error = error(found, exact);
        assert!(error < 2e-6, "{shape:?}: off by {error}");
    }
    assert_eq!(flat(gelu(x)), found[0], "{shape:?}: without a graph");
}

#[test]
fn sizes_of_networks() {
    compare_linear([3, 49, 128, 384], 1);
    compare_linear([2, 196, 64, 256], 2);
    compare_linear([9, 4, 16, 128], 3);
    compare_norm([3, 49, 128], 4);
    compare_gated([3, 49, 128], 5);
    compare_gelu([3, 49, 512], 2.0, 6);
}

#[test]
fn views_that_are_not_contiguous_give_what_their_copies_give() {
    let x = tensor::<3>(0, [5, 24, 7]).swap_dims(1, 2);
    let copy = |x: Tensor<3>| Tensor::<3>::from_data(x.clone().into_data(), &x.device());
    let six = tensor::<2>(1, [5, 144]);
    let part = |i: usize| six.clone().narrow(1, 24 * i, 24);
    for layer in [layer_norm, plain::layer_norm] {
        assert_eq!(
            flat(layer(x.clone(), part(1), part(4))),
            flat(layer(copy(x.clone()), part(1), part(4)))
        );
    }
    let weight = tensor::<2>(2, [8, 24]).transpose();
    let found = flat(linear(x.clone(), weight.clone(), tensor(3, [8])));
    let exact = flat(plain::linear(x, weight, tensor(3, [8])));
    assert!(error(&found, &exact) < 1e-5);
}

#[test]
fn a_token_of_equal_values_far_from_zero_becomes_the_shift() {
    let x = Tensor::<3>::full([1, 2, 20], 1000.3, &tensor::<1>(0, [1]).device());
    let shift = tensor::<2>(1, [1, 20]);
    let y = layer_norm(x, tensor(2, [1, 20]), shift.clone());
    for row in flat(y).chunks(20) {
        assert_eq!(row, flat(shift.clone()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_size(
        batch in 1usize..11, tokens in 1usize..20, from in 1usize..40, to in 1usize..40, seed in any::<u32>()
    ) {
        let seed = u64::from(seed);
        compare_linear([batch, tokens, from, to], seed);
        // One channel has no variance, two have one that may be small: what is compared are roundings.
        compare_norm([batch, tokens, from + 2], seed);
        compare_gated([batch, tokens, from], seed);
        compare_gelu([batch, tokens, from], 0.1 * to as f64, seed);
    }
}
