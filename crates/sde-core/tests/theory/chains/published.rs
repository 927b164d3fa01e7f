//! The numbers that the papers' defaults give, from other implementations and from 60-digit arithmetic.

use sde_core::chains::{BetaSchedule, Chain, Ddpm, DdpmChain, FixedVariance, Smld};
use sde_core::{AffineSde, StepIndex};

fn thousand(schedule: BetaSchedule) -> DdpmChain {
    let steps = 1000;
    Ddpm { steps, schedule }.chain().unwrap()
}

fn assert_close(found: f64, expected: f64, relative: f64) {
    assert!(
        (found / expected - 1.0).abs() < relative,
        "{found:e} is not {expected:e}"
    );
}

#[test]
fn the_small_variance_is_that_of_the_tests_of_diffusers_and_the_large_one_is_beta() {
    // diffusers' DDPMScheduler, β 1e-4 → 0.02 over 1000 steps, at the steps 0, 487 and 999: its tests ask
    // for 0, 0.00979 and 0.02 with `fixed_small`, which holds the first above 1e-20.
    let chain = thousand(BetaSchedule::linear());
    let at = |variance| [0, 487, 999].map(|t| chain.variance(StepIndex(t), variance));
    let small = at(FixedVariance::Small);
    assert_eq!(small[0], 0.0);
    assert!((small[1] - 0.009_791_572).abs() < 5e-10, "{}", small[1]);
    assert!((small[2] - 0.019_999_984).abs() < 5e-10, "{}", small[2]);
    // The same in double precision, from the formulas of improved-diffusion in NumPy.
    assert_close(small[1], 0.009_791_571_985_690_04, 1e-12);
    assert_close(small[2], 0.019_999_983_526_560_61, 1e-12);
    // Its `fixed_large`, computed there in single precision: 1.0001659e-4 for 1 − 0.9999.
    let large = at(FixedVariance::Large);
    assert_close(large[0], 1e-4, 1e-15);
    assert!((large[1] - 0.009_800_970_554).abs() < 6e-8, "{}", large[1]);
    assert_close(large[2], 0.02, 1e-15);
}

#[test]
fn alpha_bar_and_what_is_missing_from_one_match_60_digit_arithmetic() {
    let chain = thousand(BetaSchedule::linear());
    for (t, alpha_bar, missing) in [
        (0, 0.9999, 1e-4),
        (487, 0.088_585_732_320_593_1, 0.911_414_267_679_406_9),
        (999, 4.035_829_765_375_683_3e-5, 0.999_959_641_702_346_2),
    ] {
        assert_close(chain.alpha_bar(StepIndex(t)), alpha_bar, 1e-13);
        let sigma = chain.marginal_at(StepIndex(t)).sigma;
        assert_close(sigma * sigma, missing, 1e-14);
    }
    let chain = thousand(BetaSchedule::cosine());
    for (t, beta, alpha_bar) in [
        (0, 4.128_422_482_177_780_2e-5, 0.999_958_715_775_178_2),
        (1, 4.614_175_273_669_451e-5, 0.999_912_575_927_368),
        (487, 3.030_568_438_702_668e-3, 0.512_544_999_974_728_3),
        (998, 0.749_999_392_901_162, 2.428_766_907_034_468e-6),
        (999, 0.999, 2.428_766_907_034_468e-9),
    ] {
        assert_close(chain.beta(StepIndex(t)), beta, 1e-12);
        assert_close(chain.alpha_bar(StepIndex(t)), alpha_bar, 1e-12);
    }
}

#[test]
fn quadratic_and_sigmoid_schedules_match_60_digit_arithmetic_and_diffusers() {
    let quadratic = thousand(BetaSchedule::quadratic());
    let sigmoid = thousand(BetaSchedule::sigmoid());
    for (t, quadratic_beta, sigmoid_beta) in [
        (0, 1e-4, 1.492_052_008_170_320_1e-4),
        (1, 1.026_483_643_508_34e-4, 1.497_983_304_193_302_3e-4),
        (499, 5.722_151_147_768_564e-3, 1.002_012_020_993_898_4e-2),
        (998, 1.996_280_852_451_099_4e-2, 1.995_020_166_958_067e-2),
        (999, 0.02, 1.995_079_479_918_296_8e-2),
    ] {
        assert_close(quadratic.beta(StepIndex(t)), quadratic_beta, 1e-13);
        assert_close(sigmoid.beta(StepIndex(t)), sigmoid_beta, 1e-13);
    }
    // alphas_cumprod of diffusers 0.35.2 (`scaled_linear`, `sigmoid`), in single precision.
    for (chain, half, end) in [
        (&quadratic, 0.333_187_82, 7.334_119_9e-4),
        (&sigmoid, 0.301_930_99, 3.968_182_1e-5),
    ] {
        assert_close(chain.alpha_bar(StepIndex(499)), half, 2e-5);
        assert_close(chain.alpha_bar(StepIndex(999)), end, 5e-5);
    }
}

#[test]
fn the_posterior_s_coefficients_match_50_digit_arithmetic() {
    // posterior_mean_coef1, posterior_mean_coef2 and posterior_variance of improved-diffusion.
    let chain = thousand(BetaSchedule::linear());
    for (t, expected) in [
        (0, [1.0, 0.0, 0.0]),
        (
            1,
            [
                0.545_291_499_510_271_5,
                0.454_708_498_990_564_67,
                5.453_187_661_302_605e-5,
            ],
        ),
        (
            487,
            [
                3.216_438_552_813_049_7e-3,
                0.994_130_112_804_548_8,
                9.791_571_985_690_043e-3,
            ],
        ),
        (
            999,
            [
                1.283_514_871_722_469_4e-4,
                0.989_948_678_267_517_3,
                1.999_998_352_656_060_8e-2,
            ],
        ),
    ] {
        let posterior = chain.posterior(StepIndex(t));
        let found = [posterior.x0, posterior.x, posterior.variance];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-13 * expected,
                "{t}: {found} {expected}"
            );
        }
    }
}

#[test]
fn a_learned_variance_lies_between_the_two_as_in_improved_diffusion() {
    let chain = thousand(BetaSchedule::linear());
    // ¼ ln β_t + ¾ posterior_log_variance_clipped, in NumPy.
    for (t, expected) in [
        (0, -9.665_128_944_465_797),
        (1, -9.619_715_444_459_088),
        (500, -4.599_835_328_599_114),
        (999, -3.912_023_623_182_377_7),
    ] {
        let found = chain.learned_log_variance(StepIndex(t), 0.25);
        assert!((found - expected).abs() < 1e-11, "{found} {expected}");
    }
    for t in [1, 20, 999].map(StepIndex) {
        let learned = |v| chain.learned_log_variance(t, v).exp();
        assert_close(learned(0.0), chain.variance(t, FixedVariance::Small), 1e-14);
        assert_close(learned(1.0), chain.variance(t, FixedVariance::Large), 1e-14);
    }
    // β̃_2 stands for β̃_1 = 0, for the large variance's bound too.
    let second = chain.posterior(StepIndex(1)).variance.ln();
    for variance in [FixedVariance::Small, FixedVariance::Large] {
        assert_eq!(chain.log_variance(StepIndex(0), variance), second);
    }
}

#[test]
fn stable_diffusion_ends_with_the_published_rest_of_the_data() {
    // Stable Diffusion's 1000 steps end with √ᾱ = 0.0683 (Lin et al. 2024, table 1).
    let end = thousand(BetaSchedule::stable_diffusion()).marginal_at(StepIndex(999));
    assert!((end.alpha - 0.068_265).abs() < 5e-7, "{}", end.alpha);
}

#[test]
fn the_cosine_schedule_goes_with_any_number_of_steps() {
    let schedule = BetaSchedule::cosine();
    for steps in [2, 3, 10, 4000] {
        let chain = Ddpm { steps, schedule }.chain().unwrap();
        assert!(chain.alpha_bar(StepIndex(steps - 1)) < 1e-3);
    }
}

#[test]
fn ncsn_s_ladder_and_its_steps_are_the_published_ones() {
    // Ten levels from 1 to 0.01 in a ratio of 100^{1/9} = 1.668 (Song & Ermon 2019).
    let chain = Smld::ncsn().chain().unwrap();
    assert_eq!(chain.sigma(StepIndex(0)), 0.01);
    assert_eq!(chain.sigma(StepIndex(9)), 1.0);
    for i in 1..10 {
        let ratio = chain.sigma(StepIndex(i)) / chain.sigma(StepIndex(i - 1));
        assert_close(ratio, 1.668_100_537_200_059, 1e-14);
    }
    // α = 2e-5 at the smallest level and 0.2 at the largest.
    assert_eq!(chain.langevin_step(StepIndex(0), 2e-5), 2e-5);
    assert_close(chain.langevin_step(StepIndex(9), 2e-5), 0.2, 1e-14);
    assert_eq!(chain.prior().std, 1.0);
}
