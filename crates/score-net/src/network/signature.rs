//! What goes into a network and what comes out of it.

use super::{ConfigError, nonempty};

/// F: channels × height × width → channels_out × height × width.
///
/// A shape alone, `[channels, height, width]`, is a network that answers in the shape that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What it takes: channels, height and width of one sample.
    pub shape: [usize; 3],
    /// The channels that it answers with.
    pub channels_out: usize,
    /// The classes that it can be told, beside none at all; 0 for a network that knows of no classes.
    pub classes: usize,
}

impl From<[usize; 3]> for Signature {
    fn from(shape: [usize; 3]) -> Self {
        Self {
            shape,
            channels_out: shape[0],
            classes: 0,
        }
    }
}

impl Signature {
    /// Elements of what it takes and of what it answers.
    ///
    /// # Errors
    /// If there are none.
    pub(crate) fn features(self) -> Result<[usize; 2], ConfigError> {
        let [channels, height, width] = nonempty(self.shape)?;
        nonempty([self.channels_out, height, width])?;
        Ok([channels, self.channels_out].map(|channels| channels * height * width))
    }

    /// ", answers with N channels" where that is not what it takes, and the classes where there are some.
    pub(crate) fn described(self) -> String {
        let answer = match self.channels_out == self.shape[0] {
            true => String::new(),
            false => format!(", answers with {} channels", self.channels_out),
        };
        match self.classes {
            0 => answer,
            classes => format!("{answer}; {classes} classes or none"),
        }
    }
}
