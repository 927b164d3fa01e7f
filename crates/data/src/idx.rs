//! IDX, the format of MNIST's files: big-endian, `[0, 0, type, rank]`, then each dimension in
//! four bytes, then the values in row-major order.
//!
//! Only unsigned bytes (type 0x08) of rank 1 to 4 are read, from plain or gzipped files. A file
//! is not trusted: no more memory is taken than its size justifies. A header may promise what a
//! plain file has, or 64 times what a gzipped one has (1 MiB at least); more is refused before the
//! first value is read, and the buffer grows with the values that arrive. Bytes after the last
//! value are refused too.

use std::io::BufRead;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::DataError;
use crate::unpack::Unpacked;

/// The IDX type code of unsigned bytes.
const UNSIGNED_BYTE: u8 = 0x08;

/// The highest rank that is read.
pub const MAX_RANK: usize = 4;

/// A tensor of bytes as an IDX file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxTensor<const D: usize> {
    /// Its dimensions, outermost first.
    pub shape: [usize; D],
    /// Its values in row-major order, as many as the dimensions' product.
    pub values: Vec<u8>,
    /// SHA-256 of the whole unpacked file, header included.
    pub sha256: [u8; 32],
}

/// Reads the file at `path`, gzipped or not, as a tensor of bytes of rank `D`, 1 to 4 (another
/// does not compile).
///
/// # Errors
/// The file is missing, unreadable, empty, not what its name says, damaged, shorter or longer
/// than its header promises, not IDX, not of bytes, or not of that rank.
pub fn read<const D: usize>(path: &Path) -> Result<IdxTensor<D>, DataError> {
    parse(path, Unpacked::open(path)?)
}

/// As [`read`], from the bytes of a file; `path` names it in errors.
///
/// # Errors
/// As [`read`], apart from those of the disk.
pub fn decode<const D: usize>(path: &Path, bytes: &[u8]) -> Result<IdxTensor<D>, DataError> {
    parse(path, Unpacked::over(path, bytes)?)
}

fn parse<const D: usize>(
    path: &Path,
    mut file: Unpacked<impl BufRead>,
) -> Result<IdxTensor<D>, DataError> {
    const {
        assert!(
            D >= 1 && D <= MAX_RANK,
            "IDX tensors are read at ranks 1 to 4"
        )
    }
    let magic = file.take(4)?;
    check_magic(path, [magic[0], magic[1], magic[2], magic[3]], D)?;
    let sizes = file.take(4 * D as u64)?;
    let shape: [u32; D] = std::array::from_fn(|axis| {
        let size = &sizes[4 * axis..];
        u32::from_be_bytes([size[0], size[1], size[2], size[3]])
    });

    // Four factors below 2³² stay below 2¹²⁸.
    let promised: u128 = shape.iter().map(|&size| u128::from(size)).product();
    let header = (magic.len() + sizes.len()) as u128;
    file.check_promise(promised.saturating_add(header))?;
    // The promise was found to be no more than the file's size justifies, so it fits.
    let values = file.take(promised as u64)?;
    file.finish()?;

    let mut hash = Sha256::new();
    hash.update(&magic);
    hash.update(&sizes);
    hash.update(&values);
    Ok(IdxTensor {
        shape: shape.map(|size| size as usize),
        values,
        sha256: hash.finalize().into(),
    })
}

fn check_magic(path: &Path, found: [u8; 4], expected: usize) -> Result<(), DataError> {
    let [zero, also_zero, code, rank] = found;
    let path = path.to_owned();
    if (zero, also_zero) != (0, 0) {
        return Err(DataError::WrongMagic { path, found });
    }
    if code != UNSIGNED_BYTE {
        return Err(DataError::WrongElement { path, code });
    }
    let found = usize::from(rank);
    if found != expected {
        return Err(DataError::WrongRank {
            path,
            expected,
            found,
        });
    }
    Ok(())
}
