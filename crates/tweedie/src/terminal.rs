//! The only place that talks to a terminal: results on standard output, everything else on standard
//! error. A reader that goes away (`| head`) is no error.

// What the rest of the workspace must not do is this file's purpose.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

static QUIET: AtomicBool = AtomicBool::new(false);

/// The bar that is on the terminal now: other lines go above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Leaves out notes and progress from now on.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Prints a result.
pub fn say(text: impl Display) {
    // Nobody is left to be told of a failure.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints what happens on the way, unless quiet.
pub fn note(text: impl Display) {
    if !QUIET.load(Ordering::Relaxed) {
        above_bar(format!("{text}\n").as_bytes());
    }
}

/// Prints a fault.
pub fn complain(text: impl Display) {
    above_bar(format!("{text}\n").as_bytes());
}

/// Prints what clap has to say: help on standard output, errors on standard error.
pub fn print_clap(error: &clap::Error) {
    let _ = error.print();
}

/// Sends `tracing`'s events to standard error: warnings, or what `RUST_LOG` asks for.
pub fn start_logging() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .with_target(false)
        .with_writer(|| AboveBar)
        .finish();
    // A second subscriber can only be a test's, which then sees the events.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct AboveBar;

impl Write for AboveBar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        above_bar(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn above_bar(bytes: &[u8]) {
    let print = || {
        let _ = io::stderr().lock().write_all(bytes);
    };
    match &*BAR.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

/// The progress of something that takes long: a bar on a terminal, a plain line now and then
/// elsewhere, nothing if quiet.
pub struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    shown: Shown,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines { last: Option<Instant> },
}

/// The least time between two plain lines.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

impl Progress {
    /// Of `total` pieces, `done` of which lie behind; `what` says in a word what is done.
    pub fn new(what: &'static str, total: u64, done: u64) -> Self {
        let shown = if QUIET.load(Ordering::Relaxed) {
            Shown::Nothing
        } else if io::stderr().is_terminal() {
            let bar = ProgressBar::new(total).with_position(done);
            let template = "{prefix} {bar:24} {pos}/{len}  {wide_msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━━╌"));
            }
            bar.set_prefix(what);
            bar.enable_steady_tick(Duration::from_millis(200));
            *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
            Shown::Bar(bar)
        } else {
            Shown::Lines { last: None }
        };
        Self {
            what,
            total,
            done,
            shown,
        }
    }

    /// There are `total` pieces.
    pub fn lengthen(&mut self, total: u64) {
        self.total = total;
        if let Shown::Bar(bar) = &self.shown {
            bar.set_length(total);
        }
    }

    /// `done` pieces lie behind.
    pub fn advance(&mut self, done: u64) {
        self.done = done;
        if let Shown::Bar(bar) = &self.shown {
            bar.set_position(done);
        }
    }

    /// Says beside the bar what is done just now.
    pub fn show(&mut self, message: &str) {
        if let Shown::Bar(bar) = &self.shown {
            bar.set_message(message.to_owned());
        }
    }

    /// Says how it goes; as a plain line only if the last one is long ago, or this one is the last.
    pub fn tell(&mut self, message: &str) {
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.set_message(message.to_owned()),
            Shown::Lines { last } => {
                let now = Instant::now();
                let long_ago = last.is_none_or(|last| now - last >= BETWEEN_LINES);
                if long_ago || self.done == self.total {
                    *last = Some(now);
                    note(format!(
                        "{} {}/{}  {message}",
                        self.what, self.done, self.total
                    ));
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
            *BAR.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}
