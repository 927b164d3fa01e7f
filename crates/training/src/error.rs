//! What can go wrong while training.

use std::path::PathBuf;

use thiserror::Error;

/// A fault of a training run.
#[derive(Debug, Error)]
pub enum TrainingError {
    /// A configuration value that cannot be trained with.
    #[error("{field} = {value} is not possible: it must be {must}")]
    Config {
        /// The field, as in the configuration file.
        field: String,
        /// Its value.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// The loss or a gradient became NaN or infinite.
    #[error(
        "{what} is not finite at step {step} (t = {t:.6e}, σ/α = {sigma_ratio:.6e}{}); the last checkpoint is \
         untouched. Lower training.learning_rate, set training.clip_norm, or leave such steps out with \
         training.not_finite = \"skip\"",
        in_layer(layer)
    )]
    NotFinite {
        /// The loss, or the gradient.
        what: &'static str,
        /// The step, counted from 1.
        step: u64,
        /// The first parameter whose gradient is not finite, if it is known.
        layer: Option<String>,
        /// The time of the offending sample; for a gradient, the smallest of the batch.
        t: f64,
        /// Its noise level.
        sigma_ratio: f64,
    },
    /// The data set is not what the model expects.
    #[error("the data has samples of shape {data:?}, the model wants {model:?}")]
    Shape {
        /// Of the data.
        data: [usize; 3],
        /// Of the model.
        model: [usize; 3],
    },
    /// A sample without a class, where the model is told of classes.
    #[error(
        "sample {index} of the data has no class, which model.classes asks for: train with model.classes = 0"
    )]
    Unlabelled {
        /// Its place.
        index: usize,
    },
    /// A file or folder that could not be read or written.
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A checkpoint that is not whole, or not one.
    #[error("{}: not a usable checkpoint: {fault}", path.display())]
    Checkpoint {
        /// The checkpoint's folder, or the file in it.
        path: PathBuf,
        /// What is wrong, and what to do.
        fault: String,
    },
    /// A checkpoint of another model, process, data set or training configuration.
    #[error(
        "{}: this checkpoint is of another experiment: {difference}. Resume with the configuration in its run \
         folder, or train into another folder", path.display()
    )]
    Architecture {
        /// The checkpoint's folder.
        path: PathBuf,
        /// The field that differs, with both values.
        difference: String,
    },
    /// A run folder that holds a run already, or none.
    #[error("{}: {fault}", path.display())]
    RunFolder {
        /// The folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        fault: String,
    },
    /// A run folder in which another process is training.
    #[error(
        "{}: process {holder} is training in this folder; wait for it, stop it, or name another folder",
        path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process, as it wrote itself down.
        holder: String,
    },
    /// A step did not fit into the memory of the device.
    #[error(
        "out of memory in step {step} with training.batch_size = {batch_size} ({words}). Try \
         training.batch_size = {}, or with the same batch training.gradient_checkpointing = true",
        (batch_size / 2).max(1)
    )]
    OutOfMemory {
        /// The step, counted from 1.
        step: u64,
        /// The batch that did not fit.
        batch_size: usize,
        /// What the backend said.
        words: String,
    },
    /// The model could not be built.
    #[error(transparent)]
    Model(#[from] score_net::ModelError),
    /// The process could not be built.
    #[error(transparent)]
    Sde(#[from] sde_core::SdeError),
    /// The threads for the parts of a batch could not be started.
    #[error("training.shards = {shards}: the threads could not be started: {source}")]
    Threads {
        /// How many were asked for.
        shards: usize,
        /// Why it failed.
        source: rayon::ThreadPoolBuildError,
    },
    /// The data could not be ordered.
    #[error(transparent)]
    Data(#[from] data::DataError),
    /// The watcher asked to stop.
    #[error("stopped after step {step}; `--resume` goes on from the last checkpoint")]
    Stopped {
        /// The last step that was completed.
        step: u64,
    },
    /// Whatever the watcher could not do, in its words.
    #[error("{0}")]
    Watch(String),
}

impl TrainingError {
    /// An I/O fault with the path and the action it befell.
    pub(crate) fn io(
        path: impl Into<PathBuf>,
        action: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }
}

fn in_layer(layer: &Option<String>) -> String {
    (layer.as_ref()).map_or_else(String::new, |layer| format!(", first in {layer}"))
}
