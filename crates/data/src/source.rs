//! What a training loop asks of a data set.

use std::sync::Arc;

use crate::augmentation::AugmentationKey;
use crate::error::DataError;

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
    /// # Errors
    /// A sample cannot be read (any more): its file has vanished or was damaged. `out` is then as
    /// long as it was. Sets that lie in memory never fail.
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError>;

    /// As [`write_samples`](Self::write_samples), for training: each sample as the set's random
    /// flips and crops of `key` leave it. A set without any ignores the key, which is the default.
    ///
    /// # Errors
    /// As [`write_samples`](Self::write_samples).
    ///
    /// # Panics
    /// If an index is not below [`len`](Self::len).
    fn write_augmented(
        &self,
        indices: &[usize],
        key: AugmentationKey,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let _ = key;
        self.write_samples(indices, out)
    }

    /// The class of the sample at `index`; none if the set has no classes or no such sample.
    fn label(&self, index: usize) -> Option<u8>;

    /// The number of classes, so that every label is below it; 0 if the set has none.
    fn class_count(&self) -> usize {
        0
    }

    /// The classes' names in the order of their labels; empty if they have none.
    fn class_names(&self) -> &[String] {
        &[]
    }

    /// What the set is recognised by in place of its numbers, where those are computed and may differ in the
    /// last digit from device to device; none of a set that is known by them.
    fn fingerprint(&self) -> Option<&str> {
        None
    }
}

/// What is behind a pointer is a set as well.
macro_rules! behind {
    ($pointer:ty) => {
        impl<S: Source + ?Sized> Source for $pointer {
            fn len(&self) -> usize {
                (**self).len()
            }

            fn sample_shape(&self) -> [usize; 3] {
                (**self).sample_shape()
            }

            fn write_samples(
                &self,
                indices: &[usize],
                out: &mut Vec<f32>,
            ) -> Result<(), DataError> {
                (**self).write_samples(indices, out)
            }

            fn write_augmented(
                &self,
                indices: &[usize],
                key: AugmentationKey,
                out: &mut Vec<f32>,
            ) -> Result<(), DataError> {
                (**self).write_augmented(indices, key, out)
            }

            fn label(&self, index: usize) -> Option<u8> {
                (**self).label(index)
            }

            fn class_count(&self) -> usize {
                (**self).class_count()
            }

            fn class_names(&self) -> &[String] {
                (**self).class_names()
            }

            fn fingerprint(&self) -> Option<&str> {
                (**self).fingerprint()
            }
        }
    };
}

behind!(Box<S>);
behind!(Arc<S>);
