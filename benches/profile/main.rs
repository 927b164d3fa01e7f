//! Where the time of a training step and of an evaluation of the default network goes:
//! `cargo xtask bench --profile` builds and runs it.

// It prints tables.
#![allow(clippy::print_stdout)]

mod account;
mod collector;
mod nesting;
mod trace;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use benches::Experiment;
use burn::tensor::Tensor;
use clap::Parser;
use data::Source;
use rayon::ThreadPoolBuilder;
use runtime::{Backend, Selected};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{Prediction, Sigma, StepIndex};
use tracing::trace_span;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use training::{Trainer, TrainingConfig};

use self::account::Account;
use self::collector::{Collector, Event};

/// Profiles a training step and an evaluation of the default network on the CPU
#[derive(Debug, Parser)]
struct Args {
    /// Repetitions that are averaged, after a few to warm up
    #[arg(long, default_value_t = 30, value_parser = at_least_one)]
    steps: usize,
    /// Images of a batch; without it 32 to train on and 64 to evaluate
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// Threads; without it, as many as there are cores
    #[arg(long, value_parser = at_least_one)]
    threads: Option<usize>,
    /// By this workspace's kernels (own) or by Burn's operations (plain)
    #[arg(long, default_value_t)]
    kernels: kernels::Kernels,
    /// Where the trace is written to
    #[arg(long, default_value = "target/profile/trace.json")]
    trace: PathBuf,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("write a whole number, at least 1".to_owned()),
    }
}

/// Repetitions that are not counted: memory is fetched from the system, and branches are learnt.
const WARM_UP: usize = 5;

fn main() -> Outcome {
    let args = Args::parse();
    benches::keep_freed_memory();
    kernels::choose(args.kernels);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or(cores);
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()?;

    let experiment = Experiment::default_of_workspace();
    let images = benches::images(experiment.model().shape);
    let selected = runtime::select(Some(Backend::Flex))?;
    let to_train = args.batch.unwrap_or(experiment.training.batch_size);
    let to_evaluate = args.batch.unwrap_or(64);
    let mut trainer = trainer(&experiment, &images, &selected, to_train, threads)?;
    let mut evaluation = evaluation(&experiment, &selected, to_evaluate)?;
    let mut works: [(String, &mut Work<'_>); 2] = [
        (format!("Training step, batch {to_train}"), &mut || {
            Ok(trainer.step()?)
        }),
        (format!("Evaluation, batch {to_evaluate}"), &mut evaluation),
    ];

    let collector = Collector::new();
    let wanted = filter_fn(|metadata| {
        LISTENING.load(Ordering::Relaxed) && metadata.target().starts_with("profile::")
    });
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(collector.clone().with_filter(wanted)),
    )?;
    let mut all: Vec<Event> = Vec::new();
    for (name, work) in &mut works {
        let times = in_turns(*work, args.steps, &collector)?;
        let events = collector.take();
        println!("{}", section(name, threads, times, &events));
        all.extend(events);
    }
    write_trace(&args.trace, &all)?;
    println!("Time line: {} (open it in Perfetto)", args.trace.display());
    Ok(())
}

type Outcome = Result<(), Box<dyn Error>>;
type Work<'a> = dyn FnMut() -> Outcome + 'a;

fn trainer<'a>(
    experiment: &Experiment,
    source: &'a dyn Source,
    selected: &Selected,
    batch: usize,
    threads: usize,
) -> Result<Trainer<'a>, Box<dyn Error>> {
    let config = TrainingConfig {
        steps: u64::MAX,
        batch_size: batch,
        shards: Some(threads.min(batch)),
        check_every: 1000,
        ..experiment.training.clone()
    };
    let model = experiment.model();
    Ok(Trainer::new(
        config,
        experiment.sde,
        &model,
        source,
        &selected.device,
    )?)
}

/// An evaluation as a denoiser, the NFE that every sampler counts.
fn evaluation(
    experiment: &Experiment,
    selected: &Selected,
    batch: usize,
) -> Result<impl FnMut() -> Outcome, Box<dyn Error>> {
    let config = experiment.model();
    let model = config.init(0, &selected.device)?.valid();
    let [channels, height, width] = config.shape;
    let like = Tensor::<4>::zeros([batch, channels, height, width], &selected.device);
    let x = CounterNoise::new(0).standard_normal(&like, StepIndex(0), Role::Prior);
    let sde = experiment.sde.build()?;
    let marginal = sde.marginal(sde.time_at_sigma(Sigma(1.0)));
    Ok(move || {
        let _span = trace_span!(target: "profile::phase", "evaluation").entered();
        model.predict(Prediction::X0, &x, marginal);
        Ok(())
    })
}

/// Whether spans are written down.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// While nobody listens a span costs what it costs a program without a subscriber.
fn listen(listening: bool) {
    LISTENING.store(listening, Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// The seconds of each repetition.
struct Times {
    unobserved: Vec<f64>,
    observed: Vec<f64>,
}

/// Repeats the work without and with spans, one after the other, so that whatever else the machine does
/// slows down both.
fn in_turns(
    work: &mut Work<'_>,
    repetitions: usize,
    collector: &Collector,
) -> Result<Times, Box<dyn Error>> {
    let mut timed = |listening| {
        listen(listening);
        let begun = Instant::now();
        work()?;
        Ok::<_, Box<dyn Error>>(begun.elapsed().as_secs_f64())
    };
    for _ in 0..WARM_UP {
        timed(false)?;
        timed(true)?;
    }
    collector.take();
    let mut times = Times {
        unobserved: Vec::with_capacity(repetitions),
        observed: Vec::with_capacity(repetitions),
    };
    for _ in 0..repetitions {
        times.unobserved.push(timed(false)?);
        times.observed.push(timed(true)?);
    }
    Ok(times)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What is printed about one piece of work.
fn section(name: &str, threads: usize, times: Times, events: &[Event]) -> String {
    let repetitions = times.observed.len();
    let account = Account::of(events, repetitions);
    let [without, with] = [times.unobserved, times.observed].map(|times| 1e3 * median(times));
    format!(
        "### {name}, threads: {threads}\n\n\
         Median of {repetitions}: {without:.2} ms without spans, {with:.2} ms with them \
         ({:+.1} %). With them, threads were busy for \
         {:.2} ms of each, which is what shares are of.\n\n\
         {}\n{}\n{}",
        100.0 * (with / without - 1.0),
        account.busy(),
        account.render_operations(&account.operations),
        account.render_places(),
        account.render_operations(&account.shapes),
    )
}

fn write_trace(path: &Path, events: &[Event]) -> Outcome {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, serde_json::to_vec(&trace::chrome(events))?)?;
    Ok(())
}
