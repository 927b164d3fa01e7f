#![doc = include_str!("../README.md")]

mod augmentation;
mod error;
pub mod idx;
mod images;
mod keyed;
pub mod mnist;
pub mod order;
mod points;
mod source;
pub mod toys;
mod unpack;

pub use augmentation::AugmentationKey;
pub use error::{Content, DataError};
pub use images::{ImageSet, PIXEL_HALF_RANGE, pixel_to_unit, unit_to_pixel};
pub use mnist::{Mnist, Split};
pub use order::EpochOrder;
pub use points::PointSet;
pub use source::Source;
pub use toys::{Toy, UnknownToy};
