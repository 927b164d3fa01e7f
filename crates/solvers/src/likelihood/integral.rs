//! The flow of a batch to the prior, with the integral of its divergence.

use std::cell::Cell;
use std::ops::ControlFlow;

use sde_core::{AffineSde, DifferentiableScore, State, Time};
use serde::{Deserialize, Serialize};

use super::divergence::Probes;
use super::parameter;
use crate::adaptive::{Augmented, Rk45};
use crate::flow_variable::{FlowPoint, FlowVariable, slope, unscaled};
use crate::solver::ParameterError;
use crate::tableau::RK4;
use crate::{Scheme, SolveError};

/// What solves the flow and the integral together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
pub enum Integrator {
    /// With the tolerance on the state and on the integral per dimension.
    Rk45(Rk45),
    /// Kutta's method of order 4 in so many equal steps of `variable`.
    Rk4 {
        /// Their number.
        steps: usize,
        /// What it steps in.
        variable: FlowVariable,
    },
}

impl Default for Integrator {
    /// The published tolerances of 1e-5.
    fn default() -> Self {
        Self::Rk45(Rk45::default())
    }
}

impl Integrator {
    /// A tenth of the tolerance, or twice the steps.
    pub(super) fn finer(self) -> Self {
        match self {
            Self::Rk45(solver) => Self::Rk45(Rk45 {
                rtol: 0.1 * solver.rtol,
                atol: 0.1 * solver.atol,
                ..solver
            }),
            Self::Rk4 { steps, variable } => Self::Rk4 {
                steps: 2 * steps,
                variable,
            },
        }
    }

    pub(super) fn validate(&self) -> Result<(), ParameterError> {
        match self {
            Self::Rk45(solver) => solver.validate(),
            Self::Rk4 { steps: 0, .. } => {
                Err(parameter("integrator.steps", 0.0, "it must be 1 at least"))
            }
            Self::Rk4 { .. } => Ok(()),
        }
    }

    fn variable(&self) -> FlowVariable {
        match self {
            Self::Rk45(solver) => solver.variable,
            Self::Rk4 { variable, .. } => *variable,
        }
    }
}

/// x_T and what the density changed by.
pub(super) struct Flowed<X> {
    pub(super) x: X,
    /// ∫ ∇·f̃ dt of each probe, those of one sample behind the other.
    pub(super) integrals: Vec<f64>,
    pub(super) evaluations: usize,
}

/// From x at `t_min` to T.
///
/// In the variable u of y = c x, ∇·(dy/du) = drift D + (score/c) ∇·s, and the densities of x and y differ
/// by D ln c; so ∫ ∇·f̃ dt = ∫ ∇·(dy/du) du + D ln(c(t_min)/c(T)).
pub(super) fn integrate<X: State>(
    integrator: &Integrator,
    sde: &dyn AffineSde,
    score: &dyn DifferentiableScore<X>,
    x: X,
    t_min: Time,
    probes: &Probes<X>,
) -> Result<Flowed<X>, SolveError> {
    let variable = integrator.variable();
    let dim = x.sample_len() as f64;
    let [start, end] = [t_min, sde.t_max()].map(|t| variable.value(sde, t));
    let width = probes.width();
    let y = Augmented::from_zero(variable.rescaled(sde, start, x, false), width);
    let evaluations = Cell::new(0);
    let mut flow = |y: &X, us: &[f64], samples: &[usize]| {
        let points: Vec<FlowPoint> = us.iter().map(|&u| variable.point(sde, u)).collect();
        let times: Vec<Time> = points.iter().map(|point| point.time).collect();
        let x = unscaled(y, &points);
        let (s, divergences, count) = probes.score_and_divergence(score, &x, &times, samples);
        evaluations.set(evaluations.get() + count);
        let divergences = (divergences.iter().enumerate())
            .map(|(i, divergence)| {
                let point = points[i / width];
                point.drift * dim + point.score / point.scale * divergence
            })
            .collect();
        Augmented::new(slope(y, s, &points), divergences)
    };
    let y = match integrator {
        Integrator::Rk45(solver) => {
            let keep_going =
                &mut |_: crate::adaptive::walk::Taken<'_, X>| ControlFlow::Continue(());
            let walk = solver
                .controlled()
                .walk(y, (start, end), &mut flow, keep_going);
            walk.map_err(|failure| solver.error(failure, variable.time(sde, failure.u)))?
                .0
        }
        Integrator::Rk4 { steps, .. } => equal_steps(y, (start, end), *steps, &mut flow),
    };
    let scales = [start, end].map(|u| variable.point(sde, u).scale.ln());
    let change = dim * (scales[0] - scales[1]);
    Ok(Flowed {
        x: variable.rescaled(sde, end, y.y, true),
        integrals: y.extra.into_iter().map(|value| value + change).collect(),
        evaluations: evaluations.get(),
    })
}

/// Kutta's method from `start` to `end`.
fn equal_steps<X: State>(
    mut y: Augmented<X>,
    (start, end): (f64, f64),
    steps: usize,
    slope: &mut crate::adaptive::walk::Slope<'_, X>,
) -> Augmented<X> {
    let batch = y.y.batch();
    let samples: Vec<usize> = (0..batch).collect();
    let place = |i: usize| start + (end - start) * (i as f64 / steps as f64);
    for i in 0..steps {
        let (from, to) = (place(i), place(i + 1));
        let h = vec![to - from; batch];
        let mut slopes = Vec::new();
        for (node, coefficients) in RK4.nodes.iter().zip(RK4.coefficients) {
            let stage = y.clone().add(&h, coefficients, &slopes);
            let u = from + node * (to - from);
            slopes.push(slope(&stage.y, &vec![u; batch], &samples));
        }
        y = y.add(&h, RK4.weights, &slopes);
    }
    y
}
