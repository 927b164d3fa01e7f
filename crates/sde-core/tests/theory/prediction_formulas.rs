//! The conversions against the formulas of the papers that introduced each prediction.

use proptest::prelude::*;
use sde_core::families::{Edm, VariancePreserving};
use sde_core::prediction::EdmPreconditioning;
use sde_core::{AffineSde, Marginal, Prediction, Time};

proptest! {
    #[test]
    fn v_under_vp_is_the_rotation_of_salimans_and_ho(
        t in 1e-4..1.0f64,
        x0 in -3.0..3.0f64,
        epsilon in -3.0..3.0f64,
    ) {
        let marginal = VariancePreserving::default().marginal(Time(t));
        let Marginal { alpha, sigma } = marginal;
        prop_assert_eq!(Prediction::V.target(marginal), (-sigma, alpha));
        // At α² + σ² = 1: x₀ = α x − σ v and ε = σ x + α v.
        let x = alpha * x0 + sigma * epsilon;
        let v = alpha * epsilon - sigma * x0;
        let to_x0 = Prediction::V.conversion(Prediction::X0, marginal);
        let to_epsilon = Prediction::V.conversion(Prediction::Epsilon, marginal);
        prop_assert!((to_x0.x - alpha).abs() < 1e-14 && (to_x0.p + sigma).abs() < 1e-14);
        prop_assert!((to_epsilon.x - sigma).abs() < 1e-14 && (to_epsilon.p - alpha).abs() < 1e-14);
        prop_assert!((alpha * x - sigma * v - x0).abs() < 1e-13);
    }

    #[test]
    fn edm_s_coefficients_are_those_of_table_1(log_sigma in -3.0..3.0f64, sigma_data in 0.05..4.0) {
        let sigma = 10f64.powf(log_sigma);
        let c = EdmPreconditioning::new(sigma, sigma_data);
        let square = sigma.powi(2) + sigma_data.powi(2);
        let close = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-14;
        prop_assert!(close(c.c_skip, sigma_data.powi(2) / square));
        prop_assert!(close(c.c_out, sigma * sigma_data / square.sqrt()));
        prop_assert!(close(c.c_in, square.sqrt().recip()));
    }

    #[test]
    fn edm_s_denoiser_is_skip_plus_out_times_the_network(
        sigma in 0.002..80.0f64,
        sigma_data in 0.05..4.0f64,
        x in -3.0..3.0f64,
        network in -3.0..3.0f64,
    ) {
        // Eq. 7, under Karras et al.'s own process: D(x; σ) = c_skip x + c_out F.
        let marginal = Edm::default().marginal(Time(sigma));
        let c = EdmPreconditioning::new(sigma, sigma_data);
        let denoised = Prediction::Edm { sigma_data }.conversion(Prediction::X0, marginal);
        let expected = c.c_skip * x + c.c_out * network;
        prop_assert!((denoised.x * x + denoised.p * network - expected).abs() < 1e-13);
        // Eq. 3: the score is (D − x) / σ².
        let score = Prediction::Edm { sigma_data }.conversion(Prediction::Score, marginal);
        let expected = (expected - x) / sigma.powi(2);
        let found = score.x * x + score.p * network;
        prop_assert!((found - expected).abs() < 1e-13 * (1.0 + x.abs() / sigma.powi(2)));
    }

    #[test]
    fn edm_s_inputs_and_targets_have_unit_variance_and_its_skip_the_least_amplification(
        sigma in 0.002..80.0f64,
        alpha in 0.01..1.0f64,
        sigma_data in 0.05..4.0f64,
    ) {
        // Appendix B.6, eq. 115, 123 and 131; data of variance σ_d², x₀ and ε independent.
        let marginal = Marginal { alpha, sigma: alpha * sigma };
        let c = EdmPreconditioning::new(sigma, sigma_data);
        let input = c.c_in.powi(2) * (sigma_data.powi(2) + sigma.powi(2));
        prop_assert!((input - 1.0).abs() < 1e-13);
        let (k0, k1) = Prediction::Edm { sigma_data }.target(marginal);
        prop_assert!(((k0 * sigma_data).powi(2) + k1.powi(2) - 1.0).abs() < 1e-13);
        // c_out² is the least of (1 − c)² σ_d² + c² σ² over c, taken at c_skip.
        let amplification = |skip: f64| {
            ((1.0 - skip) * sigma_data).powi(2) + (skip * sigma).powi(2)
        };
        let least = amplification(c.c_skip);
        prop_assert!((least / c.c_out.powi(2) - 1.0).abs() < 1e-9);
        for other in [c.c_skip - 1e-3, c.c_skip + 1e-3] {
            prop_assert!(amplification(other) > least);
        }
    }
}
