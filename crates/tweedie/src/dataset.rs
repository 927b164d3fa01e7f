//! From a configured data set to its samples.

mod at_path;

use std::path::Path;

use anyhow::{Context, Result};
use data::{EpochOrder, Prefetched, Source, Split};
use ndarray::{Array2, Array4};

use crate::config::DataConfig;
use crate::failure::Fault;

pub use at_path::{held_out_at, samples_at, section};

/// A data set.
pub struct Dataset {
    source: Box<dyn Source>,
    unit: &'static str,
}

/// Steps whose samples are read ahead of the one that is computed.
const STEPS_AHEAD: usize = 2;

impl Dataset {
    /// Opens or draws it.
    pub fn load(config: &DataConfig) -> Result<Self> {
        let source = config.open().with_context(|| match place(config) {
            None => Fault::usage("the data cannot be drawn"),
            Some(path) => {
                let fault = format!("the data set at {} cannot be used", path.display());
                Fault::failed(fault).hint(match config {
                    DataConfig::Mnist { .. } => {
                        "MNIST is four files in one folder; --set data.path=FOLDER names it"
                    }
                    _ => "--set data.path=PATH names another; `tweedie data check` looks at each of its samples",
                })
            }
        })?;
        Ok(Self::of(source))
    }

    /// The set of these samples.
    fn of(source: Box<dyn Source>) -> Self {
        let unit = match source.sample_shape() {
            [_, 1, 1] => "points",
            _ => "images",
        };
        Self { source, unit }
    }

    /// Latents of another set.
    pub fn latents(source: Box<dyn Source>) -> Self {
        let unit = "latents";
        Self { source, unit }
    }

    /// The same, read ahead for a training with `seed` and batches of `batch` samples, where that is worth its
    /// threads: sets in memory need none.
    pub fn read_ahead(self, config: &DataConfig, seed: u64, batch: usize) -> Result<Self> {
        if !matches!(config, DataConfig::ImageFolder(_)) {
            return Ok(self);
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let ahead = Prefetched::new(self.source, seed, batch, STEPS_AHEAD, threads)?;
        Ok(Self {
            source: Box::new(ahead),
            unit: self.unit,
        })
    }

    /// As a training loop wants it.
    pub fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// What its samples are called.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// The first `count` samples, `[N, C, H, W]`, or all if there are fewer.
    pub fn first(&self, count: usize) -> Result<Array4<f32>> {
        let places: Vec<usize> = (0..count.min(self.source.len())).collect();
        self.at(&places)
    }

    /// The places of `count` samples drawn without replacement, or of all if there are fewer: the first of a
    /// folder may be all of one class. They are the same for every call, and fewer are the head of more.
    pub fn some(&self, count: usize) -> Result<Vec<usize>> {
        let len = self.source.len();
        let mut places = Vec::new();
        EpochOrder::new(len, CHOICE)?.indices(0, count.min(len), &mut places);
        Ok(places)
    }

    /// The samples at these places, `[N, C, H, W]`.
    pub fn at(&self, places: &[usize]) -> Result<Array4<f32>> {
        let mut values = Vec::new();
        self.source.write_samples(places, &mut values)?;
        let [channels, height, width] = self.source.sample_shape();
        let shape = (places.len(), channels, height, width);
        Ok(Array4::from_shape_vec(shape, values).expect("a source writes samples of its shape"))
    }
}

/// The seed of [`Dataset::some`].
const CHOICE: u64 = 0;

/// The part of a set that its publishers set aside for tests; none of other sets.
pub fn test_part(config: &DataConfig) -> Option<DataConfig> {
    let mut part = config.clone();
    match &mut part {
        DataConfig::Mnist { split, .. }
        | DataConfig::Cifar10 { split, .. }
        | DataConfig::Cifar100 { split, .. } => *split = Split::Test,
        _ => return None,
    }
    Some(part)
}

/// Points `[N, 2]` of states `[N, 2, 1, 1]`; none if the states are something else.
pub fn points_of(states: &Array4<f32>) -> Option<Array2<f32>> {
    let (count, 2, 1, 1) = states.dim() else {
        return None;
    };
    Some(Array2::from_shape_fn((count, 2), |(i, j)| {
        states[[i, j, 0, 0]]
    }))
}

/// Where a set lies on the disk; none of one that is drawn.
fn place(config: &DataConfig) -> Option<&Path> {
    Some(match config {
        DataConfig::Toy { .. } => return None,
        DataConfig::Mnist { path, .. }
        | DataConfig::Cifar10 { path, .. }
        | DataConfig::Cifar100 { path, .. } => path,
        DataConfig::Idx(set) => &set.images,
        DataConfig::ImageFolder(set) => &set.path,
        DataConfig::Npy(set) => &set.path,
        DataConfig::Npz(set) => &set.path,
    })
}
