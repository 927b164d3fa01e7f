//! What can be known of a picture.

use std::fmt;

use sde_core::State;

/// An orthogonal projection P = Pᵀ = P² of samples: P x is what is known of x. For a measurement A x with
/// A Aᵀ = I it is AᵀA, and Aᵀ y is the picture that stands for a measured y.
pub trait Projection: fmt::Debug + Send + Sync {
    /// The number of elements of a sample.
    fn sample_len(&self) -> usize;

    /// Overwrites a sample x, in row-major order, by P x.
    fn project(&self, sample: &mut [f64]);
}

/// P x of every sample.
pub(super) fn projected<X: State>(projection: &dyn Projection, x: &X) -> X {
    x.map_samples(&mut |_, sample| projection.project(sample))
}
