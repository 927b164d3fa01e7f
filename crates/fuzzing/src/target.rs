//! What is fuzzed.

/// A parser, and what its inputs look like.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: on the command line, and of its folder in `corpus`.
    pub name: &'static str,
    /// Valid inputs to start from, made by code. The files in its folder of `corpus` join them.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Feeds the parser, and whatever takes its result, with any bytes. It may not panic, take more than a
    /// second, or allocate more than 256 MiB; errors are its business.
    pub run: fn(&[u8]),
    /// Tokens that the format gives a meaning to.
    pub dictionary: &'static [&'static [u8]],
    /// Mends the checksums of a mutated input, without which a mutation would hardly ever get past them.
    /// Half of the inputs are mended.
    pub repair: Option<fn(&mut Vec<u8>)>,
}
