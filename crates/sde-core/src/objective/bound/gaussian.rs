//! What a Gaussian's bound is: the control variate of the estimate.
//!
//! For data N(0, s² I), the score −x/(α² s² + σ²), and κ = α² s²/(α² s² + σ²) or 1 − κ the shares of
//! signal and noise, the integrands are ½ g²/σ² times
//!
//! ```text
//! denoising  κ² ‖ε‖² + (odd in ε) + …,          in the mean over ε and x₀  κ d
//! implicit   (1 − κ)² ‖ε‖² + (odd in ε) + …,    in the mean over ε and x₀  −(1 − κ) d
//! ```
//!
//! and the integral of both, with its form's constant, is the same.

use super::VariationalBound;
use crate::{Marginal, State, Time};

/// How much of x_t is data and how much is noise, as parts of its variance.
pub(super) struct Share {
    /// κ.
    pub(super) signal: f64,
    /// 1 − κ.
    pub(super) noise: f64,
}

impl VariationalBound<'_> {
    /// The bound at every sample if the integrands were those in the mean over the Gaussian: the
    /// implicit constant, and ½ d ln((s² + σ̃²(t_min))/(s² + σ̃²(t_max))).
    pub(super) fn gaussian_bound<X: State>(&self, x0: &X) -> Vec<f64> {
        let variance = self.config.sigma_data.powi(2);
        let [start, end] = (self.ends()).map(|m| (variance + m.sigma_ratio().0.powi(2)).ln());
        let integral = 0.5 * x0.sample_len() as f64 * (start - end);
        let constant = self.implicit_constant(x0);
        constant.into_iter().map(|value| value + integral).collect()
    }

    /// Takes ½ g²/σ² (c² (‖ε‖² − d) ± c d) from the values of an integrand, with c and ± from `part`:
    /// the mean of the Gaussian's integrand, and its part in ‖ε‖².
    pub(super) fn less_gaussian<X: State>(
        &self,
        epsilon: &X,
        times: &[Time],
        values: &mut [f64],
        part: fn(Share) -> (f64, f64),
    ) {
        let dim = epsilon.sample_len() as f64;
        for ((value, &t), square) in values.iter_mut().zip(times).zip(epsilon.dots(epsilon)) {
            let (share, sign) = part(self.share(self.sde.marginal(t)));
            let gaussian = share * share * (square - dim) + sign * share * dim;
            *value -= 0.5 * self.speed(t) * gaussian;
        }
    }

    /// The shares at a marginal.
    pub(super) fn share(&self, marginal: Marginal) -> Share {
        let signal = (marginal.alpha * self.config.sigma_data).powi(2);
        let noise = marginal.sigma.powi(2);
        let total = signal + noise;
        Share {
            signal: signal / total,
            noise: noise / total,
        }
    }
}
