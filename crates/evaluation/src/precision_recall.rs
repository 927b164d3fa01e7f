//! Fidelity and variety apart: precision and recall (Kynkäänniemi et al. 2019, "Improved precision and
//! recall metric for assessing generative models"), density and coverage (Naeem et al. 2020, "Reliable
//! fidelity and diversity metrics for generative models").
//!
//! A set's manifold is the union of balls about its points, each as wide as the distance to the point's
//! k-th nearest other one. Precision is the share of samples in the manifold of the real points, recall
//! the share of real points in that of the samples. Density counts how many balls of real points hold a
//! sample, over k, and coverage is the share of real points whose ball holds a sample: neither asks
//! anything of a manifold of samples, which a single outlier makes wide.
//!
//! The figures depend on the numbers of points and are meant for two sets of one size. Under equality
//! of the distributions density has the mean 1 and coverage
//! 1 − ∏ᵢ₌₁..k (N − i)/(N + M − i) (Naeem et al., lemma 2; there for N = M: about 1 − 2⁻ᵏ).
//!
//! Intervals are of means with the manifolds held fixed: precision and density draw from the samples,
//! recall and coverage from the real points. A replicate of a manifold would be of no use: a point that
//! is drawn twice is its own neighbour at no distance (Abadie & Imbens 2008, "On the failure of the
//! bootstrap for matching estimators"). So an interval tells what another draw of the points that are
//! counted would change, and not what another draw of the balls would.

use ndarray::ArrayView2;
use serde::Serialize;

use crate::bootstrap::{Bootstrap, Estimate};
use crate::nearest::{Coordinate, Pairs, nearest_others, squared_distance};
use crate::progress::Observer;
use crate::{EvaluationError, samples};

/// How wide balls are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManifoldOptions {
    /// k of precision and recall; 3 as published.
    pub precision_recall_k: usize,
    /// k of density and coverage; 5 as published.
    pub density_coverage_k: usize,
}

impl Default for ManifoldOptions {
    fn default() -> Self {
        Self {
            precision_recall_k: 3,
            density_coverage_k: 5,
        }
    }
}

/// Fidelity (precision, density) and variety (recall, coverage) of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrecisionRecall {
    /// The share of samples in the manifold of the real points (Kynkäänniemi et al., eq. 3).
    pub precision: Estimate,
    /// The share of real points in the manifold of the samples (eq. 3).
    pub recall: Estimate,
    /// Balls of real points that hold a sample, over k, in the mean over samples; can be above 1
    /// (Naeem et al., eq. 4).
    pub density: Estimate,
    /// The share of real points whose ball holds a sample (eq. 5).
    pub coverage: Estimate,
}

/// Precision, recall, density and coverage of `samples` `[M, D]` against `real` `[N, D]` points, each of
/// them features or coordinates.
///
/// A point on the edge of a ball is inside. Takes N·M·D + N²D + M²D multiplications, on all of rayon's
/// threads, and memory for a few blocks of pairs.
///
/// # Errors
/// A k of 0, a set with no more points than either k, NaN or infinity, different D, fewer than two
/// replicates.
pub fn precision_recall<A: Coordinate>(
    samples: ArrayView2<'_, A>,
    real: ArrayView2<'_, A>,
    options: &ManifoldOptions,
    bootstrap: &Bootstrap,
    observe: &mut Observer<'_>,
) -> Result<PrecisionRecall, EvaluationError> {
    bootstrap.check()?;
    samples::same_dimension(samples.ncols(), real.ncols())?;
    let ks = [options.precision_recall_k, options.density_coverage_k];
    let [of_samples, _] = radii(samples, [ks[0], ks[0]], observe)?;
    let [of_real, wide_of_real] = radii(real, ks, observe)?;
    let pairs = Pairs::new(samples, real);
    let blocks = pairs.by_blocks(
        "precision and recall",
        |rows| {
            let first = rows.start;
            let mut block = Block::new(rows.len(), real.nrows());
            pairs.visit(rows, |i, j, pair| {
                let row = i - first;
                block.precise[row] |= pair.within(of_real[j]);
                block.recalled[j] |= pair.within(of_samples[i]);
                if pair.within(wide_of_real[j]) {
                    block.balls[row] += 1;
                    block.covered[j] = true;
                }
            });
            block
        },
        observe,
    );
    let k = options.density_coverage_k as f64;
    let per_sample = |value: &dyn Fn(&Block, usize) -> f64| -> Vec<f64> {
        let blocks = blocks.iter();
        blocks
            .flat_map(|block| (0..block.precise.len()).map(|row| value(block, row)))
            .collect()
    };
    let per_point = |seen: fn(&Block) -> &[bool]| -> Vec<f64> {
        let any = |j| blocks.iter().any(|block| seen(block)[j]);
        (0..real.nrows())
            .map(|j| f64::from(u8::from(any(j))))
            .collect()
    };
    let share = |yes: bool| f64::from(u8::from(yes));
    Ok(PrecisionRecall {
        precision: bootstrap.of_mean(&per_sample(&|block, row| share(block.precise[row])))?,
        recall: bootstrap.of_mean(&per_point(|block| &block.recalled))?,
        density: bootstrap.of_mean(&per_sample(&|block, row| f64::from(block.balls[row]) / k))?,
        coverage: bootstrap.of_mean(&per_point(|block| &block.covered))?,
    })
}

/// What a block of samples meets.
struct Block {
    /// Whether a sample is in a ball of a real point.
    precise: Vec<bool>,
    /// In how many wide balls of real points it is.
    balls: Vec<u32>,
    /// Whether a real point is in a ball of one of the samples.
    recalled: Vec<bool>,
    /// Whether its wide ball holds one of the samples.
    covered: Vec<bool>,
}

impl Block {
    fn new(samples: usize, real: usize) -> Self {
        Self {
            precise: vec![false; samples],
            balls: vec![0; samples],
            recalled: vec![false; real],
            covered: vec![false; real],
        }
    }
}

/// The squared distance of each point to its k-th nearest other one, for both k.
fn radii<A: Coordinate>(
    set: ArrayView2<'_, A>,
    ks: [usize; 2],
    observe: &mut Observer<'_>,
) -> Result<[Vec<f64>; 2], EvaluationError> {
    let most = if ks.contains(&0) { 0 } else { ks[0].max(ks[1]) };
    let found = nearest_others(set, most, observe)?;
    Ok(ks.map(|k| {
        (set.outer_iter().zip(found.indices.column(k - 1)))
            // Not the square of the distance, which is rounded: the k-th neighbour is on the edge.
            .map(|(x, &j)| squared_distance(x, set.row(j)))
            .collect()
    }))
}

#[cfg(test)]
mod tests;
