//! Where a run keeps what it makes.
//!
//! ```text
//! <run>/config.toml            the resolved configuration
//! <run>/metrics.jsonl          one record a line
//! <run>/samples/step-00001000.png
//! <run>/checkpoints/step-00001000/
//! <run>/loss.png
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Checkpoint, TrainingError};

/// One line of `metrics.jsonl`: means over the steps since the line before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsRecord {
    /// The number of steps done.
    pub step: u64,
    /// The loss.
    pub loss: f64,
    /// The global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// The share of steps whose gradient was clipped.
    pub clipped: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Samples a second, reports and pictures not counted.
    pub samples_per_second: f64,
    /// Seconds of training so far, reports and pictures not counted.
    pub seconds: f64,
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    root: PathBuf,
}

impl RunFolder {
    /// A new run in `root`, with its resolved configuration.
    ///
    /// # Errors
    /// If the folder holds a run already, or cannot be written.
    pub fn create(root: &Path, config: &str) -> Result<Self, TrainingError> {
        let folder = Self {
            root: root.to_owned(),
        };
        if folder.config_path().exists() {
            return Err(TrainingError::RunFolder {
                path: root.to_owned(),
                fault:
                    "there is a run in this folder already; go on with --resume, or name another \
                        folder with --run"
                        .into(),
            });
        }
        fs::create_dir_all(root).map_err(TrainingError::io(root, "creating"))?;
        let path = folder.config_path();
        let aside = path.with_extension("toml.writing");
        fs::write(&aside, config).map_err(TrainingError::io(&aside, "writing"))?;
        fs::rename(&aside, &path).map_err(TrainingError::io(&path, "renaming to it"))?;
        Ok(folder)
    }

    /// The run in `root`.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(root: &Path) -> Result<Self, TrainingError> {
        let folder = Self {
            root: root.to_owned(),
        };
        if folder.config_path().is_file() {
            Ok(folder)
        } else {
            Err(TrainingError::RunFolder {
                path: root.to_owned(),
                fault: "there is no run in this folder (no config.toml); start one with `train`"
                    .into(),
            })
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The resolved configuration.
    pub fn config_path(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The metrics.
    pub fn metrics_path(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// The folder of checkpoints.
    pub fn checkpoints_path(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// The checkpoint of a step.
    pub fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.checkpoints_path().join(format!("step-{step:08}"))
    }

    /// The folder of sample grids.
    pub fn samples_path(&self) -> PathBuf {
        self.root.join("samples")
    }

    /// The steps of the checkpoints there, oldest first, whether whole or not.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn checkpoint_steps(&self) -> Result<Vec<u64>, TrainingError> {
        let path = self.checkpoints_path();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let mut steps = Vec::new();
        for entry in fs::read_dir(&path).map_err(TrainingError::io(&path, "reading"))? {
            let entry = entry.map_err(TrainingError::io(&path, "reading"))?;
            let name = entry.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix("step-"));
            steps.extend(step.and_then(|step| step.parse::<u64>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// The newest checkpoint that is whole; damaged ones before it are reported and passed over.
    ///
    /// # Errors
    /// If there is none.
    pub fn latest_checkpoint(&self) -> Result<Checkpoint, TrainingError> {
        let mut damaged = Vec::new();
        for step in self.checkpoint_steps()?.into_iter().rev() {
            match Checkpoint::open(&self.checkpoint_path(step)) {
                Ok(checkpoint) => return Ok(checkpoint),
                Err(error) => {
                    tracing::warn!(%error, "passing over a damaged checkpoint");
                    damaged.push(error.to_string());
                }
            }
        }
        let fault = if damaged.is_empty() {
            "there is no checkpoint in this run yet".into()
        } else {
            format!("no checkpoint is whole: {}", damaged.join("; "))
        };
        Err(TrainingError::Checkpoint {
            path: self.checkpoints_path(),
            fault,
        })
    }

    /// Removes all but the newest `keep` checkpoints.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn prune(&self, keep: usize) -> Result<(), TrainingError> {
        let steps = self.checkpoint_steps()?;
        for &step in &steps[..steps.len().saturating_sub(keep)] {
            let path = self.checkpoint_path(step);
            fs::remove_dir_all(&path).map_err(TrainingError::io(&path, "removing"))?;
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

    /// The metrics so far; a torn last line, as a killed process leaves it, is passed over.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn metrics(&self) -> Result<Vec<MetricsRecord>, TrainingError> {
        let path = self.metrics_path();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let file = File::open(&path).map_err(TrainingError::io(&path, "reading"))?;
        let mut records = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line.map_err(TrainingError::io(&path, "reading"))?;
            match serde_json::from_str(&line) {
                Ok(record) => records.push(record),
                Err(error) => tracing::warn!(%error, "passing over a torn line of the metrics"),
            }
        }
        Ok(records)
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
        let aside = path.with_extension("jsonl.writing");
        fs::write(&aside, text).map_err(TrainingError::io(&aside, "writing"))?;
        fs::rename(&aside, &path).map_err(TrainingError::io(&path, "renaming to it"))
    }
}
