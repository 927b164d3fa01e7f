//! A spiral, the cross-section of scikit-learn's `make_swiss_roll` (used for diffusion models
//! since Sohl-Dickstein et al. 2015, figure 1).
//!
//! Before scaling it is (t cos t, t sin t) with t uniform on [3π/2, 9π/2], and to each coordinate
//! noise of standard deviation ½ is added; turns are 2π apart. The mean is (2, 2/(3π)) and the
//! variances are 39π²/8 − 17/4 and 39π²/8 + 1/4 − 4/(9π²), plus the noise's.
//!
//! Scaled, the density is positive everywhere; it is that of the spiral r = [`scale`] · t around
//! [`centre`], inverse to √(1 + t²) along its length, blurred by [`noise`] ≈ 0.074. The standard
//! deviations are 0.98 and 1.02.

use std::f64::consts::PI;

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

const RELATIVE_NOISE: f64 = 0.5;
const MEAN: [f64; 2] = [2.0, 2.0 / (3.0 * PI)];

/// The range of the angle t along the spiral, in radians.
pub const ANGLES: [f64; 2] = [1.5 * PI, 4.5 * PI];

/// The distance from the scaled spiral's centre by radian of its angle.
#[must_use]
pub fn scale() -> f64 {
    // E[x² + y²] = E[t²] = 39π²/4 for the spiral alone.
    let moment = 9.75 * PI.powi(2) - MEAN[0].powi(2) - MEAN[1].powi(2);
    (moment / 2.0 + RELATIVE_NOISE.powi(2)).sqrt().recip()
}

/// The standard deviation of the scaled noise in each coordinate.
#[must_use]
pub fn noise() -> f64 {
    RELATIVE_NOISE * scale()
}

/// Where the scaled spiral's r = 0 lies.
#[must_use]
pub fn centre() -> [f64; 2] {
    MEAN.map(|mean| -mean * scale())
}

pub(super) fn draw(rng: &mut impl Rng) -> [f64; 2] {
    let [from, to] = ANGLES;
    let angle = from + (to - from) * rng.random::<f64>();
    let (sin, cos) = angle.sin_cos();
    let spiral = [angle * cos, angle * sin];
    let scale = scale();
    [0, 1].map(|axis| {
        let blur: f64 = rng.sample(StandardNormal);
        (spiral[axis] - MEAN[axis] + RELATIVE_NOISE * blur) * scale
    })
}
