//! Memory and open files of a long run, as the operating system counts them.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::life::Life;

/// A look at a process.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub step: u64,
    pub resident_kib: u64,
    pub open_files: usize,
}

/// The last step in the metrics of a run.
fn step(run: &Path) -> u64 {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let last = text.rsplit_terminator('\n').next();
    let record = last.and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    record
        .and_then(|record| record["step"].as_u64())
        .unwrap_or(0)
}

fn look(pid: u32, step: u64) -> Result<Look> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .context("memory can be looked at on Linux alone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    Ok(Look {
        step,
        resident_kib: resident.context("the process has no VmRSS")?,
        open_files: fs::read_dir(format!("/proc/{pid}/fd"))
            .context("its open files")?
            .count(),
    })
}

/// Lets a run of `steps` steps live to its end, and looks at it after 500 of them and before the last ones.
pub fn watched(life: &Life<'_>, steps: u64) -> Result<[Look; 2]> {
    let mut living = life.begin(None)?;
    let pid = living.id();
    let (mut first, mut last) = (None, None);
    while living.is_alive()? {
        let at = step(&life.run);
        // Sampling, at the very end, takes memory of its own.
        if at + 20 < steps {
            let look = look(pid, at);
            if at >= 500 && first.is_none() {
                first = look.as_ref().ok().copied();
            }
            last = look.ok().or(last);
        }
        sleep(Duration::from_millis(20));
    }
    let end = living.wait_to_the_end()?;
    if !end.is_done() {
        bail!("the long run failed: {}", end.words);
    }
    let (first, last) = first
        .zip(last)
        .context("the run was too short to be looked at")?;
    let most = first.resident_kib + first.resident_kib / 20;
    ensure!(
        last.resident_kib <= most,
        "memory grew: {first:?}, {last:?}"
    );
    // A checkpoint or a line of the metrics may be open at that very moment.
    ensure!(
        last.open_files <= first.open_files + 2,
        "files stay open: {first:?}, {last:?}"
    );
    Ok([first, last])
}
