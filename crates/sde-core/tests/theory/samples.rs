//! Samples of the worlds: the right law, and the right randomness.

use ndarray::{Array2, Axis, array, s};
use proptest::prelude::*;
use sde_core::families::{BetaConvention, VariancePreserving};
use sde_core::noise::{Role, fill_standard_normal};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal, Time};

use crate::world_strategies::any_world;

/// Every coordinate's mean and every covariance within five standard errors of `law`'s.
fn assert_moments(points: &Array2<f64>, law: &GaussianMixture) {
    let n = points.nrows() as f64;
    let assert_mean = |values: ndarray::Array1<f64>, expected: f64| {
        let error = values.std(1.0) / n.sqrt();
        let mean = values.mean().unwrap();
        let bound = 5.0 * error + 1e-12;
        assert!(
            (mean - expected).abs() <= bound,
            "{mean} {expected} {error}"
        );
    };
    let centred = points - &law.mean();
    for i in 0..law.dim() {
        assert_mean(points.column(i).into_owned(), law.mean()[i]);
        for j in 0..=i {
            let product = &centred.column(i) * &centred.column(j);
            assert_mean(product, law.covariance()[[i, j]]);
        }
    }
}

fn skewed() -> GaussianMixture {
    GaussianMixture::new(
        vec![0.6, 0.3, 0.1],
        array![[0.0, 1.0], [-2.0, 0.5], [3.0, 3.0]],
        array![[1.0, 0.5], [0.3, 2.0], [0.0, 0.1]],
    )
    .unwrap()
}

#[test]
fn sample_moments_are_the_world_s_within_five_standard_errors() {
    for world in [skewed(), GaussianMixture::eight_gaussians()] {
        assert_moments(&world.sample(1, 100_000), &world);
    }
}

#[test]
fn noised_sample_moments_are_the_noised_world_s_within_five_standard_errors() {
    let sde = VariancePreserving {
        convention: BetaConvention::Full,
        ..VariancePreserving::default()
    };
    let world = skewed();
    for t in [0.05, 0.2] {
        let marginal = sde.marginal(Time(t));
        assert_moments(
            &world.sample_at(marginal, 2, 100_000),
            &world.noised(marginal),
        );
    }
}

#[test]
fn components_are_drawn_as_often_as_they_weigh() {
    let world = GaussianMixture::isotropic(vec![5.0, 1.0, 2.0], array![[0.0], [1.0], [2.0]], 0.0);
    let points = world.unwrap().sample(3, 80_000);
    for (value, probability) in [(0.0, 0.625), (1.0, 0.125), (2.0, 0.25f64)] {
        let count = points.iter().filter(|&&x| x == value).count() as f64;
        let error = (80_000.0 * probability * (1.0 - probability)).sqrt();
        assert!(
            (count - 80_000.0 * probability).abs() < 5.0 * error,
            "{count}"
        );
    }
}

#[test]
fn a_sample_s_fourth_moment_is_that_of_normals_and_its_coordinates_are_independent() {
    let points = GaussianMixture::gaussian(&[0.0, 0.0], 1.0)
        .unwrap()
        .sample(4, 100_000);
    let n = 100_000f64;
    for column in points.axis_iter(Axis(1)) {
        let fourth = column.mapv(|x: f64| x.powi(4)).mean().unwrap();
        assert!((fourth - 3.0).abs() < 5.0 * (96.0 / n).sqrt(), "{fourth}");
    }
    let squares = points.mapv(|x| x * x);
    let joint = (&squares.column(0) * &squares.column(1)).mean().unwrap();
    assert!((joint - 1.0).abs() < 5.0 * (8.0 / n).sqrt(), "{joint}");
}

proptest! {
    #[test]
    fn the_first_samples_do_not_depend_on_how_many_follow(seed in any::<u64>()) {
        let world = GaussianMixture::eight_gaussians();
        let few = world.sample(seed, 5);
        let more = world.sample(seed, 9);
        prop_assert_eq!(more.slice(s![..5, ..]), few.view());
        prop_assert_ne!(world.sample(seed ^ 1, 5), few);
    }

    #[test]
    fn noised_samples_are_the_clean_ones_and_forward_noise(world in any_world(), seed in any::<u64>()) {
        let marginal = Marginal { alpha: 0.8, sigma: 0.5 };
        let (x0, x) = (world.sample(seed, 3), world.sample_at(marginal, seed, 3));
        for i in 0..3 {
            let mut noise = vec![0.0; world.dim()];
            fill_standard_normal(seed, i as u64, 0, Role::Forward, &mut noise);
            for d in 0..world.dim() {
                prop_assert!((x[[i, d]] - 0.8 * x0[[i, d]] - 0.5 * noise[d]).abs() < 1e-15);
            }
        }
    }
}
