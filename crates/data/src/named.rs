//! Classes with names.

use crate::augmentation::AugmentationKey;
use crate::error::DataError;
use crate::source::Source;

/// A set whose classes have names.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<S> {
    /// The set; every label is below the number of names.
    pub set: S,
    /// The classes' names in the order of their labels.
    pub names: Vec<String>,
}

impl<S: Source> Source for Named<S> {
    fn len(&self) -> usize {
        self.set.len()
    }

    fn sample_shape(&self) -> [usize; 3] {
        self.set.sample_shape()
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        self.set.write_samples(indices, out)
    }

    fn write_augmented(
        &self,
        indices: &[usize],
        key: AugmentationKey,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        self.set.write_augmented(indices, key, out)
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.set.label(index)
    }

    fn class_count(&self) -> usize {
        self.names.len()
    }

    fn class_names(&self) -> &[String] {
        &self.names
    }
}
