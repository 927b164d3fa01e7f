//! Annealed Langevin dynamics.

use sde_core::noise::Role;
use sde_core::{State, StepIndex, Time};
use serde::{Deserialize, Serialize};

use crate::engine::{Interval, Run, Step, Stepwise};
use crate::solver::ParameterError;
use crate::{Order, Scheme, SolverInfo};

/// Langevin dynamics on p_t at every time of the grid in turn, from the noisiest to the least noisy.
///
/// Each time t_i is a level σ_i = σ/α of the paper, so a geometric ladder is
/// [`GridConfig::LogSnr`](crate::GridConfig::LogSnr). Between levels nothing happens but x ← (α_{i+1}/α_i) x,
/// which leaves x/α as it is. Steps are those of x/α, written for x.
///
/// It takes T evaluations a level, plus one for [`LastStep::Denoise`](crate::LastStep::Denoise), which
/// Song & Ermon 2020 (NCSNv2) add to algorithm 1. The levels sink faster than the dynamics can follow: on
/// Gaussian data under VP, 20 levels with the published parameters end with 6 % too much variance, 100
/// levels with T = 10 and ε = 1 with 2.5 % for half the evaluations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnnealedLangevin {
    /// T, the number of Langevin steps at each level.
    pub steps_per_level: usize,
    /// How long a step is.
    pub step: LangevinStep,
}

/// The length of a Langevin step at noise level σ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LangevinStep {
    /// α_i = ε σ_i²/σ_L², x ← x + ½ α_i s(x, σ_i) + √α_i z (Song & Ermon 2019, algorithm 1).
    Ncsn {
        /// ε/σ_L², so that α_i = `epsilon` σ_i² on a ladder that ends anywhere. The published
        /// ε = 2e-5 with σ_L = 0.01 is 0.2; NCSNv2's 6.2e-6 for CIFAR-10 is 0.062.
        epsilon: f64,
    },
    /// ε_i = 2 (r ‖z‖/‖s‖)², x ← x + ε_i s + √(2ε_i) z: the corrector of score_sde (Song et al. 2021,
    /// algorithms 4 and 5), with the norms of each sample by itself where the paper's code takes their
    /// mean over the batch, and without its factor 1 − β(t)/N for VP.
    ///
    /// The step is held at σ² at most. There x + ε_i s is Tweedie's α E[x₀ | x] already, and in few
    /// dimensions ‖s‖ does come near 0. In many, ‖z‖/‖s‖ is about σ, the step about 2r²σ² = 0.05 σ²,
    /// and the bound never acts. So this rule is for pictures: for points in the plane z and the step
    /// that it decides depend on each other too much, and the samples are visibly off.
    /// The norms synchronise with the device at every step.
    Snr {
        /// r, the ratio of signal to noise of a step; 0.16 as published.
        r: f64,
    },
}

impl Default for AnnealedLangevin {
    /// As published for NCSN: T = 100, ε = 2e-5 at σ_L = 0.01.
    fn default() -> Self {
        Self {
            steps_per_level: 100,
            step: LangevinStep::Ncsn { epsilon: 0.2 },
        }
    }
}

impl AnnealedLangevin {
    /// NCSNv2's parameters for CIFAR-10 (Song & Ermon 2020, table 3), to be run with 232 levels.
    #[must_use]
    pub fn ncsn_v2() -> Self {
        Self {
            steps_per_level: 5,
            step: LangevinStep::Ncsn { epsilon: 0.062 },
        }
    }

    /// T Langevin steps at level number `level`, which is time t.
    fn anneal<X: State>(&self, run: &Run<'_, X>, level: usize, t: Time, mut x: X) -> X {
        let sigma = run.sde().marginal(t).sigma;
        let longest = sigma * sigma;
        for inner in 0..self.steps_per_level {
            let index = StepIndex(level * self.steps_per_level + inner);
            let s = run.score(&x, t);
            let z = run.noise(&x, index, Role::Langevin);
            x = match self.step {
                LangevinStep::Ncsn { epsilon } => {
                    let alpha = epsilon * longest;
                    x.axpy(0.5 * alpha, &s).axpy(alpha.sqrt(), &z)
                }
                LangevinStep::Snr { r } => {
                    let (steps, noises) = snr_steps(r, longest, &z.norms(), &s.norms());
                    x.axpy_per_sample(&steps, &s).axpy_per_sample(&noises, &z)
                }
            };
        }
        x
    }
}

/// ε and √(2ε) of [`LangevinStep::Snr`] for each sample, from its ‖z‖ and ‖s‖.
pub(crate) fn snr_steps(r: f64, longest: f64, z: &[f64], s: &[f64]) -> (Vec<f64>, Vec<f64>) {
    z.iter()
        .zip(s)
        .map(|(z, s)| {
            // 0/0 is a NaN, which `min` passes over.
            let step = (2.0 * (r * z / s).powi(2)).min(longest);
            (step, (2.0 * step).sqrt())
        })
        .unzip()
}

impl Scheme for AnnealedLangevin {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "annealed-langevin",
            order: Order::None,
            stochastic: true,
            nfe_per_step: self.steps_per_level,
        }
    }

    fn validate(&self) -> Result<(), ParameterError> {
        let (field, value) = match self.step {
            LangevinStep::Ncsn { epsilon } => ("epsilon", epsilon),
            LangevinStep::Snr { r } => ("r", r),
        };
        let error = |field, value, reason| {
            Err(ParameterError {
                solver: "annealed-langevin",
                field,
                value,
                reason,
            })
        };
        if self.steps_per_level == 0 {
            return error("steps_per_level", 0.0, "a level needs at least one step");
        }
        if !(value > 0.0 && value.is_finite()) {
            return error(field, value, "it must be above 0");
        }
        // x + ½ α s contracts towards the mode of the narrowest p_t, variance σ², for α < 4σ² only.
        if field == "epsilon" && value >= 4.0 {
            return error(field, value, "steps of 4 σ² and more diverge");
        }
        Ok(())
    }
}

impl Stepwise for AnnealedLangevin {}

impl<X: State> Step<X> for AnnealedLangevin {
    type Memory = ();

    fn begin(&self, run: &Run<'_, X>, t: Time, x: X, (): &mut ()) -> X {
        self.anneal(run, 0, t, x)
    }

    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, (): &mut ()) -> X {
        let from = run.sde().marginal(interval.from);
        let to = run.sde().marginal(interval.to);
        let x = if from.alpha == to.alpha {
            x
        } else {
            x.scale(to.alpha / from.alpha)
        };
        self.anneal(run, interval.index.0 + 1, interval.to, x)
    }
}
