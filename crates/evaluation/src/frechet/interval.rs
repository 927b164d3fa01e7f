//! The interval of a Fréchet distance.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{Gaussian, frechet_distance, frechet_distance_of_samples};
use crate::EvaluationError;
use crate::bootstrap::{Bootstrap, Estimate};
use crate::progress::Observer;

/// Samples that are weighed at a time.
const ROWS: usize = 512;

/// The squared Fréchet distance between Gaussians fitted to `first` `[N, D]` and `second` `[M, D]`, with
/// an interval that draws from both sets.
///
/// The distance is biased upwards by about a constant over N and another over M (Chong & Forsyth 2020,
/// "Effectively unbiased FID"): [`Estimate::value`] is the figure to compare with others taken at the
/// same N and M, [`Estimate::corrected`] is without that bias to first order. The correction wants N and
/// M well above D; where one is below 4D, distrust it.
///
/// Each replicate takes (N + M)D² multiplications and three decompositions of a D×D matrix; they are
/// taken on all of rayon's threads.
///
/// # Errors
/// As for [`frechet_distance_of_samples`], and fewer than two replicates.
pub fn frechet_interval(
    first: ArrayView2<'_, f64>,
    second: ArrayView2<'_, f64>,
    bootstrap: &Bootstrap,
    observe: &mut Observer<'_>,
) -> Result<Estimate, EvaluationError> {
    let value = frechet_distance_of_samples(first, second)?.squared();
    let sets = [Weighed::new(first), Weighed::new(second)];
    let replicate = |counts: &[u32], other_counts: &[u32]| {
        let distance = frechet_distance(&sets[0].fit(counts), &sets[1].fit(other_counts))?;
        Ok(distance.squared())
    };
    let sizes = [first.nrows(), second.nrows()];
    bootstrap.of_two_sets(value, sizes, replicate, observe)
}

/// Features that Gaussians are fitted to, each counting so many times.
struct Weighed<'a> {
    features: ArrayView2<'a, f64>,
    /// The mean of all: moments are taken about it, where little of them cancels.
    centre: Array1<f64>,
}

impl<'a> Weighed<'a> {
    /// There must be two samples at least.
    fn new(features: ArrayView2<'a, f64>) -> Self {
        let centre = features.mean_axis(Axis(0)).expect("the set is not empty");
        Self { features, centre }
    }

    /// What [`Gaussian::fit`] gives for a set that holds sample i `counts[i]` times.
    fn fit(&self, counts: &[u32]) -> Gaussian {
        let dimension = self.features.ncols();
        let n = counts.iter().copied().map(f64::from).sum::<f64>();
        let drawn: Vec<usize> = (0..counts.len()).filter(|&i| counts[i] > 0).collect();
        let mut sum = Array1::<f64>::zeros(dimension);
        let mut products = Array2::zeros((dimension, dimension));
        for rows in drawn.chunks(ROWS) {
            let mut block = self.features.select(Axis(0), rows) - &self.centre;
            for (mut row, &i) in block.outer_iter_mut().zip(rows) {
                let root = f64::from(counts[i]).sqrt();
                sum.scaled_add(f64::from(counts[i]), &row);
                row *= root;
            }
            general_mat_mul(1.0, &block.t(), &block, 1.0, &mut products);
        }
        let mean = sum / n;
        let column = mean.view().insert_axis(Axis(1));
        general_mat_mul(-n, &column, &column.t(), 1.0, &mut products);
        Gaussian {
            mean: mean + &self.centre,
            covariance: products / (n - 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::unobserved;
    use ndarray::{concatenate, s};
    use sde_core::noise::{Role, fill_standard_normal};

    fn normal(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
        let mut values = Array2::zeros((rows, columns));
        fill_standard_normal(seed, 0, 0, Role::Data, values.as_slice_mut().unwrap());
        values
    }

    #[test]
    fn a_weighed_fit_is_that_of_the_repeated_samples() {
        let features = normal(1, 5, 3) + 100.0;
        let found = Weighed::new(features.view()).fit(&[2, 0, 1, 1, 0]);
        let repeated = concatenate![
            Axis(0),
            features.slice(s![..1, ..]),
            features.slice(s![..1, ..]),
            features.slice(s![2..4, ..])
        ];
        let expected = Gaussian::fit(repeated.view()).unwrap();
        let gaps = found.covariance() - expected.covariance();
        assert!(gaps.iter().all(|gap| gap.abs() < 1e-11));
        let gaps = found.mean() - expected.mean();
        assert!(gaps.iter().all(|gap| gap.abs() < 1e-12));
    }

    /// Gaussians in `DIMENSION` dimensions at a squared distance of 1: means apart by 0.8, deviations 1
    /// and 1.3.
    const DIMENSION: usize = 4;

    fn world(seed: u64, count: usize) -> [Array2<f64>; 2] {
        let second = normal(2 * seed + 1, count, DIMENSION) * 1.3 + 0.4;
        [normal(2 * seed, count, DIMENSION), second]
    }

    #[test]
    fn intervals_hold_the_known_distance_and_the_correction_takes_the_bias_off() {
        let truth = 4.0 * (0.16 + 0.09);
        let worlds = 100;
        let estimates: Vec<Estimate> = (0..worlds)
            .map(|seed| {
                let [first, second] = world(seed, 60);
                let bootstrap = Bootstrap {
                    replicates: 100,
                    seed,
                };
                let (first, second) = (first.view(), second.view());
                frechet_interval(first, second, &bootstrap, &mut unobserved).unwrap()
            })
            .collect();
        let of = |figure: fn(&Estimate) -> f64| estimates.iter().map(figure).collect::<Array1<_>>();
        let (raw, corrected) = (of(|e| e.value), of(|e| e.corrected()));
        let error = corrected.std(1.0) / (worlds as f64).sqrt();
        let gap = |mean: Option<f64>| (mean.unwrap() - truth) / error;
        assert!(gap(raw.mean()) > 6.0, "the bias can be seen: {raw}");
        assert!(gap(corrected.mean()).abs() < 3.0, "{corrected}");
        // The bootstrap's standard error is that of the figure over worlds; a deviation of 100 has a
        // relative error of 1/√200.
        let ratio = of(|e| e.standard_error).mean().unwrap() / raw.std(1.0);
        assert!((ratio - 1.0).abs() < 4.0 / 200_f64.sqrt(), "{ratio}");
        let held = estimates
            .iter()
            .map(Estimate::corrected_interval)
            .filter(|[low, high]| *low <= truth && truth <= *high)
            .count();
        // 95 ± 2.2, less what percentiles of a skewed figure of 60 samples lose.
        assert!((86..=100).contains(&held), "{held} of {worlds}");
    }

    #[test]
    fn equal_distributions_are_corrected_to_no_distance() {
        let corrected: Array1<f64> = (0..60)
            .map(|seed| {
                let (first, second) = (normal(900 + seed, 200, 6), normal(990 + seed, 200, 6));
                let bootstrap = Bootstrap {
                    replicates: 40,
                    seed,
                };
                let (first, second) = (first.view(), second.view());
                frechet_interval(first, second, &bootstrap, &mut unobserved)
                    .unwrap()
                    .corrected()
            })
            .collect();
        let error = corrected.std(1.0) / 60_f64.sqrt();
        let mean = corrected.mean().unwrap();
        assert!(mean.abs() < 4.0 * error, "{mean} ± {error}");
    }
}
