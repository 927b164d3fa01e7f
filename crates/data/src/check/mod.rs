//! A data set gone over from end to end before anything is trained on it.

mod folder;
mod memory;
mod report;
mod tally;
mod text;

pub use report::{ChannelMoments, ClassCount, Finding, Problem, Report, Severity, SizeCount};

use crate::config::DataConfig;
use tally::Tally;

/// How far a check has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Samples that were gone over.
    pub done: usize,
    /// All of them.
    pub total: usize,
}

/// Goes over every sample of the set that `config` names and tells what is there and what is wrong;
/// `progress` is called now and then.
///
/// A set that cannot be opened at all is a report with one error. Each picture of a folder is decoded as
/// training would, so the report's errors are those that would stop a training.
pub fn check(config: &DataConfig, progress: &mut dyn FnMut(Progress)) -> Report {
    let mut tally = Tally::new(config.kind());
    let outcome = match config {
        DataConfig::ImageFolder(config) => folder::check(config, &mut tally, progress),
        _ => memory::check(config, &mut tally, progress),
    };
    if let Err(error) = outcome {
        tally.error(&error);
    }
    tally.finish()
}
