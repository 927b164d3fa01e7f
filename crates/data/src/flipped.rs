//! Mirror images in training.

use rand::Rng;

use crate::augmentation::AugmentationKey;
use crate::error::DataError;
use crate::source::Source;

/// A set whose samples are mirrored, left for right, with probability ½ in training.
#[derive(Clone, Debug)]
pub struct Flipped<S>(
    /// The set.
    pub S,
);

/// Whether the first sample of `key` is mirrored.
fn is_mirrored(key: AugmentationKey) -> bool {
    key.generator(*b"flip\0\0\0\0").next_u32() >> 31 == 1
}

impl<S: Source> Source for Flipped<S> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn sample_shape(&self) -> [usize; 3] {
        self.0.sample_shape()
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        self.0.write_samples(indices, out)
    }

    fn write_augmented(
        &self,
        indices: &[usize],
        key: AugmentationKey,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let start = out.len();
        self.0.write_augmented(indices, key, out)?;
        let [channels, height, width] = self.sample_shape();
        let len = channels * height * width;
        if len == 0 {
            return Ok(());
        }
        for (place, sample) in out[start..].chunks_exact_mut(len).enumerate() {
            if is_mirrored(key.advanced(place)) {
                sample.chunks_exact_mut(width).for_each(<[f32]>::reverse);
            }
        }
        Ok(())
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.0.label(index)
    }

    fn class_count(&self) -> usize {
        self.0.class_count()
    }

    fn class_names(&self) -> &[String] {
        self.0.class_names()
    }
}
