//! The prior's density against normals written out and against the one-Gaussian world.

use ndarray::array;
use proptest::prelude::*;
use sde_core::Prior;
use sde_core::worlds::GaussianMixture;

use crate::processes::published;

proptest! {
    #[test]
    fn its_log_density_is_that_of_independent_normals(
        std in 0.01..100.0f64,
        x in proptest::collection::vec(-3.0..3.0f64, 3),
    ) {
        let prior = Prior { std };
        let squared: f64 = x.iter().map(|x| x * x).sum();
        let found = prior.log_density(squared, 3);
        let product: f64 = x
            .iter()
            .map(|x: &f64| -x * x / (2.0 * std * std) - std.ln() - 0.918_938_533_204_672_7)
            .sum();
        prop_assert!((found - product).abs() < 1e-13 * (1.0 + found.abs()));
        let world = GaussianMixture::gaussian(&[0.0; 3], std).unwrap();
        let batch = array![[x[0], x[1], x[2]], [0.0, 0.0, 0.0]];
        let each = prior.log_densities(&batch);
        prop_assert_eq!(each.len(), 2);
        for (found, x) in each.into_iter().zip(batch.outer_iter()) {
            let expected = world.log_pdf(x);
            prop_assert!((found - expected).abs() < 1e-13 * (1.0 + expected.abs()));
        }
    }
}

#[test]
fn it_integrates_to_one_for_every_family() {
    for sde in published() {
        let prior = sde.prior();
        let h = 0.1 * prior.std;
        let total: f64 = (-120..=120)
            .map(|i| h * prior.log_density((h * f64::from(i)).powi(2), 1).exp())
            .sum();
        assert!((total - 1.0).abs() < 1e-13, "{}: {total}", sde.name());
    }
}
