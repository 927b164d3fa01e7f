//! What the figures' data are, and how samples are counted.

use anyhow::Result;
use ndarray::{Array2, ArrayView1, array};
use sde_core::worlds::GaussianMixture;

/// Eight Gaussians on a circle whose weights fall in proportion 8, 7, …, 1 counter-clockwise.
pub fn uneven_circle() -> Result<GaussianMixture> {
    let circle = GaussianMixture::eight_gaussians();
    let weights = (1..=8).rev().map(f64::from).collect();
    let (means, stds) = (circle.means().to_owned(), circle.stds().to_owned());
    Ok(GaussianMixture::new(weights, means, stds)?)
}

/// Two Gaussians of standard deviation 0.3 on the line, of weights 1/3 and 2/3; as a whole of mean 0
/// and variance 1, so that a variance-preserving process keeps that.
pub fn two_on_a_line() -> Result<GaussianMixture> {
    let between = (1.0f64 - 0.3 * 0.3).sqrt();
    let means = array![[-between * 2f64.sqrt()], [between / 2f64.sqrt()]];
    Ok(GaussianMixture::isotropic(vec![1.0, 2.0], means, 0.3)?)
}

/// The share of `points`, shape `[N, dim]`, that are nearest to each component's mean.
pub fn shares(world: &GaussianMixture, points: &Array2<f64>) -> Vec<f64> {
    let mut shares = vec![0.0; world.components()];
    for point in points.outer_iter() {
        shares[nearest(world, point)] += (points.nrows() as f64).recip();
    }
    shares
}

fn nearest(world: &GaussianMixture, x: ArrayView1<'_, f64>) -> usize {
    let distance = |k: usize| (&x - &world.means().row(k)).mapv(|d| d * d).sum();
    (0..world.components())
        .min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
        .expect("a mixture has components")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_of_the_line_has_mean_0_and_variance_1() {
        let world = two_on_a_line().unwrap();
        assert!(world.mean()[0].abs() < 1e-15);
        assert!((world.covariance()[[0, 0]] - 1.0).abs() < 1e-15);
    }

    #[test]
    fn exact_samples_have_the_shares_of_the_weights() {
        let world = uneven_circle().unwrap();
        let found = shares(&world, &world.sample(0, 8000));
        for (share, weight) in found.iter().zip(world.weights()) {
            // Five standard errors of a share; neighbours overlap by less than one in 5000.
            let error = (weight * (1.0 - weight) / 8000.0).sqrt();
            assert!((share - weight).abs() < 5.0 * error, "{share} for {weight}");
        }
    }
}
