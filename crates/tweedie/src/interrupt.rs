//! Ctrl-C and SIGTERM: the first asks a run to stop after its step and keep a checkpoint, the second
//! ends the program at once. Both leave with the code that shells give a signal, 128 and its number.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use training::TrainingError;

use crate::failure::INTERRUPTED;

/// The number of the last signal; 0 before the first.
static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// From here on the first interrupt is noted instead of ending the program.
///
/// A file that reaches the size which a shell's `ulimit` allows is from here on a fault of writing it,
/// instead of a signal that ends the program.
pub fn watch() -> Result<()> {
    let (received, again) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let register = || -> std::io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the switch off, and turns it on.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
            flag::register_usize(
                signal,
                Arc::clone(&received),
                signal.unsigned_abs() as usize,
            )?;
        }
        #[cfg(unix)]
        flag::register(signal_hook::consts::SIGXFSZ, Arc::default())?;
        Ok(())
    };
    if SIGNAL.get().is_none() {
        register().context("interrupts cannot be watched for")?;
        SIGNAL.get_or_init(|| received);
    }
    Ok(())
}

fn signal() -> usize {
    SIGNAL
        .get()
        .map_or(0, |signal| signal.load(Ordering::SeqCst))
}

/// Whether there was one.
pub fn requested() -> bool {
    signal() > 0
}

/// An error where there was one, in what is no part of a run's steps.
pub fn stop_if_requested() -> Result<()> {
    match requested() {
        true => Err(TrainingError::Stopped { step: 0 }.into()),
        false => Ok(()),
    }
}

/// The exit code of a program that stopped because it was asked to.
pub fn exit_code() -> u8 {
    match signal() {
        0 => INTERRUPTED,
        signal => u8::try_from(128 + signal).unwrap_or(INTERRUPTED),
    }
}
