//! The interval of a sliced Wasserstein distance.

use ndarray::{Array1, ArrayView2};
use rayon::prelude::*;

use super::{check_projections, direction};
use crate::bootstrap::{Bootstrap, Estimate};
use crate::progress::{Observer, Stage};
use crate::{EvaluationError, samples};

/// SW₂² between `first` `[N, D]` and `second` `[M, D]` along the directions of
/// [`sliced_wasserstein`](super::sliced_wasserstein), with an interval that draws from both sets; every
/// replicate looks along the same directions.
///
/// Between finite sets SW₂² is biased upwards: [`Estimate::value`] is the figure to compare with others at
/// the same N and M, [`Estimate::corrected`] is without that bias to first order.
///
/// Every projection is sorted once, and all replicates walk along it: as long as (N + M) · projections ·
/// replicates comparisons, on all of rayon's threads; and memory for N + M counts a replicate.
///
/// # Errors
/// As for [`sliced_wasserstein`](super::sliced_wasserstein), and fewer than two replicates.
pub fn sliced_wasserstein_interval(
    first: ArrayView2<'_, f64>,
    second: ArrayView2<'_, f64>,
    projections: usize,
    seed: u64,
    bootstrap: &Bootstrap,
    observe: &mut Observer<'_>,
) -> Result<Estimate, EvaluationError> {
    samples::check_pair(&first, &second, 1)?;
    check_projections(projections)?;
    bootstrap.check()?;
    let sizes = [first.nrows(), second.nrows()];
    // The sets as they are, then the replicates.
    let mut draws = vec![sizes.map(|size| vec![1; size])];
    draws.extend((0..bootstrap.replicates).map(|k| {
        [
            bootstrap.draw(k, 0, sizes[0]),
            bootstrap.draw(k, 1, sizes[1]),
        ]
    }));
    let mut sums = Array1::<f64>::zeros(draws.len());
    let all: Vec<u64> = (0..projections as u64).collect();
    let mut tell = |done| {
        observe(Stage {
            what: "projections",
            done,
            total: projections,
        });
    };
    tell(0);
    let mut done = 0;
    for some in all.chunks(2 * rayon::current_num_threads()) {
        let slices: Vec<Array1<f64>> = some
            .par_iter()
            .map(|&k| {
                let direction = direction(seed, k, first.ncols());
                let line = Line::new([first.dot(&direction), second.dot(&direction)]);
                draws.iter().map(|counts| line.squared(counts)).collect()
            })
            .collect();
        // In the order of the directions, whatever the number of threads.
        for slice in slices {
            sums += &slice;
        }
        done += some.len();
        tell(done);
    }
    let mut figures = (sums / projections as f64).to_vec();
    let value = figures.remove(0);
    Ok(Bootstrap::of_replicates(value, figures))
}

/// Two sets on a line, sorted.
struct Line {
    values: [Vec<f64>; 2],
    /// Which sample stands at each place.
    order: [Vec<usize>; 2],
}

impl Line {
    fn new(projected: [Array1<f64>; 2]) -> Self {
        let order = projected.each_ref().map(|values| {
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
            order
        });
        let sorted = |set: usize| order[set].iter().map(|&i| projected[set][i]).collect();
        Self {
            values: [sorted(0), sorted(1)],
            order,
        }
    }

    /// W₂² where each sample counts so many times: the integral over u of the squared gap of the
    /// quantile functions, as without counts.
    fn squared(&self, counts: &[Vec<u32>; 2]) -> f64 {
        let [n, m] = [0, 1].map(|set| counts[set].iter().copied().map(u64::from).sum::<u64>());
        // Where the steps of the quantile functions end, in units of 1/(NM).
        let weight = |set: usize, place: usize| u64::from(counts[set][self.order[set][place]]);
        let (mut i, mut j, mut sum, mut from) = (0, 0, 0.0, 0);
        let (mut first_end, mut second_end) = (weight(0, 0) * m, weight(1, 0) * n);
        loop {
            let until = first_end.min(second_end);
            let gap = self.values[0][i] - self.values[1][j];
            sum += gap * gap * (until - from) as f64;
            from = until;
            if first_end == until {
                i += 1;
                if i == self.values[0].len() {
                    break;
                }
                first_end += weight(0, i) * m;
            } else {
                j += 1;
                if j == self.values[1].len() {
                    break;
                }
                second_end += weight(1, j) * n;
            }
        }
        sum / (n as f64 * m as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{sliced_wasserstein, squared_wasserstein_on_the_line};
    use super::*;
    use crate::progress::unobserved;
    use ndarray::Array2;
    use sde_core::noise::{Role, fill_standard_normal};

    fn points(seed: u64, count: usize, dimension: usize) -> Array2<f64> {
        let mut points = Array2::zeros((count, dimension));
        let values = points.as_slice_mut().unwrap();
        fill_standard_normal(seed, 0, 0, Role::Data, values);
        points
    }

    #[test]
    fn counted_samples_are_at_the_distance_of_repeated_ones() {
        let (x, y) = ([3.0, 0.0, 1.0, -2.0], [5.0, 1.0, 0.5]);
        let counts = [vec![2, 0, 1, 1], vec![0, 3, 1]];
        let line = Line::new([Array1::from(x.to_vec()), Array1::from(y.to_vec())]);
        let expected =
            squared_wasserstein_on_the_line(vec![3.0, 3.0, 1.0, -2.0], vec![1.0, 1.0, 1.0, 0.5]);
        assert!((line.squared(&counts) - expected).abs() < 1e-14);
        let last_none = [vec![0, 4, 0, 0], vec![0, 0, 3]];
        assert!((line.squared(&last_none) - 0.25).abs() < 1e-14);
    }

    #[test]
    fn the_value_is_the_distance_without_an_interval() {
        let (first, second) = (points(1, 30, 3), points(2, 41, 3) + 1.0);
        let (first, second) = (first.view(), second.view());
        let expected = sliced_wasserstein(first, second, 32, 5).unwrap().squared;
        let bootstrap = Bootstrap::default();
        let found =
            sliced_wasserstein_interval(first, second, 32, 5, &bootstrap, &mut unobserved).unwrap();
        assert!((found.value - expected).abs() < 1e-13);
    }

    #[test]
    fn intervals_hold_the_known_distance_and_the_correction_takes_the_bias_off() {
        // N(0, I) and N(δ, 1.5² I): along every direction W₂² = (θ·δ)² + 0.25.
        let along = |k| direction(0, k, 2).sum() * 0.6;
        let means = (0..64).map(|k| along(k) * along(k)).sum::<f64>() / 64.0;
        let (worlds, truth) = (120, means + 0.25);
        let estimates: Vec<Estimate> = (0..worlds)
            .map(|seed| {
                let first = points(2 * seed, 50, 2);
                let second = points(2 * seed + 1, 50, 2) * 1.5 + 0.6;
                let bootstrap = Bootstrap {
                    replicates: 100,
                    seed,
                };
                let (first, second) = (first.view(), second.view());
                sliced_wasserstein_interval(first, second, 64, 0, &bootstrap, &mut unobserved)
                    .unwrap()
            })
            .collect();
        let of = |figure: fn(&Estimate) -> f64| estimates.iter().map(figure).collect::<Array1<_>>();
        let (raw, corrected) = (of(|e| e.value), of(|e| e.corrected()));
        let error = corrected.std(1.0) / (worlds as f64).sqrt();
        let gap = |mean: Option<f64>| (mean.unwrap() - truth) / error;
        assert!(
            gap(raw.mean()) > 3.0,
            "the bias can be seen: {}",
            gap(raw.mean())
        );
        assert!(
            gap(corrected.mean()).abs() < 3.0,
            "{}",
            gap(corrected.mean())
        );
        let held = estimates
            .iter()
            .map(Estimate::corrected_interval)
            .filter(|[low, high]| *low <= truth && truth <= *high)
            .count();
        // 95 % of 120 is 114 ± 2.4, less what percentiles of a skewed figure of 50 points lose.
        assert!((104..=120).contains(&held), "{held} of {worlds}");
    }
}
