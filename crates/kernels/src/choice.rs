//! Which way operations are computed, for the whole process.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The ways in which this crate's operations can be computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// By this crate's kernels, on the backend and for the number type that they are for.
    #[default]
    Own,
    /// By Burn's own operations everywhere: see [`plain`](crate::plain).
    Plain,
}

static PLAIN: AtomicBool = AtomicBool::new(false);

/// Chooses, for all operations from now on. Gradients of operations that are already recorded stay with
/// the way in which they were recorded.
pub fn choose(kernels: Kernels) {
    PLAIN.store(kernels == Kernels::Plain, Ordering::Relaxed);
}

/// What was chosen last; at first [`Kernels::Own`].
pub fn chosen() -> Kernels {
    match PLAIN.load(Ordering::Relaxed) {
        true => Kernels::Plain,
        false => Kernels::Own,
    }
}

impl fmt::Display for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::Plain => "plain",
        })
    }
}

/// A name that is none of [`Kernels`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKernels(String);

impl fmt::Display for UnknownKernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are no kernels {:?}: give own or plain", self.0)
    }
}

impl std::error::Error for UnknownKernels {}

impl FromStr for Kernels {
    type Err = UnknownKernels;

    fn from_str(name: &str) -> Result<Self, UnknownKernels> {
        match name {
            "own" => Ok(Self::Own),
            "plain" => Ok(Self::Plain),
            _ => Err(UnknownKernels(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for kernels in [Kernels::Own, Kernels::Plain] {
            assert_eq!(kernels.to_string().parse(), Ok(kernels));
        }
        let error = "fast".parse::<Kernels>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there are no kernels \"fast\": give own or plain"
        );
    }
}
