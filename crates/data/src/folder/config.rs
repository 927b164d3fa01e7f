//! A folder of pictures as plain data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Channels, Crop, Filter};
use crate::error::DataError;

/// The longest side that pictures are resized to.
const MAX_SIDE: usize = 4096;

/// The size of a set's pictures: `64`, or `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// Both sides.
    Square(usize),
    /// Height, width.
    Rectangle([usize; 2]),
}

impl Size {
    /// Height, width.
    #[must_use]
    pub fn sides(self) -> [usize; 2] {
        match self {
            Self::Square(side) => [side, side],
            Self::Rectangle(sides) => sides,
        }
    }
}

/// A folder of PNG, JPEG and WebP files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFolderConfig {
    /// The folder; pictures in folders in it, however deep, belong to the set.
    pub path: PathBuf,
    /// The size of the set's pictures; without it all have to have the same.
    #[serde(default)]
    pub size: Option<Size>,
    /// What they are converted to.
    #[serde(default)]
    pub channels: Channels,
    /// How they come to that size.
    #[serde(default)]
    pub crop: Crop,
    /// For random crops: the size that a picture is resized to cover before a window of `size` is cut;
    /// without it `size` itself, which leaves only the longer side to choose from.
    #[serde(default)]
    pub resize: Option<Size>,
    /// The filter of the resize; ADM's crop brings its own.
    #[serde(default)]
    pub filter: Filter,
    /// Whether training mirrors pictures, left for right, with probability ½.
    #[serde(default)]
    pub flip: bool,
    /// Whether each folder in the folder is a class.
    #[serde(default)]
    pub classes: bool,
    /// How many MiB of resized pictures are kept, so that they need not be decoded again. The first that
    /// are met stay: epochs visit all alike, so that throwing any out for another would gain nothing.
    #[serde(default = "cache_mib")]
    pub cache_mib: usize,
}

fn cache_mib() -> usize {
    1024
}

impl ImageFolderConfig {
    /// The pictures in `path`, with the defaults.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            size: None,
            channels: Channels::default(),
            crop: Crop::default(),
            resize: None,
            filter: Filter::default(),
            flip: false,
            classes: false,
            cache_mib: cache_mib(),
        }
    }

    /// Refuses values that cannot be, before anything is read.
    ///
    /// # Errors
    /// [`DataError::Config`] names the field.
    pub fn validate(&self) -> Result<(), DataError> {
        let refuse = |field, size: Size, must| DataError::Config {
            field,
            value: match size {
                Size::Square(side) => side.to_string(),
                Size::Rectangle(sides) => format!("{sides:?}"),
            },
            must,
        };
        let possible = |side: usize| (1..=MAX_SIDE).contains(&side);
        for (field, size) in [("size", self.size), ("resize", self.resize)] {
            if let Some(size) = size
                && !size.sides().into_iter().all(possible)
            {
                return Err(refuse(field, size, "1 to 4096 pixels"));
            }
        }
        if let Some(resize) = self.resize {
            let [height, width] = resize.sides();
            let fits = |size: Size| size.sides()[0] <= height && size.sides()[1] <= width;
            if self.crop != Crop::Random {
                return Err(refuse(
                    "resize",
                    resize,
                    "left out, unless crop = \"random\"",
                ));
            }
            if !self.size.is_some_and(fits) {
                return Err(refuse(
                    "resize",
                    resize,
                    "at least size, which has to be set",
                ));
            }
        }
        if let (Crop::Adm, Some(size)) = (self.crop, self.size)
            && size.sides()[0] != size.sides()[1]
        {
            return Err(refuse("size", size, "a square for crop = \"adm\""));
        }
        Ok(())
    }
}
