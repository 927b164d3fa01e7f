//! What CI does, for one's own terminal: each step timed, the first failure last.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::{arrows, features, lint, test};

/// A step gives the closing lines of the tests that it ran.
type Step = (&'static str, fn() -> Result<Vec<String>>);

const STEPS: [Step; 7] = [
    ("format", || lint::format().run().map(|()| vec![])),
    ("arrows", || arrows::run().map(|()| vec![])),
    ("features", || features::run().map(|()| vec![])),
    ("clippy", || lint::clippy().run().map(|()| vec![])),
    ("docs", || lint::docs().run().map(|()| vec![])),
    ("tests", || {
        test::workspace().run_keeping(test::is_closing_line)
    }),
    ("wgpu", || test::wgpu().run_keeping(test::is_closing_line)),
];

pub fn run() -> Result<()> {
    let mut times = Vec::new();
    let mut closing = Vec::new();
    for (name, step) in STEPS {
        let started = Instant::now();
        let lines = step();
        times.push((name, started.elapsed().as_secs_f64()));
        if lines.is_err() {
            print_times(&times);
        }
        closing.extend(lines.with_context(|| format!("the step `{name}` failed"))?);
    }
    print_times(&times);
    for line in &closing {
        println!("{line}");
    }
    let (passed, failed) = test::sum(closing.iter().map(String::as_str));
    println!("{passed} passed, {failed} failed");
    Ok(())
}

fn print_times(times: &[(&str, f64)]) {
    println!();
    for (name, seconds) in times {
        println!("{name:<12} {seconds:>8.1} s");
    }
}
