//! Scores: ∇ₓ log pₜ(x), whoever computes it.

use std::cell::Cell;

use crate::{State, Time};

/// A score function s(x, t) ≈ ∇ₓ log pₜ(x) on batches `X` of shape `[batch, ...]`.
///
/// Closures `Fn(&X, Time) -> X` are scores; so are the [`worlds`](crate::worlds), exactly, and
/// trained networks, approximately.
pub trait Score<X> {
    /// s(x, t), of x's shape; every sample at the same t.
    fn score(&self, x: &X, t: Time) -> X;

    /// s(x_i, t_i) for each sample at a time of its own; `times` has length [`State::batch`]. Solvers
    /// that choose the steps of every sample by itself ask for it.
    ///
    /// One sample after the other by default; scores that can do with a whole batch at once should.
    ///
    /// # Panics
    /// If there is no sample, or `times` has another length than the batch.
    fn score_each(&self, x: &X, times: &[Time]) -> X
    where
        X: State,
    {
        assert_eq!(times.len(), x.batch(), "one time a sample");
        let parts: Vec<X> = (times.iter().enumerate())
            .map(|(i, &t)| self.score(&x.select_samples(&[i]), t))
            .collect();
        X::concatenate_samples(&parts)
    }

    /// How many evaluations one call at these times counts, for NFE: 1, but for scores that are made of
    /// several, which [`guidance`](crate::guidance) makes. It says nothing of the size of the batch.
    fn cost(&self, _times: &[Time]) -> usize {
        1
    }

    /// The same score with the variance that was learned beside it; none by default, as of exact scores,
    /// closures, and networks that learned none.
    fn with_learned_variance(&self) -> Option<&dyn LearnedVariance<X>> {
        None
    }
}

/// A score that was trained together with the variance of its chain's reversal (Nichol & Dhariwal 2021,
/// section 3.1).
pub trait LearnedVariance<X>: Score<X> {
    /// s(x, t) and v(x, t) in one evaluation, both of x's shape.
    ///
    /// The step from t down to s has in each element the variance β^v β̃^{1−v} (eq. 15), where
    /// β is that of q(x_t | x_s) and β̃ that of q(x_s | x_t, x₀). Nothing holds v to [0, 1].
    fn score_and_variance(&self, x: &X, t: Time) -> (X, X);
}

/// A score whose Jacobian multiplies vectors: what the divergence along the probability flow, and so a
/// likelihood, needs.
pub trait DifferentiableScore<X>: Score<X> {
    /// s(x_i, t_i) and v_iᵀ ∂s(x_i, t_i)/∂x_i of each sample, both of x's shape.
    ///
    /// # Panics
    /// If `v` has another shape than `x`, or `times` another length than the batch.
    fn score_and_vjp(&self, x: &X, times: &[Time], v: &X) -> (X, X);
}

impl<X, F: Fn(&X, Time) -> X> Score<X> for F {
    fn score(&self, x: &X, t: Time) -> X {
        self(x, t)
    }
}

/// A score that counts its evaluations: the NFE of a sampling run is measured, never computed from
/// the number of steps.
pub struct CountedScore<'a, X> {
    inner: &'a dyn Score<X>,
    evaluations: Cell<usize>,
}

impl<'a, X> CountedScore<'a, X> {
    /// Wraps `inner`, with the count at zero.
    pub fn new(inner: &'a dyn Score<X>) -> Self {
        Self {
            inner,
            evaluations: Cell::new(0),
        }
    }

    /// The number of evaluations so far (NFE).
    pub fn evaluations(&self) -> usize {
        self.evaluations.get()
    }

    fn count(&self, times: &[Time]) {
        let cost = self.inner.cost(times);
        self.evaluations.set(self.evaluations.get() + cost);
    }

    /// [`LearnedVariance::score_and_variance`] as one call; none, and no evaluation, of a score
    /// without a learned variance.
    pub fn score_and_variance(&self, x: &X, t: Time) -> Option<(X, X)> {
        let learned = self.inner.with_learned_variance()?;
        self.count(&[t]);
        Some(learned.score_and_variance(x, t))
    }
}

impl<X> Score<X> for CountedScore<'_, X> {
    fn score(&self, x: &X, t: Time) -> X {
        self.count(&[t]);
        self.inner.score(x, t)
    }

    fn score_each(&self, x: &X, times: &[Time]) -> X
    where
        X: State,
    {
        self.count(times);
        self.inner.score_each(x, times)
    }

    fn cost(&self, times: &[Time]) -> usize {
        self.inner.cost(times)
    }
}
