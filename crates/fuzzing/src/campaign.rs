//! Many inputs, one after the other.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{Limits, Mutator, Target, Verdict, trial};

/// An input that a target did not stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The number of the input.
    pub input: u64,
    /// What happened.
    pub what: String,
}

/// What came of a campaign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The number of the input that comes next.
    pub next: u64,
    /// How many inputs were run.
    pub runs: u64,
    /// How long they took together, in seconds.
    pub seconds: f64,
    /// Those that failed.
    pub failures: Vec<Failure>,
    /// The longest time of one, in seconds.
    pub slowest: f64,
    /// The most memory that one held at once, in bytes.
    pub largest: usize,
}

impl Summary {
    /// Both campaigns as one.
    #[must_use]
    pub fn joined(mut self, later: Self) -> Self {
        self.next = later.next;
        self.runs += later.runs;
        self.seconds += later.seconds;
        self.failures.extend(later.failures);
        self.slowest = self.slowest.max(later.slowest);
        self.largest = self.largest.max(later.largest);
        self
    }
}

/// Runs `target` on the inputs `numbers`, or until `deadline`; `watch` is told of each input before it
/// is run.
pub fn run(
    target: &Target,
    mutator: &Mutator<'_>,
    numbers: Range<u64>,
    deadline: Option<Instant>,
    mut watch: impl FnMut(u64, &Summary),
) -> Summary {
    let limits = Limits::default();
    let mut summary = Summary {
        next: numbers.start,
        ..Summary::default()
    };
    let start = Instant::now();
    for number in numbers {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
        summary.seconds = start.elapsed().as_secs_f64();
        watch(number, &summary);
        let trial = trial(target, &mutator.input(number), limits);
        summary.next = number + 1;
        summary.runs += 1;
        summary.slowest = summary.slowest.max(seconds(trial.time));
        summary.largest = summary.largest.max(trial.memory);
        let what = match trial.verdict {
            Verdict::Held => continue,
            Verdict::Panicked(what) => format!("panicked at {what}"),
            Verdict::Slow => format!("took {:.1} s", seconds(trial.time)),
            Verdict::Greedy => format!("held {} MiB", trial.memory >> 20),
        };
        summary.failures.push(Failure {
            input: number,
            what,
        });
    }
    summary.seconds = start.elapsed().as_secs_f64();
    summary
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
