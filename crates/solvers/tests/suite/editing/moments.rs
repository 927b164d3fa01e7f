//! The mean and the covariance that a sampler gives, exactly, if it is affine in the start and the noise: the
//! answer to every impulse, one a sample.

use std::cell::RefCell;

use ndarray::{Array1, Array2};
use sde_core::noise::{Noise, Role};
use sde_core::{State, StepIndex};
use solvers::{Problem, Solver, TimeGrid, Unobserved};

use super::gaussian::X;

/// Draws zeros and writes down which.
#[derive(Default)]
struct Recorder(RefCell<Vec<(usize, Role)>>);

impl Noise<X> for Recorder {
    fn standard_normal(&self, like: &X, step: StepIndex, role: Role) -> X {
        self.0.borrow_mut().push((step.0, role));
        X::zeros(like.raw_dim())
    }
}

/// Sample (1 + k) d + c has a 1 in coordinate c of draw k, and no other noise.
struct Impulses<'a>(&'a [(usize, Role)]);

impl Noise<X> for Impulses<'_> {
    fn standard_normal(&self, like: &X, step: StepIndex, role: Role) -> X {
        let (place, d) = (
            self.0.iter().position(|key| *key == (step.0, role)),
            like.ncols(),
        );
        let place = place.expect("a draw that was made before");
        let mut out = X::zeros(like.raw_dim());
        for c in 0..d {
            out[[(1 + place) * d + c, c]] = 1.0;
        }
        out
    }
}

/// Mean and covariance of the samples of runs that start from N(`mean`, `std`² I).
pub fn moments(
    solver: &dyn Solver<X>,
    problem: &Problem<'_, X>,
    grid: &TimeGrid,
    mean: &Array1<f64>,
    std: f64,
) -> (Array1<f64>, Array2<f64>) {
    let solve = |x: X, noise: &dyn Noise<X>| {
        solver
            .solve(problem, grid, x, noise, &mut Unobserved)
            .unwrap()
            .x
    };
    let (recorder, dim) = (Recorder::default(), mean.len());
    let from = mean.view().insert_axis(ndarray::Axis(0));
    let mean = solve(from.to_owned(), &recorder);
    let keys = recorder.0.into_inner();
    let mut distinct = keys.clone();
    distinct.sort_by_key(|&(step, role)| (step, role as u64));
    distinct.dedup();
    assert_eq!(distinct.len(), keys.len(), "no draw is used twice");

    let mut start = from
        .broadcast(((1 + keys.len()) * dim, dim))
        .unwrap()
        .to_owned();
    for c in 0..dim {
        start[[c, c]] += std;
    }
    let answers = solve(start, &Impulses(&keys)) - mean.select_samples(&[0]).row(0);
    (mean.row(0).to_owned(), answers.t().dot(&answers))
}
