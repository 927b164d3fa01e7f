//! Discrete chains: DDPM and SMLD, each an affine process seen at N points.
//!
//! ```text
//! DDPM   x_t = √(1 − β_t) x_{t−1} + √β_t z            (Ho et al. 2020, eq. 2)
//! SMLD   x_t = x_{t−1} + √(σ_t² − σ_{t−1}²) z         (Song et al. 2021, eq. 8)
//! ```
//!
//! The papers count t = 1 … N with the data at t = 0; a [`StepIndex`](crate::StepIndex) counts the same
//! steps from 0, as the code of the papers and networks do: `StepIndex(i)` is the paper's t = i + 1, the
//! transition into x_{i+1} and the noise level there, at the process's time (i + 1)/N.
//!
//! A DDPM chain *is* the VP SDE whose β(t) is −N ln(1 − β_i) on ((i − 1)/N, i/N], and an SMLD chain the
//! VE SDE whose σ² is linear in between. So [`DdpmChain`] and [`SmldChain`] are
//! [`AffineSde`](crate::AffineSde)s that agree with the chain at its nodes up to rounding, every solver
//! takes them as they are, and as N grows they become the families of the same name in continuous time.
//!
//! - [`BetaSchedule`], [`Ddpm`], [`Smld`]: what a configuration file says;
//! - [`Chain`]: what both have in common, transitions, posteriors, clocks;
//! - [`FixedVariance`] and the learned variance: how wide p(x_{t−1} | x_t) is;
//! - [`StepSpacing`]: which of the N steps a sampler with fewer visits;
//! - [`bound`]: the variational bound, term by term.
//!
//! ```
//! use sde_core::chains::{Chain, Ddpm, FixedVariance, StepSpacing};
//! use sde_core::{Prediction, StepIndex};
//!
//! let chain = Ddpm::default().chain()?;
//! let t = StepIndex(487);
//! assert!((chain.beta(t) - 9.80e-3).abs() < 1e-5);
//! assert!((chain.variance(t, FixedVariance::Small) - 9.791572e-3).abs() < 1e-9);
//!
//! // μ_θ(x_t, t) = (x_t − β_t/√(1 − ᾱ_t) ε_θ)/√α_t.
//! let mean = chain.reverse_mean(t, Prediction::Epsilon);
//! assert!((mean.x - 1.0 / (1.0 - chain.beta(t)).sqrt()).abs() < 1e-14);
//!
//! // Ten of the thousand steps, for a sampler's grid.
//! let times = chain.spaced_times(StepSpacing::Trailing, 10)?;
//! assert_eq!((times.len(), times[0].0, times[9].0), (10, 1.0, 0.1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bound;
mod chain;
mod ddpm;
mod nodes;
mod schedule;
mod smld;
mod spacing;
mod transition;
mod variance;

pub use chain::Chain;
pub use ddpm::{Ddpm, DdpmChain};
pub use schedule::BetaSchedule;
pub use smld::{Smld, SmldChain};
pub use spacing::{SpacingError, StepSpacing};
pub use transition::{Posterior, Transition};
pub use variance::FixedVariance;

use crate::families::{SdeError, require};

/// The most steps that a chain may have; its tables are in memory.
const MOST_STEPS: usize = 1_000_000;

/// Refuses a number of steps that no chain can have.
fn require_steps(family: &'static str, steps: usize) -> Result<(), SdeError> {
    let holds = (2..=MOST_STEPS).contains(&steps);
    let reason = "it must be at least 2 and at most a million";
    require(holds, family, "steps", steps as f64, reason)
}
