//! The inputs that mutations start from.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::Target;

/// The seeds of a target: those made by code, then the files in its folder by name.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// Each seed with its name.
    pub seeds: Vec<(String, Vec<u8>)>,
}

impl Corpus {
    /// The seeds of `target`.
    ///
    /// # Errors
    /// A file of its folder cannot be read, or there is no seed at all.
    pub fn of(target: &Target) -> Result<Self> {
        let made = (target.seeds)().into_iter().enumerate();
        let made = made.map(|(number, bytes)| (format!("made-{number}"), bytes));
        let mut seeds: Vec<_> = made.collect();
        for path in files(&folder(target))? {
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            seeds.push((name.into_owned(), bytes));
        }
        anyhow::ensure!(!seeds.is_empty(), "the target {} has no seed", target.name);
        Ok(Self { seeds })
    }
}

/// Where the files of a target are.
fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name)
}

/// The files of a folder, sorted; none if there is no such folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.sort_unstable();
    Ok(paths)
}
