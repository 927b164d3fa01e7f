//! Where runs are: `runs/NAME`, below the folder one works in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use burn::tensor::Device;
use training::{Checkpoint, RunFolder};

use crate::config::{Base, ExperimentConfig};
use crate::failure::Fault;
use crate::latents::LatentSpace;

/// The folder of all runs.
pub const RUNS: &str = "runs";

/// `runs/NAME`, or `runs/NAME-2` and so on, the first that is free.
pub fn free_folder(name: &str) -> PathBuf {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .map(|name| Path::new(RUNS).join(name))
        .find(|path| fs::symlink_metadata(path).is_err())
        .expect("there are more numbers than folders")
}

/// The run whose checkpoints, or else configuration, changed last.
pub fn most_recent() -> Result<PathBuf> {
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    let last_change = |run: &PathBuf| -> Option<SystemTime> {
        let config = changed(&run.join("config.toml"))?;
        // Of a run in latents the first stage may be the one that goes on.
        let checkpoints = ["checkpoints", "autoencoder/checkpoints"];
        let times = checkpoints
            .iter()
            .filter_map(|part| changed(&run.join(part)));
        Some(times.fold(config, SystemTime::max))
    };
    let runs = fs::read_dir(RUNS).into_iter().flatten().flatten();
    runs.map(|entry| entry.path())
        .filter_map(|run| Some((last_change(&run)?, run)))
        .max()
        .map(|(_, run)| run)
        .ok_or_else(|| {
            Fault::failed(format!("there is no run in {RUNS}/ yet"))
                .hint("start one with `tweedie train`, or name one with --run")
                .into()
        })
}

/// A run on disk and what it was told to do.
pub struct Run {
    /// Its folder.
    pub folder: RunFolder,
    /// Its resolved configuration.
    pub config: ExperimentConfig,
}

impl Run {
    /// The run in `root`.
    pub fn open(root: &Path) -> Result<Self> {
        let folder = RunFolder::open(root)?;
        let config = Base::file(&folder.config_path())?.load(&[])?;
        Ok(Self { folder, config })
    }
}

/// A checkpoint, and the run that it belongs to if it lies in one.
pub struct Chosen {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Its run.
    pub run: Option<Run>,
}

impl Chosen {
    /// The checkpoint in `path`, or the newest whole one of the run in it.
    pub fn at(path: &Path) -> Result<Self> {
        match path.join("manifest.json").is_file() {
            true => Self::open(None, Some(path)),
            false => Self::open(Some(path), None),
        }
    }

    /// The space that its model is a prior of; none if it is of the data themselves, or lies in no run.
    pub fn latents(&self, device: &Device) -> Result<Option<LatentSpace>> {
        let shape = self.checkpoint.manifest().model.shape;
        let of_run = |run| LatentSpace::of(run, shape, device);
        Ok((self.run.as_ref()).map(of_run).transpose()?.flatten())
    }

    /// The checkpoint in `checkpoint`, or the newest whole one of `run`, or that of the most recent
    /// run.
    pub fn open(run: Option<&Path>, checkpoint: Option<&Path>) -> Result<Self> {
        let Some(path) = checkpoint else {
            let root = run.map_or_else(most_recent, |run| Ok(run.to_owned()))?;
            let run = Run::open(&root)?;
            let checkpoint = run.folder.latest_checkpoint().with_context(|| {
                Fault::failed(format!("{} has no checkpoint to use", root.display()))
            })?;
            return Ok(Self {
                checkpoint,
                run: Some(run),
            });
        };
        let checkpoint = Checkpoint::open(path)?;
        // RUN/checkpoints/step-N
        let root = fs::canonicalize(path)
            .ok()
            .and_then(|path| path.ancestors().nth(2).map(Path::to_owned));
        let run = root.filter(|root| root.join("config.toml").is_file());
        Ok(Self {
            checkpoint,
            run: run.map(|root| Run::open(&root)).transpose()?,
        })
    }
}
