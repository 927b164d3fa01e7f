//! Conversions between predictions: all pairs, at every noise level.
//!
//! A conversion q = c_x x + c_p p of rounded inputs cannot be more accurate than a few roundings of
//! its two terms, and must not be less: that is the bound throughout. It grows with the terms, never
//! with 1/σ, so a coefficient that loses digits near the data breaks it.

use ndarray::{Array2, array};
use proptest::prelude::*;
use sde_core::{Marginal, Prediction};

fn any_prediction() -> impl Strategy<Value = Prediction> {
    prop_oneof![
        Just(Prediction::Epsilon),
        Just(Prediction::X0),
        Just(Prediction::V),
        Just(Prediction::Score),
        (0.05..4.0).prop_map(|sigma_data| Prediction::Edm { sigma_data }),
        Just(Prediction::Edm { sigma_data: 1.0 }),
    ]
}

/// σ/α from 1e-9 to 1e4.
fn any_marginal() -> impl Strategy<Value = Marginal> {
    (-3.0..0.0, -9.0..4.0).prop_map(|(log_alpha, log_ratio)| {
        let alpha = 10f64.powf(log_alpha);
        Marginal {
            alpha,
            sigma: alpha * 10f64.powf(log_ratio),
        }
    })
}

/// k₀ x₀ + k₁ ε, and the size of its terms.
fn exact(prediction: Prediction, marginal: Marginal, x0: f64, epsilon: f64) -> (f64, f64) {
    let (k0, k1) = prediction.target(marginal);
    (
        k0 * x0 + k1 * epsilon,
        (k0 * x0).abs() + (k1 * epsilon).abs(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_target_converts_into_every_other(
        from in any_prediction(),
        to in any_prediction(),
        marginal in any_marginal(),
        x0 in -3.0..3.0f64,
        epsilon in -3.0..3.0f64,
    ) {
        let x = marginal.alpha * x0 + marginal.sigma * epsilon;
        let x_size = (marginal.alpha * x0).abs() + (marginal.sigma * epsilon).abs();
        let (p, p_size) = exact(from, marginal, x0, epsilon);
        let (q, q_size) = exact(to, marginal, x0, epsilon);
        let c = from.conversion(to, marginal);
        let terms = c.x.abs() * x_size + c.p.abs() * p_size + q_size;
        let error = (c.x * x + c.p * p - q).abs();
        prop_assert!(error <= 16.0 * f64::EPSILON * terms, "{error:e} {terms:e}");
    }

    #[test]
    fn conversions_round_trip(
        from in any_prediction(),
        to in any_prediction(),
        marginal in any_marginal(),
        x in -3.0..3.0f64,
        p in -3.0..3.0f64,
    ) {
        let (there, back) = (from.conversion(to, marginal), to.conversion(from, marginal));
        let q = there.x * x + there.p * p;
        let terms = back.x.abs() * x.abs()
            + back.p.abs() * (there.x.abs() * x.abs() + there.p.abs() * p.abs());
        let error = (back.x * x + back.p * q - p).abs();
        prop_assert!(error <= 16.0 * f64::EPSILON * (terms + p.abs()), "{error:e} {terms:e}");
    }

    #[test]
    fn conversions_compose(
        from in any_prediction(),
        through in any_prediction(),
        to in any_prediction(),
        marginal in any_marginal(),
        x in -3.0..3.0f64,
        p in -3.0..3.0f64,
    ) {
        let (first, second) = (from.conversion(through, marginal), through.conversion(to, marginal));
        let direct = from.conversion(to, marginal);
        let composed = second.x * x + second.p * (first.x * x + first.p * p);
        let terms = second.x.abs() * x.abs()
            + second.p.abs() * (first.x.abs() * x.abs() + first.p.abs() * p.abs());
        let error = (composed - (direct.x * x + direct.p * p)).abs();
        prop_assert!(error <= 16.0 * f64::EPSILON * terms, "{error:e} {terms:e}");
    }
}

#[test]
fn coefficients_that_would_cancel_near_the_data_match_60_digit_arithmetic() {
    let edm = |sigma_data| Prediction::Edm { sigma_data };
    let near = Marginal {
        alpha: 1.0,
        sigma: 1e-6,
    };
    let shrunk = Marginal {
        alpha: 0.6,
        sigma: 1e-7,
    };
    let far = Marginal {
        alpha: 1.0,
        sigma: 80.0,
    };
    use Prediction::{Epsilon, Score, V};
    for (from, to, marginal, reference) in [
        (V, edm(0.5), near, 2.999_999_999_991e-6),
        (edm(0.5), V, near, 2.999_999_999_987_999_9e-6),
        (edm(0.5), edm(2.0), near, -3.749_999_999_984_531e-6),
        (Epsilon, V, near, -10.0e-7),
        (V, Score, near, -0.999_999_999_999),
        (V, edm(0.25), shrunk, 4.166_666_666_665_625e-6),
        (edm(0.25), V, shrunk, 2.499_999_999_998_889e-6),
        (edm(0.25), edm(2.0), shrunk, -4.374_999_999_998_040_5e-6),
        (V, edm(0.5), far, 2.343_338_078_399_123_5e-4),
        (edm(0.5), V, far, 9.374_633_803_367_056e-3),
        (edm(0.5), edm(2.0), far, -2.928_658_000_883_137_6e-4),
        (V, Score, far, -1.562_255_897_516_013e-4),
    ] {
        let x = from.conversion(to, marginal).x;
        assert!(
            (x / reference - 1.0).abs() < 8.0 * f64::EPSILON,
            "{from:?} to {to:?} at {marginal:?}: {x:e} is not {reference:e}"
        );
    }
}

#[test]
fn converting_a_batch_converts_its_elements() {
    let marginal = Marginal {
        alpha: 0.6,
        sigma: 0.8,
    };
    let x0: Array2<f64> = array![[1.0, -2.0], [0.5, 3.0]];
    let epsilon: Array2<f64> = array![[0.3, 0.1], [-1.0, 2.0]];
    let x = 0.6 * &x0 + 0.8 * &epsilon;
    let v = 0.6 * &epsilon - 0.8 * &x0;
    for (prediction, expected) in [
        (Prediction::X0, &x0),
        (Prediction::Epsilon, &epsilon),
        (Prediction::V, &v),
    ] {
        let found = Prediction::V.convert(prediction, marginal, &x, v.clone());
        assert!((found - expected).iter().all(|error| error.abs() < 1e-15));
    }
}
