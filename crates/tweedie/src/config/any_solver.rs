//! A solver of either kind of process, by its name.

use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use sde_core::Process;
use sde_core::damped::DampedLangevin;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use solvers::damped::{DampedSolverConfig, DampedSolverError};
use solvers::{EdmSampler, GridConfig, SolverConfig, SolverInfo, UnknownSolver};

/// A solver as `sampling.solver` holds it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum AnySolver {
    /// Of positions alone.
    Positions(SolverConfig),
    /// Of positions and velocities.
    Pairs(DampedSolverConfig),
}

impl<'de> Deserialize<'de> for AnySolver {
    /// By the name, so that what is wrong is said by the kind of solver that was meant.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let name = value.get("name").and_then(toml::Value::as_str);
        let message = |error: toml::de::Error| D::Error::custom(error.message());
        match name.is_some_and(|name| DampedSolverConfig::NAMES.contains(&name)) {
            true => DampedSolverConfig::deserialize(value).map(Self::Pairs),
            false => SolverConfig::deserialize(value).map(Self::Positions),
        }
        .map_err(message)
    }
}

impl FromStr for AnySolver {
    type Err = UnknownSolver;

    fn from_str(name: &str) -> Result<Self, UnknownSolver> {
        match name.parse::<DampedSolverConfig>() {
            Ok(solver) => Ok(Self::Pairs(solver)),
            Err(_) => name.parse().map(Self::Positions),
        }
    }
}

impl AnySolver {
    /// The solver of a process if nobody says: EDM's, and SSCS for positions and velocities.
    pub fn of(process: &Process) -> Self {
        match process {
            Process::Affine(_) => Self::Positions(SolverConfig::Edm(EdmSampler::default())),
            Process::Damped(_) => Self::for_pairs(),
        }
    }

    /// SSCS.
    pub fn for_pairs() -> Self {
        Self::Pairs(DampedSolverConfig::Sscs(solvers::damped::Sscs::default()))
    }

    /// On the command line: the name, with published parameters.
    pub fn parser() -> impl TypedValueParser<Value = Self> {
        PossibleValuesParser::new(Self::names()).try_map(|name| name.parse::<Self>())
    }

    /// The names of both kinds.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let of_positions = SolverConfig::NAMES.into_iter();
        of_positions.chain(DampedSolverConfig::NAMES)
    }

    /// The solver's name, order and cost.
    pub fn info(self) -> SolverInfo {
        match self {
            Self::Positions(solver) => solver.info(),
            Self::Pairs(solver) => solver.info(),
        }
    }

    /// The number of steps to use if nothing is known.
    pub fn default_steps(self) -> usize {
        match self {
            Self::Positions(solver) => solver.default_steps(),
            Self::Pairs(solver) => solver.default_steps(),
        }
    }

    /// The spacing to use for a family.
    pub fn default_grid(self, family: &str) -> GridConfig {
        match self {
            Self::Positions(solver) => solver.default_grid(family),
            Self::Pairs(solver) => solver.default_grid(),
        }
    }

    /// The solver at another tolerance, if it has one.
    pub fn with_tolerance(self, tolerance: f64) -> Option<Self> {
        match self {
            Self::Positions(solver) => solver.with_tolerance(tolerance).map(Self::Positions),
            Self::Pairs(_) => None,
        }
    }

    /// Whether it takes the variance of its steps from the model.
    pub fn takes_learned_variance(self) -> bool {
        match self {
            Self::Positions(solver) => solver.takes_learned_variance(),
            Self::Pairs(_) => false,
        }
    }

    /// Refuses a solver of the other kind of process.
    ///
    /// # Errors
    /// Says which ones `process` has.
    pub fn check(self, process: &Process) -> Result<(), String> {
        let name = self.info().name;
        match (process, self) {
            (Process::Affine(_), Self::Positions(_)) | (Process::Damped(_), Self::Pairs(_)) => {
                Ok(())
            }
            (Process::Damped(_), Self::Positions(_)) => {
                Err(DampedSolverError::OfAnotherProcess { name: name.into() }.to_string())
            }
            (Process::Affine(sde), Self::Pairs(_)) => Err(format!(
                "solver `{name}` reverses `{}`, whose states have a velocity; `{}` has none: use one of {}",
                DampedLangevin::NAME,
                sde.name(),
                SolverConfig::NAMES.join(", ")
            )),
        }
    }
}
