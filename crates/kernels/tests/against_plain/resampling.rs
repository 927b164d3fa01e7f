//! Enlargement and joining, against Burn's own operations and against their definitions.

use burn::tensor::{DType, Device, FloatDType, Tensor};
use kernels::{concat, plain, upsample};
use proptest::prelude::*;

use crate::{error, flat, tensor};

type Layer<'a> = &'a dyn Fn([Tensor<4>; 2]) -> Tensor<4>;

/// The output of a layer of two inputs, and their gradients.
fn run(
    layer: Layer<'_>,
    inputs: [Tensor<4>; 2],
    weight: &Tensor<4>,
    dtype: FloatDType,
) -> [Vec<f64>; 3] {
    let inputs = inputs.map(|x| x.cast(dtype).autodiff().require_grad());
    let out = layer(inputs.clone());
    let grads = out.clone().mul(weight.clone().cast(dtype)).sum().backward();
    let [a, b] = inputs.map(|x| flat(x.grad(&grads).expect("a gradient")));
    [flat(out), a, b]
}

/// Values are copied, and four of them summed at most.
fn compare(ours: Layer<'_>, plain: Layer<'_>, inputs: [Tensor<4>; 2], weight: &Tensor<4>) {
    let found = run(ours, inputs.clone(), weight, FloatDType::F32);
    let exact = run(plain, inputs, weight, FloatDType::F64);
    assert_eq!(found[0], exact[0]);
    for i in [1, 2] {
        let error = error(&found[i], &exact[i]);
        assert!(error < 1e-6, "gradient {i} is off by {error}");
    }
}

/// Enlarged to twice the height and width, less `cut`, and joined with a map of that size.
fn compare_enlarged(
    batch: usize,
    size: [usize; 2],
    cut: [usize; 2],
    channels: [usize; 2],
    seed: u64,
) {
    let to = [2 * size[0] - cut[0], 2 * size[1] - cut[1]];
    let inputs = [
        tensor(seed, [batch, size[0], size[1], channels[0]]),
        tensor(seed + 1, [batch, to[0], to[1], channels[1]]),
    ];
    let weight = tensor(seed + 2, [batch, to[0], to[1], channels[0] + channels[1]]);
    compare(
        &|[x, skip]| concat(upsample(x, to), skip),
        &|[x, skip]| plain::concat(plain::upsample(x, to), skip),
        inputs,
        &weight,
    );
}

#[test]
fn sizes_of_networks() {
    compare_enlarged(3, [7, 7], [0, 0], [32, 32], 1);
    compare_enlarged(2, [4, 4], [1, 1], [64, 64], 2);
    compare_enlarged(1, [64, 64], [0, 0], [24, 8], 3);
}

#[test]
fn a_pixel_is_that_of_half_its_coordinates() {
    let [height, width, channels] = [5, 9, 3];
    let x = tensor::<4>(0, [2, 3, 5, channels]);
    let y = flat(upsample(x.clone(), [height, width]));
    let x = flat(x);
    for (i, y) in y.iter().enumerate() {
        let [channel, column] = [i % channels, i / channels % width];
        let row = i / (channels * width) % height;
        let sample = i / (channels * width * height);
        assert_eq!(
            *y,
            x[((sample * 3 + row / 2) * 5 + column / 2) * channels + channel]
        );
    }
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    for [batch, height] in [[0, 3], [2, 0]] {
        let x = tensor::<4>(0, [batch, height, 4, 5])
            .autodiff()
            .require_grad();
        let out = upsample(x.clone(), [2 * height, 7]);
        assert_eq!(out.dims(), [batch, 2 * height, 7, 5]);
        let out = concat(out, tensor::<4>(1, [batch, 2 * height, 7, 2]).autodiff());
        assert_eq!(out.dims(), [batch, 2 * height, 7, 7]);
        let grads = out.sum().backward();
        assert_eq!(x.grad(&grads).expect("a gradient").dims(), x.dims());
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let all = || {
        let inputs = [tensor(0, [9, 20, 20, 16]), tensor(1, [9, 39, 40, 7])];
        let weight = tensor(2, [9, 39, 40, 23]);
        run(
            &|[x, skip]| concat(upsample(x, [39, 40]), skip),
            inputs,
            &weight,
            FloatDType::F32,
        )
    };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().expect("a pool").install(all)
    };
    assert!(with(1) == with(3));
}

#[test]
fn a_view_that_is_not_contiguous_gives_what_its_copy_gives() {
    let x = tensor::<4>(0, [2, 3, 6, 5]).permute([0, 2, 3, 1]);
    let copy = Tensor::from_data(x.clone().into_data(), (&Device::flex(), DType::F32));
    let [view, copy] = [x, copy].map(|x| {
        let doubled = upsample(x.clone(), [12, 9]).into_data();
        (doubled, concat(x.clone(), x).into_data())
    });
    assert_eq!(view, copy);
}

#[test]
#[should_panic(expected = "a width of 4 enlarged to 6")]
fn another_size_than_the_double_is_refused() {
    let _ = upsample(tensor(0, [1, 4, 4, 2]), [8, 6]);
}

#[test]
#[should_panic(expected = "batch, height and width")]
fn maps_of_different_sizes_are_refused() {
    let _ = concat(tensor(0, [1, 4, 4, 2]), tensor(1, [1, 4, 5, 2]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_size(
        // Burn's own operations take no empty batch: that has a test of its own.
        batch in 1usize..4,
        size in [1usize..9, 1usize..9],
        cut in [0usize..2, 0usize..2],
        channels in [1usize..40, 1usize..40],
        seed in any::<u32>(),
    ) {
        compare_enlarged(batch, size, cut, channels, u64::from(seed));
    }
}
