//! Pictures and labels in IDX files of any name: Fashion-MNIST, EMNIST, ….

use std::path::PathBuf;

use ndarray::Array4;
use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::idx;
use crate::images::ImageSet;

/// A pair of IDX files, gzipped or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdxConfig {
    /// The file of pictures, `[N, H, W]`.
    pub images: PathBuf,
    /// The file of labels, `[N]`; without it there are no classes.
    #[serde(default)]
    pub labels: Option<PathBuf>,
    /// Whether training mirrors pictures, left for right, with probability ½.
    #[serde(default)]
    pub flip: bool,
}

impl IdxConfig {
    /// Reads the files.
    ///
    /// # Errors
    /// A file is not what [`idx::read`] reads, there are not as many labels as pictures, or none.
    pub fn load(&self) -> Result<ImageSet, DataError> {
        let images = idx::read::<3>(&self.images)?;
        let [count, height, width] = images.shape;
        if images.values.is_empty() {
            return Err(DataError::NoSamples {
                path: self.images.clone(),
                shape: images.shape.to_vec(),
            });
        }
        let labels = match &self.labels {
            Some(path) => {
                let labels = idx::read::<1>(path)?.values;
                if labels.len() != count {
                    return Err(DataError::CountMismatch {
                        images: self.images.clone(),
                        image_count: count,
                        labels: path.clone(),
                        label_count: labels.len(),
                    });
                }
                Some(labels)
            }
            None => None,
        };
        let pixels = Array4::from_shape_vec((count, 1, height, width), images.values)
            .expect("an IDX tensor has as many values as its shape says");
        ImageSet::new(pixels, labels)
    }
}
