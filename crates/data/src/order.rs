//! The order in which training sees the samples: an own permutation each epoch, as a function of
//! the step and not of what was drawn before.

use std::sync::{Mutex, PoisonError};

use rand::Rng;

use crate::error::DataError;
use crate::keyed::keyed;

/// Batches over permutations of `0..len`, one permutation an epoch.
///
/// Laid end to end the permutations are one infinite sequence, and step k with batch b takes its
/// elements `k·b .. (k + 1)·b`. So each index comes up exactly once an epoch, a batch may reach
/// into the next epoch (none is short), and a resumed run needs only (seed, k, b) to go on
/// exactly where it was. The permutation of an epoch depends on (len, seed, epoch) alone, and
/// only on ChaCha8 and arithmetic written here, so it stays the same on every machine and under
/// every version of a library.
#[derive(Debug)]
pub struct EpochOrder {
    len: u32,
    seed: u64,
    current: Mutex<Epoch>,
}

#[derive(Debug)]
struct Epoch {
    number: u128,
    permutation: Vec<u32>,
}

impl EpochOrder {
    /// An order over `len` samples.
    ///
    /// # Errors
    /// [`DataError::UnorderableLength`] if `len` is 0 or above `u32::MAX`.
    pub fn new(len: usize, seed: u64) -> Result<Self, DataError> {
        let samples = u32::try_from(len)
            .ok()
            .filter(|&samples| samples > 0)
            .ok_or(DataError::UnorderableLength { len })?;
        Ok(Self {
            len: samples,
            seed,
            // Filled when first asked for.
            current: Mutex::new(Epoch {
                number: 0,
                permutation: Vec::new(),
            }),
        })
    }

    /// Replaces the contents of `out` by the `batch` sample indices of training step `step`
    /// (counted from 0).
    pub fn indices(&self, step: u64, batch: usize, out: &mut Vec<usize>) {
        out.clear();
        let len = u128::from(self.len);
        // Below 2¹²⁸: (2⁶⁴ − 1)² + 2⁶⁴ is.
        let start = u128::from(step) * batch as u128;
        let end = start + batch as u128;

        // A panic cannot leave the epoch half made, so a poisoned lock is as good as any.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut position = start;
        while position < end {
            let number = position / len;
            if current.number != number || current.permutation.is_empty() {
                *current = Epoch {
                    number,
                    permutation: permutation(self.len, self.seed, number),
                };
            }
            let from = (position % len) as usize;
            let until = (end - number * len).min(len) as usize;
            let part = &current.permutation[from..until];
            out.extend(part.iter().map(|&index| index as usize));
            position += part.len() as u128;
        }
    }
}

/// Fisher-Yates from the top down (Knuth, The Art of Computer Programming, algorithm 3.4.2P).
fn permutation(len: u32, seed: u64, epoch: u128) -> Vec<u32> {
    let mut rng = keyed(*b"epoch\0\0\0", seed, epoch);
    let mut indices: Vec<u32> = (0..len).collect();
    for top in (1..indices.len()).rev() {
        let chosen = below(top as u64 + 1, &mut rng);
        indices.swap(top, chosen as usize);
    }
    indices
}

/// A uniform integer below `bound`, without bias (Lemire 2019, "Fast random integer generation in
/// an interval", algorithm 5).
fn below(bound: u64, rng: &mut impl Rng) -> u64 {
    let excess = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= excess {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rand_core::TryRng;
    use std::convert::Infallible;

    /// Plays back chosen words.
    struct Words(Vec<u64>);

    impl TryRng for Words {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(self.0.remove(0) as u32)
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(self.0.remove(0))
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            bytes.fill(0);
            Ok(())
        }
    }

    #[test]
    fn a_word_that_would_bias_the_draw_is_thrown_away() {
        // 2⁶⁴ mod 3 = 1, so of all words only 0 is one too many for the value 0.
        assert_eq!(below(3, &mut Words(vec![0, u64::MAX])), 2);
        assert_eq!(below(3, &mut Words(vec![1, u64::MAX])), 0);
        // For a power of two every word counts.
        assert_eq!(below(4, &mut Words(vec![0, u64::MAX])), 0);
    }
}
