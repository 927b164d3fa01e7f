//! Solvers as plain data: their names, published defaults and construction.

use std::str::FromStr;

use sde_core::State;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::damped::DampedSolverConfig;
use crate::solver::ParameterError;
use crate::{
    AdaptiveSde, AnnealedLangevin, EdmSampler, EulerMaruyama, EulerOde, GridConfig, HeunOde, Rk45,
    RungeKutta, Scheme, Solver, SolverInfo,
};

/// Any solver of this crate, `name` naming it: what configuration files hold.
///
/// Variants without parameters have braces, because serde lets a unit variant take any field in silence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SolverConfig {
    /// [`EulerMaruyama`].
    EulerMaruyama {},
    /// [`EulerOde`].
    EulerOde {},
    /// [`HeunOde`].
    Heun {},
    /// [`EdmSampler`].
    Edm(EdmSampler),
    /// [`AnnealedLangevin`].
    AnnealedLangevin(AnnealedLangevin),
    /// [`RungeKutta::RK4`].
    Rk4 {},
    /// [`Rk45`].
    Rk45(Rk45),
    /// [`AdaptiveSde`].
    AdaptiveSde(AdaptiveSde),
}

impl SolverConfig {
    /// The names, as written in configuration files.
    pub const NAMES: [&'static str; 8] = [
        "euler-maruyama",
        "euler-ode",
        "heun",
        "edm",
        "annealed-langevin",
        "rk4",
        "rk45",
        "adaptive-sde",
    ];

    /// The solver, its parameters checked, for states `X`.
    ///
    /// # Errors
    /// Names the first parameter that the solver cannot work with.
    pub fn build<X: State>(self) -> Result<Box<dyn Solver<X>>, ParameterError> {
        self.scheme().validate()?;
        Ok(match self {
            Self::EulerMaruyama {} => Box::new(EulerMaruyama),
            Self::EulerOde {} => Box::new(EulerOde),
            Self::Heun {} => Box::new(HeunOde),
            Self::Edm(solver) => Box::new(solver),
            Self::AnnealedLangevin(solver) => Box::new(solver),
            Self::Rk4 {} => Box::new(RungeKutta::RK4),
            Self::Rk45(solver) => Box::new(solver),
            Self::AdaptiveSde(solver) => Box::new(solver),
        })
    }

    /// The solver's name, order and cost.
    #[must_use]
    pub fn info(self) -> SolverInfo {
        self.scheme().info()
    }

    /// The spacing to use for a family, named as by [`AffineSde::name`](sde_core::AffineSde::name).
    ///
    /// The family's own for the solvers that step in t; EDM's ρ = 7 for EDM's solver, which steps in
    /// σ/α, on every family; a geometric ladder for Langevin's levels. The adaptive solvers choose their
    /// own times, and show those of the grid to an observer: a geometric ladder.
    #[must_use]
    pub fn default_grid(self, family: &str) -> GridConfig {
        match self {
            Self::EulerMaruyama {} | Self::EulerOde {} | Self::Heun {} | Self::Rk4 {} => {
                GridConfig::published(family)
            }
            Self::Edm(_) => GridConfig::karras(),
            Self::AnnealedLangevin(_) | Self::Rk45(_) | Self::AdaptiveSde(_) => {
                GridConfig::LogSnr {}
            }
        }
    }

    /// The number of steps to use if nothing is known; for Langevin, of levels; for the adaptive solvers,
    /// of states that an observer sees.
    #[must_use]
    pub fn default_steps(self) -> usize {
        match self {
            // N of Song et al. 2021, for every family.
            Self::EulerMaruyama {} => 1000,
            Self::EulerOde {} => 100,
            Self::Heun {} => 50,
            Self::Edm(EdmSampler { s_churn, .. }) if s_churn > 0.0 => 256,
            Self::Edm(_) => 18,
            // NCSN's ratio of neighbouring levels, 1.67, over the span of the families here.
            Self::AnnealedLangevin(_) => 20,
            Self::Rk4 {} => 50,
            Self::Rk45(_) | Self::AdaptiveSde(_) => 10,
        }
    }

    /// The solver at another tolerance, if it has one: both tolerances of `rk45`, the relative one of
    /// `adaptive-sde`, which is the one that its authors vary.
    #[must_use]
    pub fn with_tolerance(self, tolerance: f64) -> Option<Self> {
        match self {
            Self::Rk45(solver) => Some(Self::Rk45(Rk45 {
                rtol: tolerance,
                atol: tolerance,
                ..solver
            })),
            Self::AdaptiveSde(solver) => Some(Self::AdaptiveSde(AdaptiveSde {
                epsilon_rel: tolerance,
                ..solver
            })),
            _ => None,
        }
    }

    /// The solver without its states.
    fn scheme(&self) -> &dyn Scheme {
        match self {
            Self::EulerMaruyama {} => &EulerMaruyama,
            Self::EulerOde {} => &EulerOde,
            Self::Heun {} => &HeunOde,
            Self::Edm(solver) => solver,
            Self::AnnealedLangevin(solver) => solver,
            Self::Rk4 {} => &RungeKutta::RK4,
            Self::Rk45(solver) => solver,
            Self::AdaptiveSde(solver) => solver,
        }
    }
}

/// A name that no solver has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "there is no solver `{name}`: it is one of {}{}",
    SolverConfig::NAMES.join(", "), Self::of_pairs(.name)
)]
pub struct UnknownSolver {
    /// What was asked for.
    pub name: String,
}

impl UnknownSolver {
    /// Why the name of a solver of positions and velocities is refused.
    fn of_pairs(name: &str) -> &'static str {
        if DampedSolverConfig::NAMES.contains(&name) {
            "; that one reverses `damped-langevin` only, whose states have a velocity"
        } else {
            ""
        }
    }
}

impl FromStr for SolverConfig {
    type Err = UnknownSolver;

    /// The solver of that name, with its published parameters.
    fn from_str(name: &str) -> Result<Self, UnknownSolver> {
        match name {
            "euler-maruyama" => Ok(Self::EulerMaruyama {}),
            "euler-ode" => Ok(Self::EulerOde {}),
            "heun" => Ok(Self::Heun {}),
            "edm" => Ok(Self::Edm(EdmSampler::default())),
            "annealed-langevin" => Ok(Self::AnnealedLangevin(AnnealedLangevin::default())),
            "rk4" => Ok(Self::Rk4 {}),
            "rk45" => Ok(Self::Rk45(Rk45::default())),
            "adaptive-sde" => Ok(Self::AdaptiveSde(AdaptiveSde::default())),
            _ => Err(UnknownSolver { name: name.into() }),
        }
    }
}
