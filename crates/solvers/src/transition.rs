//! From one time of a grid to the next: what q(x_t | x_s) and q(x_s | x_t, x₀) are made of.

use sde_core::{AffineSde, Marginal};

use crate::Interval;

/// A pair of times t > s of a process, walked from t down to s.
///
/// Any affine process is a chain between them, x_t = α_ts x_s + σ_ts z with α_ts = α_t/α_s and
/// σ_ts² = σ_t² − α_ts² σ_s²: DDPM's √(1−β_t) and β_t for a variance-preserving process (Ho et al. 2020,
/// eq. 2), SMLD's 1 and σ_t² − σ_s² for a variance-exploding one (Song et al. 2021, eq. 20). All is
/// written in σ̃ = σ/α, where 1 − (σ̃_s/σ̃_t)² is a product that does not cancel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// α_t and σ_t, where the step starts.
    pub from: Marginal,
    /// α_s and σ_s, where it ends.
    pub to: Marginal,
}

impl Transition {
    /// The transition of `sde` over `interval`.
    #[must_use]
    pub fn new(sde: &dyn AffineSde, interval: Interval) -> Self {
        Self {
            from: sde.marginal(interval.from),
            to: sde.marginal(interval.to),
        }
    }

    /// α_s/α_t, which is 1/α_ts.
    #[must_use]
    pub fn scale(self) -> f64 {
        self.to.alpha / self.from.alpha
    }

    /// h = λ_s − λ_t > 0 with λ = ln(α/σ), half the log-SNR (Lu et al. 2022).
    #[must_use]
    pub fn log_step(self) -> f64 {
        let (t, s) = self.noise_levels();
        ((t - s) / s).ln_1p()
    }

    /// σ_ts²/σ_t² = 1 − e^{−2h}, the share of the noise at t that came after s.
    #[must_use]
    pub fn fresh_share(self) -> f64 {
        let (t, s) = self.noise_levels();
        (t - s) / t * (1.0 + s / t)
    }

    /// σ_ts², the variance of x_t given x_s: DDPM's β_t.
    #[must_use]
    pub fn variance(self) -> f64 {
        self.from.sigma * self.from.sigma * self.fresh_share()
    }

    /// σ_s² σ_ts²/σ_t², the variance of x_s given x_t and x₀: DDPM's β̃_t (Ho et al. 2020, eq. 7).
    #[must_use]
    pub fn posterior_variance(self) -> f64 {
        self.to.sigma * self.to.sigma * self.fresh_share()
    }

    /// σ̃_t and σ̃_s.
    fn noise_levels(self) -> (f64, f64) {
        (self.from.sigma_ratio().0, self.to.sigma_ratio().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variances_are_those_of_ddpm_and_of_smld() {
        let (alpha_bar, beta) = (0.64, 0.02);
        let ddpm = |alpha_bar: f64| Marginal {
            alpha: alpha_bar.sqrt(),
            sigma: (1.0 - alpha_bar).sqrt(),
        };
        let step = Transition {
            from: ddpm(alpha_bar * (1.0 - beta)),
            to: ddpm(alpha_bar),
        };
        let tilde = (1.0 - alpha_bar) / (1.0 - alpha_bar * (1.0 - beta)) * beta;
        assert!((step.scale() - (1.0f64 - beta).sqrt().recip()).abs() < 1e-15);
        assert!((step.variance() - beta).abs() < 1e-15);
        assert!((step.posterior_variance() - tilde).abs() < 1e-15);

        let smld = |sigma| Marginal { alpha: 1.0, sigma };
        let step = Transition {
            from: smld(1.5),
            to: smld(0.9),
        };
        assert!((step.variance() - (1.5 * 1.5 - 0.9 * 0.9)).abs() < 1e-15);
        assert!((step.log_step() - (1.5f64 / 0.9).ln()).abs() < 1e-15);
    }

    #[test]
    fn a_tiny_step_keeps_its_digits() {
        let marginal = |sigma| Marginal { alpha: 1.0, sigma };
        let gap = 2f64.powi(-40);
        let step = Transition {
            from: marginal(1.0 + gap),
            to: marginal(1.0),
        };
        assert!((step.log_step() / gap - 1.0).abs() < 1e-11);
        assert!((step.fresh_share() / (2.0 * gap) - 1.0).abs() < 1e-11);
    }
}
