//! The theory of score-based generative modelling through stochastic differential equations
//! (Song et al. 2021), and nothing else: no neural network, no file, no device.
//!
//! A forward process turns data into noise,
//!
//! ```text
//! dx = f(x, t) dt + g(t) dw,
//! ```
//!
//! and its reversal turns noise into data, given the score ∇ₓ log pₜ(x):
//!
//! ```text
//! dx = [f(x, t) − g(t)² ∇ₓ log pₜ(x)] dt + g(t) dw̄      reverse-time SDE (Anderson 1982)
//! dx = [f(x, t) − ½ g(t)² ∇ₓ log pₜ(x)] dt               probability-flow ODE
//! ```
//!
//! The crate holds, one idea a module:
//!
//! - [`Time`], [`Sigma`], [`LogSnr`], [`StepIndex`]: the four clocks, never confused;
//! - [`State`]: what a batch of points must be able to do, for `ndarray` arrays (feature
//!   `ndarray`, the default) and Burn tensors (feature `burn`);
//! - [`Sde`] and [`AffineSde`]: any process, and those whose marginals are Gaussian in closed form;
//! - [`families`]: variance exploding, variance preserving, cosine, sub-VP, EDM, Brownian motion;
//! - [`chains`]: DDPM and SMLD in N steps, each such a process too, and the variational bound;
//! - [`damped`]: critically damped Langevin diffusion, a process of positions and velocities;
//! - [`Process`]: one of the two kinds, whichever a configuration names;
//! - [`ReverseSde`] and [`ProbabilityFlow`]: the two reversals of any process with any [`Score`];
//! - [`Prediction`]: what a network predicts (ε, x₀, v, the score, EDM's F), and every conversion;
//! - [`guidance`]: scores made of scores: classifier-free, by a classifier, by a weaker score;
//! - [`noise`]: randomness as a function of (seed, sample, step, role), the same everywhere;
//! - [`objective`]: what a score minimises: weightings, times, score matching, the bound on −log p;
//! - [`worlds`]: Gaussian and Gaussian-mixture data, whose score and density are exact at every t.
//!
//! Coefficients are `f64` on the host, whatever the states are made of.

pub mod chains;
pub mod damped;
pub mod families;
pub mod guidance;
pub mod noise;
pub mod objective;
pub mod prediction;
mod process;
pub mod reverse;
pub mod score;
pub mod sde;
pub mod state;
pub mod time;
#[cfg(feature = "ndarray")]
pub mod worlds;

pub use families::{SdeConfig, SdeError};
pub use prediction::Prediction;
pub use process::{HasVelocity, Process, ProcessConfig};
pub use reverse::{GenerativeClock, ProbabilityFlow, ReverseSde};
pub use score::{CountedScore, DifferentiableScore, LearnedVariance, Score};
pub use sde::{AffineSde, Marginal, Prior, Sde};
pub use state::State;
pub use time::{LogSnr, Sigma, StepIndex, Time};

/// The README's snippet is a test.
#[cfg(all(doctest, feature = "ndarray"))]
#[doc = include_str!("../README.md")]
struct Readme;
