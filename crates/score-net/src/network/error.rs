//! What can be wrong with the description of a network.

use thiserror::Error;

/// A network configuration that cannot be built, with the field, its value and the way out.
///
/// Fields are named as in an experiment file, under its `network` table.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ConfigError {
    /// A count that has to be positive is zero.
    #[error("network.{field} = 0: it must be at least 1")]
    Zero {
        /// The field at fault.
        field: &'static str,
    },

    /// A list that has to have entries is empty.
    #[error("network.{field} = []: {remedy}")]
    Empty {
        /// The field at fault.
        field: &'static str,
        /// What to write instead.
        remedy: &'static str,
    },

    /// A number lies outside its range.
    #[error("network.{field} = {value}: it must be {allowed}")]
    OutOfRange {
        /// The field at fault.
        field: &'static str,
        /// Its value.
        value: f64,
        /// The values that are allowed, in words.
        allowed: &'static str,
    },

    /// A number has to divide another one and does not.
    #[error("network.{field} = {value} does not divide {whole_name} = {whole}: {remedy}")]
    NotADivisor {
        /// The field at fault.
        field: &'static str,
        /// Its value.
        value: usize,
        /// What has to be divided, in words.
        whole_name: &'static str,
        /// How much of it there is.
        whole: usize,
        /// What to change.
        remedy: &'static str,
    },

    /// Attention is asked for at a height that no level of the network has.
    #[error(
        "network.attention lists {height}, but on this data the levels are {available:?} high: \
         list some of these, or none"
    )]
    NoSuchLevel {
        /// The height that was asked for, in pixels of the feature map.
        height: usize,
        /// The heights there are, from the first level to the last.
        available: Vec<usize>,
    },

    /// The data have no extent along some axis.
    #[error(
        "the data have shape {channels}x{height}x{width} (channels x height x width): \
         every extent must be at least 1"
    )]
    EmptyData {
        /// Channels of one sample.
        channels: usize,
        /// Height of one sample, in pixels.
        height: usize,
        /// Width of one sample, in pixels.
        width: usize,
    },
}

/// `value` unless it is zero.
pub(crate) fn positive(field: &'static str, value: usize) -> Result<usize, ConfigError> {
    if value == 0 {
        Err(ConfigError::Zero { field })
    } else {
        Ok(value)
    }
}

/// `shape` unless one of its extents is zero.
pub(crate) fn nonempty(shape: [usize; 3]) -> Result<[usize; 3], ConfigError> {
    let [channels, height, width] = shape;
    if shape.contains(&0) {
        Err(ConfigError::EmptyData {
            channels,
            height,
            width,
        })
    } else {
        Ok(shape)
    }
}
