//! `tweedie train`: from a configuration to a model.

mod stages;
mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use runtime::{Backend, Selected};
use score_net::NetworkConfig;
use sde_core::Process;
use training::{Checkpoint, LockedRun, RunFolder, Trainer, TrainingConfig, Watch};

use self::watch::{Observer, Surroundings};
use crate::allocator;
use crate::config::{Base, ExperimentConfig, Override};
use crate::dataset::{self, Dataset};
use crate::failure::Fault;
use crate::files::write_whole;
use crate::interrupt;
use crate::latents::{self, Record};
use crate::reconstructions::{self, MEASURED};
use crate::runs;
use crate::sampling::{Plan, default_batch};
use crate::terminal::{be_quiet, note, say};

/// Arguments of `train`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tweedie train                                         MNIST digits on the best device there is
  tweedie train --config configs/two-moons.toml
  tweedie train --set training.steps=20000 --set training.batch_size=128
  tweedie train --resume                                goes on with the most recent run
  tweedie train --resume runs/mnist --set training.steps=20000

A run's folder holds config.toml, metrics.jsonl, loss.png, samples/ and checkpoints/. With a section
[autoencoder] that is trained first, in the folder autoencoder/ of the run, which is a run itself.")]
pub struct TrainArgs {
    /// The experiment, a TOML file [default: MNIST, built in]
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "resume",
        help_heading = "Experiment"
    )]
    pub config: Option<PathBuf>,
    /// Overrides a value, such as training.steps=5000; may be given several times
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Experiment")]
    pub set: Vec<Override>,
    /// The run's folder [default: runs/NAME, or runs/NAME-2 and so on]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub run: Option<PathBuf>,
    /// Goes on from the newest whole checkpoint of a run [default: the most recent in runs/]
    #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with = "run", help_heading = "Run")]
    pub resume: Option<Option<PathBuf>>,
    /// flex (CPU), wgpu or cuda [default: the best there is; see `tweedie devices`]
    #[arg(long, value_name = "BACKEND", help_heading = "Run")]
    pub backend: Option<Backend>,
    /// Prints the summary at the end alone
    #[arg(long, short, help_heading = "Run")]
    pub quiet: bool,
}

/// Trains, or goes on training.
pub fn run(args: &TrainArgs) -> Result<()> {
    if args.quiet {
        be_quiet();
    }
    match &args.resume {
        None => start(args),
        Some(root) => {
            let root = root.clone().map_or_else(runs::most_recent, Ok)?;
            resume(args, &root)
        }
    }
}

fn start(args: &TrainArgs) -> Result<()> {
    let base = match &args.config {
        Some(path) => Base::file(path)?,
        None => Base::built_in(),
    };
    let config = base.load(&args.set)?;
    if config.autoencoder.is_some() {
        return stages::start(args, config);
    }
    let prepared = Prepared::new(config, args.backend)?;
    let mut trainer = prepared.trainer()?;
    // Only now, when nothing but the disk can fail, is there a folder to leave behind.
    let root = root_of(args, &prepared.config);
    let folder = create(&root, &prepared.config)?;
    prepared.train(&mut trainer, &folder)
}

/// Where a new run is kept.
fn root_of(args: &TrainArgs, config: &ExperimentConfig) -> PathBuf {
    let free = || runs::free_folder(&config.name);
    args.run.clone().unwrap_or_else(free)
}

fn create(root: &Path, config: &ExperimentConfig) -> Result<LockedRun> {
    RunFolder::create(root, &resolved(config)?).with_context(|| {
        Fault::failed(format!("the run cannot be kept in {}", root.display()))
            .hint("--run names another folder")
    })
}

fn resume(args: &TrainArgs, root: &Path) -> Result<()> {
    refuse_changes(&args.set)?;
    let folder = RunFolder::open(root)?.lock()?;
    if let Some(process) = folder.left_behind() {
        note(format!(
            "process {process}, which trained here last, did not end by itself: it was killed, or the machine \
             stopped"
        ));
    }
    refuse_inner(root)?;
    let config = Base::file(&folder.config_path())?.load(&args.set)?;
    if config.autoencoder.is_some() {
        return stages::resume(args, config, &folder);
    }
    let checkpoint = newest(&folder)?;
    let done = step_of(checkpoint.as_ref());
    if is_complete(&config, &folder, done) {
        return Err(complete(&folder, done).into());
    }
    let prepared = Prepared::new(config, args.backend)?;
    if !args.set.is_empty() {
        rewrite(&folder, &prepared.config)?;
    }
    prepared.go_on(checkpoint.as_ref(), &folder)
}

/// The newest whole checkpoint of a run; none of one that has not written any.
fn newest(folder: &RunFolder) -> Result<Option<Checkpoint>> {
    Ok(match folder.checkpoint_steps()?.is_empty() {
        true => None,
        false => Some(folder.latest_checkpoint().with_context(|| {
            Fault::failed(format!("{} cannot go on", folder.root().display()))
                .hint("without a checkpoint there is nothing to go on from: train anew")
        })?),
    })
}

/// Steps done.
fn step_of(checkpoint: Option<&Checkpoint>) -> u64 {
    checkpoint.map_or(0, |checkpoint| checkpoint.manifest().step)
}

/// Whether a run of which `done` steps lie behind has come to its end. Killed while it drew its last picture,
/// it has not.
fn is_complete(config: &ExperimentConfig, folder: &RunFolder, done: u64) -> bool {
    let steps = config.training.steps;
    let encodes = matches!(config.network, NetworkConfig::Autoencoder(_));
    let measured = !encodes || folder.root().join("evaluations").join("elbo.json").exists();
    done > steps || done == steps && measured && watch::sample_path(folder, steps).exists()
}

fn complete(folder: &RunFolder, done: u64) -> Fault {
    Fault::usage(format!(
        "{} has done all of its {done} steps",
        folder.root().display()
    ))
    .hint(format!("--set training.steps={} goes on", 2 * done))
}

/// Refuses an autoencoder in whose latents a prior has been begun: more steps would make another of it, and prune
/// the weights that the prior knows.
fn refuse_inner(root: &Path) -> Result<()> {
    let whole = root.canonicalize()?;
    let outer = whole.parent().filter(|_| whole.ends_with(latents::FOLDER));
    match outer.map(Record::read).transpose()?.flatten() {
        None => Ok(()),
        Some(_) => Err(Fault::usage(format!(
            "{}: the prior beside it was trained in its latents, so it has to stay what it is",
            root.display()
        ))
        .hint("resume the run that this folder is in, or train both anew, in another run")
        .into()),
    }
}

/// Writes a configuration in place of the one that is there.
fn rewrite(folder: &RunFolder, config: &ExperimentConfig) -> Result<()> {
    write_whole(&folder.config_path(), resolved(config)?.as_bytes())
}

/// Keys outside `training` that may change when a run goes on. The data are known by their contents.
const CHANGEABLE: [&str; 1] = ["data.path"];

fn changeable(key: &str) -> bool {
    let of_training = |key| TrainingConfig::CHANGEABLE.contains(&key);
    CHANGEABLE.contains(&key)
        || key.starts_with("sampling.")
        || key.strip_prefix("training.").is_some_and(of_training)
        || (key.strip_prefix("autoencoder.training.")).is_some_and(of_training)
}

/// Refuses overrides that would make another run of it.
fn refuse_changes(sets: &[Override]) -> Result<(), Fault> {
    match sets.iter().find(|set| !changeable(&set.key())) {
        None => Ok(()),
        Some(set) => Err(Fault::usage(format!(
            "--set {}: `{}` cannot change when a run goes on",
            set.text(),
            set.key()
        ))
        .hint(format!(
            "{} (and of a first stage autoencoder.training.*), {} and sampling.* can; for anything else start a \
             new run",
            TrainingConfig::CHANGEABLE
                .map(|key| format!("training.{key}"))
                .join(", "),
            CHANGEABLE.join(", ")
        ))),
    }
}

/// The configuration with every default filled in.
fn resolved(config: &ExperimentConfig) -> Result<String> {
    let text = toml::to_string(config).context("the configuration cannot be written as TOML")?;
    Ok(format!(
        "# The configuration of this run, with all defaults; written by tweedie {}.\n\n{text}",
        env!("CARGO_PKG_VERSION")
    ))
}

/// Everything that a run needs but its folder.
struct Prepared {
    config: ExperimentConfig,
    dataset: Dataset,
    process: Process,
    plan: Plan,
    selected: Selected,
}

impl Prepared {
    fn new(config: ExperimentConfig, backend: Option<Backend>) -> Result<Self> {
        let selected = runtime::select(backend)?;
        selected.check()?;
        let (seed, batch) = (config.training.seed, config.training.batch_size);
        let dataset = Dataset::load(&config.data)?.read_ahead(&config.data, seed, batch)?;
        Self::with(config, dataset, selected)
    }

    /// The same with data that are there already, on a device that was checked.
    fn with(mut config: ExperimentConfig, dataset: Dataset, selected: Selected) -> Result<Self> {
        // Written down with the run: on other cores it goes on with the same sums.
        config.training.shards = Some(config.training.shards_on(&selected.device));
        let process = config.sde.build()?;
        let shape = dataset.source().sample_shape();
        if let (NetworkConfig::Autoencoder(_), [_, 1, 1]) = (&config.network, shape) {
            let fault = "network.kind = autoencoder: it is of images, and the data are points";
            return Err(Fault::usage(fault).into());
        }
        // Before anything is built, and in the network's own words.
        config.model(shape).describe()?;
        let plan = Plan::new(&config.sampling, &process, default_batch(shape))?;
        Ok(Self {
            config,
            dataset,
            process,
            plan,
            selected,
        })
    }

    fn model(&self) -> score_net::ModelConfig {
        self.config.model(self.dataset.source().sample_shape())
    }

    /// Trains from a checkpoint, or from the start.
    fn go_on(&self, checkpoint: Option<&Checkpoint>, folder: &LockedRun) -> Result<()> {
        let mut trainer = self.trainer()?;
        match checkpoint {
            Some(checkpoint) => checkpoint.restore(&mut trainer)?,
            None => note("there is no checkpoint yet"),
        }
        note(format!("going on from step {}", step_of(checkpoint)));
        self.train(&mut trainer, folder)
    }

    fn trainer(&self) -> Result<Trainer<'_>> {
        Ok(Trainer::new(
            self.config.training.clone(),
            self.config.sde,
            &self.model(),
            self.dataset.source(),
            &self.selected.device,
        )?)
    }

    fn train(&self, trainer: &mut Trainer<'_>, folder: &LockedRun) -> Result<()> {
        let model = self.model();
        note(format!(
            "{} on {}: {} {}, {}",
            self.config.name,
            self.selected,
            self.dataset.source().len(),
            self.dataset.unit(),
            model.describe()?,
        ));
        note(format!("run    {}", folder.root().display()));
        let test_part = match &self.config.network {
            NetworkConfig::Classifier(_) | NetworkConfig::Autoencoder(_) => {
                dataset::test_part(&self.config.data)
            }
            _ => None,
        };
        let tested = test_part.map(|part| Dataset::load(&part)).transpose()?;
        interrupt::watch()?;
        allocator::hint(out_of_memory_hint(self.config.training.batch_size));
        let surroundings = Surroundings {
            name: &self.config.name,
            dataset: &self.dataset,
            tested: tested.as_ref().unwrap_or(&self.dataset),
            shape: model.shape,
            process: &self.process,
            plan: &self.plan,
            device: &self.selected.device,
            folder,
            steps: self.config.training.steps,
            batch_size: self.config.training.batch_size,
        };
        let mut observer = Observer::new(surroundings, trainer.step_count());
        training::run(trainer, folder, &mut observer)?;
        if !watch::sample_path(folder, self.config.training.steps).exists() {
            observer.sample(trainer)?;
        }
        drop(observer);
        if let Some(autoencoder) = trainer.averaged_model().network.as_autoencoder() {
            let (images, part) = match &tested {
                Some(tested) => (tested, "test"),
                None => (&self.dataset, "training"),
            };
            let device = &self.selected.device;
            let measured = reconstructions::measure(autoencoder, images, part, MEASURED, device)?;
            measured.write(folder.root())?;
            say(measured.text());
        }
        summarise(&self.config, self.dataset.unit(), folder)
    }
}

/// What is said where memory cannot be had.
fn out_of_memory_hint(batch_size: usize) -> String {
    format!(
        "error: out of memory with training.batch_size = {batch_size}\n  hint: try training.batch_size={}, or with \
         the same batch training.gradient_checkpointing=true\n",
        (batch_size / 2).max(1)
    )
}

fn summarise(config: &ExperimentConfig, unit: &str, folder: &RunFolder) -> Result<()> {
    let metrics = folder.metrics()?;
    if let Some(last) = metrics.last() {
        let samples = (last.step * config.training.batch_size as u64) as f64;
        say(format!(
            "trained     {} for {} steps in {} ({:.0} {unit}/s), loss {:.4}",
            config.name,
            last.step,
            watch::duration(last.seconds),
            samples / last.seconds.max(1e-9),
            last.loss,
        ));
    }
    if let Some(memory) = runtime::process_memory() {
        say(format!("memory      {} MiB at the peak", memory.peak >> 20));
    }
    let step = config.training.steps;
    let show = |what: &str, path: PathBuf| say(format!("{what:<12}{}", path.display()));
    let encodes = matches!(config.network, NetworkConfig::Autoencoder(_));
    let drawn = if encodes { "images" } else { "samples" };
    show(drawn, watch::sample_path(folder, step));
    show("loss", watch::loss_path(folder));
    let checkpoint: Checkpoint = folder.latest_checkpoint()?;
    show("checkpoint", checkpoint.folder().to_owned());
    if encodes {
        return Ok(());
    }
    say(format!(
        "next        tweedie sample --run {0}; tweedie evaluate --run {0}",
        folder.root().display()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolved_configuration_reads_back_as_itself() {
        let config = Base::built_in().load(&[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, resolved(&config).unwrap()).unwrap();
        assert_eq!(Base::file(&path).unwrap().load(&[]).unwrap(), config);
    }

    #[test]
    fn only_what_does_not_change_the_model_may_change_in_a_run() {
        let refused = |text: &str| refuse_changes(&[text.parse().unwrap()]).is_err();
        assert!(!refused("training.steps=9"));
        assert!(!refused("sampling.solver=heun"));
        assert!(refused("training.seed=9"));
        assert!(refused("network.channels=9"));
    }
}
