//! A short campaign on every target, the same at every run. `fuzz` runs long ones.

use fuzzing::{Corpus, Mutator, quiet_panics, run, targets};

/// Inputs for each target, besides its seeds.
const INPUTS: u64 = 20_000;

#[test]
fn no_parser_panics_stalls_or_swallows_memory() {
    // One after the other: memory is counted for the whole process.
    quiet_panics();
    let mut faults = Vec::new();
    for target in targets::all() {
        let corpus = Corpus::of(target).unwrap();
        let mutator = Mutator::new(target, &corpus, 0);
        let inputs = corpus.seeds.len() as u64 + INPUTS;
        let summary = run(target, &mutator, 0..inputs, None, |_, _| ());
        assert_eq!(summary.runs, inputs);
        let failures = summary.failures.into_iter();
        faults.extend(failures.map(|failure| (target.name, failure)));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
