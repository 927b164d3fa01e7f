//! A campaign in a process of its own, which is started again behind whatever input ended it.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use fuzzing::{Corpus, Failure, Mutator, Summary, Target};

use crate::Args;
use crate::child::IMPATIENT;

/// How many inputs between two words of the child.
const EVERY: u64 = 1000;

/// Runs the campaign of a target; its summary, and where each failure's input is kept.
pub(crate) fn campaign(target: &Target, args: &Args) -> Result<(Summary, Vec<PathBuf>)> {
    let start = Instant::now();
    let mut total = Summary::default();
    // After a death the inputs since the last word are run again, one word each, so that the one that
    // ended the process is known.
    let mut closely = false;
    while total.next < args.runs {
        let seconds = args
            .seconds
            .map(|seconds| seconds - start.elapsed().as_secs_f64());
        if seconds.is_some_and(|seconds| seconds <= 0.0) {
            break;
        }
        let (until, every) = if closely {
            (args.runs.min(total.next + EVERY), 1)
        } else {
            (args.runs, EVERY)
        };
        let (part, status) = child(target, args, total.next..until, every, seconds)?;
        total = total.joined(part);
        match (status.success(), closely) {
            (true, false) => break,
            (true, true) => closely = false,
            (false, false) => closely = true,
            (false, true) => {
                total.failures.push(Failure {
                    input: total.next,
                    what: ending(status),
                });
                total.next += 1;
                total.runs += 1;
                closely = false;
            }
        }
    }
    let kept = keep(target, args, &total)?;
    Ok((total, kept))
}

/// Runs the inputs `numbers` until the process ends; its last words, and how it ended.
fn child(
    target: &Target,
    args: &Args,
    numbers: Range<u64>,
    every: u64,
    seconds: Option<f64>,
) -> Result<(Summary, ExitStatus)> {
    let program = std::env::current_exe().context("where is this program?")?;
    let mut command = Command::new(program);
    command
        .args(["--target", target.name, "--child"])
        .args([numbers.start.to_string(), every.to_string()])
        .args(["--runs", &numbers.end.to_string()])
        .args(["--seed", &args.seed.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(seconds) = seconds {
        command.args(["--seconds", &seconds.to_string()]);
    }
    let mut child = command.spawn().context("the process of the campaign")?;
    let mut last = Summary {
        next: numbers.start,
        ..Summary::default()
    };
    let out = child.stdout.take().context("its output")?;
    for line in BufReader::new(out).lines() {
        // The last line may be cut short.
        if let Ok(summary) = serde_json::from_str(&line?) {
            last = summary;
        }
    }
    Ok((last, child.wait()?))
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(IMPATIENT) => "took more than 30 s".to_owned(),
        // An abort, or a stack that overflowed.
        _ => format!("ended the process: {status}"),
    }
}

/// Writes the input of each failure to a file.
fn keep(target: &Target, args: &Args, summary: &Summary) -> Result<Vec<PathBuf>> {
    let corpus = Corpus::of(target)?;
    let mutator = Mutator::new(target, &corpus, args.seed);
    let folder = args.out.join(target.name);
    let mut kept = Vec::new();
    for failure in &summary.failures {
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let path = folder.join(format!("seed-{}-input-{}", args.seed, failure.input));
        std::fs::write(&path, mutator.input(failure.input))
            .with_context(|| path.display().to_string())?;
        kept.push(path);
    }
    Ok(kept)
}
