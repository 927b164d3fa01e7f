//! How far a measure that takes long has come.

/// What a measure does just now, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What is done, in a few words.
    pub what: &'static str,
    /// How many pieces of it lie behind.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// Whoever wants to know: it is told the beginning and the end of every stage, and what lies between.
///
/// It is called on the thread that takes the measure.
pub type Observer<'a> = dyn FnMut(Stage) + 'a;

/// Nobody wants to know.
pub fn unobserved(_: Stage) {}
