//! Solvers of critically damped Langevin diffusion (Dockhorn, Vahdat & Kreis 2022), whose states are pairs
//! of a position and a velocity.
//!
//! | name | scheme | order | NFE for N steps |
//! |---|---|---|---|
//! | [`sscs`](Sscs) | symmetric splitting, the score by Euler as published | weak 1, strong 1 | N |
//! | `sscs`, [`score-step = "midpoint"`](ScoreStep::Midpoint) | the same, the score to second order | weak 2, strong 1 | 2N − 1 |
//! | [`damped-euler-maruyama`](DampedEulerMaruyama) | reverse SDE | weak 1, strong 1 | N |
//! | [`damped-heun`](DampedHeun) | probability flow | 2 | 2N − 1 |
//!
//! The process is no [`AffineSde`](sde_core::AffineSde), so [`Problem`](crate::Problem) does not take it, and
//! [`DampedProblem`] takes nothing else:
//!
//! ```compile_fail,E0277
//! # use sde_core::damped::DampedLangevin;
//! # use sde_core::Time;
//! # use ndarray::Array2;
//! let process = DampedLangevin::default();
//! let score = |x: &Array2<f64>, _: Time| -x;
//! let problem = solvers::Problem::new(&process, &score);
//! ```
//!
//! ```compile_fail,E0308
//! # use sde_core::damped::PhaseState;
//! # use sde_core::Time;
//! # use ndarray::Array2;
//! let process = sde_core::families::VariancePreserving::default();
//! let score = |z: &PhaseState<Array2<f64>>, _: Time| -z.velocity.clone();
//! let problem = solvers::damped::DampedProblem::new(process, &score);
//! ```
//!
//! In configuration files, where a solver is a name, the wrong one is an error that says so:
//! [`DampedSolverConfig`] refuses the names of the scalar processes' solvers, and
//! [`SolverConfig`](crate::SolverConfig) those above.

mod config;
mod engine;
mod euler_maruyama;
mod grid;
mod heun;
mod problem;
mod sscs;

pub use config::{DampedSolverConfig, DampedSolverError};
pub use engine::{DampedRun, DampedStep};
pub use euler_maruyama::DampedEulerMaruyama;
pub use heun::DampedHeun;
pub use problem::{DampedProblem, DampedSolver, sample_damped_prior};
pub use sscs::{ScoreStep, Sscs};
