//! Quadrature in time, under a normal law, and under a mixture.

use ndarray::Array2;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, LogSnr, Time};

/// Times from `t_min` to the end and their weights dt: Gauss and Legendre's rule of three on `panels`
/// panels, even in ln SNR, with dt = (σ²/g²) d(−ln SNR).
pub fn over_time(sde: &dyn AffineSde, t_min: Time, panels: usize) -> Vec<(Time, f64)> {
    let [start, end] = [t_min, sde.t_max()].map(|t| sde.marginal(t).log_snr().0);
    let h = (end - start) / panels as f64;
    let node = 0.5 * 0.6f64.sqrt();
    (0..panels)
        .flat_map(|i| {
            [(0.5 - node, 5.0), (0.5, 8.0), (0.5 + node, 5.0)].map(|(place, weight)| {
                let t = sde.time_at_sigma(LogSnr(start + h * (i as f64 + place)).into());
                let pace = (sde.marginal(t).sigma / sde.diffusion(t)).powi(2);
                (t, h.abs() * weight / 18.0 * pace)
            })
        })
        .collect()
}

/// Points and weights of the standard normal: the trapezoidal rule with this step, whose error is
/// exponentially small for what is analytic in a strip.
pub fn standard_normal(step: f64) -> Vec<(f64, f64)> {
    let half = (8.5 / step).ceil() as i32;
    let density = |z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    (-half..=half)
        .map(|i| step * f64::from(i))
        .map(|z| (z, step * density(z)))
        .collect()
}

/// Points, shape `[n, 1]`, and weights of a mixture on the line. Point masses are one point each.
pub fn mixture(world: &GaussianMixture, step: f64) -> (Array2<f64>, Vec<f64>) {
    assert_eq!(world.dim(), 1);
    let mut points = Vec::new();
    let mut weights = Vec::new();
    for (k, &share) in world.weights().iter().enumerate() {
        let (mean, std) = (world.means()[[k, 0]], world.stds()[[k, 0]]);
        let rule = if std > 0.0 {
            standard_normal(step)
        } else {
            vec![(0.0, 1.0)]
        };
        for (z, weight) in rule {
            points.push(mean + std * z);
            weights.push(share * weight);
        }
    }
    let n = points.len();
    (Array2::from_shape_vec((n, 1), points).unwrap(), weights)
}

/// Every x₀ with every ε of the standard normal, shapes `[n, 1]`, and the weights.
pub fn with_noise(
    x0: &Array2<f64>,
    weights: &[f64],
    step: f64,
) -> (Array2<f64>, Array2<f64>, Vec<f64>) {
    let rule = standard_normal(step);
    let shape = (x0.nrows() * rule.len(), 1);
    let all = |pick: &dyn Fn(usize, (f64, f64)) -> f64| -> Vec<f64> {
        (0..x0.nrows())
            .flat_map(|i| rule.iter().map(move |&node| pick(i, node)))
            .collect()
    };
    let column = |values| Array2::from_shape_vec(shape, values).unwrap();
    (
        column(all(&|i, _| x0[[i, 0]])),
        column(all(&|_, (z, _)| z)),
        all(&|i, (_, weight)| weights[i] * weight),
    )
}

/// Σ w f.
pub fn sum(weights: &[f64], values: &[f64]) -> f64 {
    assert_eq!(weights.len(), values.len());
    weights.iter().zip(values).map(|(w, f)| w * f).sum()
}
