//! What a batch of states must be able to do to be diffused: a vector space over `f64`
//! coefficients, one norm a sample, and a way to be filled with host noise.

#[cfg(feature = "burn")]
mod burn;
#[cfg(feature = "ndarray")]
mod ndarray;

/// A batch of states x, shape `[batch, ...]`: the first axis counts samples.
///
/// Coefficients are `f64` on the host; each implementation rounds them to its own element type once,
/// when it applies them. Every operation works sample by sample, so that no sample's result depends
/// on its neighbours or on the size of the batch.
pub trait State: Clone {
    /// The number of samples, the length of the first axis.
    fn batch(&self) -> usize;

    /// The number of elements of one sample.
    fn sample_len(&self) -> usize;

    /// a·x.
    #[must_use]
    fn scale(self, a: f64) -> Self;

    /// a·x + b·y, in one pass where the implementation can.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    fn lincomb(self, a: f64, y: &Self, b: f64) -> Self;

    /// x + b·y.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    fn axpy(self, b: f64, y: &Self) -> Self {
        self.lincomb(1.0, y, b)
    }

    /// x_i + b_i·y_i with one coefficient a sample; `b` has length [`State::batch`].
    ///
    /// # Panics
    /// If the shapes differ, or `b` has another length than the batch.
    #[must_use]
    fn axpy_per_sample(self, b: &[f64], y: &Self) -> Self;

    /// The Euclidean norm ‖x_i‖ of each sample; it synchronises with the device.
    fn norms(&self) -> Vec<f64>;

    /// Whether every element is finite; it synchronises with the device.
    fn is_finite(&self) -> bool;

    /// A state of this shape, type and device whose sample i is what `fill(i, buffer)` writes;
    /// `buffer` has length [`State::sample_len`] and holds the sample in row-major order.
    #[must_use]
    fn filled_like(&self, fill: &mut dyn FnMut(usize, &mut [f64])) -> Self;
}
