//! Numbers of any range in memory.

use ndarray::{Array4, Axis};

use crate::error::DataError;
use crate::source::Source;

/// Samples of single-precision numbers, written as they are, with classes or without.
#[derive(Clone, Debug, PartialEq)]
pub struct ArraySet {
    /// The numbers, `[N, C, H, W]`; pictures are in [−1, 1].
    pub values: Array4<f32>,
    /// One class a sample, `[N]`.
    pub labels: Option<Vec<u8>>,
}

impl ArraySet {
    /// Numbers `[N, C, H, W]` with labels `[N]` or none.
    ///
    /// # Errors
    /// [`DataError::UnevenLabels`] where the two lengths differ.
    pub fn new(values: Array4<f32>, labels: Option<Vec<u8>>) -> Result<Self, DataError> {
        let image_count = values.len_of(Axis(0));
        match &labels {
            Some(labels) if labels.len() != image_count => Err(DataError::UnevenLabels {
                image_count,
                label_count: labels.len(),
            }),
            _ => Ok(Self { values, labels }),
        }
    }
}

impl Source for ArraySet {
    fn len(&self) -> usize {
        self.values.len_of(Axis(0))
    }

    fn sample_shape(&self) -> [usize; 3] {
        let (_, channels, height, width) = self.values.dim();
        [channels, height, width]
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        out.reserve(indices.len() * self.sample_shape().iter().product::<usize>());
        for &index in indices {
            out.extend(self.values.index_axis(Axis(0), index).iter());
        }
        Ok(())
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.labels.as_ref()?.get(index).copied()
    }

    fn class_count(&self) -> usize {
        let largest = self.labels.iter().flatten().max();
        largest.map_or(0, |&label| usize::from(label) + 1)
    }
}
