//! One optimiser step at a time.

mod look;

use std::ops::Range;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, GradientCheckpointingStrategy, Tensor};
use data::{EpochOrder, Source};
use score_net::{Model, ModelConfig, Network, Preconditioning};
use sde_core::ProcessConfig;
use tracing::trace_span;

pub use self::look::SKIPS_IN_A_ROW;
use self::look::Unread;
use crate::checkpoint::{DataIdentity, Weights};
use crate::gradient::{Part, gradient};
use crate::objective::Draw;
use crate::optimizer::{Optimizer, Schedule};
use crate::progress::Progress;
use crate::shards::Shards;
use crate::uncertainty::Uncertainty;
use crate::{NotFinitePolicy, Task, TrainingConfig, TrainingError, classes, ema, learning_rate};

/// A model in training: weights, their average, the optimiser, and where it stands.
///
/// Step k sees a batch that depends on (seed, k) alone; so a trainer restored from a
/// [`Checkpoint`](crate::Checkpoint) goes on exactly as if it had never stopped.
pub struct Trainer<'a> {
    config: TrainingConfig,
    process: ProcessConfig,
    model: ModelConfig,
    task: Task,
    source: &'a dyn Source,
    /// Read once: what has vanished since must not keep a checkpoint from being written.
    data: DataIdentity,
    order: EpochOrder,
    device: Device,
    preconditioning: Preconditioning,
    optimizer: Optimizer,
    uncertainty: Option<Uncertainty>,
    shards: Shards,
    step: u64,
    indices: Vec<usize>,
    unread: Vec<Unread>,
    progress: Progress,
}

/// Marks parameters for gradient checkpointing, which all that meet in an operation must agree on.
struct Checkpointed;

impl ModuleMapper for Checkpointed {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let strategy = GradientCheckpointingStrategy::Balanced;
        param.map(|tensor| tensor.with_gradient_checkpointing_strategy(strategy))
    }
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
        classes::check(source, model)?;
        let device = device.clone().without_autodiff();
        let order = EpochOrder::new(source.len(), config.seed)?;
        let process = process.into();
        let task = Task::new(config.objective, process, model)?;
        let built = model.init(config.seed, &device)?;
        let uncertainty = config.objective.uncertainty;
        Ok(Self {
            uncertainty: uncertainty.map(|of| Uncertainty::new(of, config.seed)),
            task,
            source,
            data: match model.classes {
                0 => DataIdentity::of(source)?,
                _ => DataIdentity::labelled(source)?,
            },
            order,
            optimizer: Optimizer::new(&config, built.network),
            preconditioning: built.preconditioning,
            shards: Shards::new(config.shards_on(&device))?,
            device,
            step: 0,
            indices: Vec::new(),
            unread: Vec::new(),
            progress: Progress::default(),
            process,
            model: model.clone(),
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

    /// The process that it is trained under.
    pub fn process_config(&self) -> ProcessConfig {
        self.process
    }

    /// What is trained.
    pub fn model_config(&self) -> &ModelConfig {
        &self.model
    }

    /// By what the data that it is trained with are recognised.
    pub fn data_identity(&self) -> &DataIdentity {
        &self.data
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
            classes: self.model.classes,
        }
    }

    /// Takes one step: forward, backward, clip, AdamW, EMA.
    ///
    /// A loss or gradient that is not finite is dealt with as [`TrainingConfig::not_finite`] says. On the
    /// CPU, and anywhere under [`NotFinitePolicy::Skip`], the weights are then as they were before the step;
    /// elsewhere it is noticed at the next look at the device, of which there is one every
    /// [`TrainingConfig::check_every`] steps.
    ///
    /// # Errors
    /// [`TrainingError::NotFinite`] names step, layer and time. [`TrainingError::Data`] where a sample cannot
    /// be read; the step is then not taken.
    pub fn step(&mut self) -> Result<(), TrainingError> {
        let _span = trace_span!(target: "profile::phase", "step").entered();
        let samples = self.config.batch_size;
        self.order.indices(self.step, samples, &mut self.indices);
        let parts = self.shards.map(samples, |range| self.part(range));
        let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (mut gradients, mut losses, mut times) = (Vec::new(), Vec::new(), Vec::new());
        let mut terms = Vec::new();
        for part in parts {
            gradients.push(part.gradient);
            losses.push(part.losses);
            terms.extend(part.terms);
            times.extend(part.times);
        }
        let schedule = Schedule {
            learning_rate: learning_rate::learning_rate(&self.config, self.step),
            average_decay: ema::warmed_up_decay(self.config.ema_decay, self.step),
        };
        let norm = trace_span!(target: "profile::phase", "optimiser")
            .in_scope(|| self.optimizer.step(gradients, schedule));
        let refused = norm.is_err();
        let unread = Unread {
            step: self.step + 1,
            losses,
            terms,
            norm,
            times,
        };
        if refused && self.config.not_finite == NotFinitePolicy::Stop {
            // The steps before it first; this one has not been taken.
            self.look()?;
            return Err(self.not_finite(unread));
        }
        self.unread.push(unread);
        self.step += 1;
        // What is learned from the losses must have learned from these before the next.
        let look_now = refused || self.uncertainty.is_some();
        if look_now || self.unread.len() as u64 >= self.config.check_every {
            self.look()?;
        }
        Ok(())
    }

    /// Draws a part of this step's batch, and computes its gradient.
    ///
    /// Each part draws its own, on its own thread: that is as quick as drawing a step ahead, which
    /// would take the same time from the same cores.
    fn part(&self, range: Range<usize>) -> Result<Part, TrainingError> {
        let _span = trace_span!(target: "profile::phase", "part").entered();
        let draw = Draw {
            seed: self.config.seed,
            step: self.step,
            first_sample: range.start as u64,
            batch: self.indices.len() as u64,
        };
        let mut batch = trace_span!(target: "profile::phase", "draw")
            .in_scope(|| self.task.draw(self.source, &self.indices[range], draw))?;
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
        Ok(gradient(&model, batch, self.indices.len(), shape, &device))
    }

    /// The global norms of the weights and of their average.
    pub fn weight_norms(&self) -> [f64; 2] {
        [self.optimizer.network(), self.optimizer.average()].map(|network| norm(&network))
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
            moments: self.optimizer.moments(),
            uncertainty: self.uncertainty.as_ref().map(Uncertainty::state),
            progress: self.progress,
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
        (self.optimizer).restore(weights.network, weights.average, weights.moments);
        self.unread.clear();
        self.progress = weights.progress;
        Ok(())
    }

    /// The device without autodiff, where checkpoints are read to.
    pub(crate) fn device(&self) -> Device {
        self.device.clone()
    }
}

/// The global norm of a network's parameters.
fn norm(network: &Network) -> f64 {
    struct Squares(Vec<Tensor<1>>);
    impl ModuleVisitor for Squares {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().square().sum());
        }
    }
    let mut squares = Squares(Vec::new());
    network.visit(&mut squares);
    let squares = Tensor::cat(squares.0, 0).into_data();
    squares.iter::<f64>().sum::<f64>().sqrt()
}
