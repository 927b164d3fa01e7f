//! Scores of velocities: ∇_v log p_t(x, v), whoever computes it.

use std::cell::Cell;

use super::PhaseState;
use crate::Time;

/// A function s(z, t) ≈ ∇_v log p_t(x, v) of the pairs z = (x, v), of the velocity's shape.
///
/// It is a trait of its own, not a [`Score`](crate::Score) of pairs: such a score would have a part
/// ∇_x too, and a solver of a scalar process would take it. Closures `Fn(&PhaseState<X>, Time) -> X` are
/// scores of velocities; so is [`DampedWorld`](super::DampedWorld), exactly, and a trained network,
/// approximately.
pub trait VelocityScore<X> {
    /// s(z, t), of v's shape; every sample at the same t.
    fn velocity_score(&self, z: &PhaseState<X>, t: Time) -> X;
}

impl<X, F: Fn(&PhaseState<X>, Time) -> X> VelocityScore<X> for F {
    fn velocity_score(&self, z: &PhaseState<X>, t: Time) -> X {
        self(z, t)
    }
}

/// A score of velocities that counts its evaluations (NFE).
pub struct CountedVelocityScore<'a, X> {
    inner: &'a dyn VelocityScore<X>,
    evaluations: Cell<usize>,
}

impl<'a, X> CountedVelocityScore<'a, X> {
    /// Wraps `inner`, with the count at zero.
    pub fn new(inner: &'a dyn VelocityScore<X>) -> Self {
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

impl<X> VelocityScore<X> for CountedVelocityScore<'_, X> {
    fn velocity_score(&self, z: &PhaseState<X>, t: Time) -> X {
        self.evaluations.set(self.evaluations.get() + 1);
        self.inner.velocity_score(z, t)
    }
}
