//! Which steps of a chain a sampler with fewer steps visits.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::StepIndex;

/// How n of N steps are chosen, with steps counted from 0.
///
/// The first three carry the names of diffusers, and choose what it chooses (Lin et al. 2024, table 2,
/// compares them): `trailing` alone begins at the last step and gives every step an equal share. One
/// step is the last for `trailing`, and the first for the others, as there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepSpacing {
    /// i ⌊N/n⌋ for i = 0 … n − 1: DDIM's linear spacing (Song, Meng & Ermon 2021, appendix D.2). It
    /// begins at a step below the noisiest one, though sampling starts from pure noise there.
    Leading,
    /// N − i N/n − 1, rounded, for i = 0 … n − 1.
    #[default]
    Trailing,
    /// From 0 to N − 1 in equal parts, rounded: both ends are visited.
    Linspace,
    /// ⌊0.8 N (i/(n − 1))²⌋: DDIM's quadratic spacing, as in its code. Near the data several i may give
    /// one step, which is then visited once: fewer than n steps remain.
    Quadratic,
}

impl StepSpacing {
    /// The `count` steps of a chain of `total`, noisiest first and without repetition.
    ///
    /// # Errors
    /// `count` must be from 1 to `total`.
    pub fn steps(self, total: usize, count: usize) -> Result<Vec<StepIndex>, SpacingError> {
        if count == 0 || count > total {
            return Err(SpacingError { count, total });
        }
        let (n, all) = (count as f64, total as f64);
        let last = (n - 1.0).max(1.0);
        let step = |i: usize| match self {
            Self::Leading => i * (total / count),
            // NumPy rounds ties to even.
            Self::Trailing => {
                let back = (count - 1 - i) as f64;
                (all - back * (all / n)).round_ties_even() as usize - 1
            }
            Self::Linspace => (i as f64 * ((all - 1.0) / last)).round_ties_even() as usize,
            // Exactly at the end, whose square may lie on either side of an integer.
            Self::Quadratic if i + 1 == count && i > 0 => (0.8 * all).sqrt().powi(2) as usize,
            Self::Quadratic => (i as f64 * ((0.8 * all).sqrt() / last)).powi(2) as usize,
        };
        let mut steps: Vec<StepIndex> = (0..count).rev().map(|i| StepIndex(step(i))).collect();
        steps.dedup();
        Ok(steps)
    }
}

/// A number of steps that a chain cannot be walked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{count} of the {total} steps of a chain cannot be visited: ask for 1 to {total}")]
pub struct SpacingError {
    /// How many were asked for.
    pub count: usize,
    /// N.
    pub total: usize,
}
