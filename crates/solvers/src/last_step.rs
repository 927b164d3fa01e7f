//! How the state at the grid's last time becomes a sample: the one place that decides it.

use sde_core::damped::{DampedLangevin, PhaseState};
use sde_core::{AffineSde, Marginal, Prediction, State, Time};
use serde::{Deserialize, Serialize};

/// What happens at t_min, the last time of the grid, where the state still carries noise σ.
///
/// That noise cannot be seen, but it changes FID a lot (Jolicoeur-Martineau et al. 2021); hence the
/// default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastStep {
    /// The sample is Tweedie's posterior mean E[x₀ | x] = (x + σ² s(x, t_min)) / α, for one more
    /// evaluation.
    ///
    /// This is an Euler step of the probability flow from σ/α to 0 (EDM's last step, t_N = 0), and
    /// what score_sde calls noise removal. It is the N-th of N steps, so the grid has N times.
    #[default]
    Denoise,
    /// The sample is the state at t_min itself, distributed as p_{t_min}: not divided by α, no
    /// evaluation more. The grid has N + 1 times for N steps.
    ///
    /// Orders of convergence are measured with it.
    Plain,
}

impl LastStep {
    /// The number of times of a grid of `steps` steps.
    #[must_use]
    pub fn times(self, steps: usize) -> usize {
        match self {
            Self::Denoise => steps,
            Self::Plain => steps + 1,
        }
    }

    /// The number of steps on a grid of `times` times; the inverse of [`LastStep::times`].
    #[must_use]
    pub fn steps(self, times: usize) -> usize {
        match self {
            Self::Denoise => times,
            Self::Plain => times.saturating_sub(1),
        }
    }
}

/// E[x₀ | x_t = x] from the score at (x, t), by Tweedie's formula.
pub(crate) fn posterior_mean<X: State>(sde: &dyn AffineSde, t: Time, x: &X, score: X) -> X {
    Prediction::Score.convert(Prediction::X0, sde.marginal(t), x, score)
}

/// The step of [`LastStep::Denoise`] for pairs, from t to 0: one of Euler-Maruyama on the reverse SDE without
/// its noise, from the velocity's score at (z, t) (Dockhorn, Vahdat & Kreis 2022, their code).
pub(crate) fn denoised_pair<X: State>(
    process: &DampedLangevin,
    t: Time,
    z: PhaseState<X>,
    score: &X,
) -> PhaseState<X> {
    let drift = process.reverse_drift(&z, score);
    z.axpy(-t.0, &drift)
}

/// Whether the score is finite at t, so that a grid may end there: the marginal has noise.
pub(crate) fn can_end_at(sde: &dyn AffineSde, t: Time) -> bool {
    let Marginal { alpha, sigma } = sde.marginal(t);
    sigma > 0.0 && alpha > 0.0
}
