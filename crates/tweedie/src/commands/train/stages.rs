//! A run in two stages: an autoencoder, and a prior of its latents.
//!
//! The first is a run of its own, in the folder `autoencoder` of the other. Which of its weights the prior was
//! trained on stands in `latent.json`.

use anyhow::{Context, Result};
use training::{Checkpoint, LockedRun, RunFolder};

use super::{
    Prepared, TrainArgs, complete, create, is_complete, newest, rewrite, root_of, step_of,
};
use crate::config::ExperimentConfig;
use crate::dataset::Dataset;
use crate::failure::Fault;
use crate::latents::{Coder, FOLDER, LatentSpace, Record};
use crate::sampling::{Plan, default_batch};
use crate::terminal::note;

/// Starts with the first stage.
pub fn start(args: &TrainArgs, mut config: ExperimentConfig) -> Result<()> {
    let first = first_stage(args, &mut config)?;
    // What the second cannot do should not be told after minutes of the first.
    check_second(&config, &first)?;
    let folder = create(&root_of(args, &config), &config)?;
    both(args, config, first, &folder)
}

/// Goes on with whichever stage is not complete.
pub fn resume(args: &TrainArgs, mut config: ExperimentConfig, folder: &LockedRun) -> Result<()> {
    let first = first_stage(args, &mut config)?;
    check_second(&config, &first)?;
    both(args, config, first, folder)
}

/// The first stage, on the device that both take; `config` is told how it cuts its batches.
fn first_stage(args: &TrainArgs, config: &mut ExperimentConfig) -> Result<Prepared> {
    let stage = config.first_stage().context("a run of one stage")?;
    let first = Prepared::new(stage, args.backend)?;
    let shards = config.training.shards_on(&first.selected.device);
    config.training.shards = Some(shards);
    if let Some(section) = &mut config.autoencoder {
        section.training = first.config.training.clone();
    }
    Ok(first)
}

fn check_second(config: &ExperimentConfig, first: &Prepared) -> Result<()> {
    let latents = config.latent_shape(first.model().shape)?;
    let latents = latents.context("a run of one stage")?;
    config.model(latents).describe()?;
    let (classes, of_data) = (config.model.classes, first.dataset.source().class_count());
    if classes > 0 && (of_data == 0 || classes < of_data) {
        return Err(Fault::usage(format!(
            "model.classes = {classes} is not possible: the data have {of_data} classes"
        ))
        .hint("set model.classes to the number of the data's classes, or to 0")
        .into());
    }
    if config.data.flips() {
        note(
            "data.flip mirrors what the autoencoder learns from, and not the latents: the prior draws no mirrored \
             pictures",
        );
    }
    let process = config.sde.build()?;
    Plan::new(&config.sampling, &process, default_batch(latents)).map(drop)
}

fn both(
    args: &TrainArgs,
    config: ExperimentConfig,
    first: Prepared,
    folder: &LockedRun,
) -> Result<()> {
    let prior = newest(folder)?;
    let done = step_of(prior.as_ref());
    if is_complete(&config, folder, done) {
        return Err(complete(folder, done).into());
    }
    let stage = FirstStage::open(&first, folder, prior.is_some())?;
    if !args.set.is_empty() {
        rewrite(folder, &config)?;
        rewrite(&stage.folder, &first.config)?;
    }
    let checkpoint = stage.complete(&first)?;

    let Prepared {
        dataset, selected, ..
    } = first;
    let device = &selected.device;
    let (space, set) = match &prior {
        // It goes on with what it began with, to the last digit.
        Some(prior) => {
            let shape = prior.manifest().model.shape;
            let space = LatentSpace::in_run(folder.root(), shape, device)?;
            let set = space.coder().encode(&dataset, device)?;
            let standardisation = space.standardisation().clone();
            (space, set.standardised_by(standardisation))
        }
        None => {
            let coder = Coder::of(&checkpoint, device)?;
            let set = coder.encode(&dataset, device)?;
            let record = Record {
                shape: coder.latent,
                standardisation: set.standardisation().clone(),
                step: coder.step,
                autoencoder: coder.digest.clone(),
            };
            record.write(folder.root())?;
            (LatentSpace::new(coder, record.standardisation), set)
        }
    };
    let mut second = Prepared::with(config, Dataset::latents(Box::new(set)), selected)?;
    second.plan.latents = Some(space);
    match &prior {
        Some(_) => second.go_on(prior.as_ref(), folder),
        None => second.train(&mut second.trainer()?, folder),
    }
}

/// Where the first stage stands.
struct FirstStage {
    folder: LockedRun,
    checkpoint: Option<Checkpoint>,
}

impl FirstStage {
    /// The autoencoder's run within a run, new or as it was left.
    ///
    /// Once the prior has been begun, its autoencoder has to be there and to stay what it is.
    fn open(first: &Prepared, folder: &LockedRun, prior_begun: bool) -> Result<Self> {
        let root = folder.root().join(FOLDER);
        let prior = folder.root().display();
        if !root.join("config.toml").is_file() {
            if prior_begun {
                return Err(Fault::failed(format!(
                    "{}: there is no autoencoder, and the prior in {prior} has been begun in the latents of one",
                    root.display(),
                ))
                .hint(
                    "put back the autoencoder that the prior was trained with, or train both anew, in another run",
                )
                .into());
            }
            return Ok(Self {
                folder: create(&root, &first.config)?,
                checkpoint: None,
            });
        }
        let folder = RunFolder::open(&root)?.lock()?;
        let checkpoint = newest(&folder)?;
        let (done, steps) = (step_of(checkpoint.as_ref()), first.config.training.steps);
        if prior_begun && done < steps {
            return Err(Fault::usage(format!(
                "{} would go on to step {steps}, and the prior in {prior} has been begun in its latents of step {done}",
                root.display(),
            ))
            .hint("leave autoencoder.training.steps as it is, or train both anew, in another run")
            .into());
        }
        Ok(Self { folder, checkpoint })
    }

    /// Its last checkpoint, once it is complete.
    fn complete(&self, first: &Prepared) -> Result<Checkpoint> {
        let checkpoint = self.checkpoint.as_ref();
        if !is_complete(&first.config, &self.folder, step_of(checkpoint)) {
            match checkpoint {
                Some(_) => first.go_on(checkpoint, &self.folder)?,
                None => first.train(&mut first.trainer()?, &self.folder)?,
            }
        }
        Ok(self.folder.latest_checkpoint()?)
    }
}
