//! Objectives: what a score is trained to minimise, how far it is from the best, and the bound on the
//! likelihood that follows; the theory alone, for any network.
//!
//! All of them are one integral over time of a squared error of the score,
//!
//! ```text
//! ∫ λ(t) E ½‖s(x_t, t) − ∇log p_t(x_t)‖² dt + a constant without s,
//! ```
//!
//! and each module is one of its parts:
//!
//! - [`Weighting`]: λ(t), carried over to whatever the network predicts;
//! - [`TimeSampler`] and [`TimeDistribution`]: how t is drawn, and with which density;
//! - [`uncertainty`]: λ(t) learned from the loss itself (EDM2);
//! - [`score_matching`]: the squared error without knowing the score: denoising, implicit, sliced;
//! - [`Divergence`]: ∇·s exactly, or by Hutchinson's estimator;
//! - [`VariationalBound`]: with λ = g² and the constant, a bound on −log p(x) in nats.

mod bound;
mod divergence;
pub mod score_matching;
mod time_sampler;
pub mod uncertainty;
mod weighting;

use thiserror::Error;

pub use bound::{BoundConfig, BoundEstimate, Estimate, VariationalBound};
pub use divergence::{Divergence, Probe, WithVjp, score_and_divergence, score_and_trace};
pub use time_sampler::{TimeDistribution, TimeSampler};
pub use weighting::Weighting;

/// A value that an objective cannot work with.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{field} = {value} is not possible: it must be {must}")]
pub struct ObjectiveError {
    /// The field that is wrong, dots between its parts: `weighting.gamma`.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub must: &'static str,
}

fn require(
    holds: bool,
    field: &'static str,
    value: f64,
    must: &'static str,
) -> Result<(), ObjectiveError> {
    if holds {
        Ok(())
    } else {
        Err(ObjectiveError { field, value, must })
    }
}
