//! Scores: ∇ₓ log pₜ(x), whoever computes it.

use std::cell::Cell;

use crate::Time;

/// A score function s(x, t) ≈ ∇ₓ log pₜ(x) on batches `X` of shape `[batch, ...]`.
///
/// Closures `Fn(&X, Time) -> X` are scores; so are the [`worlds`](crate::worlds), exactly, and
/// trained networks, approximately.
pub trait Score<X> {
    /// s(x, t), of x's shape; every sample at the same t.
    fn score(&self, x: &X, t: Time) -> X;
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
}

impl<X> Score<X> for CountedScore<'_, X> {
    fn score(&self, x: &X, t: Time) -> X {
        self.evaluations.set(self.evaluations.get() + 1);
        self.inner.score(x, t)
    }
}
