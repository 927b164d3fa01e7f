//! Random Gaussian mixtures and marginals.

use ndarray::{Array1, Array2};
use proptest::collection::vec;
use proptest::prelude::*;
use sde_core::Marginal;
use sde_core::worlds::GaussianMixture;

/// One to four Gaussians in one to three dimensions, some of them point masses.
pub fn any_world() -> impl Strategy<Value = GaussianMixture> {
    (1..=4usize, 1..=3usize).prop_flat_map(|(components, dim)| {
        let len = components * dim;
        let std = prop_oneof![1 => Just(0.0), 9 => 0.05..1.5];
        (
            vec(0.1..1.0, components),
            vec(-2.0..2.0, len),
            vec(std, len),
        )
            .prop_map(move |(weights, means, stds)| {
                let shaped = |values| Array2::from_shape_vec((components, dim), values).unwrap();
                GaussianMixture::new(weights, shaped(means), shaped(stds)).unwrap()
            })
    })
}

/// Noise wide enough for finite differences with a step of 1e-3.
pub fn smooth_marginal() -> impl Strategy<Value = Marginal> {
    (0.1..1.0, 0.5..3.0).prop_map(|(alpha, sigma)| Marginal { alpha, sigma })
}

/// A world, a smooth marginal, and a point that the marginal puts there.
pub fn any_point() -> impl Strategy<Value = (GaussianMixture, Marginal, Array1<f64>)> {
    (any_world(), smooth_marginal(), any::<u64>()).prop_map(|(world, marginal, seed)| {
        let x = world.sample_at(marginal, seed, 1).row(0).into_owned();
        (world, marginal, x)
    })
}
