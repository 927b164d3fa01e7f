//! The parts of the bound: tails, decoder, divergences, the prior's term, the hybrid objective.

use ndarray::{Array2, array};
use proptest::prelude::*;
use sde_core::StepIndex;
use sde_core::chains::bound::{
    Decoder, DiscreteBound, Elements, HybridObjective, gaussian_kl, log_normal_interval,
    log_normal_tail,
};
use sde_core::chains::{Chain, Ddpm, DdpmChain};
use sde_core::noise::{CounterNoise, Noise, Role};

fn hundred() -> DdpmChain {
    let steps = 100;
    Ddpm {
        steps,
        ..Ddpm::default()
    }
    .chain()
    .unwrap()
}

fn assert_close(found: f64, expected: f64, relative: f64) {
    let error = (found / expected - 1.0).abs();
    assert!(error < relative, "{found:e} is not {expected:e}: {error:e}");
}

#[test]
fn tails_and_intervals_of_the_normal_distribution_match_60_digit_arithmetic() {
    for (z, expected) in [
        (-8.0, -6.220_960_574_271_786e-16),
        (-3.0, -0.001_350_809_964_748_193_8),
        (0.0, -std::f64::consts::LN_2),
        (1.0, -1.841_021_645_009_263_5),
        (5.0, -15.064_998_393_988_725),
        (29.9, -451.322_912_458_528_65),
        (30.1, -457.329_564_416_382_24),
        (38.0, -726.557_216_018_820_1),
        (100.0, -5_005.524_208_694_205),
        (1e4, -50_000_010.129_278_91),
    ] {
        assert_close(log_normal_tail(z), expected, 1e-14);
    }
    for (low, high, expected) in [
        (-1.0, 2.0, -0.200_166_294_324_462_6),
        (-0.5, 0.25, -1.237_292_501_322_450_2),
        (3.0, 3.01, -10.039_087_761_156_88),
        (60.0, 60.2, -1_805.013_566_683_136_4),
        (-60.2, -60.0, -1_805.013_566_683_136_4),
        (50.0, 51.0, -1_254.831_361_139_42),
        (-10.0, 10.0, -1.523_970_604_832_105e-23),
        (-1e-3, 2e-3, -6.728_082_023_518_55),
    ] {
        assert_close(log_normal_interval(low, high), expected, 1e-13);
    }
    assert_eq!(log_normal_interval(1.0, 1.0), f64::NEG_INFINITY);
    assert_eq!(log_normal_interval(f64::NEG_INFINITY, f64::INFINITY), 0.0);
}

#[test]
fn the_decoder_s_slope_is_that_of_finite_differences_into_the_tails() {
    let decoders = [
        Decoder::Density {},
        Decoder::Discretised { levels: 2 },
        Decoder::default(),
    ];
    for decoder in decoders {
        for x0 in [-1.0, -0.2, 0.55, 1.0] {
            for distance in [-2.5, -0.3, 1e-3, 0.0, 0.02, 1.1] {
                for log_variance in [-9.0, -4.0, 0.3] {
                    let mean = x0 + distance;
                    let at = |shift: f64| decoder.log_likelihood(x0, mean, log_variance + shift);
                    let h = 1e-3;
                    let near = at(h) - at(-h);
                    let slope = (8.0 * near - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                    let found = decoder.log_variance_slope(x0, mean, log_variance);
                    let error = (found - slope).abs();
                    // The difference of two numbers of this size is rounded.
                    let rounding = 1e-12 * (1.0 + at(0.0).abs());
                    assert!(
                        error < 1e-8 * slope.abs() + rounding,
                        "{decoder:?} {x0} {mean} {log_variance}: {found} for {slope}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_decoder_without_two_levels_is_refused() {
    let chain = hundred();
    let error = DiscreteBound::new(&chain, Decoder::Discretised { levels: 1 }).unwrap_err();
    assert!(error.to_string().contains("of 1 levels"), "{error}");
}

#[test]
fn the_hybrid_objective_counts_a_term_once_for_every_step() {
    let epsilon = array![[1.0, -1.0], [0.5, 0.0]];
    let predicted = array![[0.5, -1.0], [0.5, 2.0]];
    let losses = HybridObjective::default().per_sample(4000, &epsilon, &predicted, &[0.1, 0.2]);
    // 0.25/2 and 4/2; 0.001 · 4000 · L_t/(2 ln 2).
    let weight = 4.0 / (2.0 * std::f64::consts::LN_2);
    assert_close(losses[0], 0.125 + 0.1 * weight, 1e-14);
    assert_close(losses[1], 2.0 + 0.2 * weight, 1e-14);
    // The published schedule's code counts it N/1000 times, in bits (RESCALED_MSE).
    assert_eq!(HybridObjective::default().vlb_weight, 0.001);
}

proptest! {
    #[test]
    fn the_decoder_s_probabilities_sum_to_one_over_the_levels(
        levels in 2..400u32,
        mean in -1.5..1.5,
        log_variance in -14.0..4.0,
    ) {
        let decoder = Decoder::Discretised { levels };
        let place = |level: u32| 2.0 * f64::from(level) / f64::from(levels - 1) - 1.0;
        let log = |x0| decoder.log_likelihood(x0, mean, log_variance);
        let total: f64 = (0..levels).map(|level| log(place(level)).exp()).sum();
        prop_assert!((total - 1.0).abs() < 1e-12, "{total}");
        // What is not quite a level counts as the nearest.
        let nudge = 0.4 / f64::from(levels - 1);
        prop_assert_eq!(log(place(1) + nudge), log(place(1)));
        prop_assert!((0..levels).all(|level| log(place(level)).is_finite()));
    }

    #[test]
    fn many_levels_are_a_density(mean in -0.5..0.5, log_variance in -4.0..0.0, x0 in -0.5..0.5) {
        let levels = 1_000_001;
        let width = 2.0 / 1_000_000.0;
        let fine = Decoder::Discretised { levels }.log_likelihood(x0, mean, log_variance);
        let density = Decoder::Density {}.log_likelihood(x0, mean, log_variance);
        prop_assert!((fine - f64::ln(width) - density).abs() < 1e-4);
    }

    #[test]
    fn the_divergence_of_gaussians_is_the_integral_of_their_log_ratio(
        mean in -1.0..1.0,
        log_variance in -2.0..1.0,
        other in -1.0..1.0,
        other_log_variance in -2.0..1.0,
    ) {
        let log_pdf = |x: f64, mean: f64, log_variance: f64| {
            Decoder::Density {}.log_likelihood(x, mean, log_variance)
        };
        let std = f64::exp(0.5 * log_variance);
        let h = 0.02;
        // The trapezoidal rule, whose error for such integrands is below rounding.
        let integral: f64 = (-500..=500)
            .map(|i| {
                let x = mean + std * h * f64::from(i);
                let log_p = log_pdf(x, mean, log_variance);
                std * h * log_p.exp() * (log_p - log_pdf(x, other, other_log_variance))
            })
            .sum();
        let found = gaussian_kl(mean, log_variance, other, other_log_variance);
        prop_assert!((found - integral).abs() < 1e-12 * (1.0 + found), "{found} {integral}");
        prop_assert_eq!(gaussian_kl(mean, log_variance, mean, log_variance), 0.0);
    }

    #[test]
    fn the_prior_s_term_is_the_divergence_from_a_standard_normal(seed in any::<u64>()) {
        let chain = hundred();
        let x0 = CounterNoise::new(seed).standard_normal(
            &Array2::<f64>::zeros((2, 4)),
            StepIndex(0),
            Role::Data,
        );
        let last = chain.marginal_at(StepIndex(99));
        let found = DiscreteBound::new(&chain, Decoder::Density {}).unwrap().prior_term(&x0);
        let elements = x0.elements();
        for (sample, found) in found.into_iter().enumerate() {
            let each = &elements[4 * sample..4 * sample + 4];
            let log_variance = 2.0 * last.sigma.ln();
            let expected: f64 =
                each.iter().map(|x| gaussian_kl(last.alpha * x, log_variance, 0.0, 0.0)).sum();
            prop_assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
        }
    }
}
