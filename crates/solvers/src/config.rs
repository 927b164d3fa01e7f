//! Solvers as plain data: their names, published defaults and construction.

use std::str::FromStr;

use sde_core::State;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::damped::DampedSolverConfig;
use crate::solver::ParameterError;
use crate::{
    AdaptiveSde, Ancestral, AnnealedLangevin, Ddim, DpmSolver2M, DpmSolver2MSde, DpmSolver3M,
    DpmSolver3MSde, EdmSampler, EulerMaruyama, EulerOde, GradientEstimation, GridConfig, HeunOde,
    PredictorCorrector, Rk45, RungeKutta, Scheme, Solver, SolverInfo,
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
    /// [`Ancestral`].
    Ancestral(Ancestral),
    /// [`Ddim`].
    Ddim(Ddim),
    /// [`GradientEstimation`].
    GradientEstimation(GradientEstimation),
    /// [`PredictorCorrector`].
    PredictorCorrector(PredictorCorrector),
    /// [`DpmSolver2M`].
    #[serde(rename = "dpm-solver++-2m")]
    DpmSolver2M(DpmSolver2M),
    /// [`DpmSolver3M`].
    #[serde(rename = "dpm-solver++-3m")]
    DpmSolver3M(DpmSolver3M),
    /// [`DpmSolver2MSde`].
    #[serde(rename = "dpm-solver++-2m-sde")]
    DpmSolver2MSde(DpmSolver2MSde),
    /// [`DpmSolver3MSde`].
    #[serde(rename = "dpm-solver++-3m-sde")]
    DpmSolver3MSde(DpmSolver3MSde),
}

impl SolverConfig {
    /// The names, as written in configuration files.
    pub const NAMES: [&'static str; 16] = [
        "euler-maruyama",
        "euler-ode",
        "heun",
        "edm",
        "annealed-langevin",
        "rk4",
        "rk45",
        "adaptive-sde",
        "ancestral",
        "ddim",
        "gradient-estimation",
        "predictor-corrector",
        "dpm-solver++-2m",
        "dpm-solver++-3m",
        "dpm-solver++-2m-sde",
        "dpm-solver++-3m-sde",
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
            Self::Ancestral(solver) => Box::new(solver),
            Self::Ddim(solver) => Box::new(solver),
            Self::GradientEstimation(solver) => Box::new(solver),
            Self::PredictorCorrector(solver) => Box::new(solver),
            Self::DpmSolver2M(solver) => Box::new(solver),
            Self::DpmSolver3M(solver) => Box::new(solver),
            Self::DpmSolver2MSde(solver) => Box::new(solver),
            Self::DpmSolver3MSde(solver) => Box::new(solver),
        })
    }

    /// The solver's name, order and cost.
    #[must_use]
    pub fn info(self) -> SolverInfo {
        self.scheme().info()
    }

    /// The spacing to use for a family, named as by [`AffineSde::name`](sde_core::AffineSde::name).
    ///
    /// The family's own for the solvers that step in t and for those of chains; EDM's ρ = 7 for EDM's
    /// solver, which steps in σ/α, on every family; a geometric ladder for Langevin's levels and for
    /// DPM-Solver++, which steps in its logarithm (and which Lu et al. 2022 publish with it), and for gradient
    /// estimation, which comes with a log-linear schedule. The adaptive solvers choose their own times, and
    /// show those of the grid to an observer: a geometric ladder.
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
            Self::Ancestral(_) | Self::Ddim(_) | Self::PredictorCorrector(_) => {
                GridConfig::published(family)
            }
            Self::GradientEstimation(_)
            | Self::DpmSolver2M(_)
            | Self::DpmSolver3M(_)
            | Self::DpmSolver2MSde(_)
            | Self::DpmSolver3MSde(_) => GridConfig::LogSnr {},
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
            // T of Ho et al. 2020 and N of Song et al. 2021.
            Self::Ancestral(_) | Self::PredictorCorrector(_) => 1000,
            Self::Ddim(_) => 50,
            Self::GradientEstimation(_) => 20,
            Self::DpmSolver2M(_) | Self::DpmSolver3M(_) => 20,
            Self::DpmSolver2MSde(_) | Self::DpmSolver3MSde(_) => 50,
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

    /// Whether it takes the variance of its steps from the model, see [`Scheme::takes_learned_variance`].
    #[must_use]
    pub fn takes_learned_variance(self) -> bool {
        self.scheme().takes_learned_variance()
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
            Self::Ancestral(solver) => solver,
            Self::Ddim(solver) => solver,
            Self::GradientEstimation(solver) => solver,
            Self::PredictorCorrector(solver) => solver,
            Self::DpmSolver2M(solver) => solver,
            Self::DpmSolver3M(solver) => solver,
            Self::DpmSolver2MSde(solver) => solver,
            Self::DpmSolver3MSde(solver) => solver,
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
            "ancestral" => Ok(Self::Ancestral(Ancestral::default())),
            "ddim" => Ok(Self::Ddim(Ddim::default())),
            "gradient-estimation" => Ok(Self::GradientEstimation(GradientEstimation::default())),
            "predictor-corrector" => Ok(Self::PredictorCorrector(PredictorCorrector::default())),
            "dpm-solver++-2m" => Ok(Self::DpmSolver2M(DpmSolver2M::default())),
            "dpm-solver++-3m" => Ok(Self::DpmSolver3M(DpmSolver3M::default())),
            "dpm-solver++-2m-sde" => Ok(Self::DpmSolver2MSde(DpmSolver2MSde::default())),
            "dpm-solver++-3m-sde" => Ok(Self::DpmSolver3MSde(DpmSolver3MSde::default())),
            _ => Err(UnknownSolver { name: name.into() }),
        }
    }
}
