//! Random streams that are functions of what they are for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// ChaCha8 keyed by (purpose, seed, number), so that two purposes with one seed share nothing.
/// The key is the three in this order, little-endian.
pub(crate) fn keyed(purpose: [u8; 8], seed: u64, number: u128) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&purpose);
    key[8..16].copy_from_slice(&seed.to_le_bytes());
    key[16..].copy_from_slice(&number.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}
