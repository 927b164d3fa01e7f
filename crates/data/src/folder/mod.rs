//! Folders of pictures, decoded when they are asked for.
//!
//! A set of any size costs the list of its files and a cache of a bounded size. What a sample is depends on
//! its file, on the configuration and, in training, on the [`AugmentationKey`]; on nothing that happened
//! before, and on no number of threads.

mod cache;
mod config;
mod decode;
mod fault;
mod jpeg_end;
mod listing;
mod resample;
mod resize;
mod webp_chunks;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rand::RngExt;
use rayon::prelude::*;

use crate::augmentation::AugmentationKey;
use crate::error::DataError;
use crate::images::pixel_to_unit;
use crate::source::Source;
use crate::unpack::file_size;
use cache::Cache;
pub use config::{ImageFolderConfig, Size};
pub use decode::{Channels, Facts, Picture, decode};
pub use fault::{FolderFault, PictureFault};
pub use listing::{EXTENSIONS, Listing, list};
pub use resample::Filter;
pub use resize::{Crop, fit};

/// The largest file that is read as one picture.
const MAX_FILE: u64 = 1 << 28;

/// A folder of pictures.
#[derive(Debug)]
pub struct ImageFolder {
    config: ImageFolderConfig,
    listing: Listing,
    /// Height and width of a sample.
    size: [usize; 2],
    cache: Cache,
}

impl ImageFolder {
    /// Lists the folder's pictures. None is decoded, except the first if the configuration says no
    /// size.
    ///
    /// # Errors
    /// A configuration value is impossible, the folder is missing, unreadable, without pictures, or
    /// with classes that cannot be told; or the first picture is unusable.
    pub fn open(config: &ImageFolderConfig) -> Result<Self, DataError> {
        config.validate()?;
        let listing = list(&config.path, config.classes)?;
        let size = match config.size {
            Some(size) => size.sides(),
            None => {
                let (first, _) = read(&listing.files[0], config.channels)?;
                [first.height, first.width]
            }
        };
        Ok(Self::of(config, listing, size))
    }

    /// The pictures that were listed, at a size, `[height, width]`.
    pub(crate) fn of(config: &ImageFolderConfig, listing: Listing, size: [usize; 2]) -> Self {
        Self {
            config: config.clone(),
            size,
            cache: Cache::new(config.cache_mib.saturating_mul(1 << 20)),
            listing,
        }
    }

    /// The pictures' files by index.
    #[must_use]
    pub fn files(&self) -> &[std::path::PathBuf] {
        &self.listing.files
    }

    /// How many bytes of pictures are kept at the moment.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// `picture` as it is before a window is cut from it.
    pub(crate) fn fit(&self, path: &Path, picture: Picture) -> Result<Picture, DataError> {
        let [height, width] = self.size;
        let Some(size) = self.config.size else {
            if [picture.height, picture.width] == self.size {
                return Ok(picture);
            }
            return Err(DataError::Picture {
                path: path.to_owned(),
                fault: PictureFault::OtherSize {
                    width: picture.width,
                    height: picture.height,
                    expected_width: width,
                    expected_height: height,
                },
            });
        };
        let resize = self.config.resize.unwrap_or(size).sides();
        let (crop, filter) = (self.config.crop, self.config.filter);
        resize::fit(picture, self.size, resize, crop, filter).map_err(|fault| DataError::Picture {
            path: path.to_owned(),
            fault,
        })
    }

    fn picture(&self, index: usize) -> Result<Arc<Picture>, DataError> {
        let path = &self.listing.files[index];
        if let Some(picture) = self.cache.get(index) {
            return Ok(picture);
        }
        let (picture, _) = read(path, self.config.channels)?;
        let picture = Arc::new(self.fit(path, picture)?);
        self.cache.offer(index, &picture);
        Ok(picture)
    }

    /// Writes the window of a picture, `[C, H, W]`, from the middle or from the place that `key` says.
    pub(crate) fn write(&self, picture: &Picture, key: Option<AugmentationKey>, out: &mut [f32]) {
        let [height, width] = self.size;
        let room = [picture.height - height, picture.width - width];
        let [top, left] = match key {
            Some(key) if room != [0, 0] => {
                let mut random = key.generator(*b"crop\0\0\0\0");
                room.map(|room| random.random_range(0..=room))
            }
            _ => room.map(|room| room / 2),
        };
        for (channel, plane) in out.chunks_exact_mut(height * width).enumerate() {
            for (row, out) in plane.chunks_exact_mut(width).enumerate() {
                let start = ((top + row) * picture.width + left) * picture.channels;
                let pixels = picture.pixels[start..].chunks_exact(picture.channels);
                for (out, pixel) in out.iter_mut().zip(pixels) {
                    *out = pixel_to_unit(pixel[channel]);
                }
            }
        }
    }

    fn write_all(
        &self,
        indices: &[usize],
        key: Option<AugmentationKey>,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let len: usize = self.sample_shape().iter().product();
        let start = out.len();
        out.resize(start + indices.len() * len, 0.0);
        let one = |(place, (&index, out)): (usize, (&usize, &mut [f32]))| {
            let picture = self.picture(index)?;
            self.write(&picture, key.map(|key| key.advanced(place)), out);
            Ok(())
        };
        let parts = out[start..].chunks_exact_mut(len);
        let outcomes: Vec<Result<(), DataError>> = match indices {
            // Whoever asks for one at a time has threads of its own.
            [_] => indices.iter().zip(parts).enumerate().map(one).collect(),
            _ => {
                let parts: Vec<&mut [f32]> = parts.collect();
                indices.par_iter().zip(parts).enumerate().map(one).collect()
            }
        };
        // The first in the batch, whichever was met first.
        let outcome: Result<(), DataError> = outcomes.into_iter().collect();
        if outcome.is_err() {
            out.truncate(start);
        }
        outcome
    }
}

/// Reads and decodes a file.
///
/// # Errors
/// The file is missing, unreadable, too large for a picture, or one that [`decode`] refuses; the error names it.
pub fn read(path: &Path, channels: Channels) -> Result<(Picture, Facts), DataError> {
    let bytes = read_bytes(path)?;
    decode(&bytes, channels).map_err(|fault| DataError::Picture {
        path: path.to_owned(),
        fault,
    })
}

/// The bytes of a file, if they are not too many for a picture.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let size = file_size(path)?;
    if size > MAX_FILE {
        return Err(DataError::Picture {
            path: path.to_owned(),
            fault: PictureFault::TooLong {
                size,
                limit: MAX_FILE,
            },
        });
    }
    fs::read(path).map_err(|source| DataError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

impl Source for ImageFolder {
    fn len(&self) -> usize {
        self.listing.files.len()
    }

    fn sample_shape(&self) -> [usize; 3] {
        let [height, width] = self.size;
        [self.config.channels.count(), height, width]
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        self.write_all(indices, None, out)
    }

    /// Random crops; mirroring is [`Flipped`](crate::Flipped)'s.
    fn write_augmented(
        &self,
        indices: &[usize],
        key: AugmentationKey,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        self.write_all(indices, Some(key), out)
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.listing.labels.as_ref()?.get(index).copied()
    }

    fn class_count(&self) -> usize {
        self.listing.classes.len()
    }

    fn class_names(&self) -> &[String] {
        &self.listing.classes
    }
}
