//! Random flips and crops as functions of what they are for.

use rand_chacha::ChaCha8Rng;

use crate::keyed::keyed;

/// What the randomness of a batch's augmentation is a function of. The sample at place `i` of the
/// indices is sample `first_sample + i` of training step `step`; its flip and its crop depend on
/// that, on the seed and on nothing else: not on how a batch is split, nor on what was drawn before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AugmentationKey {
    /// The seed of the run.
    pub seed: u64,
    /// The training step, counted from 0.
    pub step: u64,
    /// The place in the whole batch of the first of the indices.
    pub first_sample: u64,
}

impl AugmentationKey {
    /// The key of the same step for a part of the batch that begins `places` further on.
    #[must_use]
    pub fn advanced(self, places: usize) -> Self {
        Self {
            first_sample: self.first_sample.wrapping_add(places as u64),
            ..self
        }
    }

    /// The generator of one purpose for the first sample.
    pub(crate) fn generator(self, purpose: [u8; 8]) -> ChaCha8Rng {
        let number = (u128::from(self.step) << 64) | u128::from(self.first_sample);
        keyed(purpose, self.seed, number)
    }
}
