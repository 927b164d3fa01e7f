//! The divergence of a score, exactly or by probes.

use sde_core::noise::CounterNoise;
use sde_core::objective::{Probe, score_and_trace};
use sde_core::{DifferentiableScore, State, StepIndex, Time};
use serde::{Deserialize, Serialize};

use super::{LikelihoodError, parameter};
use crate::solver::ParameterError;

/// How ∇·s, the trace of the score's Jacobian J, is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Divergence {
    /// Σ_d e_dᵀ J e_d, a product for each of the D dimensions at every evaluation.
    Exact {
        /// The largest D for which that is done.
        #[serde(default = "usual_max_dim")]
        max_dim: usize,
    },
    /// The mean of vᵀ J v over probes v of zero mean and unit covariance (Hutchinson 1990; Grathwohl et
    /// al. 2019), kept along the whole flow of a point. Unbiased.
    Hutchinson {
        /// Their number, 1 as published; two tell how uncertain they are.
        #[serde(default = "one_probe")]
        probes: usize,
        /// Their law.
        #[serde(default)]
        law: Probe,
    },
}

fn usual_max_dim() -> usize {
    64
}

fn one_probe() -> usize {
    1
}

impl Default for Divergence {
    fn default() -> Self {
        Self::hutchinson(one_probe())
    }
}

impl Divergence {
    /// Exact up to 64 dimensions.
    #[must_use]
    pub fn exact() -> Self {
        Self::Exact {
            max_dim: usual_max_dim(),
        }
    }

    /// So many probes of signs.
    #[must_use]
    pub fn hutchinson(probes: usize) -> Self {
        Self::Hutchinson {
            probes,
            law: Probe::Rademacher,
        }
    }

    /// The number of figures for each point.
    pub(super) fn probes(self) -> usize {
        match self {
            Self::Exact { .. } => 1,
            Self::Hutchinson { probes, .. } => probes,
        }
    }

    pub(super) fn is_random(self) -> bool {
        matches!(self, Self::Hutchinson { .. })
    }

    pub(super) fn validate(self) -> Result<(), ParameterError> {
        match self {
            Self::Hutchinson { probes: 0, .. } => {
                Err(parameter("divergence.probes", 0.0, "it must be 1 at least"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check(self, dim: usize) -> Result<(), LikelihoodError> {
        match self {
            Self::Exact { max_dim } if dim > max_dim => Err(LikelihoodError::Dimension {
                dim,
                limit: max_dim,
            }),
            _ => Ok(()),
        }
    }
}

/// The probes of a batch.
pub(super) enum Probes<X> {
    /// All unit vectors.
    Units,
    /// These, each of the batch's shape.
    Drawn(Vec<X>),
}

impl<X: State> Probes<X> {
    /// For the points `x` and their draw number `draw`: probe p of it is keyed by its number among those
    /// of all draws.
    pub(super) fn draw(divergence: Divergence, x: &X, noise: CounterNoise, draw: usize) -> Self {
        let Divergence::Hutchinson { probes, law } = divergence else {
            return Self::Units;
        };
        let drawn = (0..probes).map(|probe| law.draw(x, noise, StepIndex(draw * probes + probe)));
        Self::Drawn(drawn.collect())
    }

    /// The number of estimates for each point.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Units => 1,
            Self::Drawn(probes) => probes.len(),
        }
    }

    /// s(x_i, t_i), and the estimates of its divergence, those of one sample behind the other; `samples`
    /// are the places of x's samples in the batch. Also the number of evaluations.
    pub(super) fn score_and_divergence(
        &self,
        score: &dyn DifferentiableScore<X>,
        x: &X,
        times: &[Time],
        samples: &[usize],
    ) -> (X, Vec<f64>, usize) {
        match self {
            Self::Units => {
                let (s, traces) = score_and_trace(score, x, times);
                (s, traces, x.sample_len() * score.cost(times))
            }
            Self::Drawn(probes) => {
                let mut estimates = vec![0.0; x.batch() * probes.len()];
                let mut found = None;
                for (p, probe) in probes.iter().enumerate() {
                    let v = probe.select_samples(samples);
                    let (s, product) = score.score_and_vjp(x, times, &v);
                    for (i, estimate) in product.dots(&v).into_iter().enumerate() {
                        estimates[i * probes.len() + p] = estimate;
                    }
                    found = Some(s);
                }
                let s = found.expect("there is a probe");
                (s, estimates, probes.len() * score.cost(times))
            }
        }
    }
}
