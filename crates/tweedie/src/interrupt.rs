//! Ctrl-C and SIGTERM: the first asks a run to stop after its step and keep a checkpoint, the second
//! ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::failure::INTERRUPTED;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From here on the first interrupt is noted instead of ending the program.
pub fn watch() -> Result<()> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    })
    .context("interrupts cannot be watched for")
}

/// Whether there was one.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
