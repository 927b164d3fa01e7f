//! Predictor-corrector sampling: a step to the next noise level, and Langevin dynamics at each.

use sde_core::noise::Role;
use sde_core::{AffineSde, State, StepIndex, Time};
use serde::{Deserialize, Serialize};

use crate::annealed_langevin::snr_steps;
use crate::engine::{Interval, Run, Step};
use crate::solver::ParameterError;
use crate::{Order, Scheme, SolverInfo, Stepwise, Transition};

/// The predictor-corrector sampler (Song et al. 2021, algorithms 1 to 3), as score_sde runs it: at each
/// time first the corrector, then the predictor to the next time. The paper's listings have the two the
/// other way about, which is the same sequence but for its ends.
///
/// At the last time it corrects as well, then takes the posterior mean ([`LastStep::Denoise`]), so that N
/// steps of n corrector steps take N (n + 1) evaluations. With [`LastStep::Plain`] the state at t_min is
/// the predictor's.
///
/// [`LastStep::Denoise`]: crate::LastStep::Denoise
/// [`LastStep::Plain`]: crate::LastStep::Plain
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PredictorCorrector {
    /// How a state gets to the next time.
    pub predictor: Predictor,
    /// What is done at each time.
    pub corrector: Corrector,
}

/// A step from t to s of the reverse-time SDE, for one evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Predictor {
    /// The reversed process discretised as the forward one is, α_ts and σ_ts of [`Transition`]:
    /// x_s = (2 − α_ts) x_t + σ_ts² s(x_t, t) + σ_ts z (Song et al. 2021, eq. 46, 47 and appendix E).
    #[default]
    ReverseDiffusion,
    /// [`Ancestral`](crate::Ancestral) sampling of variance β̃: x_s = (x_t + σ_ts² s)/α_ts + √β̃ z
    /// (score_sde has β̃ for VE and β for VP).
    Ancestral,
    /// [`EulerMaruyama`](crate::EulerMaruyama).
    EulerMaruyama,
    /// None: x ← (α_s/α_t) x, which leaves x/α as it is and costs nothing. The corrector alone is
    /// [`AnnealedLangevin`](crate::AnnealedLangevin).
    None,
}

/// What is done at one time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Corrector {
    /// Langevin steps of [`LangevinStep::Snr`](crate::LangevinStep::Snr) (Song et al. 2021, algorithms 4
    /// and 5). score_sde multiplies their length by 1 − β(t)/N for VP, which is within 2 % of 1 at its N,
    /// depends on N only, and has no counterpart in other families: it is left out.
    Langevin {
        /// r, the ratio of signal to noise of a step; 0.16 as published.
        #[serde(default = "published_r")]
        r: f64,
        /// n, the number of steps at a time; 1 as published.
        #[serde(default = "published_steps")]
        steps: usize,
    },
    /// Nothing.
    None {},
}

fn published_r() -> f64 {
    0.16
}

fn published_steps() -> usize {
    1
}

impl Default for Corrector {
    fn default() -> Self {
        Self::Langevin {
            r: published_r(),
            steps: published_steps(),
        }
    }
}

impl Default for PredictorCorrector {
    /// As published for VE on CIFAR-10, with 1000 steps.
    fn default() -> Self {
        Self {
            predictor: Predictor::ReverseDiffusion,
            corrector: Corrector::default(),
        }
    }
}

/// x_s = x · x_t + score · s(x_t, t) + noise · z.
struct Reversal {
    x: f64,
    score: f64,
    noise: f64,
}

impl Predictor {
    fn reversal(self, sde: &dyn AffineSde, interval: Interval) -> Option<Reversal> {
        let step = Transition::new(sde, interval);
        let (variance, scale) = (step.variance(), step.scale());
        match self {
            Self::ReverseDiffusion => Some(Reversal {
                x: 2.0 - scale.recip(),
                score: variance,
                noise: variance.sqrt(),
            }),
            Self::Ancestral => Some(Reversal {
                x: scale,
                score: scale * variance,
                noise: step.posterior_variance().sqrt(),
            }),
            Self::EulerMaruyama => {
                let (t, h) = (interval.from, interval.length());
                let (a, g) = (sde.drift_rate(t), sde.diffusion(t));
                Some(Reversal {
                    x: 1.0 - h * a,
                    score: h * g * g,
                    noise: g * h.sqrt(),
                })
            }
            Self::None => None,
        }
    }

    fn evaluations(self) -> usize {
        usize::from(self != Self::None)
    }
}

impl Corrector {
    fn steps(self) -> usize {
        match self {
            Self::Langevin { steps, .. } => steps,
            Self::None {} => 0,
        }
    }

    /// The Langevin steps at time number `level`, which is t.
    fn correct<X: State>(self, run: &Run<'_, X>, level: StepIndex, t: Time, mut x: X) -> X {
        let Self::Langevin { r, steps } = self else {
            return x;
        };
        let sigma = run.sde().marginal(t).sigma;
        for inner in 0..steps {
            let s = run.score(&x, t);
            let z = run.noise(&x, StepIndex(level.0 * steps + inner), Role::Langevin);
            let (lengths, noises) = snr_steps(r, sigma * sigma, &z.norms(), &s.norms());
            x = x.axpy_per_sample(&lengths, &s).axpy_per_sample(&noises, &z);
        }
        x
    }
}

impl Scheme for PredictorCorrector {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: "predictor-corrector",
            // The corrector's steps do not shrink with those of the grid.
            order: match self.corrector {
                Corrector::None {} => Order::Sde {
                    strong: 1.0,
                    weak: 1.0,
                },
                Corrector::Langevin { .. } => Order::None,
            },
            stochastic: true,
            nfe_per_step: self.predictor.evaluations() + self.corrector.steps(),
        }
    }

    fn validate(&self) -> Result<(), ParameterError> {
        let error = |field, value, reason| {
            Err(ParameterError {
                solver: "predictor-corrector",
                field,
                value,
                reason,
            })
        };
        match self.corrector {
            Corrector::Langevin { r, .. } if !(r > 0.0 && r.is_finite()) => {
                error("corrector.r", r, "it must be above 0")
            }
            Corrector::Langevin { steps: 0, .. } => error(
                "corrector.steps",
                0.0,
                "it must be at least 1; the rule `none` corrects nothing",
            ),
            Corrector::None {} if self.predictor == Predictor::None => error(
                "corrector.steps",
                0.0,
                "without a predictor and without a corrector nothing is sampled: choose one",
            ),
            _ => Ok(()),
        }
    }
}

impl Stepwise for PredictorCorrector {}

impl<X: State> Step<X> for PredictorCorrector {
    type Memory = ();

    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, (): &mut ()) -> X {
        let (index, t) = (interval.index, interval.from);
        let x = self.corrector.correct(run, index, t, x);
        let Some(Reversal {
            x: kept,
            score,
            noise,
        }) = self.predictor.reversal(run.sde(), interval)
        else {
            let scale = Transition::new(run.sde(), interval).scale();
            return if scale == 1.0 { x } else { x.scale(scale) };
        };
        let s = run.score(&x, t);
        let z = run.noise(&x, index, Role::Diffusion);
        x.lincomb(kept, &s, score).axpy(noise, &z)
    }

    fn denoise(&self, run: &Run<'_, X>, index: StepIndex, t: Time, x: X, (): &mut ()) -> X {
        let x = self.corrector.correct(run, index, t, x);
        run.posterior_mean(&x, t)
    }
}
