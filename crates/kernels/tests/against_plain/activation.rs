//! SiLU, against Burn's own operations and against its definition.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData, activation};
use kernels::{plain, silu};
use proptest::prelude::*;

use crate::{error, flat, tensor};

type Layer<'a, const D: usize> = &'a dyn Fn(Tensor<D>) -> Tensor<D>;

/// Output and gradient of a layer whose output is weighed by `weight`.
fn run<const D: usize>(
    layer: Layer<'_, D>,
    x: Tensor<D>,
    weight: &Tensor<D>,
    dtype: FloatDType,
) -> [Vec<f64>; 2] {
    let x = x.cast(dtype).autodiff().require_grad();
    let out = layer(x.clone());
    let grads = out.clone().mul(weight.clone().cast(dtype)).sum().backward();
    [flat(out), flat(x.grad(&grads).expect("a gradient"))]
}

fn compare<const D: usize>(shape: [usize; D], spread: f64, seed: u64) {
    let x = tensor(seed, shape).mul_scalar(spread);
    let weight = tensor(seed + 1, shape);
    let found = run(&silu, x.clone(), &weight, FloatDType::F32);
    let exact = run(&plain::silu, x, &weight, FloatDType::F64);
    for (name, (found, exact)) in ["output", "gradient"].iter().zip(found.iter().zip(&exact)) {
        let error = error(found, exact);
        assert!(error < 1e-6, "{shape:?}: {name} is off by {error}");
    }
}

/// Points from far left, where e^{−x} overflows f32, to far right.
fn points(dtype: DType) -> Tensor<1> {
    let values = vec![
        -120.0, -90.0, -20.0, -5.0, -1.278, -0.3, 0.0, 1e-4, 0.7, 2.0, 15.0, 90.0,
    ];
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), (&Device::flex(), dtype))
}

fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} {b}");
    }
}

#[test]
fn value_is_that_of_the_definition_with_and_without_a_graph() {
    for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-15)] {
        let exact: Vec<f64> = (flat(points(dtype)).into_iter())
            .map(|x| x / (1.0 + (-x).exp()))
            .collect();
        for layer in [silu, plain::silu] {
            close(&flat(layer(points(dtype))), &exact, tolerance);
            close(&flat(layer(points(dtype).autodiff())), &exact, tolerance);
        }
    }
}

#[test]
fn slope_is_that_of_burns_own_silu() {
    for (dtype, tolerance) in [(FloatDType::F32, 1e-6), (FloatDType::F64, 1e-15)] {
        let ones = Tensor::ones([12], &Device::flex());
        let slope = |layer: Layer<'_, 1>| run(layer, points(dtype.into()), &ones, dtype)[1].clone();
        let exact = slope(&activation::silu);
        close(&slope(&silu), &exact, tolerance);
        close(&slope(&plain::silu), &exact, tolerance);
    }
}

#[test]
fn a_view_that_is_not_contiguous_gives_what_its_copy_gives() {
    let view = tensor::<3>(0, [5, 6, 7]).permute([2, 0, 1]);
    let copy = Tensor::from_data(view.clone().into_data(), (&Device::flex(), DType::F32));
    let weight = tensor::<3>(1, [5, 6, 7]).permute([2, 0, 1]);
    let run = |x| run(&silu, x, &weight, FloatDType::F32);
    assert_eq!(run(view), run(copy));
}

#[test]
fn sizes_of_networks() {
    compare([32, 128], 3.0, 1);
    compare([3, 70, 31, 17], 3.0, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_size(rows in 1usize..40, columns in 1usize..70, spread in 0.01..30.0, seed in any::<u32>()) {
        compare([rows, columns], spread, u64::from(seed));
    }
}
