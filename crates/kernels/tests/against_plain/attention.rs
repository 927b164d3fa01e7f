//! Attention, against the matrix of all weights in f64 and against closed forms.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use kernels::{attention, plain};
use proptest::prelude::*;

use crate::{error, flat, tensor, values};

/// The output, and the gradient of qkv where the output is weighed by `weight`.
fn run(
    layer: impl Fn(Tensor<3>) -> Tensor<3>,
    qkv: Tensor<3>,
    weight: &Tensor<3>,
    dtype: FloatDType,
) -> [Vec<f64>; 2] {
    let qkv = qkv.cast(dtype).autodiff().require_grad();
    let out = layer(qkv.clone());
    let grads = out.clone().mul(weight.clone().cast(dtype)).sum().backward();
    [flat(out), flat(qkv.grad(&grads).expect("a gradient"))]
}

fn compare(batch: usize, pixels: usize, heads: usize, width: usize, seed: u64) {
    let qkv = tensor(seed, [batch, pixels, 3 * heads * width]);
    let weight = tensor(seed + 1, [batch, pixels, heads * width]);
    let ours = run(
        |x| attention(x, heads),
        qkv.clone(),
        &weight,
        FloatDType::F32,
    );
    let exact = run(
        |x| plain::attention(x, heads),
        qkv,
        &weight,
        FloatDType::F64,
    );
    for (i, (name, bound)) in [("output", 1e-5), ("gradient", 1e-4)].iter().enumerate() {
        let error = error(&ours[i], &exact[i]);
        assert!(
            error < *bound,
            "{batch} samples of {pixels} pixels, {heads} heads of {width}: {name} is off by {error}"
        );
    }
}

/// qkv of one sample and head from its three matrices, each by pixel.
fn joined(query: &[f32], key: &[f32], value: &[f32], width: usize) -> Tensor<3> {
    let pixels = query.len() / width;
    let mut qkv: Vec<f32> = Vec::new();
    for pixel in 0..pixels {
        for third in [query, key, value] {
            qkv.extend(&third[pixel * width..][..width]);
        }
    }
    let data = TensorData::new(qkv, [1, pixels, 3 * width]);
    Tensor::from_data(data, (&Device::flex(), DType::F32))
}

#[test]
fn sizes_of_networks() {
    for (batch, pixels, heads, width) in [(3, 49, 4, 16), (2, 256, 4, 32), (1, 64, 1, 64)] {
        compare(batch, pixels, heads, width, 5);
    }
}

#[test]
fn more_pixels_than_a_block_of_queries_holds_rows() {
    compare(1, 2500, 1, 4, 8);
}

#[test]
fn one_channel_and_one_pixel() {
    compare(2, 9, 1, 1, 3);
    compare(2, 9, 5, 1, 3);
    // The gradients of query and key are zero: a relative error has no meaning for them alone.
    compare(2, 1, 2, 3, 3);
}

#[test]
fn no_samples_and_no_pixels_give_an_empty_result() {
    for [batch, pixels] in [[0, 9], [2, 0]] {
        let qkv = tensor::<3>(0, [batch, pixels, 12])
            .autodiff()
            .require_grad();
        let out = attention(qkv.clone(), 2);
        assert_eq!(out.dims(), [batch, pixels, 4]);
        let grads = out.sum().backward();
        assert_eq!(qkv.grad(&grads).expect("a gradient").dims(), qkv.dims());
    }
}

#[test]
fn equal_keys_give_the_mean_of_the_values() {
    let (pixels, width) = (37, 5);
    let value = values(2, pixels * width);
    let y = flat(attention(
        joined(
            &values(1, pixels * width),
            &vec![0.7; pixels * width],
            &value,
            width,
        ),
        1,
    ));
    for channel in 0..width {
        let column = value.iter().skip(channel).step_by(width);
        let mean = column.map(|v| f64::from(*v)).sum::<f64>() / pixels as f64;
        for pixel in 0..pixels {
            let found = y[pixel * width + channel];
            assert!((found - mean).abs() < 1e-6, "{found} {mean}");
        }
    }
}

#[test]
fn a_key_far_above_all_others_gives_its_own_value_however_large_the_scores() {
    let (pixels, width) = (50, 4);
    for size in [30.0, 1e4, 1e15] {
        for chosen in [0, 17, 49] {
            let mut key = vec![0.0; pixels * width];
            key[chosen * width..][..width].fill(size);
            let value = values(2, pixels * width);
            let query = vec![size; pixels * width];
            let y = flat(attention(joined(&query, &key, &value, width), 1));
            for (i, y) in y.iter().enumerate() {
                let exact = f64::from(value[chosen * width + i % width]);
                assert!((y - exact).abs() < 1e-6, "{size}, {chosen}: {y} {exact}");
            }
        }
    }
}

#[test]
fn a_sample_does_not_depend_on_the_others() {
    let qkv = tensor::<3>(4, [5, 20, 36]);
    let weight = tensor::<3>(5, [5, 20, 12]);
    let all = |range: std::ops::Range<usize>| {
        let [qkv, weight] = [&qkv, &weight].map(|t| t.clone().slice([range.clone()]));
        run(|x| attention(x, 3), qkv, &weight, FloatDType::F32)
    };
    let [out, gradient] = all(0..5);
    for sample in 0..5 {
        let [alone, its_gradient] = all(sample..sample + 1);
        assert_eq!(alone, out[sample * 240..][..240]);
        assert_eq!(its_gradient, gradient[sample * 720..][..720]);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let all = || {
        let weight = tensor(1, [9, 49, 30]);
        let qkv = tensor(0, [9, 49, 90]);
        run(|x| attention(x, 3), qkv, &weight, FloatDType::F32)
    };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("a pool").install(all)
    };
    assert!(with(1) == with(3));
}

#[test]
fn a_view_that_is_not_contiguous_gives_what_its_copy_gives() {
    let qkv = tensor::<3>(0, [2, 12, 15]).swap_dims(1, 2);
    let copy = Tensor::from_data(qkv.clone().into_data(), (&Device::flex(), DType::F32));
    let weight = tensor(1, [2, 15, 4]);
    let [view, copy] = [qkv, copy].map(|x| run(|x| attention(x, 2), x, &weight, FloatDType::F32));
    assert_eq!(view, copy);
}

#[test]
fn what_is_not_finite_stays_so() {
    for (third, fault) in [
        (0, f32::NAN),
        (1, f32::NAN),
        (2, f32::NAN),
        (0, f32::INFINITY),
        (1, f32::INFINITY),
        (2, f32::NEG_INFINITY),
    ] {
        let mut numbers = values(0, 2 * 20 * 24);
        // Queries of both signs meet the key.
        numbers[7 * 24 + third * 8 + 3] = fault;
        let data = TensorData::new(numbers, [2, 20, 24]);
        let qkv = Tensor::<3>::from_data(data, (&Device::flex(), DType::F32));
        let y = flat(attention(qkv, 2));
        assert!(!y.iter().all(|y| y.is_finite()), "{third}, {fault}");
    }
}

#[test]
#[should_panic(expected = "5 heads of queries, keys and values in 24 channels")]
fn heads_that_do_not_divide_the_channels_are_refused() {
    let _ = attention(tensor(0, [1, 4, 24]), 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_size(
        // Burn's own operations take no empty batch: that has a test of its own.
        batch in 1usize..4,
        pixels in 1usize..150,
        heads in 1usize..5,
        width in 1usize..40,
        seed in any::<u32>(),
    ) {
        compare(batch, pixels, heads, width, u64::from(seed));
    }
}
