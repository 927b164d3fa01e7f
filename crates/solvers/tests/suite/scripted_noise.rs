//! Noises that are chosen, so that what a solver does with its noise can be read off exactly.

use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{State, StepIndex};

/// Sample 0 gets no noise at all; sample k gets 1 in every element at step k − 1, and 0 elsewhere.
///
/// A solver whose score is linear in x is a linear map of (x_T, z_0, …, z_{N−1}). Started at
/// [`Impulses::start`], its result holds that map's coefficients.
pub struct Impulses;

impl Impulses {
    /// 1 for sample 0, 0 for the `draws` others; `like` has any batch size.
    pub fn start(draws: usize) -> ndarray::Array2<f64> {
        let mut x = ndarray::Array2::zeros((draws + 1, 1));
        x[[0, 0]] = 1.0;
        x
    }

    /// The variance of the solver's result if x_T has `variance` and the noise is standard normal.
    pub fn variance(result: &ndarray::Array2<f64>, variance: f64) -> f64 {
        let squares = result.mapv(|c| c * c);
        squares.sum() + (variance - 1.0) * squares[[0, 0]]
    }
}

impl<X: State> Noise<X> for Impulses {
    fn standard_normal(&self, like: &X, step: StepIndex, _: Role) -> X {
        like.filled_like(&mut |i, out| out.fill(if i == step.0 + 1 { 1.0 } else { 0.0 }))
    }
}

/// Brownian increments on a grid of `steps` equal steps, summed from those on a grid of `finest`: runs
/// with different `steps` see the same paths.
pub struct BrownianPath {
    /// Draws the finest increments.
    pub finest: CounterNoise,
    /// The number of the finest increments.
    pub finest_steps: usize,
    /// The number of steps of the run; it divides `finest_steps`.
    pub steps: usize,
}

impl<X: State> Noise<X> for BrownianPath {
    fn standard_normal(&self, like: &X, step: StepIndex, role: Role) -> X {
        let merged = self.finest_steps / self.steps;
        let draw = |k| self.finest.standard_normal(like, StepIndex(k), role);
        let first = step.0 * merged;
        (first + 1..first + merged)
            .fold(draw(first), |sum, k| sum.axpy(1.0, &draw(k)))
            .scale((merged as f64).sqrt().recip())
    }
}
