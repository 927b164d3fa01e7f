//! Sets that are read whole.

use sha2::{Digest as _, Sha256};

use super::Progress;
use super::report::Problem;
use super::tally::{Digest, Sums, Tally};
use crate::config::DataConfig;
use crate::error::DataError;

/// Samples between two calls of the progress.
const CHUNK: usize = 512;

pub(super) fn check(
    config: &DataConfig,
    tally: &mut Tally,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), DataError> {
    let set = config.open()?;
    let shape = set.sample_shape();
    tally.set_shape(shape);
    tally.set_classes(set.class_count(), set.class_names());
    let len: usize = shape.iter().product();
    let total = set.len();
    let mut least = f32::INFINITY;
    let mut samples = Vec::new();
    for start in (0..total).step_by(CHUNK) {
        progress(Progress { done: start, total });
        let indices: Vec<usize> = (start..total.min(start + CHUNK)).collect();
        samples.clear();
        set.write_samples(&indices, &mut samples)?;
        for (&index, sample) in indices.iter().zip(samples.chunks_exact(len)) {
            let place = format!("sample {index}");
            let sums: Vec<Sums> = sample.chunks_exact(len / shape[0]).map(sums).collect();
            let blank = len > 2 && sample.iter().all(|&value| value == sample[0]);
            least = sample.iter().copied().fold(least, f32::min);
            tally.sample(&place, set.label(index), digest(sample), &sums, blank);
        }
    }
    progress(Progress { done: total, total });
    if let DataConfig::Npy(_) | DataConfig::Npz(_) = config
        && least >= 0.0
        && shape[1..] != [1, 1]
    {
        let detail = format!(
            "the least of all pixels is {least}, where -1 is black; if they lie in [0, 1], scale them: \
             2 x - 1"
        );
        tally.find(Problem::Range, "all samples", detail);
    }
    Ok(())
}

/// The sums of a channel.
pub(super) fn sums(channel: &[f32]) -> Sums {
    let mut sums = Sums::default();
    for &value in channel {
        let value = f64::from(value);
        sums.count += 1;
        sums.sum += value;
        sums.squares += value * value;
    }
    sums
}

fn digest(sample: &[f32]) -> Digest {
    let mut hash = Sha256::new();
    let mut bytes = Vec::with_capacity(4 * sample.len());
    bytes.extend(sample.iter().flat_map(|value| value.to_le_bytes()));
    hash.update(&bytes);
    half(&hash.finalize())
}

/// The first half of a SHA-256.
pub(super) fn half(hash: &[u8]) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(&hash[..16]);
    digest
}
