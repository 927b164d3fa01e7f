//! The program: every target, or one, for a number of inputs or of seconds.

mod child;
mod supervisor;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use fuzzing::{Limits, Summary, Target, quiet_panics, targets, trial};

/// Feeds mutated inputs to the workspace's parsers. An input that makes one panic, abort, take more than a
/// second or hold more than 256 MiB is kept in a file; the program then ends with status 1.
#[derive(Debug, Parser)]
struct Args {
    /// A target's name, or `all`.
    #[arg(long, default_value = "all")]
    target: String,
    /// How many inputs for each target.
    #[arg(long, default_value_t = 100_000)]
    runs: u64,
    /// Input i is a function of the seed, the target and i.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Stop each target after so many seconds.
    #[arg(long)]
    seconds: Option<f64>,
    /// Where inputs that fail are kept, in a folder for each target.
    #[arg(long, default_value = "target/fuzz")]
    out: PathBuf,
    /// List the targets.
    #[arg(long)]
    list: bool,
    /// Run one input, from a file, instead; its panic is then seen as it is.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// From this input on, in this process, telling of every so many.
    #[arg(long, num_args = 2, value_names = ["FROM", "EVERY"], hide = true)]
    child: Option<Vec<u64>>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let all = targets::all();
    if args.list {
        let mut out = std::io::stdout().lock();
        for target in all {
            writeln!(out, "{}", target.name)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen: Vec<&Target> = (all.iter().copied().chain([&targets::PLANTED]))
        .filter(|target| match &*args.target {
            "all" => target.name != targets::PLANTED.name,
            name => name == target.name,
        })
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(|target| target.name).collect();
        anyhow::bail!("no target {}; there are {}", args.target, names.join(", "));
    }
    if let Some(path) = &args.replay {
        return replay(&chosen, path);
    }
    if let (Some(child), [target]) = (&args.child, &chosen[..]) {
        quiet_panics();
        child::run(target, &args, child[0], child[1])?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut failed = false;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", heading())?;
    for target in chosen {
        let (summary, kept) = supervisor::campaign(target, &args)?;
        writeln!(out, "{}", row(target, &summary))?;
        for (failure, path) in summary.failures.iter().zip(kept) {
            writeln!(out, "    {}: {}", path.display(), failure.what)?;
        }
        failed |= !summary.failures.is_empty();
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn replay(targets: &[&Target], path: &PathBuf) -> Result<ExitCode> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let mut out = std::io::stdout().lock();
    for target in targets {
        let found = trial(target, &bytes, Limits::default());
        let (name, ms) = (target.name, found.time.as_secs_f64() * 1e3);
        let mib = found.memory as f64 / f64::from(1 << 20);
        writeln!(out, "{name}: {:?}, {ms:.2} ms, {mib:.2} MiB", found.verdict)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn heading() -> String {
    format!(
        "{:<14} {:>10} {:>10} {:>9} {:>12} {:>13}",
        "target", "runs", "runs/s", "failures", "slowest/ms", "largest/MiB"
    )
}

fn row(target: &Target, summary: &Summary) -> String {
    format!(
        "{:<14} {:>10} {:>10.0} {:>9} {:>12.1} {:>13.2}",
        target.name,
        summary.runs,
        summary.runs as f64 / summary.seconds.max(1e-9),
        summary.failures.len(),
        summary.slowest * 1e3,
        summary.largest as f64 / f64::from(1 << 20),
    )
}
