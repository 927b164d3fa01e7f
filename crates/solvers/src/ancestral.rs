//! Ancestral sampling: the chain's own reversal, one Gaussian after the other.

use serde::{Deserialize, Serialize};

use crate::data_prediction::{DataRule, LogSteps, Weights, check_clip};
use crate::solver::ParameterError;
use crate::{Order, Scheme, SolverInfo, Stepwise};

/// The ancestral sampler of DDPM (Ho et al. 2020, algorithm 2) and of SMLD (Song et al. 2021, eq. 47,
/// appendix F), which are one in the coefficients of [`Transition`](crate::Transition):
///
/// ```text
/// x_s = α_ts (σ_s²/σ_t²) x_t + α_s (σ_ts²/σ_t²) x̂₀ + √v z,     x̂₀ = E[x₀ | x_t]
/// ```
///
/// the mean of q(x_s | x_t, x₀) at x₀ = x̂₀, which is (x_t + σ_ts² s(x_t, t))/α_ts. No noise is added in
/// the last step, [`LastStep::Denoise`](crate::LastStep::Denoise), as published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ancestral {
    /// v, the variance of a step.
    pub variance: AncestralVariance,
    /// c, if x̂₀ is to be held to [−c, c], as the code of DDPM does for pictures in [−1, 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
}

/// The variance that ancestral sampling adds; all have the same limit for small steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AncestralVariance {
    /// β̃ = σ_s² σ_ts²/σ_t², that of q(x_s | x_t, x₀): right for data at a point.
    #[default]
    Small,
    /// β = σ_ts², that of q(x_t | x_s): right for white data under DDPM.
    Large,
    /// β^v β̃^{1−v}, between the two in the logarithm, with the v that the model learned for each element
    /// (Nichol & Dhariwal 2021, eq. 15). On a grid of fewer steps than the chain's, β and β̃ are those of the
    /// longer steps, as published (section 4). It takes a score with a learned variance.
    Learned,
}

impl Scheme for Ancestral {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "ancestral",
            order: Order::Sde {
                strong: 1.0,
                weak: 1.0,
            },
            stochastic: true,
            nfe_per_step: 1,
        }
    }

    fn validate(&self) -> Result<(), ParameterError> {
        check_clip("ancestral", self.clip)
    }

    fn takes_learned_variance(&self) -> bool {
        self.variance == AncestralVariance::Learned
    }
}

impl Stepwise for Ancestral {}

impl DataRule for Ancestral {
    fn weights(&self, LogSteps { transition, h, .. }: &LogSteps<'_>) -> Weights {
        let fresh = transition.fresh_share();
        let (small, large) = (transition.posterior_variance(), transition.variance());
        let (variance, learned) = match self.variance {
            AncestralVariance::Small => (small, None),
            AncestralVariance::Large => (large, None),
            AncestralVariance::Learned => (small, Some(0.5 * (large / small).ln())),
        };
        let data = transition.to.alpha * fresh;
        Weights {
            // α_ts σ_s²/σ_t² = (α_s/α_t) (σ̃_s/σ̃_t)².
            x: transition.scale() * (-2.0 * h).exp(),
            data: [data, 0.0, 0.0],
            clipping: data,
            noise: variance.sqrt(),
            learned,
        }
    }

    fn clip(&self) -> Option<f64> {
        self.clip
    }
}
