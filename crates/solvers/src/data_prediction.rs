//! The steps that combine the state, predictions of the data and fresh noise: DDPM's, DDIM's,
//! DPM-Solver++'s. A scheme is a rule for the coefficients; this engine applies it.

use sde_core::noise::Role;
use sde_core::{State, StepIndex, Time};

use crate::engine::{Interval, Run, Step};
use crate::solver::ParameterError;
use crate::{Stepwise, Transition};

/// The number of predictions that a step may use, its own included.
const PREDICTIONS: usize = 3;

/// What one step from t to s makes of what is known at t:
///
/// ```text
/// x_s = x · x_t + Σ_j data[j] · x̂₀(t_j) + clipping · (clip(x̂₀) − x̂₀)(t) + noise · e^{learned · v(x_t, t)} z
/// ```
///
/// where t_0 = t, t_1, t_2 are this and the two times before, and x̂₀ the posterior means predicted there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the state x_t.
    pub x: f64,
    /// Of this prediction and of those one and two steps before.
    pub data: [f64; PREDICTIONS],
    /// Of what clipping changes in this prediction; without clipping it means nothing.
    pub clipping: f64,
    /// Of standard normal noise; 0 draws none.
    pub noise: f64,
    /// b, if the noise of each element is to count e^{b·v} times that, with v from the score's
    /// [`LearnedVariance`](sde_core::LearnedVariance).
    pub learned: Option<f64>,
}

/// The steps in λ = ln(α/σ) that a rule may depend on.
#[derive(Clone, Copy, Debug)]
pub struct LogSteps<'a> {
    /// The interval that is walked.
    pub transition: Transition,
    /// Its length in λ.
    pub h: f64,
    /// The lengths of the intervals before it, the latest first; as many as there are earlier predictions.
    pub before: &'a [f64],
}

/// A solver given by its coefficients. The engine makes it a [`Step`] that costs one evaluation.
pub trait DataRule: Stepwise {
    /// The coefficients of one step.
    fn weights(&self, steps: &LogSteps<'_>) -> Weights;

    /// The bound that predictions are clamped to, in absolute value; none by default.
    fn clip(&self) -> Option<f64> {
        None
    }
}

/// The predictions of the steps before, the latest first, and the lengths of those steps in λ.
#[derive(Debug)]
pub struct History<X> {
    predictions: Vec<X>,
    lengths: Vec<f64>,
}

impl<X> Default for History<X> {
    fn default() -> Self {
        Self {
            predictions: Vec::with_capacity(PREDICTIONS),
            lengths: Vec::with_capacity(PREDICTIONS),
        }
    }
}

impl<X> History<X> {
    fn push(&mut self, prediction: X, length: f64) {
        self.predictions.insert(0, prediction);
        self.lengths.insert(0, length);
        self.predictions.truncate(PREDICTIONS - 1);
        self.lengths.truncate(PREDICTIONS - 1);
    }
}

impl<X: State, R: DataRule> Step<X> for R {
    type Memory = History<X>;

    fn advance(&self, run: &Run<'_, X>, interval: Interval, x: X, history: &mut History<X>) -> X {
        let transition = Transition::new(run.sde(), interval);
        let steps = LogSteps {
            transition,
            h: transition.log_step(),
            before: &history.lengths,
        };
        let w = self.weights(&steps);
        let (data, learned) = match w.learned {
            None => (run.posterior_mean(&x, interval.from), None),
            Some(b) => {
                let (data, v) = run.posterior_mean_and_variance(&x, interval.from);
                (data, Some((b, v)))
            }
        };
        let (mut x, data) = match self.clip() {
            None => (x.lincomb(w.x, &data, w.data[0]), data),
            Some(c) => {
                let x = x.lincomb(w.x, &data, w.data[0] - w.clipping);
                let clipped = data.clamped(-c, c);
                (x.axpy(w.clipping, &clipped), clipped)
            }
        };
        for (earlier, &weight) in history.predictions.iter().zip(&w.data[1..]) {
            if weight != 0.0 {
                x = x.axpy(weight, earlier);
            }
        }
        history.push(data, steps.h);
        if w.noise == 0.0 {
            return x;
        }
        let z = run.noise(&x, interval.index, Role::Diffusion);
        match learned {
            None => x.axpy(w.noise, &z),
            Some((b, v)) => x.axpy_exp([w.noise.ln(), b], &v, &z),
        }
    }

    fn denoise(&self, run: &Run<'_, X>, _: StepIndex, t: Time, x: X, _: &mut History<X>) -> X {
        let data = run.posterior_mean(&x, t);
        match self.clip() {
            None => data,
            Some(c) => data.clamped(-c, c),
        }
    }
}

/// Refuses a bound that leaves no room or is no number.
pub(crate) fn check_clip(solver: &'static str, clip: Option<f64>) -> Result<(), ParameterError> {
    match clip {
        Some(value) if !(value > 0.0 && value.is_finite()) => Err(ParameterError {
            solver,
            field: "clip",
            value,
            reason: "it must be above 0; leave it out for no clipping",
        }),
        _ => Ok(()),
    }
}
