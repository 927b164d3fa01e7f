//! Integrators of reverse diffusion processes, for any [`State`](sde_core::State) and any
//! [`Score`](sde_core::Score).
//!
//! A run takes a [`Problem`] (a process and a score), a [`TimeGrid`] (when to step, and how the last
//! state becomes a sample), a starting state, a [`Noise`](sde_core::noise::Noise) and an
//! [`Observer`]; it returns a [`Solution`] with the samples and the measured number of score
//! evaluations (NFE).
//!
//! | name | scheme | order | NFE for N steps |
//! |---|---|---|---|
//! | [`euler-maruyama`](EulerMaruyama) | reverse SDE (Song et al. 2021, eq. 6) | weak 1, strong 1 | N |
//! | [`euler-ode`](EulerOde) | probability flow (Song et al. 2021, eq. 13) | 1 | N |
//! | [`heun`](HeunOde) | probability flow in t (Karras et al. 2022, algorithm 1) | 2 | 2N − 1 |
//! | [`edm`](EdmSampler) | probability flow in σ/α, with churn (Karras et al. 2022, algorithm 2) | 2 without churn | 2N − 1 |
//! | [`annealed-langevin`](AnnealedLangevin) | Langevin dynamics level by level (Song & Ermon 2019, algorithm 1) | none | N T + 1 |
//!
//! The last step is [`LastStep::Denoise`] here; with [`LastStep::Plain`] the two solvers of order 2
//! take 2N.
//!
//! One idea a module: [`grid`] says when, [`last_step`] how a run ends, [`engine`] walks, and each
//! solver's file holds one step. To add a solver, write [`Scheme`] and [`Step`] for it: the engine
//! makes it a [`Solver`].
//!
//! Whatever the solver, sample i is a function of (seed, i, grid, score) alone: no step mixes
//! samples, so a batch may be cut anywhere without changing a bit.

mod annealed_langevin;
pub mod config;
mod edm;
pub mod engine;
mod euler_maruyama;
mod euler_ode;
pub mod grid;
mod heun;
pub mod last_step;
pub mod observer;
mod prior;
pub mod solver;

pub use annealed_langevin::{AnnealedLangevin, LangevinStep};
pub use config::{SolverConfig, UnknownSolver};
pub use edm::EdmSampler;
pub use engine::{Interval, Run, Step};
pub use euler_maruyama::EulerMaruyama;
pub use euler_ode::EulerOde;
pub use grid::{GridConfig, GridError, GridSpec, TimeGrid};
pub use heun::HeunOde;
pub use last_step::LastStep;
pub use observer::{Observer, Progress, Trajectory, Unobserved};
pub use prior::sample_prior;
pub use solver::{
    FiniteCheck, Order, ParameterError, Problem, Scheme, Solution, SolveError, Solver, SolverInfo,
};

#[cfg(all(doctest, feature = "ndarray"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// So are the primer's.
#[cfg(all(doctest, feature = "ndarray"))]
#[doc = include_str!("../../../docs/primer.md")]
struct Primer;
