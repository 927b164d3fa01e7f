//! What is seen of a run while it trains: the bar or the lines, the pictures.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;
use sde_core::Process;
use training::{Checkpoint, MetricsRecord, RunFolder, Trainer, TrainingError, Watch};

use crate::dataset::Dataset;
use crate::interrupt;
use crate::noisy_accuracy;
use crate::pictures::loss_plot;
use crate::portrait::portrait;
use crate::reconstructions;
use crate::sampling::{Plan, generate};
use crate::terminal::{Progress, note};

/// Samples that a classifier is tested with, while it trains.
const TESTED: usize = 1000;

/// What the pictures need to know of the run.
pub struct Surroundings<'a> {
    pub name: &'a str,
    pub dataset: &'a Dataset,
    /// What a classifier or an autoencoder is tested with: a part that is set aside for it, if there is one.
    pub tested: &'a Dataset,
    pub shape: [usize; 3],
    pub process: &'a Process,
    pub plan: &'a Plan,
    pub device: &'a Device,
    pub folder: &'a RunFolder,
    pub steps: u64,
    pub batch_size: usize,
}

/// Shows progress, draws samples, plots the loss.
pub struct Observer<'a> {
    run: Surroundings<'a>,
    progress: Progress,
    /// How it goes, as last reported.
    state: String,
}

impl<'a> Observer<'a> {
    /// For a run of which `done` steps lie behind.
    pub fn new(run: Surroundings<'a>, done: u64) -> Self {
        let progress = Progress::new("training", run.steps, done);
        Self {
            run,
            progress,
            state: String::new(),
        }
    }

    fn draw(&mut self, trainer: &Trainer<'_>) -> Result<()> {
        let Surroundings {
            name,
            dataset,
            shape,
            process,
            plan,
            device,
            folder,
            ..
        } = self.run;
        let step = trainer.step_count();
        let model = trainer.averaged_model();
        let records = folder.metrics()?;
        let losses: Vec<(u64, f64)> = records.iter().map(|r| (r.step, r.loss)).collect();
        let title = format!("Training loss of {name}");
        match reconstructions::loss_plot(&title, &records) {
            Some(plot) => plot?.save(&loss_path(folder))?,
            None => loss_plot(&title, &losses)?.save(&loss_path(folder))?,
        }
        let path = sample_path(folder, step);
        if let (true, Process::Affine(sde)) = (model.is_classifier(), process) {
            let dataset = self.run.tested;
            let levels = noisy_accuracy::levels(&model, &**sde, dataset, TESTED, device)?;
            let title = format!("{name} after {step} steps");
            noisy_accuracy::picture(&title, &levels)?.save(&path)?;
            note(format!("accuracy at step {step}: {}", path.display()));
            return Ok(());
        }
        if let Some(autoencoder) = model.network.as_autoencoder() {
            reconstructions::picture(autoencoder, self.run.tested, device)?.save(&path)?;
            note(format!(
                "reconstructions at step {step}: {}",
                path.display()
            ));
            return Ok(());
        }
        let (progress, state) = (&mut self.progress, &self.state);
        let samples = generate(
            &model,
            process,
            shape,
            plan,
            device,
            None,
            &mut |done, total| {
                progress.show(&format!("{state} · sampling {done}/{total}"));
            },
        )?;
        progress.show(state);
        let title = format!("{name} after {step} steps");
        let picture = portrait(&title, dataset, &samples, &model, process, device)?;
        picture.save(&path)?;
        note(format!("samples at step {step}: {}", path.display()));
        Ok(())
    }
}

impl Watch for Observer<'_> {
    fn step(&mut self, step: u64) -> ControlFlow<()> {
        self.progress.advance(step);
        if interrupt::requested() {
            self.progress.show("interrupted: writing a checkpoint");
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn report(&mut self, record: &MetricsRecord) -> Result<(), TrainingError> {
        let left = self.run.steps - record.step;
        let rate = record.samples_per_second / self.run.batch_size as f64;
        let terms = match (record.reconstruction, record.kl) {
            (Some(reconstruction), Some(kl)) => {
                format!(" (reconstruction {reconstruction:.4}, KL {kl:.4} bits/dim)")
            }
            _ => String::new(),
        };
        self.state = format!(
            "loss {:.4}{terms} · {:.0} {}/s · {} left",
            record.loss,
            record.samples_per_second,
            self.run.dataset.unit(),
            duration(left as f64 / rate),
        );
        self.progress.tell(&self.state);
        Ok(())
    }

    fn sample(&mut self, trainer: &Trainer<'_>) -> Result<(), TrainingError> {
        self.draw(trainer)
            .map_err(|error| TrainingError::Watch(format!("{error:#}")))
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainingError> {
        tracing::info!(folder = %checkpoint.folder().display(), "checkpoint");
        Ok(())
    }
}

/// The picture of the samples after `step` steps.
pub fn sample_path(folder: &RunFolder, step: u64) -> PathBuf {
    folder.samples_path().join(format!("step-{step:08}.png"))
}

/// The plot of the loss.
pub fn loss_path(folder: &RunFolder) -> PathBuf {
    folder.root().join("loss.png")
}

/// Seconds as people say them: 8 s, 3 min 20 s, 2 h 05 min.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "?".to_owned();
    }
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_say_them() {
        assert_eq!(duration(7.6), "8 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(7500.0), "2 h 05 min");
        assert_eq!(duration(f64::INFINITY), "?");
    }
}
