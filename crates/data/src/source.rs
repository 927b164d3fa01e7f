//! What a training loop asks of a data set.

/// Samples by index, as the numbers that a network sees.
pub trait Source: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape `[C, H, W]` of one sample; a point of the plane is `[2, 1, 1]`.
    fn sample_shape(&self) -> [usize; 3];

    /// Appends the samples at `indices` to `out`, each in the row-major order of
    /// [`sample_shape`](Self::sample_shape): `indices.len() · C · H · W` numbers. Pixels are
    /// scaled to [−1, 1].
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>);

    /// The class of the sample at `index`; none if the set has no classes or no such sample.
    fn label(&self, index: usize) -> Option<u8>;
}
