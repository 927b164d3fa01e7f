//! What follows a step's gradient: the sum of its parts, clipping, AdamW and the weights' average.
//!
//! An optimiser owns the weights and their average. On Burn's CPU backend, in f32, they and AdamW's
//! moments lie in memory that [`kernels::adamw_ema`] passes over once a step; anywhere else Burn's own
//! operations do the same. Either goes on from the moments of the other.

mod in_place;
mod plain;
mod record;

use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Tensor;
use score_net::Network;

use self::in_place::InPlace;
use self::plain::Plain;
pub(crate) use self::record::Moment;
use crate::{NotFinitePolicy, TrainingConfig};

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
    /// Whether a step must not be taken before its gradient is known to be finite, although that means to
    /// wait for the device.
    wait_for_norm: bool,
}

/// The global norm of a gradient, before clipping.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a step")]
pub(crate) enum GradientNorm {
    /// Itself.
    Known(f64),
    /// The squared norm of each parameter's, `[parameters]`; nobody has waited for it.
    OnDevice(Tensor<1>),
}

/// A gradient that is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The number of the first parameter whose gradient is not.
    pub parameter: Option<usize>,
}

impl GradientNorm {
    /// The norm, if it is finite; waits for the device.
    pub fn read(self) -> Result<f64, Refused> {
        match self {
            Self::Known(norm) => Ok(norm),
            Self::OnDevice(squares) => {
                let squares: Vec<f64> = squares.into_data().iter::<f64>().collect();
                match squares.iter().position(|square| !square.is_finite()) {
                    parameter @ Some(_) => Err(Refused { parameter }),
                    None => Ok(squares.iter().sum::<f64>().sqrt()),
                }
            }
        }
    }
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
            wait_for_norm: config.not_finite == NotFinitePolicy::Skip,
        };
        let average = network.clone();
        Self {
            constants,
            state: State::new(constants, network, average, None),
        }
    }

    /// Goes on from weights, their average and moments that were stored.
    pub fn restore(&mut self, network: Network, average: Network, moments: Vec<Option<Moment>>) {
        self.state = State::new(self.constants, network, average, Some(moments));
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

    /// AdamW's moments in the order of the network's parameters; none for those without a gradient so far.
    pub fn moments(&self) -> Vec<Option<Moment>> {
        match &self.state {
            State::InPlace(state) => state.moments(),
            State::Plain(state) => state.moments(),
        }
    }

    /// Takes a step along the sum of `gradients`, and returns that sum's global norm before clipping.
    ///
    /// # Errors
    /// A gradient that is known not to be finite; then nothing has changed.
    pub fn step(
        &mut self,
        gradients: Vec<GradientsParams>,
        schedule: Schedule,
    ) -> Result<GradientNorm, Refused> {
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
        moments: Option<Vec<Option<Moment>>>,
    ) -> Self {
        match InPlace::new(&network, &average) {
            Some(mut state) => {
                if let Some(moments) = moments {
                    state.load_moments(moments);
                }
                Self::InPlace(state.into())
            }
            None => Self::Plain(Plain::new(constants, network, average, moments).into()),
        }
    }
}

#[cfg(test)]
mod tests;
