//! Npz: a zip archive of npy files.

use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::{ArrayFault, NpyArray};
use crate::error::DataError;
use crate::unpack::{Unpacked, file_size};

/// Reads the array `name` of the npz file at `path`; without a name the only one that there is.
///
/// # Errors
/// The file is missing, unreadable, empty, no zip archive, damaged, or has no such array; the array is
/// not what [`read`](super::read) reads.
pub fn read_npz(path: &Path, name: Option<&str>) -> Result<NpyArray, DataError> {
    file_size(path)?;
    let file = std::fs::File::open(path).map_err(|source| DataError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(path, BufReader::new(file), name)
}

/// As [`read_npz`], from the bytes of a file; `path` names it in errors.
///
/// # Errors
/// As [`read_npz`], apart from those of the disk.
pub fn decode_npz(path: &Path, bytes: &[u8], name: Option<&str>) -> Result<NpyArray, DataError> {
    parse(path, Cursor::new(bytes), name)
}

fn parse(path: &Path, file: impl Read + Seek, name: Option<&str>) -> Result<NpyArray, DataError> {
    let damaged = |error: ZipError| DataError::CorruptZip {
        path: path.to_owned(),
        fault: error.to_string(),
    };
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let arrays = names.iter().filter_map(|name| name.strip_suffix(".npy"));
    let mut arrays: Vec<String> = arrays.map(str::to_owned).collect();
    arrays.sort_unstable();
    let chosen = match (name, &arrays[..]) {
        (Some(name), arrays) => arrays.iter().find(|array| *array == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some(chosen) = chosen else {
        let asked = match name {
            Some(name) => format!("there is no array `{name}`"),
            None => "which array holds the images? Name it (data.images)".to_owned(),
        };
        return Err(DataError::Array {
            path: path.to_owned(),
            fault: ArrayFault::Member {
                asked,
                names: arrays,
            },
        });
    };
    let member = archive.by_name(&format!("{chosen}.npy")).map_err(damaged)?;
    let size = member.compressed_size();
    let path = path.join(chosen);
    super::parse(
        &path,
        Unpacked::zip_member(&path, BufReader::new(member), size),
    )
}
