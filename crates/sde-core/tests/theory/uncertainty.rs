//! The learned weight of a noise level, and the features that it is a function of.

use proptest::prelude::*;
use sde_core::Sigma;
use sde_core::objective::uncertainty::{FourierFeatures, gradient, loss, optimum};

use crate::densities::derivative;

proptest! {
    #[test]
    fn the_gradient_is_the_loss_s(error in 0.0..10.0, u in -3.0..3.0) {
        let (by_error, by_u) = gradient(error, u);
        let slope = derivative(1e-3, |h| loss(error + h, u));
        prop_assert!((by_error - slope).abs() < 1e-9 * (1.0 + slope.abs()));
        let slope = derivative(1e-3, |h| loss(error, u + h));
        prop_assert!((by_u - slope).abs() < 1e-9 * (1.0 + error * (-u).exp()));
    }

    #[test]
    fn the_best_u_is_the_logarithm_of_the_mean_error(
        errors in proptest::collection::vec(1e-3..1e3f64, 1..20),
    ) {
        let n = errors.len() as f64;
        let mean_loss = |u: f64| errors.iter().map(|&error| loss(error, u)).sum::<f64>() / n;
        // By ternary search, which knows nothing of logarithms.
        let (mut low, mut high) = (-20.0f64, 20.0f64);
        for _ in 0..200 {
            let third = (high - low) / 3.0;
            if mean_loss(low + third) < mean_loss(high - third) {
                high -= third;
            } else {
                low += third;
            }
        }
        let best = optimum(errors.iter().sum::<f64>() / n);
        prop_assert!((low - best).abs() < 1e-6, "{low} {best}");
        prop_assert!((mean_loss(best) - (1.0 + best)).abs() < 1e-12 * (1.0 + best.abs()));
        // There every level contributes 1, whatever its error.
        let weighted = errors.iter().map(|error| error * (-best).exp()).sum::<f64>() / n;
        prop_assert!((weighted - 1.0).abs() < 1e-12);
    }
}

#[test]
fn features_have_unit_variance_and_the_kernel_of_their_bandwidth() {
    // Rahimi & Recht 2007: E φ(c) φ(c') = exp(−½ (2π b (c − c'))²).
    let features = FourierFeatures {
        channels: 20_000,
        bandwidth: 0.5,
        seed: 3,
    };
    let n = features.channels as f64;
    let at = |sigma: f64| features.at(Sigma(sigma));
    let here = at(0.7);
    for sigma in [0.7, 0.9, 1.5, 4.0] {
        let distance = 0.25 * (sigma / 0.7f64).ln();
        let expected = (-0.5 * (std::f64::consts::PI * distance).powi(2)).exp();
        let products: Vec<f64> = here.iter().zip(at(sigma)).map(|(a, b)| a * b).collect();
        let mean = products.iter().sum::<f64>() / n;
        let variance = products.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / n;
        let bound = 5.0 * (variance / n).sqrt();
        assert!(
            (mean - expected).abs() < bound,
            "{sigma}: {mean} {expected} ± {bound}"
        );
    }
    let mean = here.iter().sum::<f64>() / n;
    assert!(mean.abs() < 5.0 / n.sqrt(), "{mean}");
}

#[test]
fn features_are_cosines_of_a_quarter_of_the_log_noise_level() {
    let features = FourierFeatures::default();
    assert_eq!((features.channels, features.bandwidth), (128, 1.0));
    let (sigma, pairs) = (Sigma(2.5), features.frequencies_and_phases());
    assert!((FourierFeatures::c_noise(sigma) - 0.229_072_682_968_538_78).abs() < 1e-16);
    for ((omega, phi), value) in pairs.iter().zip(features.at(sigma)) {
        let expected = 2f64.sqrt() * (omega * 0.229_072_682_968_538_78 + phi).cos();
        assert!((value - expected).abs() < 1e-13);
        assert!((0.0..std::f64::consts::TAU).contains(phi));
    }
}

#[test]
fn more_channels_leave_the_first_as_they_are_and_a_seed_changes_all() {
    let few = FourierFeatures {
        channels: 4,
        ..FourierFeatures::default()
    };
    let many = FourierFeatures::default().frequencies_and_phases();
    assert_eq!(few.frequencies_and_phases(), many[..4]);
    let other = FourierFeatures { seed: 1, ..few }.frequencies_and_phases();
    assert!(other.iter().zip(&many).all(|(a, b)| a != b));
}

#[test]
fn impossible_features_are_refused_and_the_plain_data_round_trips() {
    let wrong = FourierFeatures {
        channels: 0,
        ..FourierFeatures::default()
    };
    assert_eq!(
        wrong.validated().unwrap_err().to_string(),
        "uncertainty.channels = 0 is not possible: it must be at least 1"
    );
    let wrong: FourierFeatures = toml::from_str("bandwidth = -2.0").unwrap();
    assert_eq!(
        wrong.validated().unwrap_err().to_string(),
        "uncertainty.bandwidth = -2 is not possible: it must be above 0 and finite"
    );
    assert!(toml::from_str::<FourierFeatures>("width = 2.0").is_err());
    let text = toml::to_string(&FourierFeatures::default()).unwrap();
    let back: FourierFeatures = toml::from_str(&text).unwrap();
    assert_eq!(back.validated(), Ok(FourierFeatures::default()));
}
