//! Denoising score matching (Vincent 2011; Song & Ermon 2019; Song et al. 2021, eq. 7): objectives,
//! the optimiser's step, EMA, checkpoints, and the loop around them.
//!
//! - [`Objective`]: which t, which weight, which target; a batch as a function of (seed, step);
//! - [`HybridConfig`]: the bound that trains a learned variance, beside it;
//! - [`PairObjective`]: the same for positions and velocities; [`Task`] is either;
//! - [`ElboObjective`]: the bound that an autoencoder is trained with;
//! - [`Trainer`]: one step at a time, on any device;
//! - [`Checkpoint`]: what a run needs to go on, on disk, atomically;
//! - [`RunFolder`]: where a run keeps its configuration, metrics, samples and checkpoints;
//! - [`run()`]: the loop, with a [`Watch`] for whoever looks on.

pub mod checkpoint;
mod classes;
pub mod clipping;
mod compatible;
pub mod config;
pub mod elbo;
pub mod ema;
pub mod error;
mod gradient;
pub mod hybrid;
pub mod learning_rate;
pub mod objective;
mod optimizer;
pub mod pairs;
pub mod progress;
mod retention;
pub mod run;
pub mod run_folder;
mod shards;
pub mod task;
pub mod trainer;
mod uncertainty;

pub use checkpoint::{Checkpoint, CheckpointManifest};
pub use config::{NotFinitePolicy, TrainingConfig};
pub use elbo::{ElboConfig, ElboObjective, ElboTerms};
pub use error::TrainingError;
pub use hybrid::HybridConfig;
pub use objective::{Draw, Objective, ObjectiveConfig};
pub use pairs::PairObjective;
pub use run::{Watch, run};
pub use run_folder::{LockedRun, MetricsRecord, RunFolder};
pub use sde_core::objective::{TimeSampler, Weighting};
pub use task::Task;
pub use trainer::Trainer;
pub use uncertainty::{UncertaintyConfig, UncertaintyState};
