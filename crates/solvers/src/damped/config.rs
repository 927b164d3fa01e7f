//! The solvers of pairs as plain data.

use std::str::FromStr;

use sde_core::State;
use sde_core::damped::DampedLangevin;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{DampedEulerMaruyama, DampedHeun, DampedSolver, ScoreStep, Sscs};
use crate::{GridConfig, Scheme, SolverConfig, SolverInfo};

/// Any solver of critically damped Langevin diffusion, `name` naming it: what configuration files hold
/// beside the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum DampedSolverConfig {
    /// [`Sscs`].
    Sscs(Sscs),
    /// [`DampedEulerMaruyama`].
    DampedEulerMaruyama,
    /// [`DampedHeun`].
    DampedHeun,
}

/// A solver as it stands in a file. Serde's own message for an unknown name could not say why a solver of
/// another process is refused.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    score_step: Option<ScoreStep>,
}

impl TryFrom<Written> for DampedSolverConfig {
    type Error = DampedSolverError;

    fn try_from(Written { name, score_step }: Written) -> Result<Self, DampedSolverError> {
        match (name.parse()?, score_step) {
            (Self::Sscs(sscs), score_step) => {
                let score_step = score_step.unwrap_or(sscs.score_step);
                Ok(Self::Sscs(Sscs { score_step }))
            }
            (other, None) => Ok(other),
            (_, Some(_)) => Err(DampedSolverError::NoScoreStep { name }),
        }
    }
}

impl From<DampedSolverConfig> for Written {
    fn from(config: DampedSolverConfig) -> Self {
        let score_step = match config {
            DampedSolverConfig::Sscs(Sscs { score_step }) => Some(score_step),
            _ => None,
        };
        Self {
            name: config.info().name.into(),
            score_step,
        }
    }
}

impl DampedSolverConfig {
    /// The names, as written in configuration files.
    pub const NAMES: [&'static str; 3] = ["sscs", "damped-euler-maruyama", "damped-heun"];

    /// The solver, for positions and velocities `X`.
    #[must_use]
    pub fn build<X: State>(self) -> Box<dyn DampedSolver<X>> {
        match self {
            Self::Sscs(solver) => Box::new(solver),
            Self::DampedEulerMaruyama => Box::new(DampedEulerMaruyama),
            Self::DampedHeun => Box::new(DampedHeun),
        }
    }

    /// The solver's name, order and cost.
    #[must_use]
    pub fn info(self) -> SolverInfo {
        match self {
            Self::Sscs(solver) => solver.info(),
            Self::DampedEulerMaruyama => DampedEulerMaruyama.info(),
            Self::DampedHeun => DampedHeun.info(),
        }
    }

    /// The spacing to use: `quadratic`, near the quadratic striding of the paper.
    #[must_use]
    pub fn default_grid(self) -> GridConfig {
        GridConfig::Quadratic {}
    }

    /// The number of steps to use if nothing is known.
    #[must_use]
    pub fn default_steps(self) -> usize {
        match self {
            Self::Sscs(Sscs {
                score_step: ScoreStep::Euler,
            }) => 275,
            Self::Sscs(_) => 100,
            Self::DampedEulerMaruyama => 1000,
            Self::DampedHeun => 50,
        }
    }
}

impl FromStr for DampedSolverConfig {
    type Err = DampedSolverError;

    /// The solver of that name, with its published parameters.
    fn from_str(name: &str) -> Result<Self, DampedSolverError> {
        match name {
            "sscs" => Ok(Self::Sscs(Sscs::default())),
            "damped-euler-maruyama" => Ok(Self::DampedEulerMaruyama),
            "damped-heun" => Ok(Self::DampedHeun),
            _ if SolverConfig::NAMES.contains(&name) => {
                Err(DampedSolverError::OfAnotherProcess { name: name.into() })
            }
            _ => Err(DampedSolverError::UnknownName { name: name.into() }),
        }
    }
}

/// A solver that critically damped Langevin diffusion does not have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DampedSolverError {
    /// A solver of the scalar processes.
    #[error(
        "solver `{name}` reverses processes of a position alone, whose α and σ are numbers; `{}` has a \
         velocity too: use one of {}", DampedLangevin::NAME, DampedSolverConfig::NAMES.join(", ")
    )]
    OfAnotherProcess {
        /// What was asked for.
        name: String,
    },
    /// A name that no solver has.
    #[error(
        "there is no solver `{name}` of `{}`: it is one of {}",
        DampedLangevin::NAME, DampedSolverConfig::NAMES.join(", ")
    )]
    UnknownName {
        /// What was asked for.
        name: String,
    },
    /// Only SSCS splits the score off.
    #[error("solver `{name}` has no `score-step`: it belongs to `sscs`")]
    NoScoreStep {
        /// The solver.
        name: String,
    },
}
