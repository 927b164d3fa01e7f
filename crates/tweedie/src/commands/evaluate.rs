//! `tweedie evaluate`: how good a model's samples are.

mod digits;
mod nfe;
mod points;
mod report;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use self::report::Report;
use super::sample::{Drawn, ModelArgs, SamplingArgs, at_least, draw};
use crate::config::DataConfig;
use crate::failure::Fault;
use crate::files::write_whole;
use crate::runs::Chosen;
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

Examples:
  tweedie evaluate
  tweedie evaluate --run runs/mnist --samples 2000 --solver heun --steps 32")]
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
    /// The file of results [default: a name made of the settings, in the run's folder evaluations/]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// Evaluations of another kind.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Compare solvers at the same numbers of evaluations of the score
    Nfe(nfe::NfeArgs),
}

/// Draws samples, measures them, prints a table and writes it as JSON.
pub fn run(args: &EvaluateArgs) -> Result<()> {
    if let Some(What::Nfe(args)) = &args.what {
        return nfe::run(args);
    }
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
    // Data and judge first: what is missing should not be told after minutes of sampling.
    let measure: Box<dyn Measure> = match &run.config.data {
        DataConfig::Mnist { path, .. } => Box::new(digits::Digits::new(path, &selected.device)?),
        DataConfig::Toy { name, seed, .. } => Box::new(points::Points::new(*name, *seed)),
    };
    let drawn = draw(
        &chosen,
        &args.sampling,
        Some(args.samples),
        &selected.device,
        None,
    )?;
    let report = measure.measure(&drawn)?;
    let step = chosen.checkpoint.manifest().step;
    let solver = drawn.plan.solver.info().name;
    let (steps, count) = (drawn.plan.grid.steps(), drawn.plan.count);
    let (nfe, seconds) = (drawn.samples.nfe, drawn.samples.seconds);
    say(format!(
        "{}, step {step}: {count} samples by {solver} in {steps} steps, NFE {nfe}, {seconds:.1} s\n",
        run.config.name
    ));
    say(report.table());
    let label = drawn.plan.label();
    let out = args.out.clone().unwrap_or_else(|| {
        let name = format!("step-{step:08}-{label}-n{count}.json");
        run.folder.root().join("evaluations").join(name)
    });
    let record = json!({
        "run": run.config.name,
        "step": step,
        "solver": solver,
        "steps": steps,
        "nfe": nfe,
        "seed": drawn.plan.seed,
        "samples": count,
        "seconds": seconds,
        "results": report.json(),
    });
    let mut text = serde_json::to_string_pretty(&record)?;
    text.push('\n');
    write_whole(&out, text.as_bytes())?;
    say(format!("\n{}", out.display()));
    Ok(())
}

/// Something that samples can be measured by.
trait Measure {
    /// Its figures for the samples, with those of real data beside them.
    fn measure(&self, drawn: &Drawn) -> Result<Report>;
}
