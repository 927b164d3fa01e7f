//! What a model is trained to do: to tell noise, under either kind of process, or classes, or to encode.

use data::Source;
use score_net::{ModelConfig, NetworkConfig};
use sde_core::{AffineSde, ProcessConfig, Time};

use crate::objective::{Batch, Draw};
use crate::{
    ElboObjective, Objective, ObjectiveConfig, PairObjective, TrainingError, classes, compatible,
};

/// An objective, under a process unless it is an autoencoder's.
pub enum Task {
    /// Of positions alone.
    Positions(Objective),
    /// Of positions and velocities.
    Pairs(PairObjective),
    /// To tell the class of what the process has noised: the classifier of classifier guidance.
    Classes(Objective),
    /// To encode and decode, without any process.
    Autoencoder(ElboObjective),
}

impl Task {
    /// What a configuration says for a model under a process.
    ///
    /// # Errors
    /// [`TrainingError::Config`] names the field that does not go with the others.
    pub fn new(
        config: ObjectiveConfig,
        process: ProcessConfig,
        model: &ModelConfig,
    ) -> Result<Self, TrainingError> {
        if let Some(objective) = ElboObjective::of(config.elbo, model)? {
            compatible::with_autoencoder(&config, model)?;
            return Ok(Self::Autoencoder(objective));
        }
        compatible::without_elbo(&config)?;
        Ok(match process {
            _ if matches!(model.network, NetworkConfig::Classifier(_)) => {
                let sde = compatible::with_classifier(&config, process, model)?;
                Self::Classes(Objective::of_classifier(config, sde, model)?)
            }
            ProcessConfig::Affine(sde) => Self::Positions(Objective::of_model(config, sde, model)?),
            ProcessConfig::Damped(process) => {
                Self::Pairs(PairObjective::new(config, process, model)?)
            }
        })
    }

    /// The batch that `draw` names, or part of one, see [`Objective::draw`].
    ///
    /// # Errors
    /// [`TrainingError::Data`] where a sample cannot be read.
    pub fn draw(
        &self,
        source: &dyn Source,
        indices: &[usize],
        draw: Draw,
    ) -> Result<Batch, TrainingError> {
        match self {
            Self::Positions(objective) => objective.draw(source, indices, draw),
            Self::Pairs(objective) => objective.draw(source, indices, draw),
            Self::Autoencoder(objective) => objective.draw(source, indices, draw),
            Self::Classes(objective) => {
                let mut batch = objective.draw(source, indices, draw)?;
                batch.labels = Some(classes::labels(source, indices)?);
                batch.target.clear();
                Ok(batch)
            }
        }
    }

    /// The process of positions alone, if it is one.
    pub fn sde(&self) -> Option<&dyn AffineSde> {
        match self {
            Self::Positions(objective) | Self::Classes(objective) => Some(objective.sde()),
            Self::Pairs(_) | Self::Autoencoder(_) => None,
        }
    }

    /// σ/α at t; for pairs the position's, of what carries no noise 0.
    pub fn sigma_ratio(&self, t: Time) -> f64 {
        let marginal = match self {
            Self::Positions(objective) | Self::Classes(objective) => objective.sde().marginal(t),
            Self::Pairs(objective) => objective.process().position_marginal(t),
            Self::Autoencoder(_) => return 0.0,
        };
        marginal.sigma_ratio().0
    }
}
