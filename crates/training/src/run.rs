//! The loop: steps, reports, sample grids and checkpoints, each at its interval.

use std::ops::ControlFlow;
use std::time::Instant;

use score_net::ModelConfig;
use sde_core::ProcessConfig;

use crate::{Checkpoint, MetricsRecord, RunFolder, Trainer, TrainingError, learning_rate};

/// Whoever looks on while a run trains: a progress bar, a test, nobody (`()`).
///
/// Every method may fail with [`TrainingError::Watch`], which ends the run.
pub trait Watch {
    /// After every step; breaking stops the run after a checkpoint.
    fn step(&mut self, step: u64) -> ControlFlow<()> {
        let _ = step;
        ControlFlow::Continue(())
    }

    /// After every line of the metrics.
    ///
    /// # Errors
    /// Whatever the watcher cannot do.
    fn report(&mut self, record: &MetricsRecord) -> Result<(), TrainingError> {
        let _ = record;
        Ok(())
    }

    /// When samples are due, and at the end.
    ///
    /// # Errors
    /// Whatever the watcher cannot do.
    fn sample(&mut self, trainer: &Trainer<'_>) -> Result<(), TrainingError> {
        let _ = trainer;
        Ok(())
    }

    /// After every checkpoint.
    ///
    /// # Errors
    /// Whatever the watcher cannot do.
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainingError> {
        let _ = checkpoint;
        Ok(())
    }
}

impl Watch for () {}

/// Trains until [`TrainingConfig::steps`](crate::TrainingConfig::steps) are done, from wherever
/// `trainer` stands; a checkpoint is always written at the end.
///
/// # Errors
/// [`TrainingError::NotFinite`], a file that cannot be written, the watcher's own, or
/// [`TrainingError::Stopped`] if the watcher broke off.
pub fn run(
    trainer: &mut Trainer<'_>,
    model: &ModelConfig,
    process: impl Into<ProcessConfig>,
    folder: &RunFolder,
    watch: &mut dyn Watch,
) -> Result<(), TrainingError> {
    let process = process.into();
    let config = trainer.config().clone();
    folder.truncate_metrics(trainer.step_count())?;
    let mut clock = Clock::going_on_from(folder.metrics()?.last());
    while trainer.step_count() < config.steps {
        trainer.step()?;
        let step = trainer.step_count();
        let last = step == config.steps;
        let due = |every: u64| last || (every > 0 && step.is_multiple_of(every));
        let stop = watch.step(step).is_break();

        if due(config.log_every)
            && let Some(means) = trainer.take_means()?
        {
            let samples = clock.steps_until(step) * config.batch_size as u64;
            let (seconds, elapsed) = clock.lap(step);
            let record = MetricsRecord {
                step,
                loss: means.loss,
                grad_norm: means.grad_norm,
                clipped: means.clipped,
                learning_rate: learning_rate::learning_rate(&config, step - 1),
                samples_per_second: samples as f64 / seconds,
                seconds: elapsed,
            };
            folder.append_metrics(&record)?;
            watch.report(&record)?;
        }
        if due(config.checkpoint_every) || stop {
            clock.pause();
            let path = folder.checkpoint_path(step);
            let checkpoint = Checkpoint::write(trainer, model, process, &path)?;
            folder.prune(config.keep_checkpoints)?;
            watch.checkpoint(&checkpoint)?;
            clock.resume();
        }
        if due(config.sample_every) {
            clock.pause();
            watch.sample(trainer)?;
            clock.resume();
        }
        if stop && !last {
            return Err(TrainingError::Stopped { step });
        }
    }
    Ok(())
}

/// Seconds of training alone: it stands still while pictures and checkpoints are made.
struct Clock {
    before: f64,
    lap: f64,
    lap_start: u64,
    running_since: Instant,
}

impl Clock {
    fn going_on_from(last: Option<&MetricsRecord>) -> Self {
        Self {
            before: last.map_or(0.0, |record| record.seconds),
            lap: 0.0,
            lap_start: last.map_or(0, |record| record.step),
            running_since: Instant::now(),
        }
    }

    fn pause(&mut self) {
        self.lap += self.running_since.elapsed().as_secs_f64();
    }

    fn resume(&mut self) {
        self.running_since = Instant::now();
    }

    fn steps_until(&self, step: u64) -> u64 {
        step - self.lap_start
    }

    /// Ends the lap: its seconds, and those of the whole run.
    fn lap(&mut self, step: u64) -> (f64, f64) {
        self.pause();
        let seconds = self.lap;
        self.before += seconds;
        self.lap = 0.0;
        self.lap_start = step;
        self.resume();
        (seconds, self.before)
    }
}
