//! `tweedie evaluate`: how good a model's samples are.

mod asked;
mod autoencoder;
mod classifier;
mod digits;
mod guidance;
mod images;
mod neighbours;
mod nfe;
mod points;
mod report;
mod spaces;
mod stored;

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use clap::{Args, Subcommand};
use ndarray::{Array4, Axis};
use score_net::NetworkConfig;
use serde_json::{Value, json};

use self::asked::{Asked, AskedArgs};
use self::report::Report;
use super::sample::{ModelArgs, SamplingArgs, at_least, draw};
use crate::config::DataConfig;
use crate::dataset::{Dataset, samples_at};
use crate::failure::Fault;
use crate::files::write_whole;
use crate::pictures::Picture;
use crate::runs::{Chosen, Run, most_recent};
use crate::terminal::say;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_value_name = "WHAT")]
#[command(
    subcommand_help_heading = "Other evaluations",
    disable_help_subcommand = true
)]
#[command(after_help = "\
Digits are read by a classifier that also knows what is no digit. It is trained once, in about a \
minute, and kept in runs/.judge. Its Fréchet distance is taken in its own features: it compares runs \
with one another, at the same number of samples, and is no FID.

Points are compared with points drawn anew from the data's distribution.

Other images are compared in pixels, by the sliced Wasserstein distance, and with --features in the \
features of a network: to the data set's test part, to what --against names, or else to a part of the \
training data.

Intervals in brackets are of 95 %, by the bootstrap: what other draws of as many samples would give.

Examples:
  tweedie evaluate
  tweedie evaluate --run runs/mnist --samples 2000 --solver heun --steps 32
  tweedie evaluate --run runs/mnist --images others.npy
  tweedie evaluate --run runs/birds --images drawn --against birds-kept-back
  tweedie evaluate --precision-recall --neighbours 8
  tweedie evaluate --features inception.onnx --features-input inception.toml
  tweedie evaluate nfe --help
  tweedie evaluate guidance --help")]
pub struct EvaluateArgs {
    #[command(subcommand)]
    pub what: Option<What>,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Number of samples, 2 or more
    #[arg(
        long, value_name = "N", default_value = "1000", value_parser = at_least(2),
        help_heading = "Sampling"
    )]
    pub samples: usize,
    /// Samples to measure in place of the model's: a folder of pictures, or NumPy's array (npy or npz) of f32
    /// [N, C, H, W], images in [-1, 1], or of u8 [N, H, W, C]
    #[arg(
        long, value_name = "PATH", help_heading = "Sampling",
        conflicts_with_all = [
            "checkpoint", "solver", "steps", "grid", "tolerance", "seed", "batch", "samples", "class", "guidance",
            "guidance_interval", "guidance_scaling", "classifier", "autoguide"
        ]
    )]
    pub images: Option<PathBuf>,
    #[command(flatten)]
    pub asked: AskedArgs,
    /// The file of results [default: a name made of the settings, in the run's folder evaluations/]; a
    /// picture of neighbours lies beside it
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// Evaluations of another kind.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Compare solvers at the same numbers of evaluations of the score
    Nfe(nfe::NfeArgs),
    /// Measure samples, class by class, against how much they are guided
    Guidance(guidance::GuidanceSweepArgs),
}

/// Draws samples, measures them, prints a table and writes it as JSON.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    match (&args.what, &args.images) {
        (Some(What::Nfe(args)), _) => nfe::run(args),
        (Some(What::Guidance(args)), _) => guidance::run(args),
        (None, Some(path)) => of_file(args, path),
        (None, None) => of_model(args),
    }
}

/// Measures what a model draws.
fn of_model(args: &EvaluateArgs) -> Result<()> {
    let chosen = Chosen::open(args.model.run.as_deref(), args.model.checkpoint.as_deref())?;
    let Some(run) = &chosen.run else {
        return Err(Fault::usage(format!(
            "{}: this checkpoint lies in no run, so its data is not known",
            chosen.checkpoint.folder().display()
        ))
        .hint("name a run with --run")
        .into());
    };
    let selected = runtime::select(args.model.backend)?;
    selected.check()?;
    if let NetworkConfig::Autoencoder(_) = run.config.network {
        return autoencoder::run(args, &chosen, run, &selected.device);
    }
    if let NetworkConfig::Classifier(_) = run.config.network {
        return classifier::run(args, &chosen, run, &selected.device);
    }
    // Networks, data and judge first: what is missing should not be told after minutes of sampling.
    let asked = args.asked.open()?;
    let measure = measure_of(run, &asked, &selected.device)?;
    let drawn = draw(
        &chosen,
        &args.sampling,
        Some(args.samples),
        &selected.device,
        None,
    )?;
    let Findings { report, neighbours } =
        measure.measure(&drawn.samples.values, drawn.samples.classes().as_deref())?;
    let step = chosen.checkpoint.manifest().step;
    let solver = drawn.plan.solver.info().name;
    let (steps, count) = (drawn.plan.grid.steps(), drawn.plan.count);
    let (nfe, seconds) = (drawn.samples.nfe, drawn.samples.seconds);
    say(format!(
        "{}, step {step}: {count} samples by {solver} in {steps} steps, NFE {nfe}, {seconds:.1} s\n",
        run.config.name
    ));
    say(report.table());
    let name = format!("step-{step:08}-{}-n{count}.json", drawn.plan.label());
    let mut record = json!({
        "run": run.config.name,
        "step": step,
        "solver": solver,
        "steps": steps,
        "nfe": nfe,
        "seed": drawn.plan.seed,
        "samples": count,
        "class": drawn.plan.class.to_string(),
        "guidance": drawn.plan.guidance.json(),
        "seconds": seconds,
        "results": report.json(),
    });
    write(args, run, &name, &mut record, neighbours)
}

/// Measures what another program drew, against the data of a run.
fn of_file(args: &EvaluateArgs, path: &Path) -> Result<()> {
    let root = args.model.run.clone().map_or_else(most_recent, Ok)?;
    let run = Run::open(&root)?;
    let shape = Dataset::load(&run.config.data)?.source().sample_shape();
    let images = samples_at(path, shape, usize::MAX)?;
    let count = images.len_of(Axis(0));
    if count < 2 {
        return Err(Fault::failed(format!(
            "{}: one sample cannot be measured, two or more can",
            path.display()
        ))
        .into());
    }
    let selected = runtime::select(args.model.backend)?;
    selected.check()?;
    let asked = args.asked.open()?;
    let Findings { report, neighbours } =
        measure_of(&run, &asked, &selected.device)?.measure(&images, None)?;
    let file = path.display().to_string();
    say(format!(
        "{file}: {count} samples against the data of {}\n",
        run.config.name
    ));
    say(report.table());
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut record = json!({ "file": file, "samples": count, "results": report.json() });
    let name = format!("{stem}-n{count}.json");
    write(args, &run, &name, &mut record, neighbours)
}

/// What samples of a run's data are measured by.
fn measure_of<'a>(run: &Run, asked: &'a Asked, device: &Device) -> Result<Box<dyn Measure + 'a>> {
    let known = match &run.config.data {
        DataConfig::Mnist { colours: false, .. } => {
            Some("digits, which are measured against their test set")
        }
        DataConfig::Toy { .. } => Some("points, which are measured against fresh ones"),
        _ => None,
    };
    if let (Some(_), Some(known)) = (&asked.against, known) {
        let fault = format!("--against: the samples of this run are {known}");
        return Err(Fault::usage(fault).hint("leave --against out").into());
    }
    Ok(match &run.config.data {
        DataConfig::Mnist {
            path,
            colours: false,
            ..
        } => Box::new(digits::Measured {
            digits: digits::Digits::new(path, device)?,
            asked,
        }),
        DataConfig::Toy { name, count, seed } => {
            Box::new(points::Points::new(*name, *count, *seed, asked)?)
        }
        other => Box::new(images::Images::new(other, asked)?),
    })
}

fn write(
    args: &EvaluateArgs,
    run: &Run,
    name: &str,
    record: &mut Value,
    neighbours: Option<Neighbours>,
) -> Result<()> {
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| run.folder.root().join("evaluations").join(name));
    let picture = neighbours.and_then(|Neighbours { json, picture }| {
        record["neighbours"] = json;
        picture
    });
    let mut text = serde_json::to_string_pretty(record)?;
    text.push('\n');
    write_whole(&out, text.as_bytes())?;
    say(format!("\n{}", out.display()));
    if let Some(picture) = picture {
        let stem = out.file_stem().unwrap_or_default().to_string_lossy();
        let beside = out.with_file_name(format!("{stem}-neighbours.png"));
        picture.save(&beside)?;
        say(beside.display());
    }
    Ok(())
}

/// What was found of samples.
struct Findings {
    /// The figures, with those of real data beside them.
    report: Report,
    /// Their neighbours in the training set, if they were asked for.
    neighbours: Option<Neighbours>,
}

/// The samples' neighbours in the training set.
struct Neighbours {
    /// Their indices and distances.
    json: Value,
    /// Those of the samples that are most like copies; none of what is no image.
    picture: Option<Picture>,
}

/// Something that samples can be measured by.
trait Measure {
    /// Measures samples, and whether they are of the classes that they were asked to be.
    fn measure(&self, samples: &Array4<f32>, classes: Option<&[usize]>) -> Result<Findings>;
}
