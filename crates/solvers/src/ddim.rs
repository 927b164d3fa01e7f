//! DDIM: from the probability flow to ancestral sampling.

use serde::{Deserialize, Serialize};

use crate::data_prediction::{DataRule, LogSteps, Weights, check_clip};
use crate::solver::ParameterError;
use crate::{Order, Scheme, SolverInfo, Stepwise};

/// DDIM (Song, Meng & Ermon 2021, eq. 12 and 16), for any affine process:
///
/// ```text
/// v = η² σ_s² σ_ts²/σ_t²       x_s = α_s x̂₀ + √(σ_s² − v) ε̂ + √v z       ε̂ = (x_t − α_t x̂₀)/σ_t
/// ```
///
/// With η = 0 it is the exponential Euler method of the probability flow, which is Euler's method in
/// σ/α, and first-order DPM-Solver++ (Lu et al. 2022). With η = 1 it is [`Ancestral`](crate::Ancestral)
/// sampling of variance β̃.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ddim {
    /// η in [0, 1], the share of the standard deviation of ancestral sampling.
    pub eta: f64,
    /// c, if x̂₀ is to be held to [−c, c]; ε̂ stays that of x̂₀ before, as in diffusers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

impl Scheme for Ddim {
    fn info(&self) -> SolverInfo {
        let stochastic = self.eta > 0.0;
        SolverInfo {
            name: "ddim",
            // For η < 1 it solves an SDE of the same marginals with η times the diffusion.
            order: if stochastic {
                Order::Sde {
                    strong: 1.0,
                    weak: 1.0,
                }
            } else {
                Order::Ode(1)
            },
            stochastic,
            nfe_per_step: 1,
        }
    }

    fn validate(&self) -> Result<(), ParameterError> {
        if !(0.0..=1.0).contains(&self.eta) {
            return Err(ParameterError {
                solver: "ddim",
                field: "eta",
                value: self.eta,
                reason: "it must be from 0 (the probability flow) to 1 (ancestral sampling)",
            });
        }
        check_clip("ddim", self.clip)
    }
}

impl Stepwise for Ddim {}

impl DataRule for Ddim {
    fn weights(&self, LogSteps { transition, h, .. }: &LogSteps<'_>) -> Weights {
        let (fresh, square) = (transition.fresh_share(), self.eta * self.eta);
        // √(σ_s² − v)/σ_t is (α_s/α_t) k, and 1 − k² the product (1 − e^{−2h}) (1 + η² e^{−2h}).
        let k = (-h).exp() * (1.0 - square * fresh).sqrt();
        let lost = fresh * (1.0 + square * (-2.0 * h).exp());
        Weights {
            x: transition.scale() * k,
            data: [transition.to.alpha * lost / (1.0 + k), 0.0, 0.0],
            clipping: transition.to.alpha,
            noise: self.eta * transition.posterior_variance().sqrt(),
            learned: None,
        }
    }

    fn clip(&self) -> Option<f64> {
        self.clip
    }
}
