//! One process at a time trains in a run folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::ops::Deref;
use std::path::Path;

use super::{ASIDE, MetricsRecord, RunFolder, write_whole};
use crate::checkpoint::WRITING;
use crate::config::Retention;
use crate::{CheckpointManifest, TrainingError, retention};

/// How the names of checkpoints begin that are being removed.
const REMOVING: &str = ".removing-";

/// A run folder that this process alone may change, until the value is dropped or the process ends,
/// however it ends: the operating system holds the lock.
#[derive(Debug)]
pub struct LockedRun {
    folder: RunFolder,
    /// Locked as long as it is open.
    _lock: File,
    left_behind: Option<String>,
}

impl Deref for LockedRun {
    type Target = RunFolder;

    fn deref(&self) -> &RunFolder {
        &self.folder
    }
}

impl RunFolder {
    /// Takes the folder for this process, and clears away what a process that was killed left half-made.
    ///
    /// # Errors
    /// [`TrainingError::Locked`] names the process that has it.
    pub fn lock(self) -> Result<LockedRun, TrainingError> {
        let path = self.root().join("run.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(TrainingError::io(&path, "opening"))?;
        let mut holder = String::new();
        // Whoever holds it wrote its number down before; a few bytes at most are read.
        let _ = (&mut file).take(200).read_to_string(&mut holder);
        let holder = holder.trim().to_owned();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(TrainingError::Locked {
                    path: self.root().to_owned(),
                    holder: if holder.is_empty() {
                        "of another program".into()
                    } else {
                        holder
                    },
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(TrainingError::io(&path, "locking")(source));
            }
        }
        write_over(&mut file, &format!("{}\n", std::process::id()))
            .map_err(TrainingError::io(&path, "writing"))?;
        let run = LockedRun {
            folder: self,
            _lock: file,
            left_behind: (!holder.is_empty()).then_some(holder),
        };
        run.clear()?;
        Ok(run)
    }
}

fn write_over(file: &mut File, text: &str) -> std::io::Result<()> {
    use std::io::Seek;

    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

impl Drop for LockedRun {
    /// An empty file tells of an orderly end.
    fn drop(&mut self) {
        let _ = self._lock.set_len(0);
    }
}

impl LockedRun {
    /// The process that held the folder before and did not give it back: it was killed, or the machine
    /// stopped.
    pub fn left_behind(&self) -> Option<&str> {
        self.left_behind.as_deref()
    }

    /// Removes what was being written or removed when a process was killed.
    fn clear(&self) -> Result<(), TrainingError> {
        let half_made = |name: &str| {
            name.starts_with(WRITING) || name.starts_with(REMOVING) || name.ends_with(ASIDE)
        };
        for folder in [
            self.root().to_owned(),
            self.checkpoints_path(),
            self.samples_path(),
        ] {
            let Ok(entries) = fs::read_dir(&folder) else {
                continue;
            };
            for entry in entries.flatten() {
                if entry.file_name().to_str().is_some_and(half_made) {
                    remove(&entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// Renames the checkpoints of later steps than `step`, from which a run goes on: they were damaged, or are
    /// not wanted. They stay in the folder, as `aside-step-N`, and in nobody's way.
    ///
    /// # Errors
    /// If one cannot be renamed.
    pub fn set_aside_after(&self, step: u64) -> Result<(), TrainingError> {
        for later in self
            .checkpoint_steps()?
            .into_iter()
            .filter(|&later| later > step)
        {
            let path = self.checkpoint_path(later);
            let name = |number: u32| match number {
                1 => format!("aside-step-{later:08}"),
                _ => format!("aside-step-{later:08}-{number}"),
            };
            let aside = (1..).map(|number| self.checkpoints_path().join(name(number)));
            if let Some(aside) = aside.into_iter().find(|aside| !aside.exists()) {
                fs::rename(&path, &aside).map_err(TrainingError::io(&path, "renaming"))?;
            }
        }
        Ok(())
    }

    /// Removes the checkpoints that a configuration does not keep.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn prune(&self, keep: Retention) -> Result<(), TrainingError> {
        let steps = self.checkpoint_steps()?;
        let loss = |step| {
            let bytes = fs::read(self.checkpoint_path(step).join("manifest.json")).ok()?;
            CheckpointManifest::parse(&bytes).ok()?.loss
        };
        let losses = match keep.best {
            0 => vec![None; steps.len()],
            _ => steps.iter().map(|&step| loss(step)).collect(),
        };
        for step in retention::dispensable(&steps, &losses, keep) {
            let path = self.checkpoint_path(step);
            let aside = self.checkpoints_path().join(format!("{REMOVING}{step:08}"));
            // Renamed first: a checkpoint is there whole or not at all, also while it is removed.
            fs::rename(&path, &aside).map_err(TrainingError::io(&path, "removing"))?;
            remove(&aside)?;
        }
        Ok(())
    }

    /// Appends a record to the metrics.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn append_metrics(&self, record: &MetricsRecord) -> Result<(), TrainingError> {
        let path = self.metrics_path();
        let append = || -> std::io::Result<()> {
            let mut line = serde_json::to_vec(record).map_err(std::io::Error::other)?;
            line.push(b'\n');
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all(&line)
        };
        append().map_err(TrainingError::io(&path, "appending to"))
    }

    /// Drops the metrics of steps after `step`, which a resumed run will write anew.
    ///
    /// # Errors
    /// If the file cannot be rewritten.
    pub fn truncate_metrics(&self, step: u64) -> Result<(), TrainingError> {
        let path = self.metrics_path();
        if !path.exists() {
            return Ok(());
        }
        let mut text = Vec::new();
        for record in self.metrics()?.iter().filter(|record| record.step <= step) {
            serde_json::to_writer(&mut text, record)
                .map_err(std::io::Error::other)
                .map_err(TrainingError::io(&path, "rewriting"))?;
            text.push(b'\n');
        }
        write_whole(&path, &text)
    }
}

fn remove(path: &Path) -> Result<(), TrainingError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    removed.map_err(TrainingError::io(path, "removing"))
}
