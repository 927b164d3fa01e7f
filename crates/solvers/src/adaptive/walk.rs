//! The walk of a batch whose samples choose their own steps.

use std::ops::ControlFlow;

use sde_core::State;
use serde::{Deserialize, Serialize};

use super::{Augmented, StepControl};
use crate::tableau::{Embedded, Tableau};

/// What one sample cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleCost {
    /// Calls of the score in which it took part; one of a guided score may be several evaluations.
    pub evaluations: usize,
    /// Steps taken.
    pub accepted: usize,
    /// Steps tried and found too long.
    pub rejected: usize,
}

/// Why a walk ended early, at which sample and u.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Failure {
    /// Its place in the batch.
    pub(crate) sample: usize,
    /// Where it stood.
    pub(crate) u: f64,
    /// What went wrong.
    pub(crate) cause: Cause,
}

/// What ends a walk early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The number of steps is used up.
    TooManySteps,
    /// No step is short enough, and none was finite.
    NotFinite,
    /// No step that changes u is short enough.
    StepTooSmall,
    /// Whoever looked at the steps said so.
    Stopped,
}

/// dy/du at one u a sample. The last argument are the places of these samples in the whole batch.
pub(crate) type Slope<'a, X> = dyn FnMut(&X, &[f64], &[usize]) -> Augmented<X> + 'a;

/// One step of all samples that are on their way, for whoever wants the states within.
pub(crate) struct Taken<'a, X> {
    /// The rows of the following whose step was accepted.
    pub(crate) rows: &'a [usize],
    /// The place of each row in the whole batch.
    pub(crate) samples: &'a [usize],
    /// Where each row's step began.
    pub(crate) from: &'a [f64],
    /// The signed length of each row's step.
    pub(crate) h: &'a [f64],
    /// The states before.
    pub(crate) start: &'a Augmented<X>,
    /// The slopes of all stages.
    pub(crate) slopes: &'a [Augmented<X>],
}

/// An embedded Runge-Kutta method under error control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Controlled {
    /// The method; embedded, its last stage the next step's first.
    pub(crate) tableau: &'static Tableau,
    pub(crate) control: StepControl,
    pub(crate) rtol: f64,
    pub(crate) atol: f64,
    pub(crate) max_steps: usize,
}

/// One sample on its way.
#[derive(Clone, Copy, Debug)]
struct Walker {
    /// Its place in the whole batch.
    sample: usize,
    u: f64,
    /// The length of its next step, above 0.
    h: f64,
    /// e_{n−1} and e_{n−2}.
    errors: [f64; 2],
    after_rejection: bool,
    cost: SampleCost,
}

impl Controlled {
    /// Every sample of `start` from u = `from` to `to`, in either direction, and what each cost.
    pub(crate) fn walk<X: State>(
        &self,
        start: Augmented<X>,
        (from, to): (f64, f64),
        slope: &mut Slope<'_, X>,
        taken: &mut dyn FnMut(Taken<'_, X>) -> ControlFlow<()>,
    ) -> Result<(Augmented<X>, Vec<SampleCost>), Failure> {
        let embedded = self.tableau.embedded.expect("an embedded method");
        let batch = start.y.batch();
        let (mut walkers, mut first) = self.set_off(&start, (from, to), slope)?;
        let mut state = start;
        let (mut finished, mut order) = (Vec::new(), Vec::new());
        let mut costs = vec![SampleCost::default(); batch];
        loop {
            let ends: Vec<f64> = walkers.iter_mut().map(|w| w.end_of_step(to)).collect();
            let us: Vec<f64> = walkers.iter().map(|w| w.u).collect();
            let h: Vec<f64> = ends.iter().zip(&us).map(|(end, u)| end - u).collect();
            let samples: Vec<usize> = walkers.iter().map(|w| w.sample).collect();

            let (next, slopes) = self.stages(&state, first, &us, &ends, &samples, slope);
            let errors = self.errors(embedded, &state, &next, &h, &slopes);
            let accepted: Vec<bool> = errors.iter().map(|&error| error <= 1.0).collect();
            let rows: Vec<usize> = (0..walkers.len()).filter(|&i| accepted[i]).collect();
            let step = Taken {
                rows: &rows,
                samples: &samples,
                from: &us,
                h: &h,
                start: &state,
                slopes: &slopes,
            };
            if taken(step).is_break() {
                return Err(Failure {
                    sample: samples[0],
                    u: us[0],
                    cause: Cause::Stopped,
                });
            }
            for (i, walker) in walkers.iter_mut().enumerate() {
                self.settle(walker, errors[i], ends[i], (from, to))?;
            }

            // First same as last: the slope at the end of an accepted step begins the next.
            let mut slopes = slopes.into_iter();
            let begun = slopes.next().expect("a method has stages");
            let ended = slopes.next_back().expect("an embedded method has stages");
            first = begun.replaced(ended, &accepted);
            state = state.replaced(next, &accepted);

            let (done, left): (Vec<usize>, Vec<usize>) =
                (0..walkers.len()).partition(|&i| walkers[i].u == to);
            if done.is_empty() {
                continue;
            }
            for &i in &done {
                order.push(walkers[i].sample);
                costs[walkers[i].sample] = walkers[i].cost;
            }
            finished.push(state.select(&done));
            if left.is_empty() {
                break;
            }
            state = state.select(&left);
            first = first.select(&left);
            walkers = left.into_iter().map(|i| walkers[i]).collect();
        }
        let mut places = vec![0; batch];
        for (place, sample) in order.into_iter().enumerate() {
            places[sample] = place;
        }
        Ok((Augmented::joined(&finished).select(&places), costs))
    }

    /// The order of the error of one step.
    fn error_order(&self) -> f64 {
        let embedded = self.tableau.embedded.expect("an embedded method");
        f64::from(embedded.order + 1)
    }

    /// The walkers with their first steps, and the slopes at the start: Hairer, Nørsett & Wanner 1993,
    /// section II.4, "starting step size", for one evaluation more.
    fn set_off<X: State>(
        &self,
        start: &Augmented<X>,
        (from, to): (f64, f64),
        slope: &mut Slope<'_, X>,
    ) -> Result<(Vec<Walker>, Augmented<X>), Failure> {
        let batch = start.y.batch();
        let samples: Vec<usize> = (0..batch).collect();
        let (span, direction) = ((to - from).abs(), (to - from).signum());
        let first = slope(&start.y, &vec![from; batch], &samples);
        let sizes = start.sizes(start, self.atol, self.rtol);
        let speeds = first.sizes(start, self.atol, self.rtol);
        if let Some(sample) = (0..batch).find(|&i| !(sizes[i] + speeds[i]).is_finite()) {
            let cause = Cause::NotFinite;
            return Err(Failure {
                sample,
                u: from,
                cause,
            });
        }
        let trial: Vec<f64> = (sizes.iter().zip(&speeds))
            .map(|(&size, &speed)| {
                let h = if size < 1e-5 || speed < 1e-5 {
                    1e-6 * span
                } else {
                    0.01 * size / speed
                };
                h.min(span)
            })
            .collect();
        let us: Vec<f64> = trial.iter().map(|h| from + direction * h).collect();
        let signed: Vec<f64> = trial.iter().map(|h| direction * h).collect();
        let euler = start.clone().axpy(&signed, &first);
        let second = slope(&euler.y, &us, &samples);
        let change = second.axpy(&vec![-1.0; batch], &first);
        let bends = change.sizes(start, self.atol, self.rtol);
        let walkers = (0..batch)
            .map(|i| {
                let steepest = speeds[i].max(bends[i] / trial[i]);
                let h = if steepest.is_finite() && steepest > 1e-15 {
                    (0.01 / steepest).powf(self.error_order().recip())
                } else if steepest.is_finite() {
                    span
                } else {
                    trial[i]
                };
                Walker {
                    sample: i,
                    u: from,
                    h: h.min(100.0 * trial[i]).min(span),
                    errors: [1.0; 2],
                    after_rejection: false,
                    cost: SampleCost {
                        evaluations: 2,
                        ..SampleCost::default()
                    },
                }
            })
            .collect();
        Ok((walkers, first))
    }

    /// The state at the end of a step from `us` to `ends`, and the slopes of all stages.
    fn stages<X: State>(
        &self,
        state: &Augmented<X>,
        first: Augmented<X>,
        us: &[f64],
        ends: &[f64],
        samples: &[usize],
        slope: &mut Slope<'_, X>,
    ) -> (Augmented<X>, Vec<Augmented<X>>) {
        let h: Vec<f64> = ends.iter().zip(us).map(|(end, u)| end - u).collect();
        let mut slopes = vec![first];
        let mut stage = state.clone();
        for (&node, coefficients) in (self.tableau.nodes.iter())
            .zip(self.tableau.coefficients)
            .skip(1)
        {
            stage = state.clone().add(&h, coefficients, &slopes);
            let at: Vec<f64> = (us.iter().zip(ends).zip(&h))
                .map(|((u, end), h)| if node == 1.0 { *end } else { u + node * h })
                .collect();
            slopes.push(slope(&stage.y, &at, samples));
        }
        // The last row of a_ij is b_i, so the last stage is the end of the step.
        (stage, slopes)
    }

    /// The error of each sample's step in units of its tolerance.
    fn errors<X: State>(
        &self,
        embedded: Embedded,
        state: &Augmented<X>,
        next: &Augmented<X>,
        h: &[f64],
        slopes: &[Augmented<X>],
    ) -> Vec<f64> {
        let weights = embedded.error_weights;
        let b: Vec<f64> = h.iter().map(|h| weights[0] * h).collect();
        let error = slopes[0].clone().scaled(&b);
        let error = error.add(h, &weights[1..], &slopes[1..]);
        error.error_norms(state, next, self.atol, self.rtol)
    }

    /// Accepts or rejects the step of `walker` to `end` by its error, and chooses the next.
    fn settle(
        &self,
        walker: &mut Walker,
        error: f64,
        end: f64,
        (from, to): (f64, f64),
    ) -> Result<(), Failure> {
        walker.cost.evaluations += self.tableau.nodes.len() - 1;
        let k = self.error_order();
        let length = (end - walker.u).abs();
        if error <= 1.0 {
            let [before, earlier] = walker.errors;
            let factor = self.control.after_accepted(k, [error, before, earlier]);
            let growth = if walker.after_rejection {
                factor.min(1.0)
            } else {
                factor
            };
            walker.h = length * growth;
            walker.errors = [error, before];
            walker.u = end;
            walker.cost.accepted += 1;
        } else {
            walker.h = length * self.control.after_rejected(k, error);
            walker.cost.rejected += 1;
        }
        walker.after_rejection = error > 1.0 || error.is_nan();

        let failure = |cause| Failure {
            sample: walker.sample,
            u: walker.u,
            cause,
        };
        if walker.u == to {
            return Ok(());
        }
        let rounding = f64::EPSILON * walker.u.abs().max((to - from).abs());
        if walker.h <= 4.0 * rounding {
            return Err(failure(if error.is_finite() {
                Cause::StepTooSmall
            } else {
                Cause::NotFinite
            }));
        }
        if walker.cost.accepted + walker.cost.rejected >= self.max_steps {
            return Err(failure(Cause::TooManySteps));
        }
        Ok(())
    }
}

impl Walker {
    /// Where its next step ends: at `to` if that is no more than a hundredth beyond it.
    fn end_of_step(&mut self, to: f64) -> f64 {
        let left = to - self.u;
        if 1.01 * self.h >= left.abs() {
            to
        } else {
            self.u + self.h.copysign(left)
        }
    }
}
