//! Inputs are functions of their numbers, and differ from their seeds and from each other.

use std::collections::HashSet;

use fuzzing::{Corpus, MAX_LEN, Mutator, targets};

#[test]
fn an_input_is_a_function_of_seed_target_and_number() {
    for target in targets::all() {
        let corpus = Corpus::of(target).unwrap();
        let mutator = Mutator::new(target, &corpus, 7);
        let forwards: Vec<_> = (0..300).map(|number| mutator.input(number)).collect();
        let again = Mutator::new(target, &corpus, 7);
        let backwards: Vec<_> = (0..300).rev().map(|number| again.input(number)).collect();
        assert!(
            forwards.iter().eq(backwards.iter().rev()),
            "{}",
            target.name
        );
        let other = Mutator::new(target, &corpus, 8);
        assert!((200..300).any(|number| other.input(number) != forwards[number as usize]));
    }
}

#[test]
fn a_campaign_begins_with_the_seeds_and_goes_on_with_others() {
    for target in targets::all() {
        let corpus = Corpus::of(target).unwrap();
        let mutator = Mutator::new(target, &corpus, 0);
        let seeds = corpus.seeds.len() as u64;
        for (number, (name, seed)) in (0..).zip(&corpus.seeds) {
            assert_eq!(&mutator.input(number), seed, "{name}");
        }
        let mutated: HashSet<_> = (seeds..seeds + 1000)
            .map(|number| mutator.input(number))
            .collect();
        // Truncation to nothing, and a flip that is taken back, may come twice.
        assert!(mutated.len() > 850, "{}: {}", target.name, mutated.len());
        assert!(mutated.iter().all(|input| input.len() <= MAX_LEN));
    }
}

#[test]
fn names_of_targets_are_distinct() {
    let names: HashSet<_> = targets::all().iter().map(|target| target.name).collect();
    assert_eq!(names.len(), targets::all().len());
}
