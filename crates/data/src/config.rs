//! A data set as plain data, and its opening.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cifar::{Cifar, Cifar100Labels};
use crate::coloured::Coloured;
use crate::error::DataError;
use crate::flipped::Flipped;
use crate::folder::{ImageFolder, ImageFolderConfig};
use crate::idx_set::IdxConfig;
use crate::mnist::{Mnist, Split};
use crate::npy::{ArrayImages, NpyConfig, NpzConfig};
use crate::source::Source;
use crate::toys::Toy;

/// A data set.
///
/// ```toml
/// kind = "image-folder"     # or mnist, toy, idx, cifar10, cifar100, npy, npz
/// path = "photographs"
/// size = 64
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DataConfig {
    /// MNIST's four files.
    Mnist {
        /// The folder that holds them.
        #[serde(default = "mnist_path")]
        path: PathBuf,
        /// Which part is learned.
        #[serde(default = "train_split")]
        split: Split,
        /// Whether each digit has a colour of its own, see [`Coloured`].
        #[serde(default)]
        colours: bool,
    },
    /// A distribution in the plane.
    Toy {
        /// Which one.
        name: Toy,
        /// The number of points.
        #[serde(default = "toy_count")]
        count: usize,
        /// The seed that draws them.
        #[serde(default)]
        seed: u64,
    },
    /// Pictures and labels in IDX files.
    Idx(IdxConfig),
    /// CIFAR-10 in its binary form.
    Cifar10 {
        /// The folder `cifar-10-batches-bin`.
        path: PathBuf,
        /// Which part is learned.
        #[serde(default = "train_split")]
        split: Split,
        /// Whether training mirrors pictures, left for right, with probability ½.
        #[serde(default)]
        flip: bool,
    },
    /// CIFAR-100 in its binary form.
    Cifar100 {
        /// The folder `cifar-100-binary`.
        path: PathBuf,
        /// Which part is learned.
        #[serde(default = "train_split")]
        split: Split,
        /// Which of the two labels is the class.
        #[serde(default)]
        labels: Cifar100Labels,
        /// Whether training mirrors pictures, left for right, with probability ½.
        #[serde(default)]
        flip: bool,
    },
    /// A folder of PNG, JPEG and WebP files.
    ImageFolder(ImageFolderConfig),
    /// An npy file.
    Npy(NpyConfig),
    /// An npz archive.
    Npz(NpzConfig),
}

fn mnist_path() -> PathBuf {
    "datasets/mnist".into()
}

fn train_split() -> Split {
    Split::Train
}

fn toy_count() -> usize {
    10_000
}

impl DataConfig {
    /// Its kind, as in the configuration file.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Mnist { .. } => "mnist",
            Self::Toy { .. } => "toy",
            Self::Idx(_) => "idx",
            Self::Cifar10 { .. } => "cifar10",
            Self::Cifar100 { .. } => "cifar100",
            Self::ImageFolder(_) => "image-folder",
            Self::Npy(_) => "npy",
            Self::Npz(_) => "npz",
        }
    }

    /// Whether training mirrors its pictures at random.
    #[must_use]
    pub fn flips(&self) -> bool {
        match self {
            Self::Mnist { .. } | Self::Toy { .. } => false,
            Self::Idx(config) => config.flip,
            Self::Cifar10 { flip, .. } | Self::Cifar100 { flip, .. } => *flip,
            Self::ImageFolder(config) => config.flip,
            Self::Npy(config) => config.flip,
            Self::Npz(config) => config.flip,
        }
    }

    /// Opens the set. All but folders of pictures are read whole.
    ///
    /// # Errors
    /// What [`DataError`] lists: a value that is not possible, or a file that is missing or unusable.
    pub fn open(&self) -> Result<Box<dyn Source>, DataError> {
        Ok(match self {
            Self::Mnist {
                path,
                split,
                colours: false,
            } => Box::new(Mnist::load(path, *split)?),
            Self::Mnist { path, split, .. } => Box::new(Coloured(Mnist::load(path, *split)?)),
            Self::Toy { count: 0, .. } => {
                return Err(DataError::Config {
                    field: "count",
                    value: "0".to_owned(),
                    must: "at least 1",
                });
            }
            Self::Toy { name, count, seed } => Box::new(name.sample(*count, *seed)),
            Self::Idx(config) => flipped(config.load()?, config.flip),
            Self::Cifar10 { path, split, flip } => flipped(Cifar::Ten.load(path, *split)?, *flip),
            Self::Cifar100 {
                path,
                split,
                labels,
                flip,
            } => flipped(Cifar::Hundred(*labels).load(path, *split)?, *flip),
            Self::ImageFolder(config) => flipped(ImageFolder::open(config)?, config.flip),
            Self::Npy(config) => arrays(config.load()?, config.flip),
            Self::Npz(config) => arrays(config.load()?, config.flip),
        })
    }
}

fn flipped(set: impl Source + 'static, flip: bool) -> Box<dyn Source> {
    if flip {
        Box::new(Flipped(set))
    } else {
        Box::new(set)
    }
}

fn arrays(set: ArrayImages, flip: bool) -> Box<dyn Source> {
    match set {
        ArrayImages::Bytes(set) => flipped(set, flip),
        ArrayImages::Floats(set) => flipped(set, flip),
    }
}
