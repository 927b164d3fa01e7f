//! Joining two feature maps' channels on slices of f32, and parting them again.

pub(crate) mod ops;

use std::mem::MaybeUninit;

use rayon::prelude::*;

use crate::buffer::{initialised, worth_a_thread};

/// Pixels with the channels of a, then those of b.
pub(crate) fn join(a: &[f32], b: &[f32], channels: [usize; 2]) -> Vec<f32> {
    let [of_a, of_b] = channels;
    let write = |out: &mut [MaybeUninit<f32>]| {
        (out.par_chunks_exact_mut(of_a + of_b))
            .zip(a.par_chunks_exact(of_a))
            .zip(b.par_chunks_exact(of_b))
            .with_min_len(worth_a_thread(of_a + of_b))
            .for_each(|((out, a), b)| {
                let (first, second) = out.split_at_mut(of_a);
                first.write_copy_of_slice(a);
                second.write_copy_of_slice(b);
            });
    };
    // SAFETY: both parts of each pixel are written.
    #[allow(unsafe_code)]
    unsafe {
        initialised(a.len() + b.len(), write)
    }
}

/// The channels from `start` on, `count` of them, of pixels of `channels`.
pub(crate) fn part(joined: &[f32], channels: usize, start: usize, count: usize) -> Vec<f32> {
    let write = |out: &mut [MaybeUninit<f32>]| {
        (out.par_chunks_exact_mut(count))
            .zip(joined.par_chunks_exact(channels))
            .with_min_len(worth_a_thread(channels))
            .for_each(|(out, joined)| {
                out.write_copy_of_slice(&joined[start..start + count]);
            });
    };
    // SAFETY: each pixel is written.
    #[allow(unsafe_code)]
    unsafe {
        initialised(joined.len() / channels * count, write)
    }
}
