//! What follows a step's gradient: the sum of its parts, clipping, AdamW and the weights' average.
//!
//! An optimiser owns the weights and their average. On Burn's CPU backend, in f32, they and AdamW's
//! moments lie in memory that [`kernels::adamw_ema`] passes over once a step; anywhere else Burn's own
//! operations do the same. Records of either go on with the other.

mod in_place;
mod plain;
mod record;

use burn::optim::{AdamWConfig, GradientsParams, OptimizerRecord};
use burn::tensor::Tensor;
use score_net::Network;

use self::in_place::InPlace;
use self::plain::Plain;
use crate::TrainingConfig;

/// The weights in training, their average, and AdamW.
pub(crate) struct Optimizer {
    constants: Constants,
    state: State,
}

enum State {
    InPlace(Box<InPlace>),
    Plain(Box<Plain>),
}

/// What does not change from step to step.
#[derive(Clone, Copy)]
struct Constants {
    betas: [f64; 2],
    epsilon: f64,
    weight_decay: f64,
    clip_norm: f64,
}

/// What does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Schedule {
    pub learning_rate: f64,
    /// The decay of the weights' average.
    pub average_decay: f64,
}

impl Constants {
    fn adamw(self) -> AdamWConfig {
        AdamWConfig::new()
            .with_beta_1(self.betas[0] as f32)
            .with_beta_2(self.betas[1] as f32)
            .with_epsilon(self.epsilon as f32)
            .with_weight_decay(self.weight_decay as f32)
    }
}

impl Optimizer {
    /// For `network`, which is on a device without autodiff, and whose average begins with itself.
    pub fn new(config: &TrainingConfig, network: Network) -> Self {
        let constants = Constants {
            betas: config.betas,
            epsilon: config.epsilon,
            weight_decay: config.weight_decay,
            clip_norm: config.clip_norm,
        };
        let average = network.clone();
        Self {
            constants,
            state: State::new(constants, network, average, None),
        }
    }

    /// Goes on from weights, their average and moments that were stored.
    pub fn restore(&mut self, network: Network, average: Network, record: OptimizerRecord) {
        self.state = State::new(self.constants, network, average, Some(record));
    }

    /// The weights, to compute a gradient with: a copy with leaves of its own in its own graph, on
    /// the same memory. Let go of it before the step, which would otherwise change a copy.
    pub fn leaves(&self) -> Network {
        use burn::module::Module;

        self.network().train()
    }

    /// The weights, without autodiff.
    pub fn network(&self) -> Network {
        match &self.state {
            State::InPlace(state) => state.network(),
            State::Plain(state) => state.network.clone(),
        }
    }

    /// Their average.
    pub fn average(&self) -> Network {
        match &self.state {
            State::InPlace(state) => state.average(),
            State::Plain(state) => state.average.clone(),
        }
    }

    /// AdamW's moments, as Burn stores them.
    pub fn record(&self) -> OptimizerRecord {
        match &self.state {
            State::InPlace(state) => state.record(),
            State::Plain(state) => state.optimizer.to_record(),
        }
    }

    /// Takes a step along the sum of `gradients`, and returns that sum's global norm before clipping,
    /// on the device.
    ///
    /// # Shapes
    /// - output: `[1]`
    pub fn step(&mut self, gradients: Vec<GradientsParams>, schedule: Schedule) -> Tensor<1> {
        match &mut self.state {
            State::InPlace(state) => state.step(self.constants, gradients, schedule),
            State::Plain(state) => state.step(self.constants, gradients, schedule),
        }
    }
}

impl State {
    fn new(
        constants: Constants,
        network: Network,
        average: Network,
        record: Option<OptimizerRecord>,
    ) -> Self {
        match InPlace::new(&network, &average) {
            Some(mut state) => {
                if let Some(record) = record {
                    state.load_record(record);
                }
                Self::InPlace(state.into())
            }
            None => Self::Plain(Plain::new(constants, network, average, record).into()),
        }
    }
}

#[cfg(test)]
mod tests;
