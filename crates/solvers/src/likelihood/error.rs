//! What has no likelihood.

use sde_core::Time;
use thiserror::Error;

use crate::SolveError;
use crate::solver::ParameterError;

/// Why there is no likelihood.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LikelihoodError {
    /// The flow could not be solved, or cannot start where it should.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// A setting.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// One product of the Jacobian for each dimension and evaluation is too many.
    #[error(
        "an exact divergence in {dim} dimensions takes {dim} products at every evaluation, and {limit} \
         are allowed: use hutchinson, or raise `max_dim`"
    )]
    Dimension {
        /// The number of elements of a sample.
        dim: usize,
        /// The most that are allowed.
        limit: usize,
    },
    /// The process has no noise at t_min.
    #[error(
        "`{family}` has no density at t = {}, where no noise is left (or beyond its end): choose \
         t_min above 0 and below T", .t_min.0
    )]
    NoDensity {
        /// The process.
        family: &'static str,
        /// The data end.
        t_min: Time,
    },
    /// An infinity or a NaN.
    #[error(
        "the log-density of sample {sample} is {value} at t = {}: look at the score and its \
         derivative on the way there", .time.0
    )]
    NotFinite {
        /// Its place in the batch.
        sample: usize,
        /// How far it came.
        time: Time,
        /// What was found.
        value: f64,
    },
    /// A level that the quantisation does not have.
    #[error(
        "sample {sample} has levels outside 0..={largest}, of {bits} bits: give the levels themselves, \
         not scaled"
    )]
    Levels {
        /// Its place in the batch.
        sample: usize,
        /// 2^bits − 1.
        largest: f64,
        /// The number of bits.
        bits: u32,
    },
}
