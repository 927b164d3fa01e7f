//! Runge-Kutta methods of fixed steps for the probability flow.

use sde_core::State;

use crate::engine::{Interval, Run, Step, Stepwise};
use crate::flow_variable::FlowVariable;
use crate::tableau::{self, Tableau};
use crate::{Order, Scheme, SolverInfo};

/// The explicit Runge-Kutta method of any [`Tableau`] on the probability flow, one step an interval of
/// the grid; the solver `rk4` is Kutta's in the process's own t.
///
/// The intervals are those of the grid whatever the variable is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RungeKutta {
    /// The method.
    pub tableau: &'static Tableau,
    /// What it steps in.
    pub variable: FlowVariable,
}

impl RungeKutta {
    /// Kutta's method of order 4 in t.
    pub const RK4: Self = Self::in_time(&tableau::RK4);

    /// The method of `tableau` in t.
    #[must_use]
    pub const fn in_time(tableau: &'static Tableau) -> Self {
        Self {
            tableau,
            variable: FlowVariable::Time,
        }
    }
}

impl Scheme for RungeKutta {
    fn info(&self) -> SolverInfo {
        SolverInfo {
            name: self.tableau.name,
            order: Order::Ode(self.tableau.order),
            stochastic: false,
            nfe_per_step: self.tableau.stages(),
        }
    }
}

impl Stepwise for RungeKutta {}

impl<X: State> Step<X> for RungeKutta {
    type Memory = ();

    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, (): &mut ()) -> X {
        let sde = run.sde();
        let [from, to] = [interval.from, interval.to].map(|t| self.variable.value(sde, t));
        let h = to - from;
        let y = self.variable.rescaled(sde, from, x, false);
        let mut slopes: Vec<X> = Vec::new();
        for i in 0..self.tableau.stages() {
            let stage = add(y.clone(), h, self.tableau.coefficients[i], &slopes);
            // The ends exactly, not up to the rounding of a change of variables.
            let node = self.tableau.nodes[i];
            let u = if node == 1.0 { to } else { from + node * h };
            let point = self.variable.point(sde, u);
            let state = match self.variable {
                FlowVariable::Time => stage.clone(),
                _ => stage.clone().scale(point.scale.recip()),
            };
            let score = run.score(&state, point.time);
            slopes.push(score.lincomb(point.score, &stage, point.drift));
        }
        let next = add(y, h, self.tableau.weights, &slopes);
        self.variable.rescaled(sde, to, next, true)
    }
}

/// y + h Σ_i `weights`_i k_i over the slopes that there are.
fn add<X: State>(y: X, h: f64, weights: &[f64], slopes: &[X]) -> X {
    (weights.iter().zip(slopes))
        .filter(|(weight, _)| **weight != 0.0)
        .fold(y, |y, (weight, k)| y.axpy(h * weight, k))
}
