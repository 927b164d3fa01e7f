//! What a model is trained to do: to tell noise, under either kind of process, or classes.

use data::Source;
use score_net::{ModelConfig, NetworkConfig};
use sde_core::{AffineSde, ProcessConfig, Time};

use crate::objective::{Batch, Draw};
use crate::{Objective, ObjectiveConfig, PairObjective, TrainingError, classes, compatible};

/// An objective under a process.
pub enum Task {
    /// Of positions alone.
    Positions(Objective),
    /// Of positions and velocities.
    Pairs(PairObjective),
    /// To tell the class of what the process has noised: the classifier of classifier guidance.
    Classes(Objective),
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
            Self::Pairs(_) => None,
        }
    }

    /// σ/α at t; for pairs the position's.
    pub fn sigma_ratio(&self, t: Time) -> f64 {
        let marginal = match self {
            Self::Positions(objective) | Self::Classes(objective) => objective.sde().marginal(t),
            Self::Pairs(objective) => objective.process().position_marginal(t),
        };
        marginal.sigma_ratio().0
    }
}
