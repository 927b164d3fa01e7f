//! The order of the samples is a function of (seed, step, batch) and visits each once an epoch.

use data::{DataError, EpochOrder};
use proptest::prelude::*;

fn batch_of(order: &EpochOrder, step: u64, batch: usize) -> Vec<usize> {
    let mut out = Vec::new();
    order.indices(step, batch, &mut out);
    out
}

/// The first `count` elements of the sequence that steps of `batch` walk along.
fn sequence(len: usize, seed: u64, batch: usize, count: usize) -> Vec<usize> {
    let order = EpochOrder::new(len, seed).unwrap();
    let steps = count.div_ceil(batch) as u64;
    let mut all: Vec<usize> = (0..steps)
        .flat_map(|step| batch_of(&order, step, batch))
        .collect();
    all.truncate(count);
    all
}

proptest! {
    #[test]
    fn every_index_comes_up_exactly_once_an_epoch(
        len in 1_usize..120,
        seed: u64,
        batch in 1_usize..300,
        epochs in 1_usize..5,
    ) {
        let all = sequence(len, seed, batch, epochs * len);
        for epoch in all.chunks(len) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_batch_is_full(len in 1_usize..50, seed: u64, step: u64, batch in 0_usize..200) {
        let order = EpochOrder::new(len, seed).unwrap();
        let indices = batch_of(&order, step, batch);
        prop_assert_eq!(indices.len(), batch);
        prop_assert!(indices.iter().all(|&index| index < len));
    }

    #[test]
    fn a_step_does_not_depend_on_the_steps_before_it(
        len in 1_usize..60,
        seed: u64,
        batch in 1_usize..100,
        asked in prop::collection::vec(0_u64..200, 1..20),
    ) {
        let used = EpochOrder::new(len, seed).unwrap();
        for step in asked {
            let resumed = EpochOrder::new(len, seed).unwrap();
            prop_assert_eq!(batch_of(&used, step, batch), batch_of(&resumed, step, batch));
        }
    }

    #[test]
    fn the_batch_size_cuts_one_and_the_same_sequence(
        len in 1_usize..60,
        seed: u64,
        one in 1_usize..100,
        other in 1_usize..100,
    ) {
        prop_assert_eq!(sequence(len, seed, one, 300), sequence(len, seed, other, 300));
    }

    #[test]
    fn steps_far_out_join_up_too(len in 2_usize..50, seed: u64, back in 1_u64..50) {
        // Two steps of b and one of 2b cover the same places.
        let order = EpochOrder::new(len, seed).unwrap();
        let step = (u64::MAX / 2) - back;
        let mut halves = batch_of(&order, 2 * step, 37);
        halves.extend(batch_of(&order, 2 * step + 1, 37));
        prop_assert_eq!(batch_of(&order, step, 74), halves);
    }
}

/// Computed by a separate program in Python: ChaCha8 from its definition (checked against its
/// published vectors), the key (b"epoch", seed, epoch), Lemire's draw and Fisher-Yates.
#[test]
fn permutations_are_those_of_another_implementation() {
    let order = EpochOrder::new(10, 42).unwrap();
    assert_eq!(batch_of(&order, 0, 10), [1, 4, 7, 8, 2, 3, 9, 6, 5, 0]);
    assert_eq!(batch_of(&order, 1, 10), [9, 3, 0, 2, 6, 7, 8, 1, 5, 4]);
    // Epoch 2⁶⁴: place 2⁶³ · 20 of epochs of 10.
    let far = batch_of(&order, 1 << 63, 20);
    assert_eq!(far[..10], [8, 3, 9, 1, 2, 6, 7, 5, 0, 4]);
}

#[test]
fn all_permutations_are_equally_likely() {
    const EPOCHS: u64 = 24_000;
    let order = EpochOrder::new(4, 2021).unwrap();
    let mut counts = std::collections::HashMap::new();
    for epoch in 0..EPOCHS {
        *counts.entry(batch_of(&order, epoch, 4)).or_insert(0_u32) += 1;
    }
    assert_eq!(counts.len(), 24);
    let expected = EPOCHS as f64 / 24.0;
    let chi_square: f64 = counts
        .values()
        .map(|&count| (f64::from(count) - expected).powi(2) / expected)
        .sum();
    // Chi-square with 23 degrees of freedom exceeds 58.6 once in 16,000 seeds.
    assert!(chi_square < 58.6, "{chi_square}");
}

#[test]
fn seeds_and_epochs_differ() {
    let first = sequence(100, 1, 100, 200);
    let second = sequence(100, 2, 100, 200);
    assert_ne!(first, second);
    assert_ne!(first[..100], first[100..]);
}

#[test]
fn what_was_in_the_buffer_is_replaced() {
    let order = EpochOrder::new(5, 0).unwrap();
    let mut out = vec![99; 30];
    order.indices(3, 4, &mut out);
    assert_eq!(out, batch_of(&order, 3, 4));
    order.indices(3, 0, &mut out);
    assert!(out.is_empty());
}

#[test]
fn threads_that_share_an_order_see_the_same_one() {
    let order = EpochOrder::new(33, 5).unwrap();
    let alone: Vec<_> = (0..400).map(|step| batch_of(&order, step, 8)).collect();
    std::thread::scope(|scope| {
        let walks: Vec<_> = (0..4)
            .map(|shift| {
                let order = &order;
                scope.spawn(move || {
                    let steps = (0..400).map(|step| (step + 100 * shift) % 400);
                    steps
                        .map(|step| (step, batch_of(order, step, 8)))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for walk in walks {
            for (step, indices) in walk.join().unwrap() {
                assert_eq!(indices, alone[step as usize]);
            }
        }
    });
}

#[test]
fn an_order_over_nothing_or_too_much_is_an_error() {
    for len in [0, usize::MAX, u32::MAX as usize + 1] {
        let error = EpochOrder::new(len, 0).unwrap_err();
        assert!(
            matches!(error, DataError::UnorderableLength { len: found } if found == len),
            "{error}"
        );
        assert!(error.to_string().contains(&len.to_string()), "{error}");
    }
}
