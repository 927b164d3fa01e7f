//! Two interleaved half circles (scikit-learn's `make_moons`).
//!
//! Before scaling, with θ uniform on [0, π], one half of the points is (cos θ, sin θ) and the
//! other (1 − cos θ, ½ − sin θ); to each coordinate noise of standard deviation 0.05 is added.
//! The mean is (½, ¼) and the variances are ¾ and 9/16 − 1/π, plus the noise's.
//!
//! Scaled, the density is positive everywhere; it is that of the two arcs, of radius
//! [`scale`] ≈ 1.415, blurred by [`noise`] ≈ 0.071. The standard deviations are 1.23 and 0.70.

use std::f64::consts::{FRAC_1_PI, PI};

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Noise that leaves the arcs apart, in units of their radius.
const RELATIVE_NOISE: f64 = 0.05;
const MEAN: [f64; 2] = [0.5, 0.25];

/// The radius of the scaled arcs.
#[must_use]
pub fn scale() -> f64 {
    let mean_variance = (0.75 + (9.0 / 16.0 - FRAC_1_PI)) / 2.0 + RELATIVE_NOISE.powi(2);
    mean_variance.sqrt().recip()
}

/// The standard deviation of the scaled noise in each coordinate.
#[must_use]
pub fn noise() -> f64 {
    RELATIVE_NOISE * scale()
}

/// The centres of the two scaled half circles: first that of the upper one, then of the lower.
#[must_use]
pub fn centres() -> [[f64; 2]; 2] {
    [[0.0, 0.0], [1.0, 0.5]].map(|[x, y]| [(x - MEAN[0]) * scale(), (y - MEAN[1]) * scale()])
}

pub(super) fn draw(rng: &mut impl Rng) -> [f64; 2] {
    let upper: bool = rng.random();
    let (sin, cos) = (PI * rng.random::<f64>()).sin_cos();
    let arc = if upper {
        [cos, sin]
    } else {
        [1.0 - cos, 0.5 - sin]
    };
    let scale = scale();
    [0, 1].map(|axis| {
        let blur: f64 = rng.sample(StandardNormal);
        (arc[axis] - MEAN[axis] + RELATIVE_NOISE * blur) * scale
    })
}
