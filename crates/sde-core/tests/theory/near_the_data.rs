//! Accuracy where 1 − e^{−B} would cancel: σ_t down to t = 0, relative to 60-digit arithmetic and to
//! the series of the exponential.

use proptest::prelude::*;
use sde_core::families::{
    BetaConvention, Brownian, SubVariancePreserving, VarianceExploding, VariancePreserving,
};
use sde_core::{AffineSde, Time};

use crate::processes::{any_schedule, published};

fn assert_close(value: f64, reference: f64) {
    assert!(
        (value / reference - 1.0).abs() < 4.0 * f64::EPSILON,
        "{value:e} is not {reference:e}"
    );
}

#[test]
fn standard_deviations_match_60_digit_arithmetic() {
    let vp = VariancePreserving::default();
    let sub_vp = SubVariancePreserving::default();
    let full = VariancePreserving {
        convention: BetaConvention::Full,
        ..vp
    };
    let sigma = |sde: &dyn AffineSde, t| sde.marginal(Time(t)).sigma;
    for (t, reference) in [
        (1e-12, 3.162_277_660_325_623_6e-7),
        (1e-9, 1.000_000_049_724_998_8e-5),
        (1e-5, 1.000_497_125_935_238_4e-3),
        (1e-3, 1.048_541_633_509_489_7e-2),
        (0.5, 0.959_654_202_068_036_2),
        (1.0, 0.999_978_406_892_338_6),
    ] {
        assert_close(sigma(&vp, t), reference);
    }
    assert_close(sigma(&full, 1e-12), 4.472_135_955_221_844_6e-7);
    assert_close(sigma(&full, 0.5), 0.996_869_556_943_320_1);
    for (t, reference) in [
        (1e-12, 1.000_000_000_099_45e-13),
        (1e-9, 1.000_000_099_450_000_1e-10),
        (1e-5, 1.000_994_499_004_672_3e-6),
        (1e-3, 1.099_439_557_202_749e-4),
        (0.5, 0.920_936_187_546_839_4),
        (1.0, 0.999_956_814_250_939_6),
    ] {
        assert_close(sigma(&sub_vp, t), reference);
    }
    let ve = VarianceExploding::default();
    assert_close(sigma(&ve, 1e-12), 1.000_000_000_008_517_2e-2);
    assert_close(sigma(&ve, 1e-5), 1.000_085_175_559_146e-2);
    assert_close(
        sigma(&Brownian::default(), 1e-5),
        3.162_277_660_168_379_5e-3,
    );
}

#[test]
fn sub_vp_diffusion_matches_60_digit_arithmetic() {
    let sde = SubVariancePreserving::default();
    assert_close(sde.diffusion(Time(1e-12)), 1.414_213_562_584_095_8e-7);
    assert_close(sde.diffusion(Time(1e-5)), 4.478_807_823_664_056_4e-4);
}

#[test]
fn at_time_zero_nothing_is_added_except_ve_s_smallest_sigma() {
    for sde in published() {
        let start = sde.marginal(Time(0.0));
        let expected = if sde.name() == "ve" { 0.01 } else { 0.0 };
        assert_eq!(
            (start.alpha, start.sigma),
            (1.0, expected),
            "{}",
            sde.name()
        );
    }
}

proptest! {
    #[test]
    fn vp_and_sub_vp_follow_the_series_of_the_exponential_near_zero(
        schedule in any_schedule(),
        log_t in -15.0..-4.5,
    ) {
        let t = 10f64.powf(log_t);
        let integral = t * (schedule.beta_min + 0.5 * t * (schedule.beta_max - schedule.beta_min));
        // 1 − e^{−B}; B < 1e-4, so the next term is below 1e-18 relative.
        let series = integral * (1.0 - integral / 2.0 * (1.0 - integral / 3.0 * (1.0 - integral / 4.0)));
        let vp = VariancePreserving {
            beta_min: schedule.beta_min,
            beta_max: schedule.beta_max,
            convention: BetaConvention::Half,
        };
        let sigma = vp.marginal(Time(t)).sigma;
        prop_assert!((sigma / series.sqrt() - 1.0).abs() < 1e-14);
        let sigma = SubVariancePreserving { schedule }.marginal(Time(t)).sigma;
        prop_assert!((sigma / series - 1.0).abs() < 1e-14);
    }
}
