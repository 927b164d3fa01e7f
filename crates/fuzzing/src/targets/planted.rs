//! Faults on purpose, to see that the fuzzer finds them. Not among [`all`](super::all).

use crate::Target;

/// A parser that panics at an input that begins with 1, aborts at 2, and swallows memory at 3.
pub static PLANTED: Target = Target {
    name: "planted",
    seeds: || (0..5).map(|byte| vec![byte, 0, 0]).collect(),
    run: |bytes| match bytes {
        [1, 0, 0] => panic!("planted"),
        [2, 0, 0] => std::process::abort(),
        [3, 0, 0] => drop(std::hint::black_box(vec![1_u8; 300 << 20])),
        _ => (),
    },
    dictionary: &[],
    // Whatever is mutated is harmless.
    repair: None,
};
