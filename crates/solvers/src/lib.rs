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
//! | [`ancestral`](Ancestral) | the chain's own reversal (Ho et al. 2020, algorithm 2; Song et al. 2021, appendix F) | weak 1, strong 1 | N |
//! | [`ddim`](Ddim) | probability flow in σ/α, or with η an SDE (Song, Meng & Ermon 2021) | 1; with η > 0 weak 1, strong 1 | N |
//! | [`gradient-estimation`](GradientEstimation) | DDIM along averaged directions (Permenter & Yuan 2023, algorithm 2) | 1; 2 for γ = 3/2 | N |
//! | [`predictor-corrector`](PredictorCorrector) | a step of the reverse SDE and Langevin dynamics (Song et al. 2021, algorithm 1) | none; weak 1, strong 1 without corrector | N (n + 1) |
//! | [`dpm-solver++-2m`](DpmSolver2M) | probability flow in ln(α/σ), two predictions (Lu et al. 2022b) | 2 | N |
//! | [`dpm-solver++-3m`](DpmSolver3M) | the same, three predictions | 2 as published, 3 with `curvature = "exact"` | N |
//! | [`dpm-solver++-2m-sde`](DpmSolver2MSde) | the reverse SDE in ln(α/σ), two predictions (k-diffusion) | weak 2, strong 1 | N |
//! | [`dpm-solver++-3m-sde`](DpmSolver3MSde) | the same, three predictions | weak 2, strong 1 | N |
//! | [`rk4`](RungeKutta::RK4) | probability flow in t, any [`Tableau`] (Kutta 1901) | 4 | 4N − 3 |
//! | [`rk45`](Rk45) | probability flow, each sample's own steps (Dormand & Prince 1980) | 5 | by tolerance, 6 a step |
//! | [`adaptive-sde`](AdaptiveSde) | reverse SDE, each sample's own steps (Jolicoeur-Martineau et al. 2021, algorithm 1) | none | by tolerance, 2 a step |
//!
//! The last step is [`LastStep::Denoise`] here; with [`LastStep::Plain`] the two solvers of order 2
//! take 2N.
//!
//! Along the same flow, [`likelihood`] computes log-likelihoods with an error budget, and [`latent`]
//! takes data to latents and back. [`FlowVariable`] says in which variable a flow is integrated.
//! [`editing`] holds samples to what is known of them. Guided scores are those of
//! [`sde_core::guidance`]; every solver takes them.
//! [`damped`] holds the solvers of critically damped Langevin diffusion, whose states are pairs of a position
//! and a velocity.
//!
//! One idea a module: [`grid`] says when, [`last_step`] how a run ends, [`engine`] walks, and each
//! solver's file holds one step. To add a solver, write [`Scheme`], [`Stepwise`] and [`Step`] for it:
//! the engine makes it a [`Solver`]. If it combines the state, predictions of the data and noise with
//! numbers that depend on the process alone, write a [`DataRule`] for the numbers, and [`data_prediction`]
//! makes it a step. One that chooses its own times is a [`Solver`] by hand.
//!
//! Whatever the solver, sample i is a function of (seed, i, grid, score) alone: no step mixes
//! samples, so a batch may be cut anywhere without changing a bit.

pub mod adaptive;
mod adaptive_sde;
mod ancestral;
mod annealed_langevin;
pub mod config;
pub mod damped;
pub mod data_prediction;
mod ddim;
mod dpm_solver;
pub mod editing;
mod edm;
pub mod engine;
mod euler_maruyama;
mod euler_ode;
pub mod flow_variable;
mod gradient_estimation;
pub mod grid;
mod heun;
pub mod last_step;
pub mod latent;
pub mod likelihood;
pub mod observer;
mod phi;
mod predictor_corrector;
mod prior;
mod runge_kutta;
pub mod solver;
pub mod tableau;

pub use adaptive::{Rk45, SampleCost, StepControl, Transported};
pub use adaptive_sde::AdaptiveSde;
mod transition;

pub use ancestral::{Ancestral, AncestralVariance};
pub use annealed_langevin::{AnnealedLangevin, LangevinStep};
pub use config::{SolverConfig, UnknownSolver};
pub use data_prediction::{DataRule, History, LogSteps, Weights};
pub use ddim::Ddim;
pub use dpm_solver::{Curvature, DpmSolver2M, DpmSolver2MSde, DpmSolver3M, DpmSolver3MSde, Slope};
pub use edm::EdmSampler;
pub use engine::{Interval, Run, Step, Stepwise};
pub use euler_maruyama::EulerMaruyama;
pub use euler_ode::EulerOde;
pub use flow_variable::{FlowPoint, FlowVariable};
pub use gradient_estimation::GradientEstimation;
pub use grid::{GridConfig, GridError, GridSpec, TimeGrid};
pub use heun::HeunOde;
pub use last_step::LastStep;
pub use latent::{decode, encode, interpolate, slerp};
pub use likelihood::{
    DataEnd, Divergence, ErrorBudget, Integrator, Likelihood, LikelihoodError, LikelihoodReport,
    Quantisation,
};
pub use observer::{Observer, Progress, Trajectory, Unobserved};
pub use predictor_corrector::{Corrector, Predictor, PredictorCorrector};
pub use prior::sample_prior;
pub use runge_kutta::RungeKutta;
pub use solver::{
    FiniteCheck, Order, ParameterError, Problem, Scheme, Solution, SolveError, Solver, SolverInfo,
};
pub use tableau::Tableau;
pub use transition::Transition;

#[cfg(all(doctest, feature = "ndarray"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// So are the primer's.
#[cfg(all(doctest, feature = "ndarray"))]
#[doc = include_str!("../../../docs/primer.md")]
struct Primer;
