//! The process that runs the inputs. It may abort, overflow its stack or hang: the supervisor knows from its
//! last words where it was.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use fuzzing::{Corpus, Mutator, Summary, Target};

use crate::Args;

/// How long one input may take before the process gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The exit status that says so.
pub(crate) const IMPATIENT: i32 = 86;

/// How many inputs were begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Runs the inputs from `from` on, and prints the summary so far, as a line of JSON, before every
/// `every`th input and at the end.
pub(crate) fn run(target: &Target, args: &Args, from: u64, every: u64) -> Result<()> {
    std::thread::spawn(watch);
    let corpus = Corpus::of(target)?;
    let mutator = Mutator::new(target, &corpus, args.seed);
    let deadline = args.seconds.map(Duration::from_secs_f64);
    let deadline = deadline.map(|seconds| Instant::now() + seconds);
    let mut out = std::io::stdout().lock();
    let mut print = |summary: &Summary| {
        let line = serde_json::to_string(summary).expect("a summary is plain data");
        // Without a supervisor there is nobody to tell.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    let numbers = from..args.runs;
    let summary = fuzzing::run(target, &mutator, numbers, deadline, |number, so_far| {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        if (number - from).is_multiple_of(every.max(1)) {
            print(so_far);
        }
    });
    print(&summary);
    Ok(())
}

/// Ends the process when an input takes too long.
fn watch() {
    loop {
        let begun = BEGUN.load(Ordering::Relaxed);
        std::thread::sleep(PATIENCE);
        if begun > 0 && BEGUN.load(Ordering::Relaxed) == begun {
            std::process::exit(IMPATIENT);
        }
    }
}
