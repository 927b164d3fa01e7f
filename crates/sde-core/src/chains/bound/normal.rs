//! Divergences of Gaussians, and the normal distribution's tails.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// KL(N(mean, e^log_variance) ‖ N(other_mean, e^other_log_variance)) of one element in nats, accurate
/// for variances that nearly agree.
#[must_use]
pub fn gaussian_kl(mean: f64, log_variance: f64, other_mean: f64, other_log_variance: f64) -> f64 {
    let squared_distance = (mean - other_mean).powi(2);
    0.5 * (log_ratio_kl(log_variance - other_log_variance)
        + squared_distance * (-other_log_variance).exp())
}

/// e^d − 1 − d, twice the divergence of two Gaussians of one mean whose log variances differ by d.
pub(super) fn log_ratio_kl(d: f64) -> f64 {
    d.exp_m1() - d
}

/// ln P(Z > z) of a standard normal Z, for every z, in nats.
#[must_use]
pub fn log_normal_tail(z: f64) -> f64 {
    if z < 0.0 {
        return (-0.5 * libm::erfc(-z * FRAC_1_SQRT_2)).ln_1p();
    }
    if z < 30.0 {
        return (0.5 * libm::erfc(z * FRAC_1_SQRT_2)).ln();
    }
    // P(Z > z) = φ(z)/(z + 1/(z + 2/(z + 3/…))) (Abramowitz & Stegun 1964, 26.2.14), far before it
    // underflows; here twelve levels are exact to rounding.
    let fraction = (1..=12).rev().fold(z, |inner, k| z + f64::from(k) / inner);
    -0.5 * (z * z + TAU.ln()) - fraction.ln()
}

/// ln P(low < Z < high) of a standard normal Z in nats, also where the probability underflows; −∞ for an
/// empty interval.
#[must_use]
pub fn log_normal_interval(low: f64, high: f64) -> f64 {
    if low >= high {
        return f64::NEG_INFINITY;
    }
    if low >= 0.0 {
        let (near, far) = (log_normal_tail(low), log_normal_tail(high));
        return near + (-(far - near).exp()).ln_1p();
    }
    if high <= 0.0 {
        return log_normal_interval(-high, -low);
    }
    let outside = 0.5 * (libm::erfc(-low * FRAC_1_SQRT_2) + libm::erfc(high * FRAC_1_SQRT_2));
    if outside < 0.5 {
        (-outside).ln_1p()
    } else {
        let inside = libm::erf(-low * FRAC_1_SQRT_2) + libm::erf(high * FRAC_1_SQRT_2);
        (0.5 * inside).ln()
    }
}
