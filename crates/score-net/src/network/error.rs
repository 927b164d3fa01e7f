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

    /// A count is larger than any network has.
    #[error("network.{field} = {value}: it must be at most {most}")]
    TooMany {
        /// The field at fault.
        field: &'static str,
        /// Its value.
        value: usize,
        /// The most that is allowed.
        most: usize,
    },

    /// A sample has more numbers than can be worked with.
    #[error(
        "the data have shape {shape:?} (channels x height x width): every extent must be at most {MOST_EXTENT}, \
         and a sample at most {MOST_NUMBERS} numbers"
    )]
    TooLarge {
        /// Channels, height and width of one sample.
        shape: [usize; 3],
    },

    /// A classifier needs classes to tell apart.
    #[error(
        "model.classes = {classes}: a classifier tells at least 2 classes apart; set it to the number of the \
         data's classes"
    )]
    TooFewClasses {
        /// The number of classes.
        classes: usize,
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

/// The most that any count of a network may be. With it, and [`MOST_NUMBERS`], no number of parameters
/// overflows, whatever a file says.
pub(crate) const MOST: usize = 1 << 15;
/// The most blocks and levels.
pub(crate) const MOST_BLOCKS: usize = 1 << 10;
/// The most levels: each halves the image, and the largest extent is 2^16.
pub(crate) const MOST_LEVELS: usize = 16;
const MOST_EXTENT: usize = 1 << 16;
const MOST_NUMBERS: usize = 1 << 31;

/// `value` unless it is zero or larger than anything one could mean.
pub(crate) fn positive(field: &'static str, value: usize) -> Result<usize, ConfigError> {
    let most = match field {
        "blocks" | "depth" => MOST_BLOCKS,
        _ => MOST,
    };
    match value {
        0 => Err(ConfigError::Zero { field }),
        _ => at_most(field, value, most),
    }
}

/// `value` unless it is larger than `most`.
pub(crate) fn at_most(
    field: &'static str,
    value: usize,
    most: usize,
) -> Result<usize, ConfigError> {
    if value > most {
        Err(ConfigError::TooMany { field, value, most })
    } else {
        Ok(value)
    }
}

/// `shape` unless one of its extents is zero, or it is larger than can be worked with.
pub(crate) fn nonempty(shape: [usize; 3]) -> Result<[usize; 3], ConfigError> {
    let [channels, height, width] = shape;
    if shape.contains(&0) {
        return Err(ConfigError::EmptyData {
            channels,
            height,
            width,
        });
    }
    let numbers = shape
        .iter()
        .fold(1_usize, |product, &n| product.saturating_mul(n));
    if numbers > MOST_NUMBERS || shape.iter().any(|&extent| extent > MOST_EXTENT) {
        return Err(ConfigError::TooLarge { shape });
    }
    Ok(shape)
}
