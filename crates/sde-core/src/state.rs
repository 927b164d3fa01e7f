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

    /// a_i·x_i + b_i·y_i with one pair of coefficients a sample; both have length [`State::batch`].
    ///
    /// # Panics
    /// If the shapes differ, or `a` or `b` has another length than the batch.
    #[must_use]
    fn lincomb_per_sample(self, a: &[f64], y: &Self, b: &[f64]) -> Self;

    /// x + e^{a + b·v}·y, element by element, where `exponent` is [a, b]: y as noise whose standard deviation
    /// is e^a where v is 0 and e^{a + b} where it is 1.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    fn axpy_exp(self, exponent: [f64; 2], v: &Self, y: &Self) -> Self;

    /// Every element held to [`low`, `high`].
    #[must_use]
    fn clamped(self, low: f64, high: f64) -> Self;

    /// The inner product ⟨x_i, y_i⟩ of each sample; it synchronises with the device.
    ///
    /// # Panics
    /// If the shapes differ.
    fn dots(&self, y: &Self) -> Vec<f64>;

    /// The Euclidean norm ‖x_i‖ of each sample; it synchronises with the device.
    fn norms(&self) -> Vec<f64> {
        self.dots(self).into_iter().map(f64::sqrt).collect()
    }

    /// The error of each sample in units of its tolerance, √mean((e/(absolute + relative·max(|x|, |y|)))²)
    /// over its elements, where e is this state and x, y are two states that it is an error of (Hairer,
    /// Nørsett & Wanner 1993, eq. II.4.11); it synchronises with the device.
    ///
    /// # Panics
    /// If the shapes differ.
    fn error_norms(&self, x: &Self, y: &Self, absolute: f64, relative: f64) -> Vec<f64>;

    /// The samples at these places, in this order: shape `[samples.len(), ...]`.
    ///
    /// # Panics
    /// If a place is outside the batch, or there is none.
    #[must_use]
    fn select_samples(&self, samples: &[usize]) -> Self;

    /// Batches one behind the other.
    ///
    /// # Panics
    /// If there is no part, or samples differ in shape.
    #[must_use]
    fn concatenate_samples(parts: &[Self]) -> Self;

    /// Whether every element is finite; it synchronises with the device.
    fn is_finite(&self) -> bool;

    /// Every element on the host, sample after sample, each in row-major order; it synchronises with the
    /// device.
    fn to_host(&self) -> Vec<f64>;

    /// The samples that `map(i, sample)` makes of these, in place, on the host; a sample has length
    /// [`State::sample_len`] and is in row-major order. It synchronises with the device.
    #[must_use]
    fn map_samples(&self, map: &mut dyn FnMut(usize, &mut [f64])) -> Self {
        let (values, len) = (self.to_host(), self.sample_len());
        self.filled_like(&mut |i, out| {
            out.copy_from_slice(&values[i * len..(i + 1) * len]);
            map(i, out);
        })
    }

    /// A state of this shape, type and device whose sample i is what `fill(i, buffer)` writes;
    /// `buffer` has length [`State::sample_len`] and holds the sample in row-major order.
    #[must_use]
    fn filled_like(&self, fill: &mut dyn FnMut(usize, &mut [f64])) -> Self;
}
