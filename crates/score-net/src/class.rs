//! Classes that a model does not have.

use thiserror::Error;

/// A class that a model cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClassError {
    /// It was trained without classes.
    #[error(
        "this model knows no classes, so it cannot be asked for class {class}: it was trained without \
         model.classes"
    )]
    Unconditional {
        /// The class that was asked for.
        class: usize,
    },
    /// It has fewer.
    #[error("there is no class {class}: this model has {classes}, from 0 to {}", classes - 1)]
    OutOfRange {
        /// The class that was asked for.
        class: usize,
        /// How many there are.
        classes: usize,
    },
    /// It is a classifier where a score is needed, or the other way about.
    #[error("this model is {found}, where {needed} is needed")]
    Kind {
        /// What it is.
        found: &'static str,
        /// What it should be.
        needed: &'static str,
    },
}

impl ClassError {
    /// Refuses `class` of a model of `classes`.
    pub(crate) fn check(class: usize, classes: usize) -> Result<(), Self> {
        match classes {
            0 => Err(Self::Unconditional { class }),
            _ if class >= classes => Err(Self::OutOfRange { class, classes }),
            _ => Ok(()),
        }
    }
}
