//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009) in their binary form: records of one label (two in
//! CIFAR-100: coarse, then fine) and 3,072 pixels, red before green before blue, each 32x32 in
//! row-major order.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array4;
use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::images::ImageSet;
use crate::mnist::{Split, check_folder};
use crate::named::Named;
use crate::unpack::file_size;

mod classes;

use classes::{CIFAR10, CIFAR100_COARSE, CIFAR100_FINE};

const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;

/// Which of CIFAR-100's two labels is a picture's class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cifar100Labels {
    /// One of 100 classes.
    #[default]
    Fine,
    /// One of 20 groups of five classes.
    Coarse,
}

/// One of the two data sets, with the label that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cifar {
    /// Ten classes: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`.
    Ten,
    /// A hundred classes in twenty groups: `train.bin` and `test.bin`.
    Hundred(Cifar100Labels),
}

impl Cifar {
    /// The size of a record in bytes.
    #[must_use]
    pub fn record(self) -> usize {
        match self {
            Self::Ten => 1 + PIXELS,
            Self::Hundred(_) => 2 + PIXELS,
        }
    }

    /// The names of the files of a part, as their author published them.
    #[must_use]
    pub fn files(self, split: Split) -> &'static [&'static str] {
        match (self, split) {
            (Self::Ten, Split::Train) => &[
                "data_batch_1.bin",
                "data_batch_2.bin",
                "data_batch_3.bin",
                "data_batch_4.bin",
                "data_batch_5.bin",
            ],
            (Self::Ten, Split::Test) => &["test_batch.bin"],
            (Self::Hundred(_), Split::Train) => &["train.bin"],
            (Self::Hundred(_), Split::Test) => &["test.bin"],
        }
    }

    /// The classes' names in the order of their labels, as in `batches.meta.txt` and
    /// `fine_label_names.txt`.
    #[must_use]
    pub fn class_names(self) -> &'static [&'static str] {
        match self {
            Self::Ten => &CIFAR10,
            Self::Hundred(Cifar100Labels::Fine) => &CIFAR100_FINE,
            Self::Hundred(Cifar100Labels::Coarse) => &CIFAR100_COARSE,
        }
    }

    /// Loads a part from the folder of the unpacked archive (`cifar-10-batches-bin`,
    /// `cifar-100-binary`): pixels `[N, 3, 32, 32]`, labels `[N]`, in the order of the files.
    ///
    /// # Errors
    /// A file is missing, unreadable, empty, cut short or of another data set; the error names it.
    pub fn load(self, dir: &Path, split: Split) -> Result<Named<ImageSet>, DataError> {
        check_folder(dir)?;
        let mut set = Records::new(self);
        for name in self.files(split) {
            let path = dir.join(name);
            file_size(&path)?;
            let bytes = fs::read(&path).map_err(|source| DataError::Unreadable {
                path: path.clone(),
                source,
            })?;
            set.append(&path, &bytes)?;
        }
        Ok(set.finish())
    }

    /// The records in the bytes of one file; `path` names it in errors.
    ///
    /// # Errors
    /// As [`load`](Self::load), apart from those of the disk.
    pub fn decode(self, path: &Path, bytes: &[u8]) -> Result<Named<ImageSet>, DataError> {
        let mut set = Records::new(self);
        set.append(path, bytes)?;
        Ok(set.finish())
    }
}

struct Records {
    form: Cifar,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Records {
    fn new(form: Cifar) -> Self {
        Self {
            form,
            pixels: Vec::new(),
            labels: Vec::new(),
        }
    }

    fn append(&mut self, path: &Path, bytes: &[u8]) -> Result<(), DataError> {
        let path = || PathBuf::from(path);
        let record = self.form.record();
        if bytes.is_empty() {
            return Err(DataError::EmptyFile { path: path() });
        }
        if !bytes.len().is_multiple_of(record) {
            return Err(DataError::Ragged {
                path: path(),
                size: bytes.len() as u64,
                record,
            });
        }
        let count = bytes.len() / record;
        self.pixels.reserve_exact(count * PIXELS);
        self.labels.reserve_exact(count);
        for (index, record) in bytes.chunks_exact(record).enumerate() {
            // CIFAR-100 has the coarse label first.
            let named = match self.form {
                Cifar::Ten | Cifar::Hundred(Cifar100Labels::Coarse) => 0,
                Cifar::Hundred(Cifar100Labels::Fine) => 1,
            };
            let others = match self.form {
                Cifar::Ten => &[(0, 10)][..],
                Cifar::Hundred(_) => &[(0, 20), (1, 100)],
            };
            for &(place, classes) in others {
                if usize::from(record[place]) >= classes {
                    return Err(DataError::UnknownClass {
                        path: path(),
                        index,
                        label: i64::from(record[place]),
                        classes,
                    });
                }
            }
            self.labels.push(record[named]);
            self.pixels.extend(&record[record.len() - PIXELS..]);
        }
        Ok(())
    }

    fn finish(self) -> Named<ImageSet> {
        let shape = (self.labels.len(), 3, SIDE, SIDE);
        let pixels = Array4::from_shape_vec(shape, self.pixels)
            .expect("every record has as many pixels as the shape says");
        let names = self.form.class_names();
        Named {
            set: ImageSet {
                pixels,
                labels: Some(self.labels),
            },
            names: names.iter().map(|&name| name.to_owned()).collect(),
        }
    }
}
