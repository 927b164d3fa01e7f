//! The data of a run that is read from files, as what samples are compared with.

use std::path::Path;

use anyhow::Result;
use ndarray::{Array2, Array4, ArrayView4, Axis, Slice};

use super::spaces::flat;
use crate::config::DataConfig;
use crate::dataset::{Dataset, held_out_at, test_part};
use crate::failure::Fault;

/// The training data and, if any is known, data that was held out.
pub struct Stored {
    /// What the model learned from.
    pub train: Dataset,
    /// What it did not.
    pub held_out: Option<HeldOut>,
}

/// Data that a model did not learn from.
pub struct HeldOut {
    /// The data.
    pub set: Dataset,
    /// What to call them.
    pub name: String,
}

/// Real data to compare so many samples with.
pub struct Sets {
    /// What distances are taken to.
    pub reference: Array4<f32>,
    /// As many training data as samples are compared, for the second column.
    pub others: Array4<f32>,
}

impl Stored {
    /// The data of `config`; held out are those at `against`, or else the part of the set that is for tests.
    pub fn open(config: &DataConfig, against: Option<&Path>) -> Result<Self> {
        let train = Dataset::load(config)?;
        let held_out = match (against, test_part(config)) {
            (Some(path), _) => Some(HeldOut {
                set: held_out_at(path, config, train.source().sample_shape())?,
                name: path.display().to_string(),
            }),
            (None, Some(test)) if test != *config => Some(HeldOut {
                set: Dataset::load(&test)?,
                name: "the test set".to_owned(),
            }),
            _ => None,
        };
        let sets = [
            Some(("training", &train)),
            held_out
                .as_ref()
                .map(|held_out| ("held-out", &held_out.set)),
        ];
        for (name, set) in sets.into_iter().flatten() {
            let (len, unit) = (set.source().len(), set.unit());
            if len < FEWEST {
                return Err(Fault::failed(format!(
                    "the {name} data are {len} {unit}, and samples can be measured against {FEWEST} or more"
                ))
                .into());
            }
        }
        Ok(Self { train, held_out })
    }

    /// Whether the samples are images; otherwise they are points.
    pub fn images(&self) -> bool {
        let [_, height, width] = self.train.source().sample_shape();
        height * width > 1
    }

    /// What `count` samples are compared with. Without held-out data these are two parts of the training
    /// data, and fewer than `count` if there are not as many.
    pub fn sets(&self, count: usize) -> Result<Sets> {
        Ok(match &self.held_out {
            Some(HeldOut { set, .. }) => Sets {
                reference: set.at(&set.some(count)?)?,
                others: self.train.at(&self.train.some(count)?)?,
            },
            None => {
                let part = count.min(self.train.source().len() / 2);
                let places = self.train.some(2 * part)?;
                let (reference, others) = places.split_at(part);
                Sets {
                    reference: self.train.at(reference)?,
                    others: self.train.at(others)?,
                }
            }
        })
    }

    /// Samples as they would be saved: images in [−1, 1].
    pub fn as_saved(&self, samples: &Array4<f32>) -> Array4<f32> {
        match self.images() {
            true => samples.mapv(|value| value.clamp(-1.0, 1.0)),
            false => samples.clone(),
        }
    }
}

impl Sets {
    /// The first samples, as many as there are of the data for the second column.
    pub fn as_many<'a>(&self, samples: &'a Array4<f32>) -> ArrayView4<'a, f32> {
        let count = self.others.len_of(Axis(0)).min(samples.len_of(Axis(0)));
        samples.slice_axis(Axis(0), Slice::from(..count))
    }
}

/// The fewest data that anything is measured against: two in each half.
const FEWEST: usize = 4;

/// States as points in double precision.
pub fn precise(states: ArrayView4<'_, f32>) -> Array2<f64> {
    flat(states, f64::from)
}
