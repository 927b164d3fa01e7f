//! What is known of the samples of a run.

use sde_core::State;

use super::projection::projected;
use super::{EditError, Projection};

/// P x₀ of one picture for all samples, or of one for each.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a, X> {
    projection: &'a dyn Projection,
    /// P x₀.
    known: X,
}

impl<'a, X: State> Observation<'a, X> {
    /// What `projection` knows of `pictures`, shape `[1 or batch, ...]`; what it does not may be anything.
    ///
    /// # Errors
    /// Pictures must have the projection's number of elements, and there must be one.
    pub fn new(projection: &'a dyn Projection, pictures: &X) -> Result<Self, EditError> {
        let (expected, found) = (projection.sample_len(), pictures.sample_len());
        if expected != found {
            let what = "the projection (mask, channels or pooling)";
            return Err(EditError::SampleLen {
                what,
                expected,
                found,
            });
        }
        if pictures.batch() == 0 {
            return Err(EditError::Batch {
                known: 0,
                batch: 1,
                each: true,
            });
        }
        Ok(Self {
            projection,
            known: projected(projection, pictures),
        })
    }

    /// P x.
    #[must_use]
    pub fn project(&self, x: &X) -> X {
        projected(self.projection, x)
    }

    /// The number of pictures.
    pub(super) fn pictures(&self) -> usize {
        self.known.batch()
    }

    /// P x₀ for `batch` samples.
    pub(super) fn known(&self, batch: usize) -> X {
        if self.pictures() == batch {
            self.known.clone()
        } else {
            self.known.select_samples(&vec![0; batch])
        }
    }

    /// Whether it is for samples like `x`; `each` if one picture for each sample will do.
    pub(super) fn check(&self, x: &X, each: bool) -> Result<(), EditError> {
        let (expected, found) = (self.projection.sample_len(), x.sample_len());
        if expected != found {
            let what = "the observation";
            return Err(EditError::SampleLen {
                what,
                expected,
                found,
            });
        }
        let (known, batch) = (self.pictures(), x.batch());
        if known == 1 || each && known == batch {
            return Ok(());
        }
        Err(EditError::Batch { known, batch, each })
    }
}
