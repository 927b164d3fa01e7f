//! One input, and what the target makes of it.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::{ALLOCATOR, Target};

/// What a target may take for one input.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest time.
    pub time: Duration,
    /// The most memory at once, beyond what was held before, in bytes.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(1),
            memory: 256 << 20,
        }
    }
}

/// Whether the target held what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Held,
    /// It panicked: where, and what it said.
    Panicked(String),
    /// It took more time.
    Slow,
    /// It took more memory.
    Greedy,
}

/// What one input cost, and led to.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What it led to.
    pub verdict: Verdict,
    /// The time that it took.
    pub time: Duration,
    /// The most memory that it held at once, in bytes.
    pub memory: usize,
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics silent; their message and place are kept for the verdict.
pub fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or(String::new(), ToString::to_string);
        let what = info.payload_as_str().unwrap_or("something that is no text");
        PANIC.set(Some(format!("{place}: {what}")));
    }));
}

/// Runs `target` on `bytes`.
#[must_use]
pub fn trial(target: &Target, bytes: &[u8], limits: Limits) -> Trial {
    let mut trial = once(target, bytes, limits);
    // Other processes may have had the core: only what is slow three times is slow.
    for _ in 0..2 {
        if trial.verdict == Verdict::Slow {
            trial = once(target, bytes, limits);
        }
    }
    trial
}

fn once(target: &Target, bytes: &[u8], limits: Limits) -> Trial {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let start = Instant::now();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let time = start.elapsed();
    let memory = ALLOCATOR.peak_usage().saturating_sub(before);
    let verdict = match outcome {
        Err(_) => Verdict::Panicked(PANIC.take().unwrap_or_default()),
        Ok(()) if memory > limits.memory => Verdict::Greedy,
        Ok(()) if time > limits.time => Verdict::Slow,
        Ok(()) => Verdict::Held,
    };
    Trial {
        verdict,
        time,
        memory,
    }
}
