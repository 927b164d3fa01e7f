//! What is timed.

use std::time::Instant;

use burn::tensor::Tensor;
use data::Source;
use runtime::{Backend, Selected};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{Prediction, Sigma, StepIndex};
use serde::Serialize;
use training::{Trainer, TrainingConfig, TrainingError};

use super::cases::{Case, Kind};

/// One piece of work, to be repeated.
pub struct Work(Box<dyn FnMut() -> Result<(), TrainingError>>);

/// What repeating it took.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The time of each repetition, in seconds.
    pub seconds: Vec<f64>,
    /// The most memory that the process held meanwhile, in bytes; none where it cannot be told.
    pub peak_bytes: Option<u64>,
}

impl Work {
    /// Makes ready to do `kind` with batches of `batch` images.
    ///
    /// # Errors
    /// A batch or a network that cannot be worked with.
    pub fn new(case: &Case, kind: Kind, batch: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let selected = runtime::select(Some(Backend::Flex))?;
        match kind {
            Kind::Train => train(case, batch, &selected),
            Kind::Evaluate => evaluate(case, batch, &selected),
        }
    }

    /// Repeats the work for at least `seconds` and at least `repetitions` times, once in any case.
    ///
    /// # Errors
    /// A loss or gradient that is not finite.
    pub fn run(&mut self, seconds: f64, repetitions: usize) -> Result<Report, TrainingError> {
        let resettable = runtime::reset_peak_memory();
        let mut times = Vec::new();
        let started = Instant::now();
        while times.len() < repetitions.max(1) || started.elapsed().as_secs_f64() < seconds {
            let begun = Instant::now();
            (self.0)()?;
            times.push(begun.elapsed().as_secs_f64());
        }
        let memory = runtime::process_memory().filter(|_| resettable);
        Ok(Report {
            seconds: times,
            peak_bytes: memory.map(|memory| memory.peak),
        })
    }
}

fn train(
    case: &Case,
    batch: usize,
    selected: &Selected,
) -> Result<Work, Box<dyn std::error::Error>> {
    let config = TrainingConfig {
        steps: u64::MAX,
        batch_size: batch,
        // As many as there are cores, at most one a sample.
        shards: None,
        // Losses are looked at seldom, as the other side never looks.
        check_every: 1000,
        ..case.training.clone()
    };
    // A process does one piece of work, whose images live as long as it does.
    let source: &'static dyn Source = Box::leak(Box::new(benches::images(case.model.shape)));
    let mut trainer = Trainer::new(config, case.sde, &case.model, source, &selected.device)?;
    Ok(Work(Box::new(move || trainer.step())))
}

fn evaluate(
    case: &Case,
    batch: usize,
    selected: &Selected,
) -> Result<Work, Box<dyn std::error::Error>> {
    let model = case.model.init(0, &selected.device)?.valid();
    let [channels, height, width] = case.model.shape;
    let like = Tensor::<4>::zeros([batch, channels, height, width], &selected.device);
    let x = CounterNoise::new(0).standard_normal(&like, StepIndex(0), Role::Prior);
    let sde = case.sde.build()?;
    let marginal = sde.marginal(sde.time_at_sigma(Sigma(1.0)));
    Ok(Work(Box::new(move || {
        model.predict(Prediction::X0, &x, marginal);
        Ok(())
    })))
}
