//! SMLD's chain (Song & Ermon 2019, seen forwards), which is the VE SDE with a piecewise linear σ².

use serde::{Deserialize, Serialize};

use super::nodes::Place;
use super::{Chain, Transition, require_steps};
use crate::families::{SdeError, require};
use crate::{AffineSde, Marginal, Prior, Sigma, StepIndex, Time};

/// An SMLD chain as plain data: a geometric ladder of noise levels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smld {
    /// N, the number of levels; 1000 (Song et al. 2021).
    pub steps: usize,
    /// σ_1, the smallest; 0.01 as published for data in [0, 1].
    pub sigma_min: f64,
    /// σ_N, the largest; 50 (Song et al. 2021): about the largest distance between two data points.
    pub sigma_max: f64,
}

impl Default for Smld {
    fn default() -> Self {
        Self {
            steps: 1000,
            sigma_min: 0.01,
            sigma_max: 50.0,
        }
    }
}

impl Smld {
    /// The ten levels 0.01 … 1 of NCSN (Song & Ermon 2019, section 5).
    #[must_use]
    pub fn ncsn() -> Self {
        Self {
            steps: 10,
            sigma_min: 0.01,
            sigma_max: 1.0,
        }
    }

    /// The 232 levels 0.01 … 50 of NCSNv2 for CIFAR-10 (Song & Ermon 2020, table 3).
    #[must_use]
    pub fn ncsn_v2() -> Self {
        Self {
            steps: 232,
            sigma_min: 0.01,
            sigma_max: 50.0,
        }
    }

    /// The chain with its tables, the parameters checked.
    ///
    /// # Errors
    /// From 2 to a million levels, rising from above 0.
    pub fn chain(self) -> Result<SmldChain, SdeError> {
        let Self {
            steps,
            sigma_min,
            sigma_max,
        } = self;
        require_steps("smld", steps)?;
        let check = |holds, field, value, reason| require(holds, "smld", field, value, reason);
        check(
            sigma_min > 0.0,
            "sigma_min",
            sigma_min,
            "it must be above 0",
        )?;
        let reason = "it must be above sigma_min";
        check(sigma_max > sigma_min, "sigma_max", sigma_max, reason)?;
        let ratio = (sigma_max / sigma_min).ln() / (steps - 1) as f64;
        let sigmas = (0..steps).map(|i| match i {
            i if i + 1 == steps => sigma_max,
            i => sigma_min * (i as f64 * ratio).exp(),
        });
        SmldChain::from_sigmas(sigmas.collect())
    }
}

/// x_t = x_{t−1} + √(σ_t² − σ_{t−1}²) z for t = 1 … N with σ_0 = 0, and so x_t = x₀ + σ_t ε (Song et al.
/// 2021, eq. 8 and appendix F).
///
/// The levels rise with the step, where Song & Ermon 2019 count them downwards: their σ_L is `sigma` of
/// `StepIndex(0)`. As a process on [0, 1] it is dx = g(t) dw with g² = N (σ_i² − σ_{i−1}²) on
/// ((i − 1)/N, i/N]; unlike [`VarianceExploding`](crate::families::VarianceExploding) it begins without
/// noise.
#[derive(Clone, Debug, PartialEq)]
pub struct SmldChain {
    /// σ_i at the nodes i = 0 … N.
    sigmas: Vec<f64>,
}

impl SmldChain {
    /// The chain of these levels σ_1 … σ_N, smallest first.
    ///
    /// # Errors
    /// From 2 to a million of them, rising from above 0, with squares that are finite.
    pub fn from_sigmas(mut sigmas: Vec<f64>) -> Result<Self, SdeError> {
        require_steps("smld", sigmas.len())?;
        sigmas.insert(0, 0.0);
        for pair in sigmas.windows(2) {
            let rises = pair[1] > pair[0] && pair[1] * pair[1] < f64::INFINITY;
            let reason = "each must be above the one before, the first above 0";
            require(rises, "smld", "sigmas", pair[1], reason)?;
        }
        Ok(Self { sigmas })
    }

    /// σ_t.
    ///
    /// # Panics
    /// If the chain has no such step.
    #[must_use]
    pub fn sigma(&self, StepIndex(i): StepIndex) -> f64 {
        self.sigmas[i + 1]
    }

    /// α_t = ε σ_t²/σ_1² (in units of x²), the Langevin step x ← x + ½ α_t s(x, σ_t) + √α_t z at this
    /// level; ε = 2e-5 as published (Song & Ermon 2019, algorithm 1).
    ///
    /// # Panics
    /// If the chain has no such step.
    #[must_use]
    pub fn langevin_step(&self, step: StepIndex, epsilon: f64) -> f64 {
        epsilon * (self.sigma(step) / self.sigma(StepIndex(0))).powi(2)
    }

    /// σ_i² − σ_{i−1}² over a piece.
    fn rise(&self, piece: usize) -> f64 {
        let (from, to) = (self.sigmas[piece], self.sigmas[piece + 1]);
        (to - from) * (to + from)
    }
}

impl Chain for SmldChain {
    fn steps(&self) -> usize {
        self.sigmas.len() - 1
    }

    fn transition(&self, StepIndex(i): StepIndex) -> Transition {
        Transition {
            scale: 1.0,
            variance: self.rise(i),
        }
    }

    fn marginal_at(&self, step: StepIndex) -> Marginal {
        Marginal {
            alpha: 1.0,
            sigma: self.sigma(step),
        }
    }
}

impl AffineSde for SmldChain {
    fn name(&self) -> &'static str {
        "smld"
    }

    fn drift_rate(&self, _: Time) -> f64 {
        0.0
    }

    fn diffusion(&self, t: Time) -> f64 {
        let count = self.steps();
        (count as f64 * self.rise(Place::of(t, count).piece)).sqrt()
    }

    fn marginal(&self, t: Time) -> Marginal {
        let Place { piece, fraction } = Place::of(t, self.steps());
        let from = self.sigmas[piece];
        let sigma = if fraction == 1.0 {
            self.sigmas[piece + 1]
        } else {
            (from * from + fraction * self.rise(piece)).sqrt()
        };
        Marginal { alpha: 1.0, sigma }
    }

    fn time_at_sigma(&self, Sigma(sigma): Sigma) -> Time {
        let count = self.steps();
        let piece = self.sigmas[1..].partition_point(|&end| end < sigma);
        let Some(&from) = self.sigmas[..count].get(piece) else {
            return self.t_max();
        };
        let fraction = (sigma - from) * (sigma + from) / self.rise(piece);
        Place { piece, fraction }.time(count)
    }

    fn t_max(&self) -> Time {
        Time(1.0)
    }

    /// The first node, where the noise is σ_1.
    fn t_min_sampling(&self) -> Time {
        self.time_of(StepIndex(0))
    }

    /// The first node.
    fn t_min_training(&self) -> Time {
        self.t_min_sampling()
    }

    fn prior(&self) -> Prior {
        Prior {
            std: self.sigmas[self.steps()],
        }
    }
}
