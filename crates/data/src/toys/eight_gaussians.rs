//! Eight Gaussians on a circle, of equal weight and covariance [`STD`]² I.
//!
//! The circle's radius is eight standard deviations (as in FFJORD's toys, Grathwohl et al. 2019,
//! which have 4 and ½), so neighbours are 6.1 standard deviations apart. The density is positive
//! everywhere. Either coordinate has variance r²/2 + s² = 1; the two are uncorrelated.

use std::f64::consts::TAU;

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// The standard deviation of each Gaussian: 1/√33.
pub const STD: f64 = 0.174_077_655_955_697_85;

/// The distance of the means from the origin: 8/√33.
pub const RADIUS: f64 = 8.0 * STD;

/// The means, counter-clockwise from the positive x axis.
#[must_use]
pub fn means() -> [[f64; 2]; 8] {
    std::array::from_fn(|k| {
        let (sin, cos) = (TAU * k as f64 / 8.0).sin_cos();
        [RADIUS * cos, RADIUS * sin]
    })
}

pub(super) fn draw(rng: &mut impl Rng) -> [f64; 2] {
    // The three top bits of a word: uniform, and without a library's rounding.
    let mean = means()[(rng.next_u64() >> 61) as usize];
    mean.map(|coordinate| {
        let blur: f64 = rng.sample(StandardNormal);
        coordinate + STD * blur
    })
}
