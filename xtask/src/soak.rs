//! Kills a training run again and again, fills its disk, and compares what becomes of it with a run that
//! nobody disturbed.

mod growth;
mod life;
mod outcome;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::life::{End, Life, Limit};
use self::outcome::{Outcome, whole_checkpoints};
use crate::command::{Command, root, target_dir};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// How often the run is killed, with SIGKILL
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// How often its disk is filled
    #[arg(long, default_value_t = 20)]
    fills: u32,
    /// The steps of a run whose memory and open files are looked at; 0 for none
    #[arg(long, default_value_t = 10_000)]
    steps: u64,
    /// The seed of the instants
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The experiment; by default a small network on two moons with a checkpoint every three steps
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the runs are kept [default: a folder in the target folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Long enough to be killed fifty times, and half a minute when nobody does.
const EXPERIMENT: &str = r#"
name = "soak"
[data]
kind = "toy"
name = "two-moons"
count = 500
[network]
kind = "mlp"
width = 64
blocks = 2
embedding = 16
[preconditioning]
sigma_data = 1.0
[training]
steps = 3000
batch_size = 32
warmup_steps = 100
log_every = 7
sample_every = 0
checkpoint_every = 3
keep_checkpoints = 2
keep_every = 500
keep_best = 1
[training.objective.uncertainty]
channels = 16
[sampling]
solver = "heun"
grid = "karras"
steps = 4
count = 20
"#;

pub fn run(args: &Args) -> Result<()> {
    Command::cargo(["build", "--package", "tweedie"]).run()?;
    let program = target_dir().join("debug").join("tweedie");
    let program = fs::canonicalize(&program)
        .with_context(|| format!("{} is not there", program.display()))?;
    let folder = args
        .folder
        .clone()
        .unwrap_or_else(|| target_dir().join("soak"));
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("clearing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let config = folder.join("soak.toml");
    let text = match &args.config {
        Some(path) => fs::read_to_string(root().join(path))
            .with_context(|| format!("reading {}", path.display()))?,
        None => EXPERIMENT.to_owned(),
    };
    fs::write(&config, text).context("writing the experiment")?;

    let soak = Soak {
        program,
        config,
        folder: folder.clone(),
    };
    let (whole, alone) = soak.undisturbed()?;
    let mut random = ChaCha8Rng::seed_from_u64(args.seed);
    soak.killed(args.kills, alone, &whole, &mut random)?;
    soak.filled(args.fills, &whole, &mut random)?;
    println!(
        "identical, by digest: every file of the last checkpoint, and every line of the metrics but its times"
    );
    if args.steps > 0 {
        soak.long(args.steps)?;
    }
    if args.folder.is_none() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}

struct Soak {
    program: PathBuf,
    config: PathBuf,
    folder: PathBuf,
}

impl Soak {
    fn life(&self, run: &Path) -> Life<'_> {
        Life {
            program: &self.program,
            config: &self.config,
            run: run.to_owned(),
        }
    }

    /// A run from beginning to end; what became of it, and how long it took.
    fn undisturbed(&self) -> Result<(Outcome, Duration)> {
        let run = self.folder.join("undisturbed");
        let start = Instant::now();
        let end = self.life(&run).to_its_end(None)?;
        ensure!(end.is_done(), "the undisturbed run failed: {}", end.words);
        let seconds = start.elapsed();
        println!("undisturbed   {:.1} s", seconds.as_secs_f64());
        Ok((Outcome::of(&run)?, seconds))
    }

    /// Kills runs until there were `kills`, lets each go on until it is done, and compares it.
    ///
    /// Every other kill waits for a checkpoint to be written, and comes up to three milliseconds later.
    fn killed(
        &self,
        kills: u32,
        alone: Duration,
        whole: &Outcome,
        random: &mut ChaCha8Rng,
    ) -> Result<()> {
        let (mut done, mut rounds, mut amid, mut before_config, mut torn) = (0, 0, 0, 0, 0);
        while done < kills {
            rounds += 1;
            let run = self.folder.join(format!("killed-{rounds}"));
            let mean = alone.as_secs_f64() / f64::from(kills);
            loop {
                let life = self.life(&run);
                let mut child = life.begin(None)?;
                let survived = if done >= kills {
                    child.wait_to_the_end().map(Some)?
                } else {
                    let wait = Duration::from_secs_f64(random.random_range(0.0..2.0 * mean));
                    let at_a_checkpoint = random.random::<bool>();
                    let delay = Duration::from_micros(random.random_range(0..3000));
                    child.kill_after(wait, at_a_checkpoint.then_some(delay))?
                };
                let Some(end) = survived else {
                    done += 1;
                    amid += u32::from(life.is_amid_a_checkpoint());
                    before_config += u32::from(!life.has_begun());
                    torn += u32::from(life.has_torn_metrics());
                    continue;
                };
                ensure!(end.is_done(), "the run did not go on: {}", end.words);
                break;
            }
            Outcome::of(&run)?.require_same(whole, &run)?;
        }
        println!(
            "killed        {done} times in {rounds} run(s): {amid} amid a checkpoint, {torn} amid a line of the metrics, \
             {before_config} before the run's folder was whole"
        );
        Ok(())
    }

    /// Lets a run's disk fill up at random instants, by the size that its files may have and by the space
    /// there is, and compares it in the end.
    fn filled(&self, fills: u32, whole: &Outcome, random: &mut ChaCha8Rng) -> Result<()> {
        let disk = life::Disk::mount(&self.folder.join("disk"))?;
        let (mut by_size, mut by_space, mut checked) = (0, 0, 0);
        let run = match &disk {
            Some(disk) => disk.path().join("run"),
            None => self.folder.join("filled"),
        };
        let life = self.life(&run);
        for fill in 0..fills {
            let limit = match &disk {
                Some(disk) if fill % 2 == 1 => {
                    disk.leave(random.random_range(0..400 << 10))?;
                    by_space += 1;
                    None
                }
                _ => {
                    by_size += 1;
                    // Some file that is written cannot be.
                    Some(Limit::FileSize(random.random_range(1..200)))
                }
            };
            let mut child = life.begin(limit)?;
            let patience = Duration::from_secs_f64(random.random_range(0.5..2.0));
            let end = child.kill_after(patience, None)?;
            if let Some(disk) = &disk {
                disk.free()?;
            }
            if let Some(end) = end {
                ensure!(!end.words.contains("panicked"), "{}", end.words);
                ensure!(
                    end.is_done() || end.words.starts_with("error: "),
                    "a full disk was not told of: {}",
                    end.words
                );
            }
            checked += whole_checkpoints(&run)?;
        }
        let end = life.to_its_end(None)?;
        if !end.is_done() {
            bail!(
                "the run did not go on after its disk was full: {}",
                end.words
            );
        }
        Outcome::of(&run)?.require_same(whole, &run)?;
        println!(
            "disk filled   {by_size} times by the size of a file, {by_space} times by the space{}; {checked} checkpoints \
             that were there afterwards were whole",
            if disk.is_some() {
                ""
            } else {
                " (a tmpfs cannot be mounted here)"
            }
        );
        Ok(())
    }
}

/// Of a long run, what differs from the others: no checkpoint at every third step.
const LONG: &str = "checkpoint_every = 100";

impl Soak {
    /// A long run, whose memory and open files must not grow.
    fn long(&self, steps: u64) -> Result<()> {
        let config = self.folder.join("long.toml");
        let text = EXPERIMENT
            .replace("steps = 3000", &format!("steps = {steps}"))
            .replace("checkpoint_every = 3", LONG);
        fs::write(&config, text).context("writing the experiment")?;
        let life = Life {
            config: &config,
            ..self.life(&self.folder.join("long"))
        };
        let [first, last] = growth::watched(&life, steps)?;
        println!(
            "long run      {steps} steps: {} KiB and {} open files at step {}, {} KiB and {} at step {}",
            first.resident_kib,
            first.open_files,
            first.step,
            last.resident_kib,
            last.open_files,
            last.step
        );
        Ok(())
    }
}

impl End {
    fn is_done(&self) -> bool {
        // Killed between its last word and its end, it has nothing left to do.
        self.code == Some(0) || self.words.contains("has done all of its")
    }
}
