#![doc = include_str!("../README.md")]

mod arrays;
mod augmentation;
mod check;
pub mod cifar;
mod coloured;
mod config;
mod error;
mod flipped;
pub mod folder;
pub mod idx;
mod idx_set;
mod images;
mod keyed;
mod latents;
pub mod mnist;
mod named;
pub mod npy;
pub mod order;
mod points;
mod prefetch;
mod source;
pub mod toys;
mod unpack;

pub use arrays::ArraySet;
pub use augmentation::AugmentationKey;
pub use check::{
    ChannelMoments, ClassCount, Finding, Problem, Progress, Report, Severity, SizeCount, check,
};
pub use cifar::{Cifar, Cifar100Labels};
pub use coloured::{Coloured, colour};
pub use config::DataConfig;
pub use error::{Content, DataError};
pub use flipped::Flipped;
pub use folder::{ImageFolder, ImageFolderConfig};
pub use idx_set::IdxConfig;
pub use images::{ImageSet, PIXEL_HALF_RANGE, pixel_to_unit, unit_to_pixel};
pub use latents::{LatentSet, Standardisation};
pub use mnist::{Mnist, Split};
pub use named::Named;
pub use npy::{NpyConfig, NpzConfig};
pub use order::EpochOrder;
pub use points::PointSet;
pub use prefetch::Prefetched;
pub use source::Source;
pub use toys::{Toy, UnknownToy};
