//! Critically damped Langevin diffusion (Dockhorn, Vahdat & Kreis 2022): a position, which is the data,
//! coupled to a velocity, which alone is noised.
//!
//! ```text
//! dx = β M⁻¹ v dt
//! dv = −β x dt − Γ β M⁻¹ v dt + √(2Γβ) dw        Γ = 2√M, critical damping
//! ```
//!
//! Only the score of the velocity, ∇_v log p_t(x, v), enters the reversals, and it is an easier function
//! than the data's own score.
//!
//! The process is not an [`AffineSde`](crate::AffineSde): its coefficients are 2 × 2 matrices, so no solver,
//! grid or loss of a scalar process takes it, by type:
//!
//! ```compile_fail,E0277
//! use sde_core::{AffineSde, damped::DampedLangevin};
//!
//! let sde: &dyn AffineSde = &DampedLangevin::default();
//! ```
//!
//! What stands in its place, one idea a module:
//!
//! - [`DampedLangevin`]: the process, its transition laws, its prior and its two reversals;
//! - [`PhaseState`]: batches of pairs (x, v), which are a [`State`](crate::State);
//! - [`PhaseMatrix`], [`PhaseCovariance`], [`CholeskyFactor`]: the 2 × 2 algebra of one coordinate;
//! - [`VelocityScore`]: ∇_v log p_t(x, v), whoever computes it;
//! - [`VelocityObjective`]: hybrid and denoising score matching, noise and mixed-score predictions;
//! - [`PhaseMixture`] (feature `ndarray`): the exact p_t of Gaussian-mixture data.

mod kernel;
#[cfg(feature = "ndarray")]
mod mixture;
#[cfg(feature = "ndarray")]
mod mixture_flow;
mod moments;
mod objective;
mod phase;
mod phase_state;
mod process;
mod velocity_score;

pub use kernel::PhaseKernel;
#[cfg(feature = "ndarray")]
pub use mixture::{DampedWorld, PhaseMixture};
pub use objective::{
    ExampleCoefficients, Examples, Matching, VelocityObjective, VelocityPrediction,
    VelocityWeighting,
};
pub use phase::{CholeskyFactor, PhaseCovariance, PhaseMatrix};
pub use phase_state::PhaseState;
pub use process::DampedLangevin;
pub use velocity_score::{CountedVelocityScore, VelocityScore};
