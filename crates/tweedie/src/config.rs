//! An experiment as a file: data, process, network, training, sampling.
//!
//! ```toml
//! name = "mnist"
//!
//! [data]
//! kind = "mnist"            # toy, idx, cifar10, cifar100, image-folder, npy, npz
//!
//! [sde]
//! kind = "vp"               # ve, sub-vp, cosine, edm, brownian, ddpm, smld, damped-langevin
//!
//! [network]
//! kind = "unet"             # dit, mlp, classifier
//! ```
//!
//! Whatever is left out has a default, except for these; whatever is not known is refused.

mod any_solver;
mod class_choice;
mod diagnosis;
mod keys;
mod load;
mod overrides;
mod suggestion;

use score_net::{
    AutoencoderConfig, ConfigError, ModelConfig, NetworkConfig, PreconditioningConfig,
};
use sde_core::guidance::ClassifierFree;
use sde_core::{Process, ProcessConfig};
use serde::{Deserialize, Serialize};
use solvers::{EdmSampler, GridConfig, GridError, GridSpec, LastStep, SolverConfig, TimeGrid};
use training::TrainingConfig;

pub use any_solver::AnySolver;
pub use class_choice::ClassChoice;
pub use data::DataConfig;
pub use load::Base;
pub use overrides::Override;

/// Everything that makes an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentConfig {
    /// Names the run's folder.
    pub name: String,
    /// What is learned.
    pub data: DataConfig,
    /// The autoencoder in whose latents it is learned; without it, it is learned as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoencoder: Option<AutoencoderSection>,
    /// The forward process.
    #[serde(default)]
    pub sde: ProcessConfig,
    /// What the model is told beside the noise level.
    #[serde(default)]
    pub model: ModelSection,
    /// The network.
    pub network: NetworkConfig,
    /// What surrounds it.
    #[serde(default)]
    pub preconditioning: PreconditioningConfig,
    /// How it is trained.
    #[serde(default)]
    pub training: TrainingConfig,
    /// How samples are drawn, while training and after.
    #[serde(default)]
    pub sampling: SamplingConfig,
}

impl ExperimentConfig {
    /// The model for samples of `shape`, [channels, height, width].
    pub fn model(&self, shape: [usize; 3]) -> ModelConfig {
        ModelConfig {
            shape,
            network: self.network.clone(),
            preconditioning: self.preconditioning,
            classes: self.model.classes,
        }
    }
}

/// An autoencoder that is trained first, in a run of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoencoderSection {
    /// The network.
    pub network: AutoencoderConfig,
    /// How it is trained.
    pub training: TrainingConfig,
}

impl ExperimentConfig {
    /// The shape of the latents of samples of `shape`, where there is an autoencoder.
    ///
    /// # Errors
    /// Names the field of its network that does not go with the samples.
    pub fn latent_shape(&self, shape: [usize; 3]) -> Result<Option<[usize; 3]>, ConfigError> {
        let section = self.autoencoder.as_ref();
        section
            .map(|section| section.network.latent_shape(shape))
            .transpose()
    }

    /// The experiment that trains the autoencoder, where there is one.
    pub fn first_stage(&self) -> Option<Self> {
        let AutoencoderSection { network, training } = self.autoencoder.clone()?;
        Some(Self {
            name: format!("{}-autoencoder", self.name),
            data: self.data.clone(),
            autoencoder: None,
            sde: ProcessConfig::default(),
            model: ModelSection::default(),
            network: NetworkConfig::Autoencoder(network),
            preconditioning: PreconditioningConfig::default(),
            training,
            sampling: SamplingConfig::default(),
        })
    }
}

/// What a model is told beside the noise level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSection {
    /// The classes of the data, which the model is told now and then not, or which a classifier tells apart; 0
    /// for a model that knows no classes.
    pub classes: usize,
}

/// How samples are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    /// The number of samples.
    pub count: usize,
    /// The seed of their noise.
    pub seed: u64,
    /// The number of steps; without it what suits the solver.
    pub steps: Option<usize>,
    /// How the last state becomes a sample.
    pub last_step: LastStep,
    /// The solver.
    pub solver: AnySolver,
    /// The spacing of the steps; without it what suits the solver and the process.
    pub grid: Option<GridConfig>,
    /// Which classes; of a model without any, none.
    pub class: ClassChoice,
    /// Classifier-free guidance; none unless it is asked for.
    pub guidance: Option<ClassifierFree>,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self {
            count: 64,
            seed: 0,
            steps: None,
            last_step: LastStep::Denoise,
            solver: AnySolver::Positions(SolverConfig::Edm(EdmSampler::default())),
            grid: None,
            class: ClassChoice::default(),
            guidance: None,
        }
    }
}

impl SamplingConfig {
    /// The number of steps.
    pub fn steps(&self) -> usize {
        self.steps.unwrap_or_else(|| self.solver.default_steps())
    }

    /// The times of a run.
    ///
    /// # Errors
    /// A spacing, a number of steps or an end that the process does not have.
    pub fn grid_of(&self, process: &Process) -> Result<TimeGrid, GridError> {
        let spec = GridSpec::new(self.spacing(process.name()), self.steps());
        let spec = spec.ending_with(self.last_step);
        match process {
            Process::Affine(sde) => spec.build(&**sde),
            Process::Damped(process) => spec.build_damped(process),
        }
    }

    /// The spacing of the steps under a family of processes.
    pub fn spacing(&self, family: &str) -> GridConfig {
        self.grid
            .unwrap_or_else(|| self.solver.default_grid(family))
    }
}
