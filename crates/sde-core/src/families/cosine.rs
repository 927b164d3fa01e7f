//! Cosine: the variance-preserving process whose α falls as a cosine.

use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};

use super::{SdeError, require};
use crate::{AffineSde, Marginal, Prior, Sigma, Time};

/// α(t) = cos θ(t) / cos θ(0) with θ(t) = (π/2) (t + s)/(1 + s), and σ² = 1 − α², on t ∈ [0, t_max]
/// (Nichol & Dhariwal 2021, eq. 17, in continuous time).
///
/// It is dx = −½ β x dt + √β dw with β(t) = 2 θ′ tan θ(t), which is infinite at t = 1: where the
/// chain clips β at 0.999, the process ends before, at 0.9946 as in DPM-Solver (Lu et al. 2022,
/// appendix D.4). There σ/α is about 118.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cosine {
    /// s, which keeps β from being too small near t = 0; 0.008 as published.
    pub s: f64,
    /// T, below 1; 0.9946 as published.
    pub t_max: f64,
}

impl Default for Cosine {
    fn default() -> Self {
        Self {
            s: 0.008,
            t_max: 0.9946,
        }
    }
}

impl Cosine {
    /// The process, its parameters checked.
    ///
    /// # Errors
    /// s must be above 0, where the noise would begin infinitely slowly, and T between 0.001, below
    /// which nothing is sampled, and 1, where nothing of the data is left.
    pub fn validated(self) -> Result<Self, SdeError> {
        let Self { s, t_max } = self;
        require(s > 0.0, "cosine", "s", s, "it must be above 0")?;
        require(
            t_max > 1e-3 && t_max < 1.0,
            "cosine",
            "t_max",
            t_max,
            "it must be above 0.001 and below 1",
        )?;
        Ok(self)
    }

    /// θ′, which is constant.
    fn speed(self) -> f64 {
        FRAC_PI_2 / (1.0 + self.s)
    }

    /// θ(0).
    fn start(self) -> f64 {
        self.s * self.speed()
    }

    fn angle(self, t: Time) -> f64 {
        self.start() + t.0 * self.speed()
    }

    /// β in dx = −½ β x dt + √β dw.
    fn beta(self, t: Time) -> f64 {
        2.0 * self.speed() * self.angle(t).tan()
    }
}

impl AffineSde for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }

    fn drift_rate(&self, t: Time) -> f64 {
        -0.5 * self.beta(t)
    }

    fn diffusion(&self, t: Time) -> f64 {
        self.beta(t).sqrt()
    }

    fn marginal(&self, t: Time) -> Marginal {
        let (start, angle) = (self.start(), self.angle(t));
        // sin² θ − sin² θ₀ = sin(θ − θ₀) sin(θ + θ₀), which does not cancel near t = 0.
        let square = (t.0 * self.speed()).sin() * (angle + start).sin();
        Marginal {
            alpha: angle.cos() / start.cos(),
            sigma: square.max(0.0).sqrt() / start.cos(),
        }
    }

    fn time_at_sigma(&self, Sigma(sigma): Sigma) -> Time {
        // tan² θ = σ̃²/cos² θ₀ + tan² θ₀. With u = tan θ and u₀ = tan θ₀ the angle from θ₀ is that of
        // (u − u₀)/(1 + u u₀), where u − u₀ = (u² − u₀²)/(u + u₀) does not cancel.
        let (sine, cosine) = self.start().sin_cos();
        let u0 = sine / cosine;
        let rise = (sigma / cosine).powi(2);
        let u = u0.hypot(sigma / cosine);
        let angle = (rise / (u + u0) / (1.0 + u * u0)).atan();
        // A σ̃ whose square overflows is beyond the end.
        let t = if rise.is_finite() {
            angle / self.speed()
        } else {
            self.t_max
        };
        Time(t.clamp(0.0, self.t_max))
    }

    fn t_max(&self) -> Time {
        Time(self.t_max)
    }

    fn t_min_sampling(&self) -> Time {
        Time(1e-3)
    }

    fn prior(&self) -> Prior {
        Prior { std: 1.0 }
    }
}
