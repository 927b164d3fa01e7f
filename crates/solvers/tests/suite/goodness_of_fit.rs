//! Whether samples come from a mixture of Gaussians that is known exactly.
//!
//! All tests are one-sample: nothing is compared with a second, noisy set of samples. Each verdict is
//! the smallest p-value of its tests times their number (Bonferroni), so a true sampler is called wrong
//! with probability [`FALSE_ALARM`] at most.

use ndarray::{Array2, ArrayView1, Axis};
use sde_core::worlds::GaussianMixture;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

/// The probability that a verdict on exact samples is below it.
pub const FALSE_ALARM: f64 = 1e-3;

/// The p-value that `x`, shape `[n, 2]`, was drawn from `world`, whose components are so far apart that
/// the nearest one, in its own standard deviations, is the one a point came from.
///
/// Given that, three quantities say everything: the component (χ² on the counts), the squared radius
/// within it (exponential, mean 2) and the angle (uniform), both by Kolmogorov-Smirnov.
pub fn separated(world: &GaussianMixture, x: &Array2<f64>) -> f64 {
    let mut counts = vec![0.0; world.components()];
    let (mut radii, mut angles) = (Vec::new(), Vec::new());
    for point in x.outer_iter() {
        let (component, z) = nearest(world, point);
        counts[component] += 1.0;
        radii.push(1.0 - (-0.5 * (z[0] * z[0] + z[1] * z[1])).exp());
        angles.push(0.5 + z[1].atan2(z[0]) / std::f64::consts::TAU);
    }
    let p_values = [
        chi_squared(&counts, world.weights()),
        kolmogorov_smirnov(radii),
        kolmogorov_smirnov(angles),
    ];
    bonferroni(&p_values)
}

/// The p-value that `x`, shape `[n, 1]`, was drawn from `world`, whose components may overlap:
/// Kolmogorov-Smirnov against its distribution function.
pub fn on_the_line(world: &GaussianMixture, x: &Array2<f64>) -> f64 {
    let components: Vec<(f64, Normal)> = (0..world.components())
        .map(|k| {
            let (mean, std) = (world.means()[[k, 0]], world.stds()[[k, 0]]);
            (world.weights()[k], Normal::new(mean, std).unwrap())
        })
        .collect();
    let cdf = |x: f64| -> f64 { components.iter().map(|(w, normal)| w * normal.cdf(x)).sum() };
    kolmogorov_smirnov(x.iter().map(|&x| cdf(x)).collect())
}

/// The component whose standardised distance to `x` is least, and (x − m)/s there.
fn nearest(world: &GaussianMixture, x: ArrayView1<'_, f64>) -> (usize, [f64; 2]) {
    let (means, stds) = (world.means(), world.stds());
    let standardised = means.axis_iter(Axis(0)).zip(stds.axis_iter(Axis(0)));
    standardised
        .map(|(mean, std)| [0, 1].map(|d| (x[d] - mean[d]) / std[d]))
        .enumerate()
        .min_by(|(_, a), (_, b)| (a[0].hypot(a[1])).total_cmp(&b[0].hypot(b[1])))
        .expect("a mixture has components")
}

fn bonferroni(p_values: &[f64]) -> f64 {
    let least = p_values.iter().copied().fold(1.0, f64::min);
    (least * p_values.len() as f64).min(1.0)
}

/// Pearson's test of counts against probabilities.
fn chi_squared(counts: &[f64], probabilities: &[f64]) -> f64 {
    let n: f64 = counts.iter().sum();
    let statistic: f64 = counts
        .iter()
        .zip(probabilities)
        .map(|(count, p)| (count - n * p).powi(2) / (n * p))
        .sum();
    let freedom = (counts.len() - 1) as f64;
    ChiSquared::new(freedom).unwrap().sf(statistic)
}

/// Kolmogorov-Smirnov against the uniform distribution on [0, 1], with Stephens's correction for finite
/// n (Stephens 1970) and Kolmogorov's series.
fn kolmogorov_smirnov(mut u: Vec<f64>) -> f64 {
    u.sort_by(f64::total_cmp);
    let n = u.len() as f64;
    let distance = u
        .iter()
        .enumerate()
        .map(|(i, u)| (u - i as f64 / n).max((i + 1) as f64 / n - u))
        .fold(0.0, f64::max);
    let lambda = distance * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    if lambda < 0.2 {
        // The series converges slowly there, and the p-value is 1 to twelve digits.
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * lambda * lambda).exp()
    };
    (1..100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[test]
fn the_p_value_of_kolmogorov_smirnov_is_the_tabulated_one() {
    // The critical distances for large n: 1.3581/√n at 5 %, 1.6276/√n at 1 %, 1.9495/√n at 0.1 %.
    for (lambda, p) in [(1.3581, 0.05), (1.6276, 0.01), (1.9495, 0.001)] {
        let n = 1_000_000;
        let shift = lambda / (n as f64).sqrt();
        let u = (0..n).map(|i| ((i as f64 + 0.5) / n as f64 + shift).min(1.0));
        let found = kolmogorov_smirnov(u.collect());
        assert!((found / p - 1.0).abs() < 0.01, "{found} for {p}");
    }
}
