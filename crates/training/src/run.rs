//! The loop: steps, reports, sample grids and checkpoints, each at its interval.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use crate::{Checkpoint, LockedRun, MetricsRecord, Trainer, TrainingError, learning_rate};

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
/// `trainer` stands; a checkpoint is always written at the end, and before an error that is not the
/// weights' own.
///
/// # Errors
/// [`TrainingError::NotFinite`], [`TrainingError::OutOfMemory`], data or a file that cannot be read or
/// written, the watcher's own, or [`TrainingError::Stopped`] if the watcher broke off.
pub fn run(
    trainer: &mut Trainer<'_>,
    folder: &LockedRun,
    watch: &mut dyn Watch,
) -> Result<(), TrainingError> {
    folder.truncate_metrics(trainer.step_count())?;
    folder.set_aside_after(trainer.step_count())?;
    let done = steps(trainer, folder, watch);
    if let Err(TrainingError::Data(_) | TrainingError::Watch(_)) = &done {
        keep(trainer, folder);
    }
    done
}

fn steps(
    trainer: &mut Trainer<'_>,
    folder: &LockedRun,
    watch: &mut dyn Watch,
) -> Result<(), TrainingError> {
    let config = trainer.config().clone();
    let mut clock = Clock::going_on_from(folder.metrics()?.last());
    while trainer.step_count() < config.steps {
        step(trainer)?;
        let step = trainer.step_count();
        let last = step == config.steps;
        let due = |every: u64| last || (every > 0 && step.is_multiple_of(every));
        let stop = watch.step(step).is_break();

        if due(config.log_every)
            && let Some(means) = trainer.take_means()?
        {
            let samples = clock.steps_until(step) * config.batch_size as u64;
            let (seconds, elapsed) = clock.lap(step);
            let [weight_norm, ema_norm] = trainer.weight_norms();
            let record = MetricsRecord {
                step,
                loss: means.loss,
                reconstruction: means.terms.map(|terms| terms.reconstruction),
                kl: means.terms.map(|terms| terms.kl),
                loss_max: means.loss_max,
                grad_norm: means.grad_norm,
                grad_norm_max: means.grad_norm_max,
                clipped: means.clipped,
                spikes: means.spikes,
                skipped: means.skipped,
                weight_norm,
                ema_norm,
                learning_rate: learning_rate::learning_rate(&config, step - 1),
                samples_per_second: samples as f64 / seconds,
                seconds: elapsed,
            };
            folder.append_metrics(&record)?;
            watch.report(&record)?;
        }
        if due(config.checkpoint_every) || stop {
            clock.pause();
            let checkpoint = Checkpoint::write(trainer, &folder.checkpoint_path(step))?;
            folder.prune(config.retention())?;
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

/// Writes a checkpoint of where `trainer` stands, unless there is one: something else has gone wrong,
/// and its weights are good.
fn keep(trainer: &mut Trainer<'_>, folder: &LockedRun) {
    let path = folder.checkpoint_path(trainer.step_count());
    if trainer.step_count() == 0 || path.exists() {
        return;
    }
    // The error that brought us here is the one to tell.
    if let Err(error) = Checkpoint::write(trainer, &path) {
        tracing::warn!(%error, "the last steps are not kept");
    }
}

/// A step, in which a backend that panics for want of memory becomes an error.
fn step(trainer: &mut Trainer<'_>) -> Result<(), TrainingError> {
    let attempt = catch_unwind(AssertUnwindSafe(|| trainer.step()));
    attempt.unwrap_or_else(|panic| match short_of_memory(&*panic) {
        Some(words) => Err(TrainingError::OutOfMemory {
            step: trainer.step_count() + 1,
            batch_size: trainer.config().batch_size,
            words,
        }),
        None => resume_unwind(panic),
    })
}

/// The first line of a panic that tells of too little memory.
fn short_of_memory(panic: &(dyn Any + Send)) -> Option<String> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let words = text.or_else(|| panic.downcast_ref::<&str>().copied())?;
    let lower = words.to_lowercase();
    let signs = [
        "out of memory",
        "outofmemory",
        "out_of_memory",
        "not enough memory",
    ];
    let short = signs.iter().any(|sign| lower.contains(sign));
    short.then(|| words.lines().next().unwrap_or_default().trim().to_owned())
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
