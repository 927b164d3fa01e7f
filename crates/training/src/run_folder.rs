//! Where a run keeps what it makes.
//!
//! ```text
//! <run>/config.toml            the resolved configuration
//! <run>/metrics.jsonl          one record a line
//! <run>/samples/step-00001000.png
//! <run>/checkpoints/step-00001000/
//! <run>/loss.png
//! <run>/run.lock               held by the process that trains in it
//! ```

mod lock;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::lock::LockedRun;
use crate::checkpoint::flush;
use crate::{Checkpoint, TrainingError};

/// One line of `metrics.jsonl`: means over the steps since the line before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsRecord {
    /// The number of steps done.
    pub step: u64,
    /// The loss.
    pub loss: f64,
    /// E_q[−log₂ P(x | z)] in bits per dimension, of an autoencoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconstruction: Option<f64>,
    /// KL(q(z | x) ‖ N(0, I)) in bits per dimension, of an autoencoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<f64>,
    /// The largest loss of a step.
    #[serde(default)]
    pub loss_max: f64,
    /// The global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// The largest norm of a step.
    #[serde(default)]
    pub grad_norm_max: f64,
    /// The share of steps whose gradient was clipped.
    pub clipped: f64,
    /// Steps whose loss was above [`SPIKE`](crate::progress::SPIKE) times the running mean.
    #[serde(default)]
    pub spikes: u64,
    /// Steps left out because their loss or gradient was not finite.
    #[serde(default)]
    pub skipped: u64,
    /// The global norm of the weights.
    #[serde(default)]
    pub weight_norm: f64,
    /// The global norm of their average.
    #[serde(default)]
    pub ema_norm: f64,
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
    /// A new run in `root`, with its resolved configuration, locked for this process.
    ///
    /// # Errors
    /// If the folder holds a run already, is another process's, or cannot be written.
    pub fn create(root: &Path, config: &str) -> Result<LockedRun, TrainingError> {
        let folder = Self {
            root: root.to_owned(),
        };
        fs::create_dir_all(root).map_err(TrainingError::io(root, "creating"))?;
        let locked = folder.lock()?;
        let path = locked.config_path();
        if path.exists() {
            return Err(TrainingError::RunFolder {
                path: root.to_owned(),
                fault:
                    "there is a run in this folder already; go on with --resume, or name another \
                        folder with --run"
                        .into(),
            });
        }
        write_whole(&path, config.as_bytes())?;
        Ok(locked)
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
}

/// Writes a file aside, flushes it, and renames it: it is the old one or the new one, never a half.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainingError> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(ASIDE);
    let aside = PathBuf::from(aside);
    let written = File::create(&aside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let written = written.map_err(TrainingError::io(&aside, "writing"));
    let renamed = written
        .and_then(|()| fs::rename(&aside, path).map_err(TrainingError::io(path, "renaming to it")));
    if renamed.is_err() {
        // A half of a file is of no use; what there was stays.
        let _ = fs::remove_file(&aside);
    }
    renamed?;
    flush(path.parent().unwrap_or(Path::new(".")))
}

/// How the names of files end that are being written.
const ASIDE: &str = ".writing";
