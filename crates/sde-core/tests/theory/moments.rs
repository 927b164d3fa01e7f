//! The closed-form marginals against the moment equations α' = a α and (σ²)' = 2 a σ² + g² (Särkkä &
//! Solin 2019, §6.1), integrated numerically; the inverse of the noise level; the two conventions.

use ndarray::Array2;
use proptest::prelude::*;
use sde_core::families::{BetaConvention, Brownian, LinearBeta, VariancePreserving};
use sde_core::{AffineSde, LogSnr, SdeConfig, Sigma, Time};

use crate::processes::{
    any_config, any_config_from_zero, any_schedule, any_smooth_config, published,
};
use crate::world_strategies::any_world;

/// (α, σ²) at `end`, by `steps` steps of the classical Runge-Kutta method from (1, `variance`) at 0.
fn integrated_moments(sde: &dyn AffineSde, variance: f64, end: f64, steps: usize) -> [f64; 2] {
    let derivative = |t: f64, [alpha, variance]: [f64; 2]| {
        let (a, g) = (sde.drift_rate(Time(t)), sde.diffusion(Time(t)));
        [a * alpha, 2.0 * a * variance + g * g]
    };
    let step = |m: [f64; 2], h: f64, k: [f64; 2]| [m[0] + h * k[0], m[1] + h * k[1]];
    let h = end / steps as f64;
    (0..steps).fold([1.0, variance], |m, i| {
        let t = h * i as f64;
        let k1 = derivative(t, m);
        let k2 = derivative(t + 0.5 * h, step(m, 0.5 * h, k1));
        let k3 = derivative(t + 0.5 * h, step(m, 0.5 * h, k2));
        let k4 = derivative(t + h, step(m, h, k3));
        let mean = [0, 1].map(|j| (k1[j] + 2.0 * k2[j] + 2.0 * k3[j] + k4[j]) / 6.0);
        step(m, h, mean)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn marginals_solve_the_moment_equations(config in any_smooth_config(), fraction in 0.002..1.0) {
        let sde = config.build().unwrap();
        let t = fraction * sde.t_max().0;
        let start = match config {
            SdeConfig::Ve(ve) => ve.sigma_min.powi(2),
            _ => 0.0,
        };
        let [alpha, variance] = integrated_moments(&*sde, start, t, 4000);
        let marginal = sde.marginal(Time(t));
        prop_assert!((marginal.alpha / alpha - 1.0).abs() < 1e-8, "{} {}", marginal.alpha, alpha);
        let square = marginal.sigma.powi(2);
        prop_assert!((square / variance - 1.0).abs() < 1e-8, "{} {}", square, variance);
    }

    #[test]
    fn time_at_sigma_inverts_the_marginal(config in any_config(), fraction in 0.0..=1.0) {
        let sde = config.build().unwrap();
        let t_max = sde.t_max().0;
        let t = fraction * t_max;
        let back = sde.time_at_sigma(sde.marginal(Time(t)).sigma_ratio());
        prop_assert!((back.0 - t).abs() < 1e-12 * t_max, "{} {}", back.0, t);
    }

    #[test]
    fn time_at_sigma_keeps_its_relative_accuracy_near_the_data(
        config in any_config_from_zero(),
        log_t in -12.0..-3.0,
    ) {
        let sde = config.build().unwrap();
        let t = 10f64.powf(log_t);
        let back = sde.time_at_sigma(sde.marginal(Time(t)).sigma_ratio());
        prop_assert!((back.0 / t - 1.0).abs() < 1e-13, "{} {}", back.0, t);
    }

    #[test]
    fn log_snr_is_the_logarithm_of_alpha_squared_over_sigma_squared(
        config in any_config(),
        fraction in 1e-6..1.0,
    ) {
        let sde = config.build().unwrap();
        let marginal = sde.marginal(Time(fraction * sde.t_max().0));
        let log_snr = marginal.log_snr().0;
        let expected = (marginal.alpha.powi(2) / marginal.sigma.powi(2)).ln();
        prop_assert!((log_snr - expected).abs() < 1e-13 * (1.0 + expected.abs()));
        // The same as through EDM's noise level.
        let LogSnr(through_sigma) = marginal.sigma_ratio().into();
        prop_assert!((log_snr - through_sigma).abs() < 1e-13 * (1.0 + expected.abs()));
    }

    #[test]
    fn noise_levels_out_of_reach_are_clamped_to_the_ends(config in any_config()) {
        let sde = config.build().unwrap();
        prop_assert_eq!(sde.time_at_sigma(Sigma(0.0)), Time(0.0));
        for sigma in [1e200, f64::INFINITY] {
            prop_assert_eq!(sde.time_at_sigma(Sigma(sigma)), sde.t_max());
        }
    }

    #[test]
    fn vp_with_beta_in_full_is_vp_with_twice_the_beta_in_half(
        LinearBeta { beta_min, beta_max } in any_schedule(),
        t in 0.0..=1.0,
    ) {
        let full = VariancePreserving { beta_min, beta_max, convention: BetaConvention::Full };
        let half = VariancePreserving {
            beta_min: 2.0 * beta_min,
            beta_max: 2.0 * beta_max,
            convention: BetaConvention::Half,
        };
        let t = Time(t);
        prop_assert_eq!(full.drift_rate(t), half.drift_rate(t));
        prop_assert_eq!(full.diffusion(t), half.diffusion(t));
        prop_assert_eq!(full.marginal(t), half.marginal(t));
        // And it is the equation dx = −β x dt + √(2β) dw.
        let beta = beta_min + t.0 * (beta_max - beta_min);
        prop_assert!((full.drift_rate(t) + beta).abs() <= 1e-14 * beta);
        prop_assert!((full.diffusion(t).powi(2) - 2.0 * beta).abs() <= 1e-14 * beta);
    }

    #[test]
    fn vp_in_full_contracts_the_data_s_covariance_towards_one(
        world in any_world(),
        LinearBeta { beta_min, beta_max } in any_schedule(),
        t in 1e-3..1.0f64,
    ) {
        // Var x_t = e^{−2B} Var x₀ + 1 − e^{−2B}.
        let sde = VariancePreserving { beta_min, beta_max, convention: BetaConvention::Full };
        let integral = beta_min * t + 0.5 * (beta_max - beta_min) * t * t;
        let remains = (-2.0 * integral).exp();
        let expected = remains * world.covariance() + (1.0 - remains) * Array2::eye(world.dim());
        let found = world.noised(sde.marginal(Time(t))).covariance();
        prop_assert!((found - expected).iter().all(|error| error.abs() < 1e-12));
    }

    #[test]
    fn brownian_motion_adds_the_time_to_the_data_s_covariance(
        world in any_world(),
        t in 0.0..100.0,
    ) {
        let expected = world.covariance() + t * Array2::eye(world.dim());
        let found = world.noised(Brownian::default().marginal(Time(t))).covariance();
        prop_assert!((found - expected).iter().all(|error| error.abs() < 1e-12 * (1.0 + t)));
    }
}

#[test]
fn the_noise_level_rises_from_the_data_to_the_prior() {
    for sde in published() {
        let t_max = sde.t_max().0;
        let levels: Vec<f64> = (0..=1000)
            .map(|i| {
                sde.marginal(Time(t_max * f64::from(i) / 1000.0))
                    .sigma_ratio()
                    .0
            })
            .collect();
        assert!(
            levels.windows(2).all(|pair| pair[0] < pair[1]),
            "{}",
            sde.name()
        );
        // What is left of the data at T is little beside the prior.
        let end = sde.marginal(sde.t_max());
        assert!(end.alpha / sde.prior().std < 0.11, "{}", sde.name());
        assert!(
            (end.sigma / sde.prior().std - 1.0).abs() < 1e-4,
            "{}",
            sde.name()
        );
    }
}
