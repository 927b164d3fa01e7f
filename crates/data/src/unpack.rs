//! One stream of unpacked bytes from a plain or a packed file, with a bound on what its size
//! justifies.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::DataError;

/// The first two bytes of a gzip member (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How many unpacked bytes a packed one may stand for. MNIST's images have 5; DEFLATE itself
/// stops at 1032, which only a file of one repeated byte reaches.
const MAX_EXPANSION: u64 = 64;

/// What any packed file may unpack to, so that small and very regular ones stay loadable.
const MIN_ALLOWANCE: u64 = 1 << 20;

/// An open file, or one that lies in memory, whose unpacked bytes are counted as they are read.
pub(crate) struct Unpacked<R> {
    path: PathBuf,
    bytes: Bytes<R>,
    size: u64,
    read: u64,
}

enum Bytes<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    /// The bytes of a member of a zip archive, unpacked by whoever opened it; the size is the packed
    /// one.
    Zip(R),
}

/// The size of the regular file at `path`, which is not zero.
pub(crate) fn file_size(path: &Path) -> Result<u64, DataError> {
    // Looked at before opening: opening a pipe would wait for its writer.
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(DataError::MissingFile {
                path: path.to_owned(),
            });
        }
        Err(source) => {
            return Err(DataError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    };
    if !metadata.is_file() {
        return Err(DataError::NotAFile {
            path: path.to_owned(),
        });
    }
    match metadata.len() {
        0 => Err(DataError::EmptyFile {
            path: path.to_owned(),
        }),
        size => Ok(size),
    }
}

impl Unpacked<BufReader<File>> {
    /// Opens `path`. Gzip is recognised by its first bytes, whatever the file is called.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let size = file_size(path)?;
        let file = File::open(path).map_err(|source| DataError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::new(path, BufReader::new(file), size)
    }
}

impl<'a> Unpacked<&'a [u8]> {
    /// The bytes of a file that was read already; `path` names it in errors.
    pub(crate) fn over(path: &Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        if bytes.is_empty() {
            return Err(DataError::EmptyFile {
                path: path.to_owned(),
            });
        }
        Self::new(path, bytes, bytes.len() as u64)
    }
}

impl<R: BufRead> Unpacked<R> {
    /// The member `path` of a zip archive, of `size` packed bytes.
    pub(crate) fn zip_member(path: &Path, reader: R, size: u64) -> Self {
        Self {
            path: path.to_owned(),
            bytes: Bytes::Zip(reader),
            size,
            read: 0,
        }
    }

    fn new(path: &Path, mut reader: R, size: u64) -> Result<Self, DataError> {
        let start = reader.fill_buf().map_err(|source| DataError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let gzipped = start.starts_with(&GZIP_MAGIC);
        if !gzipped && path.extension().is_some_and(|ending| ending == "gz") {
            return Err(DataError::NotGzip {
                path: path.to_owned(),
                found: start.iter().take(2).copied().collect(),
            });
        }
        let bytes = if gzipped {
            Bytes::Gzip(Box::new(MultiGzDecoder::new(reader)))
        } else {
            Bytes::Plain(reader)
        };
        Ok(Self {
            path: path.to_owned(),
            bytes,
            size,
            read: 0,
        })
    }

    /// Refuses a promise of `needed` unpacked bytes that the size of the file does not justify.
    /// Nothing has to be allocated to find out.
    pub(crate) fn check_promise(&self, needed: u128) -> Result<(), DataError> {
        let limit = match self.bytes {
            Bytes::Plain(_) => self.size,
            Bytes::Gzip(_) | Bytes::Zip(_) => packed_allowance(self.size),
        };
        if needed <= u128::from(limit) {
            return Ok(());
        }
        let path = self.path.clone();
        Err(match self.bytes {
            Bytes::Plain(_) => DataError::Truncated {
                path,
                needed,
                found: limit,
            },
            Bytes::Gzip(_) | Bytes::Zip(_) => DataError::Implausible {
                path,
                needed,
                limit,
            },
        })
    }

    /// Reads exactly `count` bytes. The buffer grows with what arrives, never with what was
    /// promised.
    pub(crate) fn take(&mut self, count: u64) -> Result<Vec<u8>, DataError> {
        let mut values = Vec::new();
        let outcome = match &mut self.bytes {
            Bytes::Plain(reader) => reader.take(count).read_to_end(&mut values),
            Bytes::Gzip(reader) => reader.take(count).read_to_end(&mut values),
            Bytes::Zip(reader) => reader.take(count).read_to_end(&mut values),
        };
        // What had arrived before a fault stays in `values`.
        self.read += values.len() as u64;
        outcome.map_err(|error| self.fault(error))?;
        if (values.len() as u64) < count {
            return Err(DataError::Truncated {
                path: self.path.clone(),
                needed: u128::from(self.read) + u128::from(count - values.len() as u64),
                found: self.read,
            });
        }
        values.shrink_to_fit();
        Ok(values)
    }

    /// Checks that nothing is left. On a gzipped file this also checks the stream's own CRC-32
    /// and length, which come last.
    pub(crate) fn finish(mut self) -> Result<(), DataError> {
        let mut byte = [0];
        let outcome = match &mut self.bytes {
            Bytes::Plain(reader) => reader.read(&mut byte),
            Bytes::Gzip(reader) => reader.read(&mut byte),
            Bytes::Zip(reader) => reader.read(&mut byte),
        };
        match outcome {
            Ok(0) => Ok(()),
            Ok(_) => Err(DataError::TrailingBytes {
                path: self.path,
                needed: u128::from(self.read),
            }),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Tells a damaged gzip stream from a disk that fails.
    fn fault(&self, source: io::Error) -> DataError {
        let path = self.path.clone();
        let unpacked = self.read;
        if let Bytes::Zip(_) = self.bytes {
            return DataError::CorruptZip {
                path,
                fault: source.to_string(),
            };
        }
        let gzipped = matches!(self.bytes, Bytes::Gzip(_));
        match source.kind() {
            io::ErrorKind::UnexpectedEof if gzipped => DataError::TruncatedGzip { path, unpacked },
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if gzipped => {
                DataError::CorruptGzip {
                    path,
                    unpacked,
                    source,
                }
            }
            _ => DataError::Unreadable { path, source },
        }
    }
}

/// Unpacked bytes that a packed file of `size` bytes is trusted for.
fn packed_allowance(size: u64) -> u64 {
    size.saturating_mul(MAX_EXPANSION).max(MIN_ALLOWANCE)
}
