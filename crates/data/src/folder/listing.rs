//! Which files of a folder are the set's pictures, in an order that stays.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::FolderFault;
use crate::error::DataError;
use crate::mnist::check_folder;

/// The endings that are pictures, whatever their case.
pub const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// A folder's pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The pictures, sorted by path, each folder's name before what is in it: byte by byte, so that
    /// an index means the same picture on every machine.
    pub files: Vec<PathBuf>,
    /// The class of each picture, if the folders in the folder are classes.
    pub labels: Option<Vec<u8>>,
    /// The names of those folders, sorted; empty if they are no classes.
    pub classes: Vec<String>,
    /// How many files of each other ending there are. A file whose name begins with a dot is hidden
    /// and counts as `hidden`, one without an ending as `without ending`.
    pub ignored: BTreeMap<String, usize>,
}

/// Lists the pictures in `dir` and in the folders in it, however deep. With `classes` each folder in
/// `dir` is a class, and there may be no picture beside them.
///
/// # Errors
/// The folder is missing or unreadable, holds no picture, or its classes cannot be told
/// ([`FolderFault`]).
pub fn list(dir: &Path, classes: bool) -> Result<Listing, DataError> {
    check_folder(dir)?;
    let mut listing = Listing::default();
    if classes {
        list_classes(dir, &mut listing)?;
    } else {
        walk(dir, &mut Vec::new(), &mut listing)?;
    }
    if listing.files.is_empty() {
        return Err(DataError::Folder {
            path: dir.to_owned(),
            fault: FolderFault::NoPictures {
                ignored: listing.ignored,
            },
        });
    }
    Ok(listing)
}

fn list_classes(dir: &Path, listing: &mut Listing) -> Result<(), DataError> {
    let entries = entries(dir)?;
    let count = entries.iter().filter(|entry| entry.is_dir).count();
    if count > 256 {
        return Err(DataError::Folder {
            path: dir.to_owned(),
            fault: FolderFault::TooManyClasses { count },
        });
    }
    let mut ancestors = vec![canonical(dir)?];
    let mut labels = Vec::new();
    for entry in entries {
        if !entry.is_dir {
            if add_file(entry.path.clone(), listing) {
                return Err(DataError::Folder {
                    path: entry.path,
                    fault: FolderFault::Unclassed,
                });
            }
            continue;
        }
        if is_hidden(&entry.path) {
            *listing.ignored.entry("hidden".to_owned()).or_default() += 1;
            continue;
        }
        let label = listing.classes.len() as u8;
        let name = entry.path.file_name().unwrap_or_default();
        listing.classes.push(name.to_string_lossy().into_owned());
        walk(&entry.path, &mut ancestors, listing)?;
        labels.resize(listing.files.len(), label);
    }
    listing.labels = Some(labels);
    Ok(())
}

struct Entry {
    path: PathBuf,
    is_dir: bool,
}

/// What is in a folder, sorted by name.
fn entries(dir: &Path) -> Result<Vec<Entry>, DataError> {
    let unreadable = |path: &Path, source: io::Error| DataError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| unreadable(dir, error))? {
        let path = entry.map_err(|error| unreadable(dir, error))?.path();
        // A link counts as what it leads to; one that leads nowhere is met when it is read.
        let is_dir = path.is_dir();
        entries.push(Entry { path, is_dir });
    }
    entries.sort_unstable_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
    Ok(entries)
}

fn canonical(dir: &Path) -> Result<PathBuf, DataError> {
    fs::canonicalize(dir).map_err(|source| DataError::Unreadable {
        path: dir.to_owned(),
        source,
    })
}

fn walk(dir: &Path, ancestors: &mut Vec<PathBuf>, listing: &mut Listing) -> Result<(), DataError> {
    let real = canonical(dir)?;
    if ancestors.contains(&real) {
        return Err(DataError::Folder {
            path: dir.to_owned(),
            fault: FolderFault::Circle,
        });
    }
    ancestors.push(real);
    for entry in entries(dir)? {
        if !entry.is_dir {
            add_file(entry.path, listing);
        } else if is_hidden(&entry.path) {
            *listing.ignored.entry("hidden".to_owned()).or_default() += 1;
        } else {
            walk(&entry.path, ancestors, listing)?;
        }
    }
    ancestors.pop();
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
}

/// Adds the file to the pictures, or counts it among the others; whether it is a picture.
fn add_file(path: PathBuf, listing: &mut Listing) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    let ending = ending.map(|ending| ending.to_ascii_lowercase());
    let other = match ending {
        _ if is_hidden(&path) => "hidden".to_owned(),
        Some(ending) if EXTENSIONS.contains(&&*ending) => {
            listing.files.push(path);
            return true;
        }
        Some(ending) => format!(".{ending}"),
        None => "without ending".to_owned(),
    };
    *listing.ignored.entry(other).or_default() += 1;
    false
}
