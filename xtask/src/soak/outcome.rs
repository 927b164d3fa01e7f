//! What becomes of a run, in a form that can be compared. It knows a checkpoint's files, not the program
//! that writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The last checkpoint's files by their digests, the steps that were kept, and the metrics without what a
/// clock put there.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    files: BTreeMap<String, String>,
    kept: Vec<String>,
    metrics: Vec<Value>,
}

fn checkpoints(run: &Path) -> Result<Vec<PathBuf>> {
    let folder = run.join("checkpoints");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .context("reading the checkpoints")?;
    paths.retain(|path| name(path).starts_with("step-"));
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn digests(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry.context("reading a checkpoint")?.path();
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        files.insert(name(&path), hexadecimal(&bytes));
    }
    Ok(files)
}

fn hexadecimal(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Outcome {
    pub fn of(run: &Path) -> Result<Self> {
        let checkpoints = checkpoints(run)?;
        let last = checkpoints
            .last()
            .with_context(|| format!("{} has no checkpoint", run.display()))?;
        let text = fs::read_to_string(run.join("metrics.jsonl")).context("reading the metrics")?;
        let metrics = text.lines().map(|line| {
            let mut record: Value =
                serde_json::from_str(line).with_context(|| format!("a torn line: {line}"))?;
            if let Some(fields) = record.as_object_mut() {
                fields.remove("seconds");
                fields.remove("samples_per_second");
            }
            Ok(record)
        });
        Ok(Self {
            files: digests(last)?,
            kept: checkpoints.iter().map(|path| name(path)).collect(),
            metrics: metrics.collect::<Result<_>>()?,
        })
    }

    /// Fails with the first difference.
    pub fn require_same(&self, whole: &Self, run: &Path) -> Result<()> {
        let run = run.display();
        for (name, digest) in &whole.files {
            ensure!(
                self.files.get(name) == Some(digest),
                "{run}: {name} differs"
            );
        }
        ensure!(self.files.len() == whole.files.len(), "{run}: other files");
        ensure!(
            self.kept == whole.kept,
            "{run}: it kept {:?}, not {:?}",
            self.kept,
            whole.kept
        );
        for (mine, theirs) in self.metrics.iter().zip(&whole.metrics) {
            ensure!(
                mine == theirs,
                "{run}: the metrics differ:\n{mine}\n{theirs}"
            );
        }
        ensure!(
            self.metrics.len() == whole.metrics.len(),
            "{run}: another number of lines"
        );
        Ok(())
    }
}

/// The number of checkpoints in a run, each of which must be whole by the digests in it.
pub fn whole_checkpoints(run: &Path) -> Result<usize> {
    let checkpoints = checkpoints(run)?;
    for folder in &checkpoints {
        let found = digests(folder)?;
        let listed = fs::read(folder.join("manifest.json"))
            .with_context(|| format!("{} has no manifest", folder.display()))?;
        let manifest: Value = serde_json::from_slice(&listed).context("a torn manifest")?;
        let own = fs::read_to_string(folder.join("manifest.sha256")).context("no digest of it")?;
        ensure!(
            own.split_whitespace().next() == found.get("manifest.json").map(String::as_str),
            "{}: the manifest is not whole",
            folder.display()
        );
        let Some(files) = manifest["files"].as_array() else {
            bail!("{}: the manifest lists no files", folder.display());
        };
        for file in files {
            let (name, digest) = (file["name"].as_str(), file["sha256"].as_str());
            let whole = name.and_then(|name| found.get(name)).map(String::as_str) == digest;
            ensure!(whole, "{}: {name:?} is not whole", folder.display());
        }
    }
    Ok(checkpoints.len())
}
