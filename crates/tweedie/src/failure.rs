//! How a fault is told: what is wrong, why, what to do, and the exit code.

use std::fmt::{self, Write};
use std::io;

use runtime::RuntimeError;
use score_net::ConfigError;
use sde_core::{HasVelocity, SdeError};
use solvers::{GridError, SolveError, solver::ParameterError};
use training::TrainingError;

use crate::interrupt;

/// The exit code of a command line or a configuration that cannot be followed.
pub const USAGE: u8 = 2;
/// The exit code of everything else that goes wrong.
pub const FAILED: u8 = 1;
/// The exit code of a run that was interrupted: 128 + SIGINT, as shells count.
pub const INTERRUPTED: u8 = 130;

/// A fault found by this program itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Fault {
    /// What the user asked for cannot be.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            code: USAGE,
        }
    }

    /// What the user asked for could be, and failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            code: FAILED,
            ..Self::usage(message)
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// The text that reports `error`, several lines without a last line end.
pub fn text(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many errors quote their source already.
        if !text.contains(&cause) {
            write!(text, "\n  because {}", cause.trim_end()).expect("a string takes any text");
        }
    }
    let fault = error.downcast_ref::<Fault>();
    let hints = [fault, in_chain::<Fault>(error)];
    let hint = hints
        .into_iter()
        .flatten()
        .find_map(|fault| fault.hint.as_deref());
    if let Some(hint) = hint.or_else(|| hint_for(in_chain::<io::Error>(error)?)) {
        write!(text, "\n  hint: {hint}").expect("a string takes any text");
    }
    text
}

/// What to do about a disk.
fn hint_for(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind::{
        FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };

    match error.kind() {
        StorageFull | QuotaExceeded => {
            Some("make room on the disk; a run goes on with `tweedie train --resume`")
        }
        FileTooLarge => Some(
            "files may not grow that large here (`ulimit -f`, or the file system's own limit); a run goes on with \
             `tweedie train --resume`",
        ),
        PermissionDenied | ReadOnlyFilesystem => {
            Some("name a folder that may be written to, such as with --run or --out")
        }
        _ => None,
    }
}

/// The exit code for `error`.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let fault = error.downcast_ref::<Fault>().or_else(|| in_chain(error));
    if let Some(fault) = fault {
        return fault.code;
    }
    if let Some(TrainingError::Stopped { .. }) = in_chain(error) {
        return interrupt::exit_code();
    }
    let unusable_training = matches!(
        in_chain(error),
        Some(TrainingError::Config { .. } | TrainingError::Model(_) | TrainingError::Sde(_))
    );
    let unusable_solver = matches!(
        in_chain(error),
        Some(
            SolveError::Parameter(_)
                | SolveError::NoLearnedVariance { .. }
                | SolveError::Edit(_)
                | SolveError::NotStepwise { .. }
        )
    );
    let unusable_backend = matches!(
        in_chain(error),
        Some(RuntimeError::NotCompiled { .. } | RuntimeError::Variable { .. })
    );
    let unusable_value = in_chain::<SdeError>(error).is_some()
        || in_chain::<HasVelocity>(error).is_some()
        || in_chain::<ConfigError>(error).is_some()
        || in_chain::<GridError>(error).is_some()
        || in_chain::<ParameterError>(error).is_some();
    match unusable_training || unusable_solver || unusable_backend || unusable_value {
        true => USAGE,
        false => FAILED,
    }
}

fn in_chain<E: std::error::Error + 'static>(error: &anyhow::Error) -> Option<&E> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, Result, anyhow};

    use super::*;

    #[test]
    fn causes_follow_on_lines_of_their_own_and_the_hint_comes_last() {
        let inner: Result<()> = Err(anyhow!("disk full")).context("writing a.png");
        let error = inner
            .context(Fault::failed("no picture").hint("make room"))
            .unwrap_err();
        assert_eq!(
            text(&error),
            "error: no picture\n  because writing a.png\n  because disk full\n  hint: make room"
        );
        assert_eq!(exit_code(&error), FAILED);
    }

    #[test]
    fn a_cause_that_is_quoted_already_is_not_repeated() {
        let error = anyhow!("disk full").context("a.png: disk full");
        assert_eq!(text(&error), "error: a.png: disk full");
    }

    #[test]
    fn what_cannot_be_asked_for_has_the_exit_code_of_usage() {
        assert_eq!(exit_code(&Fault::usage("no such key").into()), USAGE);
        let steps = TrainingError::Config {
            field: "training.steps".into(),
            value: "0".into(),
            must: "at least 1",
        };
        assert_eq!(exit_code(&steps.into()), USAGE);
        assert_eq!(exit_code(&GridError::NoSteps.into()), USAGE);
        assert_eq!(
            exit_code(&TrainingError::Stopped { step: 3 }.into()),
            INTERRUPTED
        );
    }
}
