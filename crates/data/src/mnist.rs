//! MNIST (LeCun, Cortes, Burges): 60,000 training and 10,000 test digits of 28x28 pixels, and
//! the data sets that copy its files' form.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ndarray::Array4;
use serde::{Deserialize, Serialize};

use crate::error::{Content, DataError};
use crate::idx::{self, IdxTensor};
use crate::images::ImageSet;

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// What a model learns from: 60,000 digits.
    Train,
    /// What it is judged on: 10,000 digits.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// A file of MNIST as its authors published it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its name, unpacked.
    pub name: &'static str,
    /// SHA-256 of its unpacked bytes, in hexadecimal.
    pub sha256: &'static str,
    /// What it holds.
    pub content: Content,
    /// Which part of the data set it belongs to.
    pub split: Split,
}

/// MNIST's four files.
pub const FILES: [PublishedFile; 4] = [
    PublishedFile {
        name: "train-images-idx3-ubyte",
        sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        content: Content::Images,
        split: Split::Train,
    },
    PublishedFile {
        name: "train-labels-idx1-ubyte",
        sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        content: Content::Labels,
        split: Split::Train,
    },
    PublishedFile {
        name: "t10k-images-idx3-ubyte",
        sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        content: Content::Images,
        split: Split::Test,
    },
    PublishedFile {
        name: "t10k-labels-idx1-ubyte",
        sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        content: Content::Labels,
        split: Split::Test,
    },
];

/// The door to MNIST's files.
#[derive(Clone, Copy, Debug)]
pub struct Mnist;

impl Mnist {
    /// Loads one part from the four files' folder: pixels `[N, 1, 28, 28]` and labels `[N]`.
    /// Each file may be gzipped (`.gz` after its name) or unpacked; the unpacked one wins where
    /// there are both. The SHA-256 of the unpacked bytes has to be the published one.
    ///
    /// # Errors
    /// A file is missing, unreadable, damaged, mislabelled or not the published one; the error
    /// names it. See [`DataError`].
    pub fn load(dir: &Path, split: Split) -> Result<ImageSet, DataError> {
        load(dir, split, check_published)
    }

    /// Loads one part of a data set that copies MNIST's files (Fashion-MNIST, KMNIST, …): pixels
    /// `[N, 1, H, W]` and labels `[N]`. Everything but the checksums is checked as in
    /// [`load`](Self::load), so damage to an unpacked file's values goes unnoticed.
    ///
    /// # Errors
    /// As [`load`](Self::load), apart from [`DataError::ChecksumMismatch`].
    pub fn load_unverified(dir: &Path, split: Split) -> Result<ImageSet, DataError> {
        load(dir, split, |_, _, _| Ok(()))
    }
}

type Check = fn(&Path, &PublishedFile, &[u8; 32]) -> Result<(), DataError>;

fn load(dir: &Path, split: Split, check: Check) -> Result<ImageSet, DataError> {
    check_folder(dir)?;
    let (image_path, images) = read::<3>(dir, split, Content::Images, check)?;
    let (label_path, labels) = read::<1>(dir, split, Content::Labels, check)?;
    let [count, height, width] = images.shape;
    if images.values.is_empty() {
        return Err(DataError::NoSamples {
            path: image_path,
            shape: images.shape.to_vec(),
        });
    }
    if count != labels.values.len() {
        return Err(DataError::CountMismatch {
            images: image_path,
            image_count: count,
            labels: label_path,
            label_count: labels.values.len(),
        });
    }
    let pixels = Array4::from_shape_vec((count, 1, height, width), images.values)
        .expect("an IDX tensor has as many values as its shape says");
    ImageSet::new(pixels, Some(labels.values))
}

pub(crate) fn check_folder(dir: &Path) -> Result<(), DataError> {
    let path = dir.to_owned();
    match std::fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(DataError::NotAFolder { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(DataError::MissingFolder { path })
        }
        Err(source) => Err(DataError::Unreadable { path, source }),
    }
}

fn read<const D: usize>(
    dir: &Path,
    split: Split,
    content: Content,
    check: Check,
) -> Result<(PathBuf, IdxTensor<D>), DataError> {
    let file = FILES
        .iter()
        .find(|file| file.split == split && file.content == content)
        .expect("FILES has a file for each split and content");
    let path = plain_or_gzipped(dir, file.name)?;
    let tensor = idx::read(&path).map_err(|error| name_contents(error, content))?;
    check(&path, file, &tensor.sha256)?;
    Ok((path, tensor))
}

fn plain_or_gzipped(dir: &Path, name: &str) -> Result<PathBuf, DataError> {
    let plain = dir.join(name);
    let gzipped = dir.join(format!("{name}.gz"));
    // A path that cannot be looked at is handed on: opening it tells why.
    let absent = |path: &Path| matches!(path.try_exists(), Ok(false));
    match (absent(&plain), absent(&gzipped)) {
        (true, true) => Err(DataError::MissingEither { path: plain }),
        (true, false) => Ok(gzipped),
        (false, _) => Ok(plain),
    }
}

/// Says of a file of the wrong rank what it holds, where the rank tells.
fn name_contents(error: DataError, expected: Content) -> DataError {
    let DataError::WrongRank {
        path, found: 1 | 3, ..
    } = error
    else {
        return error;
    };
    DataError::Mislabelled {
        path,
        expected,
        found: match expected {
            Content::Images => Content::Labels,
            Content::Labels => Content::Images,
        },
    }
}

fn check_published(path: &Path, file: &PublishedFile, sha256: &[u8; 32]) -> Result<(), DataError> {
    let found: String = sha256.iter().map(|b| format!("{b:02x}")).collect();
    if found == file.sha256 {
        return Ok(());
    }
    Err(DataError::ChecksumMismatch {
        path: path.to_owned(),
        expected: file.sha256.to_owned(),
        recognised: FILES.iter().find(|f| f.sha256 == found).map(|f| f.name),
        found,
    })
}
