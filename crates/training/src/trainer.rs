//! One optimiser step at a time.

use std::ops::Range;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, GradientCheckpointingStrategy, Tensor};
use data::{EpochOrder, Source};
use score_net::{Model, ModelConfig, Network, Preconditioning};
use sde_core::{ProcessConfig, Time};
use tracing::trace_span;

use crate::checkpoint::Weights;
use crate::gradient::{Part, gradient};
use crate::optimizer::{Optimizer, Schedule};
use crate::shards::Shards;
use crate::uncertainty::Uncertainty;
use crate::{Task, TrainingConfig, TrainingError, ema, learning_rate};

/// A model in training: weights, their average, the optimiser, and where it stands.
///
/// Step k sees a batch that depends on (seed, k) alone; so a trainer restored from a
/// [`Checkpoint`](crate::Checkpoint) goes on exactly as if it had never stopped.
pub struct Trainer<'a> {
    config: TrainingConfig,
    task: Task,
    source: &'a dyn Source,
    order: EpochOrder,
    device: Device,
    preconditioning: Preconditioning,
    optimizer: Optimizer,
    uncertainty: Option<Uncertainty>,
    shards: Shards,
    step: u64,
    indices: Vec<usize>,
    unread: Vec<Unread>,
    read: Summary,
}

/// Marks parameters for gradient checkpointing, which all that meet in an operation must agree on.
struct Checkpointed;

impl ModuleMapper for Checkpointed {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let strategy = GradientCheckpointingStrategy::Balanced;
        param.map(|tensor| tensor.with_gradient_checkpointing_strategy(strategy))
    }
}

/// What a step left on the device, not looked at yet.
struct Unread {
    step: u64,
    losses: Vec<Tensor<1>>,
    norm: Tensor<1>,
    times: Vec<Time>,
}

/// Sums over the steps that were looked at since the last report.
#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    steps: u64,
    loss: f64,
    norm: f64,
    clipped: u64,
}

/// Means over the steps since the last report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Means {
    /// The loss.
    pub loss: f64,
    /// The global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// The share of steps whose gradient was clipped.
    pub clipped: f64,
}

impl<'a> Trainer<'a> {
    /// A fresh trainer, its weights drawn from the configuration's seed.
    ///
    /// # Errors
    /// A configuration that cannot be worked with, or data of another shape than the model's.
    pub fn new(
        config: TrainingConfig,
        process: impl Into<ProcessConfig>,
        model: &ModelConfig,
        source: &'a dyn Source,
        device: &Device,
    ) -> Result<Self, TrainingError> {
        config.validate()?;
        if source.sample_shape() != model.shape {
            return Err(TrainingError::Shape {
                data: source.sample_shape(),
                model: model.shape,
            });
        }
        let device = device.clone().without_autodiff();
        let order = EpochOrder::new(source.len(), config.seed)?;
        let task = Task::new(config.objective, process.into(), model)?;
        let model = model.init(config.seed, &device)?;
        let uncertainty = config.objective.uncertainty;
        Ok(Self {
            uncertainty: uncertainty.map(|of| Uncertainty::new(of, config.seed)),
            task,
            source,
            order,
            optimizer: Optimizer::new(&config, model.network),
            preconditioning: model.preconditioning,
            shards: Shards::new(config.shards_on(&device))?,
            device,
            step: 0,
            indices: Vec::new(),
            unread: Vec::new(),
            read: Summary::default(),
            config,
        })
    }

    /// The number of steps done.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// How it is trained.
    pub fn config(&self) -> &TrainingConfig {
        &self.config
    }

    /// What is minimised.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The model with its averaged weights, ready for sampling.
    pub fn averaged_model(&self) -> Model {
        self.with(self.optimizer.average())
    }

    /// The model as trained, without the average.
    pub fn model(&self) -> Model {
        self.with(self.optimizer.network())
    }

    fn with(&self, network: Network) -> Model {
        Model {
            network,
            preconditioning: self.preconditioning,
        }
    }

    /// Takes one step: forward, backward, clip, AdamW, EMA.
    ///
    /// # Errors
    /// [`TrainingError::NotFinite`] at the first look that finds a loss or gradient that is not
    /// finite; there is one look every [`TrainingConfig::check_every`] steps.
    pub fn step(&mut self) -> Result<(), TrainingError> {
        let _span = trace_span!(target: "profile::phase", "step").entered();
        let samples = self.config.batch_size;
        self.order.indices(self.step, samples, &mut self.indices);
        let parts = self.shards.map(samples, |range| self.part(range));
        let (mut gradients, mut losses, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            gradients.push(part.gradient);
            losses.push(part.losses);
            times.extend(part.times);
        }
        let schedule = Schedule {
            learning_rate: learning_rate::learning_rate(&self.config, self.step),
            average_decay: ema::warmed_up_decay(self.config.ema_decay, self.step),
        };
        let norm = trace_span!(target: "profile::phase", "optimiser")
            .in_scope(|| self.optimizer.step(gradients, schedule));
        self.step += 1;
        self.unread.push(Unread {
            step: self.step,
            losses,
            norm,
            times,
        });
        // What is learned from the losses must have learned from these before the next.
        if self.uncertainty.is_some() || self.unread.len() as u64 >= self.config.check_every {
            self.look()?;
        }
        Ok(())
    }

    /// Draws a part of this step's batch, and computes its gradient.
    ///
    /// Each part draws its own, on its own thread: that is as quick as drawing a step ahead, which
    /// would take the same time from the same cores.
    fn part(&self, range: Range<usize>) -> Part {
        let _span = trace_span!(target: "profile::phase", "part").entered();
        let (seed, first) = (self.config.seed, range.start as u64);
        let (indices, whole) = (&self.indices[range], self.indices.len() as u64);
        let draw = || {
            let task = &self.task;
            task.draw(self.source, indices, seed, self.step, first, whole)
        };
        let mut batch = trace_span!(target: "profile::phase", "draw").in_scope(draw);
        if let Some((uncertainty, sde)) = self.uncertainty.as_ref().zip(self.task.sde()) {
            for (weight, &t) in batch.weights.iter_mut().zip(&batch.times) {
                *weight *= (-uncertainty.at(sde, t)).exp() as f32;
            }
        }
        let shape = self.source.sample_shape();
        let mut device = self.device.clone().autodiff();
        let mut leaves = self.optimizer.leaves();
        if self.config.gradient_checkpointing {
            device = device.gradient_checkpointing();
            leaves = leaves.map(&mut Checkpointed);
        }
        let model = self.with(leaves);
        gradient(&model, batch, self.indices.len(), shape, &device)
    }

    /// Reads what the last steps left on the device, and refuses to go on from what is not finite.
    ///
    /// # Errors
    /// [`TrainingError::NotFinite`] names the step, the quantity and the time.
    pub fn look(&mut self) -> Result<(), TrainingError> {
        for unread in std::mem::take(&mut self.unread) {
            let read =
                |losses: Tensor<1>| -> Vec<f64> { losses.into_data().iter::<f64>().collect() };
            let losses: Vec<f64> = unread.losses.into_iter().flat_map(read).collect();
            let norm: f64 = unread.norm.into_data().iter::<f64>().sum();
            let fault = |what, t: Time| TrainingError::NotFinite {
                what,
                step: unread.step,
                t: t.0,
                sigma_ratio: self.task.sigma_ratio(t),
            };
            if let Some(sample) = losses.iter().position(|loss| !loss.is_finite()) {
                return Err(fault("the loss", unread.times[sample]));
            }
            if !norm.is_finite() {
                let smallest = unread.times.iter().copied();
                let smallest = smallest.min_by(|a, b| a.0.total_cmp(&b.0));
                return Err(fault("the gradient", smallest.unwrap_or(Time(0.0))));
            }
            self.read.steps += 1;
            self.read.loss += losses.iter().sum::<f64>() / losses.len() as f64;
            if let Some((uncertainty, sde)) = self.uncertainty.as_mut().zip(self.task.sde()) {
                let times = &unread.times;
                let levels = times.iter().map(|&t| uncertainty.at(sde, t));
                let levels: Vec<f64> = levels.collect();
                self.read.loss += levels.iter().sum::<f64>() / levels.len() as f64;
                // The losses are divided by e^u already.
                let pairs = losses.iter().zip(&levels);
                let errors: Vec<f64> = pairs.map(|(loss, u)| loss * u.exp()).collect();
                uncertainty.update(sde, times, &errors);
            }
            self.read.norm += norm;
            let limit = self.config.clip_norm;
            self.read.clipped += u64::from(limit > 0.0 && norm > limit);
        }
        Ok(())
    }

    /// The means since the last call, or none if no step was taken.
    ///
    /// # Errors
    /// As [`Trainer::look`], which it calls first.
    pub fn take_means(&mut self) -> Result<Option<Means>, TrainingError> {
        self.look()?;
        let Summary {
            steps,
            loss,
            norm,
            clipped,
        } = std::mem::take(&mut self.read);
        let n = steps as f64;
        Ok((steps > 0).then(|| Means {
            loss: loss / n,
            grad_norm: norm / n,
            clipped: clipped as f64 / n,
        }))
    }

    /// What a checkpoint must hold of this trainer.
    ///
    /// # Errors
    /// As [`Trainer::look`]: weights that are not finite are never stored.
    pub(crate) fn weights(&mut self) -> Result<Weights, TrainingError> {
        self.look()?;
        Ok(Weights {
            step: self.step,
            network: self.optimizer.network(),
            average: self.optimizer.average(),
            optimizer: self.optimizer.record(),
            uncertainty: self.uncertainty.as_ref().map(Uncertainty::state),
        })
    }

    /// Goes on from a checkpoint's weights, on this trainer's device.
    pub(crate) fn restore(&mut self, weights: Weights) -> Result<(), TrainingError> {
        if let Some(uncertainty) = &mut self.uncertainty {
            let state = weights.uncertainty.as_ref();
            if !state.is_some_and(|state| uncertainty.restore(state)) {
                return Err(TrainingError::Config {
                    field: "training.objective.uncertainty".into(),
                    value: format!("{:?}", self.config.objective.uncertainty),
                    must: "as it was when the checkpoint was written",
                });
            }
        }
        self.step = weights.step;
        (self.optimizer).restore(weights.network, weights.average, weights.optimizer);
        self.unread.clear();
        self.read = Summary::default();
        Ok(())
    }

    /// The device without autodiff, where checkpoints are read to.
    pub(crate) fn device(&self) -> Device {
        self.device.clone()
    }
}
