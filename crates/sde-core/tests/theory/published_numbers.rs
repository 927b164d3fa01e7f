//! The numbers that the papers' defaults give, to the digits in which they are quoted.

use ndarray::array;
use sde_core::families::{Edm, SubVariancePreserving, VarianceExploding, VariancePreserving};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal, Time};

/// Half a unit of the last quoted digit.
fn assert_rounds_to(value: f64, quoted: f64, last_digit: f64) {
    assert!(
        (value - quoted).abs() <= 0.5 * last_digit,
        "{value} does not round to {quoted}"
    );
}

#[test]
fn vp_from_01_to_20_has_the_published_mean_and_standard_deviation() {
    let sde = VariancePreserving::default();
    let half = sde.marginal(Time(0.5));
    assert_rounds_to(half.alpha, 0.281_182_881, 1e-9);
    assert_rounds_to(half.sigma, 0.959_654_202, 1e-9);
    let end = sde.marginal(Time(1.0));
    assert_rounds_to(end.alpha, 0.006_571_586, 1e-9);
    assert_rounds_to(end.sigma, 0.999_978_407, 1e-9);
    assert_rounds_to(sde.marginal(Time(1e-5)).sigma, 0.001_000_497_1, 1e-10);
}

#[test]
fn sub_vp_has_the_published_standard_deviation_and_the_mean_of_vp() {
    let sub_vp = SubVariancePreserving::default().marginal(Time(0.5));
    assert_rounds_to(sub_vp.sigma, 0.920_936_188, 1e-9);
    let vp = VariancePreserving::default().marginal(Time(0.5));
    assert_eq!(sub_vp.alpha, vp.alpha);
    assert!((sub_vp.sigma - vp.sigma.powi(2)).abs() < 1e-15);
}

#[test]
fn ve_from_001_to_50_ends_with_the_published_diffusion() {
    let sde = VarianceExploding::default();
    assert_rounds_to(sde.diffusion(Time(1.0)), 206.363_674, 1e-6);
    assert_eq!(sde.prior().std, 50.0);
}

#[test]
fn the_flow_takes_80_at_sigma_80_to_the_published_point_of_gaussian_data() {
    let world = GaussianMixture::gaussian(&[0.0], 0.5).unwrap();
    let sde = Edm::default();
    let data = Marginal {
        alpha: 1.0,
        sigma: 0.0,
    };
    let end = world
        .flow(sde.marginal(sde.t_max()), data, &array![[80.0]])
        .unwrap();
    assert_rounds_to(end[[0, 0]], 0.499_990_235, 1e-9);
}

#[test]
fn cut_offs_are_the_published_ones() {
    let vp = VariancePreserving::default();
    let ve = VarianceExploding::default();
    let sub_vp = SubVariancePreserving::default();
    assert_eq!(vp.t_min_sampling(), Time(1e-3));
    assert_eq!(sub_vp.t_min_sampling(), Time(1e-3));
    assert_eq!(ve.t_min_sampling(), Time(1e-5));
    for sde in [&vp as &dyn AffineSde, &ve, &sub_vp] {
        assert_eq!(sde.t_min_training(), Time(1e-5));
        assert_eq!(sde.t_max(), Time(1.0));
    }
    let edm = Edm::default();
    assert_eq!(
        (edm.t_min_sampling(), edm.t_max()),
        (Time(0.002), Time(80.0))
    );
}
