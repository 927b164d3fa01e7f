//! The known part replaced by itself, noised: score_sde's editing, and RePaint's.

use sde_core::noise::{Noise, Role};
use sde_core::{AffineSde, State, StepIndex, Time};
use serde::{Deserialize, Serialize};

use super::{EditError, Observation, require};
use crate::Transition;

/// At every time the known part of the state is replaced by what was observed, noised afresh to that time:
///
/// ```text
/// x_t ← (I − P) x_t + P (α_t x₀ + σ_t z)
/// ```
///
/// (Song et al. 2021, appendix I.2; score_sde's code noises to the time before the step.) The sample of
/// [`LastStep::Denoise`](crate::LastStep::Denoise) gets P x₀ itself. It costs no evaluation.
///
/// The score takes the noised observation for all that is known at t, so the rest follows it too late: for two
/// standard Gaussians of correlation 0.8 under VP, one of which is known to be 1, the other has mean 0.50 and
/// variance 0.49 in the limit of short steps, where 0.8 and 0.36 are right. [`Resampling`] mends that: with
/// stretches of 5 of 100 steps the mean is 0.63, 0.74 and 0.77 for 2, 5 and 10 samples.
#[derive(Clone, Copy, Debug)]
pub struct Replacement<'a, X> {
    observation: &'a Observation<'a, X>,
    resampling: Resampling,
}

/// How often the steps of a run are taken, so that the unknown part can adapt to the known (RePaint:
/// Lugmayr et al. 2022, algorithm 1 and appendix B).
///
/// The grid is cut into stretches of `jump_length` intervals from its end; what is left over at its start is
/// walked once. Whenever a stretch is done, q(x_t | x_s) takes the state back to its beginning and it is
/// walked again, `samples` times in all. Multistep solvers begin anew then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resampling {
    /// j, in intervals of the grid.
    pub jump_length: usize,
    /// r; 1 takes every step once.
    pub samples: usize,
}

impl Default for Resampling {
    /// None.
    fn default() -> Self {
        Self {
            jump_length: 1,
            samples: 1,
        }
    }
}

impl Resampling {
    /// j = 10 and r = 10, as published, for 250 steps.
    #[must_use]
    pub fn repaint() -> Self {
        Self {
            jump_length: 10,
            samples: 10,
        }
    }

    /// The same, its values checked.
    ///
    /// # Errors
    /// Both must be 1 at least.
    pub fn validated(self) -> Result<Self, EditError> {
        let one = "it must be 1 at least; samples = 1 takes every step once";
        let [length, samples] = [self.jump_length, self.samples];
        require(length > 0, "resampling.jump_length", 0.0, one)?;
        require(samples > 0, "resampling.samples", 0.0, one)?;
        Ok(self)
    }

    /// What a run over `intervals` intervals does, in order.
    pub(crate) fn moves(self, intervals: usize) -> Vec<Move> {
        let mut moves = Vec::new();
        // The places at which stretches begin; the first is what is left over.
        let mut begin = 0;
        for end in 1..=intervals {
            let left = intervals - end;
            if !left.is_multiple_of(self.jump_length) {
                continue;
            }
            let whole = end - begin == self.jump_length;
            for pass in 0..if whole { self.samples } else { 1 } {
                if pass > 0 {
                    moves.push(Move::Up {
                        from: end,
                        to: begin,
                        pass,
                    });
                }
                moves.extend((begin..end).map(|interval| Move::Down { interval, pass }));
            }
            begin = end;
        }
        moves
    }
}

/// What a run does next; times are counted by their places in the grid, from the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// A step of the solver.
    Down {
        /// The interval.
        interval: usize,
        /// How often it was walked before.
        pass: usize,
    },
    /// Noise is added.
    Up {
        /// Place of the time of the state.
        from: usize,
        /// Place of the time to which it is noised.
        to: usize,
        /// How often the steps that follow were taken before.
        pass: usize,
    },
}

impl<'a, X: State> Replacement<'a, X> {
    /// The run held to `observation`, every step taken once.
    #[must_use]
    pub fn new(observation: &'a Observation<'a, X>) -> Self {
        Self {
            observation,
            resampling: Resampling::default(),
        }
    }

    /// The same, with steps taken again.
    ///
    /// # Errors
    /// As [`Resampling::validated`].
    pub fn resampled(self, resampling: Resampling) -> Result<Self, EditError> {
        Ok(Self {
            resampling: resampling.validated()?,
            ..self
        })
    }

    pub(crate) fn resampling(&self) -> Resampling {
        self.resampling
    }

    pub(crate) fn check(&self, x: &X) -> Result<(), EditError> {
        self.observation.check(x, true)
    }

    /// x at t with the known part replaced; `step` numbers the noise.
    pub(crate) fn hold(
        &self,
        sde: &dyn AffineSde,
        x: X,
        t: Time,
        step: StepIndex,
        noise: &dyn Noise<X>,
    ) -> X {
        let marginal = sde.marginal(t);
        let z = noise.standard_normal(&x, step, Role::Observation);
        // P (σ z − x) and then α P x₀.
        let change = z.lincomb(marginal.sigma, &x, -1.0);
        let change = self.observation.project(&change);
        let known = self.observation.known(x.batch());
        x.axpy(1.0, &change).axpy(marginal.alpha, &known)
    }

    /// The sample with the known part as it is.
    pub(crate) fn hold_sample(&self, x: X) -> X {
        let known = self.observation.known(x.batch());
        let of_x = self.observation.project(&x);
        x.axpy(-1.0, &of_x).axpy(1.0, &known)
    }

    /// x noised by `transition`, from its end to its beginning.
    pub(crate) fn noised(transition: Transition, x: X, step: StepIndex, noise: &dyn Noise<X>) -> X {
        let z = noise.standard_normal(&x, step, Role::Resampling);
        x.lincomb(transition.scale().recip(), &z, transition.variance().sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places left to the end after each move, as the published schedule counts them.
    fn places(resampling: Resampling, intervals: usize) -> Vec<usize> {
        let moves = resampling.moves(intervals).into_iter();
        moves
            .flat_map(|step| match step {
                Move::Down { interval, .. } => vec![intervals - interval - 1],
                Move::Up { from, to, .. } => (to..from).rev().map(|at| intervals - at).collect(),
            })
            .collect()
    }

    /// `get_schedule_jump` of RePaint's code for t_T = 9, jump_length = 3, jump_n_sample = 3, without its first
    /// entry, the starting state, and its last, the step to the data.
    #[test]
    fn the_order_of_steps_is_the_published_schedule_s() {
        let resampling = Resampling {
            jump_length: 3,
            samples: 3,
        };
        let expected = [
            7, 6, 5, 4, 3, 4, 5, 6, 5, 4, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3,
            2, 1, 0,
        ];
        assert_eq!(places(resampling, 8), expected);
    }

    #[test]
    fn without_resampling_each_interval_is_walked_once_in_order() {
        for jump_length in [1, 3, 20] {
            let resampling = Resampling {
                jump_length,
                samples: 1,
            };
            let places = places(resampling, 7);
            assert_eq!(places, [6, 5, 4, 3, 2, 1, 0]);
        }
        assert!(Resampling::repaint().moves(0).is_empty());
    }
}
