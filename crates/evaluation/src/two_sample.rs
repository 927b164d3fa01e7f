//! Do two sets of points come from one distribution? The energy distance and its permutation test.

use ndarray::{Array2, ArrayView2, Axis, Zip};
use rand::RngExt;
use sde_core::noise::{Role, generator};

use crate::{EvaluationError, samples};

/// The most points, of both sets together, whose pairwise distances are kept in memory (8 bytes
/// each, so half a gigabyte).
pub const MAX_POINTS: usize = 8192;

/// The energy distance between two sets, and how surprising it is.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct EnergyTest {
    /// D² = 2E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ ≥ 0 over all pairs, in the points' unit.
    pub energy: f64,
    /// NM/(N + M) · D², whose law under equality has a limit as the sets grow.
    pub statistic: f64,
    /// The chance of a statistic at least as large if both sets come from one distribution:
    /// (1 + #{permutations at least as large})/(1 + permutations), exact at every sample size.
    pub p_value: f64,
    /// How many permutations were drawn.
    pub permutations: usize,
}

/// The energy distance between `first` `[N, D]` and `second` `[M, D]`, with the test of equality by
/// `permutations` random relabellings (Székely & Rizzo 2004, "Testing for equal distributions in
/// high dimension"; 2013, "Energy statistics: a class of statistics based on distances").
///
/// The distance is zero only where the distributions are equal, in any dimension. Permutation k is a
/// function of (seed, k).
///
/// # Errors
/// Fewer than two points in a set, more than [`MAX_POINTS`] in both, NaN or infinity, different D, or
/// no permutations.
pub fn energy_test(
    first: ArrayView2<'_, f64>,
    second: ArrayView2<'_, f64>,
    permutations: usize,
    seed: u64,
) -> Result<EnergyTest, EvaluationError> {
    samples::check_pair(&first, &second, 2)?;
    let (n, m) = (first.nrows(), second.nrows());
    if n + m > MAX_POINTS {
        return Err(EvaluationError::TooManySamples {
            found: n + m,
            limit: MAX_POINTS,
        });
    }
    if permutations == 0 {
        return Err(EvaluationError::Option {
            option: "permutations",
            value: "0".to_owned(),
            expected: "1 or more; 199 or 999 give a p-value of two or three digits",
        });
    }
    let distances = pairwise_distances(first, second);
    let statistics = statistics(&distances, n, &labellings(n + m, n, permutations, seed));
    let observed = statistics[0];
    // Two labellings that differ by equal points have equal statistics, but for rounding.
    let tolerance = 1e-12 * distances.sum() / (n + m) as f64;
    let as_large = statistics[1..]
        .iter()
        .filter(|&&permuted| permuted >= observed - tolerance)
        .count();
    let (n, m) = (n as f64, m as f64);
    Ok(EnergyTest {
        energy: observed * (n + m) / (n * m),
        statistic: observed,
        p_value: (1 + as_large) as f64 / (1 + permutations) as f64,
        permutations,
    })
}

/// Euclidean distances between all points of both sets, `[N + M, N + M]`. From differences and not
/// from a Gram matrix, which would lose the small ones.
fn pairwise_distances(first: ArrayView2<'_, f64>, second: ArrayView2<'_, f64>) -> Array2<f64> {
    let points = ndarray::concatenate(Axis(0), &[first, second])
        .expect("both sets were found to have one dimension");
    let count = points.nrows();
    let mut distances = Array2::zeros((count, count));
    for i in 0..count {
        for j in 0..i {
            let squared = Zip::from(points.row(i))
                .and(points.row(j))
                .fold(0.0, |sum, a, b| sum + (a - b) * (a - b));
            distances[[i, j]] = f64::sqrt(squared);
            distances[[j, i]] = distances[[i, j]];
        }
    }
    distances
}

/// Indicator columns `[count, 1 + permutations]` of which points are called the first set: as
/// observed (the first `n`), then random subsets of size `n`.
fn labellings(count: usize, n: usize, permutations: usize, seed: u64) -> Array2<f64> {
    let mut labels = Array2::zeros((count, 1 + permutations));
    labels.slice_mut(ndarray::s![..n, 0]).fill(1.0);
    let mut order: Vec<usize> = (0..count).collect();
    for permutation in 0..permutations {
        let mut random = generator(seed, permutation as u64, 0, Role::Probe);
        order.iter_mut().enumerate().for_each(|(i, o)| *o = i);
        for position in 0..n {
            let chosen = random.random_range(position..count);
            order.swap(position, chosen);
            labels[[order[position], 1 + permutation]] = 1.0;
        }
    }
    labels
}

/// The statistic of each labelling z: with the row sums r of the distances D, the sum within the
/// first set is zᵀDz, between the sets zᵀr − zᵀDz, and within the second 1ᵀr − 2zᵀr + zᵀDz.
fn statistics(distances: &Array2<f64>, n: usize, labels: &Array2<f64>) -> Vec<f64> {
    let row_sums = distances.sum_axis(Axis(1));
    let total = row_sums.sum();
    let count = distances.nrows() as f64;
    let (n, m) = (n as f64, count - n as f64);
    let products = distances.dot(labels);
    labels
        .columns()
        .into_iter()
        .zip(products.columns())
        .map(|(z, product)| {
            let touching_first = z.dot(&row_sums);
            let within_first = z.dot(&product);
            let between = touching_first - within_first;
            let within_second = total - 2.0 * touching_first + within_first;
            let energy = 2.0 * between / (n * m) - within_first / (n * n) - within_second / (m * m);
            n * m / count * energy
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use sde_core::noise::fill_standard_normal;

    fn gaussian_points(seed: u64, count: usize, dimension: usize) -> Array2<f64> {
        let mut points = Array2::zeros((count, dimension));
        let values = points.as_slice_mut().unwrap();
        fill_standard_normal(seed, 0, 0, Role::Data, values);
        points
    }

    /// On the line the energy distance is 2∫(F − G)² (Székely & Rizzo 2013), a step function's
    /// integral.
    fn energy_from_distribution_functions(first: &Array2<f64>, second: &Array2<f64>) -> f64 {
        let mut knots: Vec<f64> = first.iter().chain(second).copied().collect();
        knots.sort_unstable_by(f64::total_cmp);
        let below = |points: &Array2<f64>, x: f64| {
            points.iter().filter(|&&p| p <= x).count() as f64 / points.len() as f64
        };
        knots
            .windows(2)
            .map(|w| 2.0 * (below(first, w[0]) - below(second, w[0])).powi(2) * (w[1] - w[0]))
            .sum()
    }

    #[test]
    fn on_the_line_it_is_twice_the_squared_gap_of_the_distribution_functions() {
        let first = gaussian_points(1, 40, 1);
        let second = gaussian_points(2, 27, 1) * 1.5 + 0.3;
        let found = energy_test(first.view(), second.view(), 1, 0).unwrap();
        let expected = energy_from_distribution_functions(&first, &second);
        assert!((found.energy - expected).abs() < 1e-13, "{found:?}");
        assert!((found.statistic - 40.0 * 27.0 / 67.0 * expected).abs() < 1e-12);
    }

    #[test]
    fn two_heaps_are_at_twice_their_distance() {
        let first = array![[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]];
        let second = array![[3.0, 4.0], [3.0, 4.0]];
        let found = energy_test(first.view(), second.view(), 1, 0).unwrap();
        assert!((found.energy - 10.0).abs() < 1e-14);
    }

    #[test]
    fn the_statistic_of_a_relabelling_is_that_of_the_relabelled_sets() {
        let (first, second) = (gaussian_points(3, 6, 2), gaussian_points(4, 9, 2));
        let labels = labellings(15, 6, 3, 8);
        let distances = pairwise_distances(first.view(), second.view());
        let all = ndarray::concatenate![Axis(0), first, second];
        let statistics = statistics(&distances, 6, &labels);
        for (column, statistic) in labels.columns().into_iter().zip(statistics) {
            let chosen =
                |label: f64| -> Vec<usize> { (0..15).filter(|&i| column[i] == label).collect() };
            assert_eq!(chosen(1.0).len(), 6);
            let (first, second) = (
                all.select(Axis(0), &chosen(1.0)),
                all.select(Axis(0), &chosen(0.0)),
            );
            let direct = energy_test(first.view(), second.view(), 1, 0).unwrap();
            assert!((direct.statistic - statistic).abs() < 1e-12);
        }
    }

    #[test]
    fn sets_that_differ_are_told_apart_and_the_p_value_says_so() {
        let first = gaussian_points(5, 60, 3);
        let moved = gaussian_points(6, 50, 3) + &array![1.0, 0.0, 0.0];
        let wider = gaussian_points(7, 50, 3) * 2.0;
        for other in [moved, wider] {
            let test = energy_test(first.view(), other.view(), 199, 1).unwrap();
            assert_eq!(test.p_value, 1.0 / 200.0);
        }
    }

    #[test]
    fn under_equality_p_values_are_uniform() {
        // Kolmogorov's test of 200 p-values: the gap between their distribution function and the
        // uniform one.
        let mut p_values: Vec<f64> = (0..200)
            .map(|seed| {
                let first = gaussian_points(1000 + seed, 12, 2);
                let second = gaussian_points(2000 + seed, 15, 2);
                energy_test(first.view(), second.view(), 99, seed)
                    .unwrap()
                    .p_value
            })
            .collect();
        p_values.sort_unstable_by(f64::total_cmp);
        let gap = p_values
            .iter()
            .enumerate()
            .map(|(i, p)| (p - (i as f64 + 0.5) / 200.0).abs())
            .fold(0.0, f64::max);
        // The 99 % point of the statistic is 1.63/√200 = 0.115.
        assert!(gap < 0.115, "{gap}");
    }

    #[test]
    fn a_set_against_itself_is_never_surprising() {
        let points = gaussian_points(8, 20, 2);
        let test = energy_test(points.view(), points.view(), 99, 0).unwrap();
        assert!(test.energy.abs() < 1e-14);
        assert_eq!(test.p_value, 1.0);
    }

    #[test]
    fn equal_points_count_as_ties_whatever_the_rounding() {
        let first = array![[0.1], [0.1], [0.7]];
        let second = array![[0.7], [0.7], [0.1]];
        let test = energy_test(first.view(), second.view(), 2000, 3).unwrap();
        // Splits of three 0.1 and three 0.7 are either 2:1 as here, or 3:0, further apart.
        assert_eq!(test.p_value, 1.0);
    }

    #[test]
    fn too_many_points_and_no_permutations_are_refused() {
        let many = Array2::zeros((MAX_POINTS, 1));
        let few = Array2::zeros((2, 1));
        assert!(matches!(
            energy_test(many.view(), few.view(), 9, 0),
            Err(EvaluationError::TooManySamples { .. })
        ));
        assert!(matches!(
            energy_test(few.view(), few.view(), 0, 0),
            Err(EvaluationError::Option {
                option: "permutations",
                ..
            })
        ));
    }
}
