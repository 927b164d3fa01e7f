//! What can be wrong with a data set, and what to do about each.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::folder::{FolderFault, PictureFault};
use crate::npy::ArrayFault;

/// What an MNIST-like file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Pictures: an IDX tensor `[N, H, W]`.
    Images,
    /// Classes: an IDX tensor `[N]`.
    Labels,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Images => "images",
            Self::Labels => "labels",
        })
    }
}

/// A data set that cannot be used. Each message names the file, the fault and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The data set's folder does not exist.
    #[error("{path}: no such folder; create it with the data set's files in it, or name another folder", path = path.display())]
    MissingFolder {
        /// The folder asked for.
        path: PathBuf,
    },

    /// A file stands where the data set's folder should be.
    #[error("{path}: a folder is expected here, and this is a file; name the folder that holds the data set's files", path = path.display())]
    NotAFolder {
        /// The path asked for.
        path: PathBuf,
    },

    /// The file does not exist.
    #[error("{path}: no such file; put the file there, or name the place where it is", path = path.display())]
    MissingFile {
        /// The file asked for.
        path: PathBuf,
    },

    /// Neither the file nor its gzipped form exists.
    #[error("{path}: no such file, nor one with `.gz` after its name; put either of the two there, or name the folder that has it", path = path.display())]
    MissingEither {
        /// The unpacked file's path.
        path: PathBuf,
    },

    /// A folder, pipe or device stands where the file should be.
    #[error("{path}: this is not a regular file; put the data file itself there", path = path.display())]
    NotAFile {
        /// The path asked for.
        path: PathBuf,
    },

    /// The operating system refuses to read.
    #[error("{path}: cannot be read: {source}; check its permissions and the disk", path = path.display())]
    Unreadable {
        /// The file or folder asked for.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// A file of zero bytes.
    #[error("{path}: the file is empty; a copy or download that failed leaves this: fetch it again", path = path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },

    /// A name that ends in `.gz` on something that gzip did not write.
    #[error("{path}: not a gzip file, though its name ends in `.gz` (it starts with {found:02x?}, gzip with [1f, 8b]); if it is unpacked already, take `.gz` off its name, otherwise fetch it again", path = path.display())]
    NotGzip {
        /// The file.
        path: PathBuf,
        /// Its first bytes, two at most.
        found: Vec<u8>,
    },

    /// The file ends within its gzip stream.
    #[error("{path}: the file ends in the middle of its gzip stream, after {unpacked} unpacked bytes; a copy or download was cut short: fetch it again", path = path.display())]
    TruncatedGzip {
        /// The file.
        path: PathBuf,
        /// Bytes that could be unpacked.
        unpacked: u64,
    },

    /// The gzip stream or its checksum is wrong, or something else follows it.
    #[error("{path}: the gzip stream is damaged after {unpacked} unpacked bytes ({source}); fetch the file again", path = path.display())]
    CorruptGzip {
        /// The file.
        path: PathBuf,
        /// Bytes that could be unpacked.
        unpacked: u64,
        /// What the decoder found.
        source: io::Error,
    },

    /// A zip archive, or a member of one, that cannot be unpacked.
    #[error("{path}: the zip archive is damaged ({fault}); write or fetch it again", path = path.display())]
    CorruptZip {
        /// The archive, or the archive and its member.
        path: PathBuf,
        /// What the decoder found.
        fault: String,
    },

    /// Fewer bytes than the header promises (or than a header needs).
    #[error("{path}: the file is cut short: {needed} bytes (unpacked) are needed and there are {found}; fetch it again", path = path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Unpacked bytes that header and values take together, as far as the header is known.
        needed: u128,
        /// Unpacked bytes that there are.
        found: u64,
    },

    /// Bytes after the last value.
    #[error("{path}: the file goes on after the {needed} bytes (unpacked) that its header promises; its header is damaged or something was appended: fetch it again", path = path.display())]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// Unpacked bytes that header and values take together.
        needed: u128,
    },

    /// A packed file whose header promises more than is plausible for its size.
    #[error("{path}: the header promises {needed} bytes, and a packed file of this size is trusted for {limit} at most; its header is damaged or it is a decompression bomb. If it is neither, unpack it (gunzip; for npz, numpy.savez instead of savez_compressed) and use the unpacked file", path = path.display())]
    Implausible {
        /// The file.
        path: PathBuf,
        /// Unpacked bytes that header and values would take together.
        needed: u128,
        /// Unpacked bytes that the size of the file justifies.
        limit: u64,
    },

    /// The file is not IDX.
    #[error("{path}: not an IDX file: it starts with {found:02x?}, and IDX with [00, 00, type, rank]; another file bears this name: replace it", path = path.display())]
    WrongMagic {
        /// The file.
        path: PathBuf,
        /// Its first four bytes, unpacked.
        found: [u8; 4],
    },

    /// An IDX file of something else than bytes.
    #[error("{path}: an IDX file with elements of type 0x{code:02x} ({name}), where unsigned bytes (0x08) are expected; replace it with a file of bytes", path = path.display(), name = element_name(*code))]
    WrongElement {
        /// The file.
        path: PathBuf,
        /// The type code in the third byte.
        code: u8,
    },

    /// An IDX file of another rank than is asked for.
    #[error("{path}: an IDX tensor of rank {found}, where rank {expected} is expected; another file bears this name: replace it", path = path.display())]
    WrongRank {
        /// The file.
        path: PathBuf,
        /// The rank asked for, 1 to 4.
        expected: usize,
        /// The rank in the fourth byte.
        found: usize,
    },

    /// Labels where images are expected, or the reverse.
    #[error("{path}: this file holds {found}, where {expected} are expected; two files have swapped their names: name each after what it holds", path = path.display())]
    Mislabelled {
        /// The file.
        path: PathBuf,
        /// What its name says.
        expected: Content,
        /// What its header says.
        found: Content,
    },

    /// A well-formed file that is not the published one.
    #[error("{path}: this is not the published file: the SHA-256 of its unpacked bytes is {found}, and should be {expected}{hint}", path = path.display(), hint = checksum_hint(*recognised))]
    ChecksumMismatch {
        /// The file.
        path: PathBuf,
        /// The published SHA-256 in hexadecimal.
        expected: String,
        /// The file's SHA-256 in hexadecimal.
        found: String,
        /// The published file that it is instead, if it is one.
        recognised: Option<&'static str>,
    },

    /// Images and labels that cannot belong together.
    #[error("{images} holds {image_count} images and {labels} {label_count} labels; they are from different sets: replace one", images = images.display(), labels = labels.display())]
    CountMismatch {
        /// The file of images.
        images: PathBuf,
        /// How many it holds.
        image_count: usize,
        /// The file of labels.
        labels: PathBuf,
        /// How many it holds.
        label_count: usize,
    },

    /// A well-formed file without a single value.
    #[error("{path}: the file's shape is {shape:?}, which leaves nothing to learn from; replace it", path = path.display())]
    NoSamples {
        /// The file.
        path: PathBuf,
        /// The shape in its header.
        shape: Vec<usize>,
    },

    /// A file of records whose size is no multiple of a record's.
    #[error("{path}: {size} bytes are no whole number of records of {record} bytes; the file was cut short, or it is of another data set: fetch it again", path = path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The size of a record in bytes.
        record: usize,
    },

    /// A label that names no class.
    #[error("{path}: sample {index} has the label {label}, and labels are 0 to {max}; the file is damaged or of another data set: replace it", path = path.display(), max = classes - 1)]
    UnknownClass {
        /// The file.
        path: PathBuf,
        /// The sample.
        index: usize,
        /// Its label.
        label: i64,
        /// How many classes there are.
        classes: usize,
    },

    /// An npy file, or a member of an npz file, that cannot be learned from.
    #[error("{path}: {fault}", path = path.display())]
    Array {
        /// The file, or the archive and its member.
        path: PathBuf,
        /// What is wrong.
        fault: ArrayFault,
    },

    /// A picture that cannot be learned from.
    #[error("{path}: {fault}", path = path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: PictureFault,
    },

    /// A folder without a usable set of pictures.
    #[error("{path}: {fault}", path = path.display())]
    Folder {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What is wrong.
        fault: FolderFault,
    },

    /// A configuration value that no data set can be opened with.
    #[error("data.{field} = {value} is not possible: it must be {must}")]
    Config {
        /// The field, as in the configuration file.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        must: &'static str,
    },

    /// Threads that could not be started.
    #[error(
        "the threads that read data ahead could not be started: {source}; ask for fewer workers"
    )]
    Threads {
        /// What the operating system said.
        source: io::Error,
    },

    /// Pixels and labels of different lengths in memory.
    #[error(
        "{image_count} images and {label_count} labels: give one label an image, or none at all"
    )]
    UnevenLabels {
        /// Images given.
        image_count: usize,
        /// Labels given.
        label_count: usize,
    },

    /// A number of samples that no order can be made of.
    #[error(
        "an order over {len} samples: 1 to {max} are possible; check the size of the data set",
        max = u32::MAX
    )]
    UnorderableLength {
        /// The number of samples asked for.
        len: usize,
    },
}

/// The IDX format's names of its type codes.
fn element_name(code: u8) -> &'static str {
    match code {
        0x08 => "unsigned byte",
        0x09 => "signed byte",
        0x0b => "16-bit integer",
        0x0c => "32-bit integer",
        0x0d => "32-bit float",
        0x0e => "64-bit float",
        _ => "unknown to the format",
    }
}

fn checksum_hint(recognised: Option<&'static str>) -> String {
    match recognised {
        Some(name) => {
            format!("; it is MNIST's `{name}` under another name: give each file its own name")
        }
        None => "; fetch it again, or, if another data set in the same format is meant, load it \
                 without verification"
            .to_owned(),
    }
}
