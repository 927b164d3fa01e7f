//! Log-density, score and divergence of the analytic worlds against each other by finite
//! differences, and against densities written out.

use ndarray::{Array1, Array2, array};
use proptest::prelude::*;
use sde_core::Marginal;
use sde_core::worlds::GaussianMixture;

use crate::world_strategies::any_point;

const CLEAN: Marginal = Marginal {
    alpha: 1.0,
    sigma: 0.0,
};

/// f' by the five-point stencil, of error h⁴ f⁽⁵⁾/30.
pub fn derivative(h: f64, f: impl Fn(f64) -> f64) -> f64 {
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

fn moved(x: &Array1<f64>, d: usize, by: f64) -> Array1<f64> {
    let mut x = x.clone();
    x[d] += by;
    x
}

fn score_of(world: &GaussianMixture, marginal: Marginal, x: &Array1<f64>) -> Array1<f64> {
    let mut score = Array1::zeros(world.dim());
    world.score(marginal, x.view(), score.view_mut());
    score
}

proptest! {
    #[test]
    fn the_score_is_the_gradient_of_the_log_density((world, marginal, x) in any_point()) {
        let score = score_of(&world, marginal, &x);
        for d in 0..world.dim() {
            let slope = derivative(1e-3, |h| world.log_density(marginal, moved(&x, d, h).view()));
            prop_assert!((score[d] - slope).abs() < 1e-8 * (1.0 + slope.abs()), "{} {}", score[d], slope);
        }
    }

    #[test]
    fn the_divergence_is_the_sum_of_the_score_s_slopes((world, marginal, x) in any_point()) {
        let slopes: f64 = (0..world.dim())
            .map(|d| derivative(1e-3, |h| score_of(&world, marginal, &moved(&x, d, h))[d]))
            .sum();
        let divergence = world.divergence(marginal, x.view());
        prop_assert!((divergence - slopes).abs() < 1e-8 * (1.0 + slopes.abs()), "{divergence} {slopes}");
    }

    #[test]
    fn the_hessian_s_products_are_the_score_s_slopes_along_a_vector((world, marginal, x) in any_point()) {
        let v: Array1<f64> = (0..world.dim()).map(|d| 1.0 - 0.7 * d as f64).collect();
        let noised = world.noised(marginal);
        let product = noised.hessian_product(x.view(), v.view());
        for d in 0..world.dim() {
            let slope = derivative(1e-3, |h| score_of(&world, marginal, &(&x + &(h * &v)))[d]);
            let error = (product[d] - slope).abs();
            prop_assert!(error < 1e-7 * (1.0 + slope.abs()), "{} {}", product[d], slope);
        }
        // Its trace is the divergence.
        let trace: f64 = (0..world.dim())
            .map(|d| {
                let unit: Array1<f64> = (0..world.dim()).map(|i| f64::from(u8::from(i == d))).collect();
                noised.hessian_product(x.view(), unit.view())[d]
            })
            .sum();
        let divergence = world.divergence(marginal, x.view());
        prop_assert!((trace - divergence).abs() < 1e-10 * (1.0 + divergence.abs()));
    }

    #[test]
    fn the_noised_world_is_a_world_with_the_same_density((world, marginal, x) in any_point()) {
        let noised = world.noised(marginal);
        prop_assert_eq!(noised.log_density(CLEAN, x.view()), world.log_density(marginal, x.view()));
        prop_assert_eq!(noised.log_pdf(x.view()), world.log_density(marginal, x.view()));
        // Noising twice adds variances.
        let [once, again] = [0.4, 0.7].map(|sigma| Marginal { alpha: 0.8, sigma });
        let both = Marginal { alpha: 0.64, sigma: (0.8f64 * 0.4).hypot(0.7) };
        let difference = world.noised(once).log_density(again, x.view())
            - world.log_density(both, x.view());
        prop_assert!(difference.abs() < 1e-12 * (1.0 + world.log_density(both, x.view()).abs()));
    }
}

#[test]
fn a_mixture_s_density_is_the_weighted_sum_of_its_normals() {
    let world = GaussianMixture::new(
        vec![1.0, 3.0],
        array![[0.0, 1.0], [-2.0, 0.5]],
        array![[1.0, 0.5], [0.3, 2.0]],
    )
    .unwrap();
    let normal = |x: f64, mean: f64, std: f64| {
        (-0.5 * ((x - mean) / std).powi(2)).exp() / (std * std::f64::consts::TAU.sqrt())
    };
    for [a, b] in [[0.0, 0.0], [-2.0, 1.0], [1.3, -0.4]] {
        let expected = 0.25 * normal(a, 0.0, 1.0) * normal(b, 1.0, 0.5)
            + 0.75 * normal(a, -2.0, 0.3) * normal(b, 0.5, 2.0);
        let found = world.log_density(CLEAN, array![a, b].view());
        assert!((found - expected.ln()).abs() < 1e-13, "{found}");
    }
}

#[test]
fn the_density_of_the_eight_gaussians_integrates_to_one() {
    let world = GaussianMixture::eight_gaussians();
    let h = 0.05;
    let grid = || (-80..=80).map(|i| h * f64::from(i));
    let total: f64 = grid()
        .flat_map(|a| grid().map(move |b| array![a, b]))
        .map(|x| h * h * world.log_pdf(x.view()).exp())
        .sum();
    assert!((total - 1.0).abs() < 1e-12, "{total}");
}

#[test]
fn the_eight_gaussians_have_the_symmetries_of_an_octagon() {
    let world = GaussianMixture::eight_gaussians();
    assert!(
        world
            .means()
            .outer_iter()
            .all(|m| (m.dot(&m) - 4.0).abs() < 1e-14)
    );
    assert!(world.mean().iter().all(|m| m.abs() < 1e-15));
    // Half of radius² in each direction, and the component's own variance.
    let expected = (2.0 + 0.04) * Array2::<f64>::eye(2);
    assert!(
        (world.covariance() - expected)
            .iter()
            .all(|error| error.abs() < 1e-14)
    );
    let cos = std::f64::consts::FRAC_1_SQRT_2;
    let (x, turned) = (
        array![1.7, 0.3],
        array![cos * (1.7 - 0.3), cos * (1.7 + 0.3)],
    );
    assert!((world.log_pdf(x.view()) - world.log_pdf(turned.view())).abs() < 1e-12);
}

#[test]
fn densities_neither_underflow_in_the_tails_nor_in_many_dimensions() {
    let dim = 3072;
    let means = Array2::from_shape_fn((2, dim), |(k, _)| if k == 0 { -1.0 } else { 1.0 });
    let world = GaussianMixture::isotropic(vec![1.0, 1.0], means, 0.5).unwrap();
    let x = Array1::from_elem(dim, 200.0);
    let marginal = Marginal {
        alpha: 0.5,
        sigma: 0.1,
    };
    // So far out, the component at 1 is the whole mixture: ln ½ + ln N(x; ½, 0.25² + 0.1²).
    let variance = 0.25f64.powi(2) + 0.1f64.powi(2);
    let each = (std::f64::consts::TAU * variance).ln() + 199.5f64.powi(2) / variance;
    let expected = 0.5f64.ln() - 0.5 * dim as f64 * each;
    let found = world.log_density(marginal, x.view());
    assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
    let score = score_of(&world, marginal, &x);
    assert!(
        score
            .iter()
            .all(|s| (s * variance / -199.5 - 1.0).abs() < 1e-12)
    );
    let divergence = world.divergence(marginal, x.view());
    assert!((divergence * variance / -(dim as f64) - 1.0).abs() < 1e-12);
}

#[test]
fn a_point_mass_has_the_score_of_its_noise() {
    let world = GaussianMixture::gaussian(&[3.0, -1.0], 0.0).unwrap();
    let marginal = Marginal {
        alpha: 0.6,
        sigma: 0.2,
    };
    let epsilon = array![0.7, -1.2];
    let x = array![0.6 * 3.0, -0.6] + 0.2 * &epsilon;
    let score = score_of(&world, marginal, &x);
    assert!(
        (score + epsilon / 0.2)
            .iter()
            .all(|error| error.abs() < 1e-13)
    );
    assert_eq!(world.posterior_mean(marginal, x.view()), array![3.0, -1.0]);
}
