//! Joining two feature maps' channels on slices of f32, and parting them again.

pub(crate) mod ops;

use rayon::prelude::*;

use crate::buffer::{worth_a_thread, written};

/// Pixels with the channels of a, then those of b.
pub(crate) fn join(a: &[f32], b: &[f32], channels: [usize; 2]) -> Vec<f32> {
    let [of_a, of_b] = channels;
    written(a.len() + b.len(), |out| {
        (out.par_chunks_exact_mut(of_a + of_b))
            .zip(a.par_chunks_exact(of_a))
            .zip(b.par_chunks_exact(of_b))
            .with_min_len(worth_a_thread(of_a + of_b))
            .for_each(|((out, a), b)| {
                let (first, second) = out.split_at_mut(of_a);
                first.copy_from_slice(a);
                second.copy_from_slice(b);
            });
    })
}

/// The channels from `start` on, `count` of them, of pixels of `channels`.
pub(crate) fn part(joined: &[f32], channels: usize, start: usize, count: usize) -> Vec<f32> {
    written(joined.len() / channels * count, |out| {
        (out.par_chunks_exact_mut(count))
            .zip(joined.par_chunks_exact(channels))
            .with_min_len(worth_a_thread(channels))
            .for_each(|(out, joined)| {
                out.copy_from_slice(&joined[start..start + count]);
            });
    })
}
