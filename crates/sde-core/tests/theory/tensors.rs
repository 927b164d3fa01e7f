//! Burn tensors and `ndarray` arrays are the same states.

use burn::tensor::{DType, Device, Tensor, TensorData};
use ndarray::{Array2, Array4};
use proptest::collection::vec;
use proptest::prelude::*;
use sde_core::families::VariancePreserving;
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Prediction, ReverseSde, Score, Sde, State, StepIndex, Time};

fn tensor(x: &Array2<f64>, dtype: DType) -> Tensor<2> {
    let data = TensorData::new(x.iter().copied().collect(), [x.nrows(), x.ncols()]);
    Tensor::from_data(data, (&Device::flex(), dtype))
}

/// The largest difference, relative to 1 + the larger magnitude.
fn difference<const D: usize>(found: Tensor<D>, expected: impl IntoIterator<Item = f64>) -> f64 {
    let found: Vec<f64> = found.into_data().iter::<f64>().collect();
    let expected: Vec<f64> = expected.into_iter().collect();
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(&expected)
        .map(|(a, b)| (a - b).abs() / (1.0 + b.abs()))
        .fold(0.0, f64::max)
}

fn any_array() -> impl Strategy<Value = Array2<f64>> {
    vec(-3.0..3.0, 12).prop_map(|values| Array2::from_shape_vec((3, 4), values).unwrap())
}

proptest! {
    #[test]
    fn both_follow_the_same_algebra(
        x in any_array(),
        y in any_array(),
        a in -2.0..2.0,
        b in -2.0..2.0,
        each in vec(-2.0..2.0, 3),
    ) {
        for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 2e-6)] {
            let (u, v) = (tensor(&x, dtype), tensor(&y, dtype));
            let close = |found: Tensor<2>, expected: Array2<f64>| {
                assert_eq!(found.dtype(), dtype);
                let difference = difference(found, expected);
                assert!(difference < tolerance, "{difference:e} at {dtype:?}");
            };
            prop_assert_eq!((u.batch(), u.sample_len()), (x.batch(), x.sample_len()));
            close(u.clone().scale(a), x.clone().scale(a));
            close(u.clone().axpy(b, &v), x.clone().axpy(b, &y));
            close(u.clone().lincomb(a, &v, b), x.clone().lincomb(a, &y, b));
            close(u.clone().axpy_per_sample(&each, &v), x.clone().axpy_per_sample(&each, &y));
            close(
                u.clone().axpy_exp([a, b], &v, &u),
                x.clone().axpy_exp([a, b], &y, &x),
            );
            let by_hand = ndarray::Zip::from(&x).and(&y).map_collect(|x, y| x + (a + b * y).exp() * x);
            close(u.clone().axpy_exp([a, b], &v, &u), by_hand);
            for (found, expected) in u.norms().into_iter().zip(x.norms()) {
                prop_assert!((found - expected).abs() < tolerance * (1.0 + expected));
            }
            prop_assert!(State::is_finite(&u));
            prop_assert!(!State::is_finite(&u.axpy(f64::INFINITY, &v)));
        }
    }

    #[test]
    fn both_draw_the_same_noise(seed in any::<u64>(), step in 0..1000usize) {
        let noise = CounterNoise::new(seed);
        let array: Array2<f64> =
            noise.standard_normal(&Array2::zeros((3, 4)), StepIndex(step), Role::Prior);
        for (dtype, tolerance) in [(DType::F64, 0.0), (DType::F32, 1e-7)] {
            let like = tensor(&Array2::zeros((3, 4)), dtype);
            let drawn = noise.standard_normal(&like, StepIndex(step), Role::Prior);
            prop_assert_eq!(drawn.dtype(), dtype);
            prop_assert!(difference(drawn, array.iter().copied()) <= tolerance);
        }
    }

    #[test]
    fn both_are_scored_converted_and_reversed_alike(seed in any::<u64>(), t in 0.01..1.0) {
        let (sde, t) = (VariancePreserving::default(), Time(t));
        let world = GaussianMixture::gaussian(&[0.5, -1.0, 0.0, 2.0], 0.5).unwrap();
        let score = world.under(&sde);
        let marginal = sde.marginal(t);
        let x = world.sample_at(marginal, seed, 3);
        let u = tensor(&x, DType::F64);
        let (s, r) = (score.score(&x, t), score.score(&u, t));
        prop_assert!(difference(r.clone(), s.clone()) < 1e-13);
        let x0 = Prediction::Score.convert(Prediction::X0, marginal, &x, s);
        let u0 = Prediction::Score.convert(Prediction::X0, marginal, &u, r);
        prop_assert!(difference(u0, x0) < 1e-11);
        let drift = ReverseSde::new(&sde, &score).drift(&x, t);
        let drifted = ReverseSde::new(&sde, &score).drift(&u, t);
        prop_assert!(difference(drifted, drift) < 1e-12);
    }
}

#[test]
fn pictures_keep_their_shape_and_their_order() {
    let like = Array4::<f64>::zeros((2, 3, 2, 2));
    let picture = Tensor::<4>::zeros([2, 3, 2, 2], (&Device::flex(), DType::F64));
    assert_eq!((picture.batch(), picture.sample_len()), (2, 12));
    let mut fill = |i: usize, out: &mut [f64]| {
        for (j, value) in out.iter_mut().enumerate() {
            *value = (100 * i + j) as f64;
        }
    };
    let array = like.filled_like(&mut fill);
    let filled = picture.filled_like(&mut fill);
    assert_eq!(filled.dims(), [2, 3, 2, 2]);
    assert_eq!(filled.norms(), array.norms());
    assert_eq!(difference(filled, array), 0.0);
}

#[test]
#[should_panic(expected = "states of one shape")]
fn tensors_of_two_shapes_are_not_added() {
    let x = tensor(&Array2::zeros((3, 4)), DType::F64);
    let y = tensor(&Array2::zeros((1, 4)), DType::F64);
    let _ = x.axpy(1.0, &y);
}
