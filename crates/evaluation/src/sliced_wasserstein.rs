//! The sliced Wasserstein distance between two sets of points.

mod interval;

use ndarray::{Array1, ArrayView2};
use sde_core::noise::{Role, fill_standard_normal};

use crate::{EvaluationError, samples};

pub use interval::sliced_wasserstein_interval;

/// An estimate of the squared sliced 2-Wasserstein distance.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct SlicedWasserstein {
    /// The mean of W₂² over the projections: an unbiased estimate of SW₂², in the square of the
    /// points' unit.
    pub squared: f64,
    /// The standard error of `squared`, from the spread over the projections alone (it says nothing
    /// of how the sets were drawn). Zero in one dimension, where every projection is the same.
    pub standard_error: f64,
    /// How many projections were taken.
    pub projections: usize,
}

impl SlicedWasserstein {
    /// SW₂, in the points' unit.
    #[must_use]
    pub fn distance(&self) -> f64 {
        self.squared.sqrt()
    }
}

/// SW₂²(μ, ν) = E_θ W₂²(θ·μ, θ·ν), θ uniform on the sphere (Bonneel, Rabin, Peyré & Pfister 2015,
/// "Sliced and Radon Wasserstein barycenters of measures"), between the sets `first` `[N, D]` and
/// `second` `[M, D]`, each point with equal weight; N and M may differ.
///
/// A set moved by δ is at SW₂² = |δ|²/D. Direction k is a function of (seed, k), so more projections
/// add to fewer, and two distances with one seed look along the same directions.
///
/// # Errors
/// An empty set, NaN or infinity, different D, or `projections` below 2 (one has no standard error).
pub fn sliced_wasserstein(
    first: ArrayView2<'_, f64>,
    second: ArrayView2<'_, f64>,
    projections: usize,
    seed: u64,
) -> Result<SlicedWasserstein, EvaluationError> {
    samples::check_pair(&first, &second, 1)?;
    check_projections(projections)?;
    let slices: Array1<f64> = (0..projections as u64)
        .map(|k| {
            let direction = direction(seed, k, first.ncols());
            squared_wasserstein_on_the_line(
                first.dot(&direction).to_vec(),
                second.dot(&direction).to_vec(),
            )
        })
        .collect();
    Ok(SlicedWasserstein {
        squared: slices.mean().expect("there are at least two projections"),
        standard_error: slices.std(1.0) / (projections as f64).sqrt(),
        projections,
    })
}

/// Checks a number of projections.
fn check_projections(projections: usize) -> Result<(), EvaluationError> {
    if projections >= 2 {
        return Ok(());
    }
    Err(EvaluationError::Option {
        option: "projections",
        value: projections.to_string(),
        expected: "2 or more; 128 is a usual number",
    })
}

/// A uniformly distributed unit vector: a standard normal one, scaled.
fn direction(seed: u64, index: u64, dimension: usize) -> Array1<f64> {
    let mut direction = Array1::zeros(dimension);
    let values = direction.as_slice_mut().expect("a new array is contiguous");
    fill_standard_normal(seed, index, 0, Role::Probe, values);
    let norm = direction.dot(&direction).sqrt();
    direction / norm
}

/// ∫₀¹ (F⁻¹(u) − G⁻¹(u))² du of two empirical distributions: on the line the sorted coupling is
/// optimal. Both quantile functions are constant between the multiples of 1/N and 1/M.
fn squared_wasserstein_on_the_line(mut first: Vec<f64>, mut second: Vec<f64>) -> f64 {
    first.sort_unstable_by(f64::total_cmp);
    second.sort_unstable_by(f64::total_cmp);
    let (n, m) = (first.len(), second.len());
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    // Positions in units of 1/(NM), which are whole numbers.
    let mut from = 0;
    while i < n && j < m {
        let (first_end, second_end) = ((i + 1) * m, (j + 1) * n);
        let until = first_end.min(second_end);
        sum += (first[i] - second[j]).powi(2) * (until - from) as f64;
        from = until;
        i += usize::from(first_end == until);
        j += usize::from(second_end == until);
    }
    sum / (n as f64 * m as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn gaussian_points(seed: u64, count: usize, dimension: usize) -> Array2<f64> {
        let mut points = Array2::zeros((count, dimension));
        let values = points.as_slice_mut().unwrap();
        fill_standard_normal(seed, 0, 0, Role::Data, values);
        points
    }

    fn assert_within_errors(found: SlicedWasserstein, expected: f64) {
        let gap = (found.squared - expected).abs();
        assert!(
            gap < 4.0 * found.standard_error,
            "{found:?}, not {expected}"
        );
    }

    #[test]
    fn moved_points_are_at_the_squared_shift_over_the_dimension() {
        let points = gaussian_points(1, 50, 5);
        let shift = array![1.0, -2.0, 0.5, 3.0, 0.0];
        let moved = &points + &shift;
        let found = sliced_wasserstein(points.view(), moved.view(), 2000, 3).unwrap();
        assert_within_errors(found, shift.dot(&shift) / 5.0);
        // (θ·δ)² has the variance 2|δ|⁴ (D − 1) / (D² (D + 2)), so the errors are not just large.
        let variance = 2.0 * shift.dot(&shift).powi(2) * 4.0 / (25.0 * 7.0);
        let expected_error = (variance / 2000.0).sqrt();
        assert!((found.standard_error / expected_error - 1.0).abs() < 0.1);
    }

    #[test]
    fn scaled_points_are_at_the_second_moment_over_the_dimension() {
        // x to cx is monotone along every direction, so W₂² there is (c − 1)² E(θ·x)².
        let points = gaussian_points(2, 80, 4);
        let scaled = &points * 3.0;
        let found = sliced_wasserstein(points.view(), scaled.view(), 2000, 4).unwrap();
        let second_moment = points.mapv(|x| x * x).sum() / 80.0;
        assert_within_errors(found, 4.0 * second_moment / 4.0);
    }

    #[test]
    fn in_one_dimension_it_is_the_wasserstein_distance_of_the_sorted_points() {
        let first = array![[3.0], [0.0], [1.0]];
        let second = array![[5.0], [1.0], [0.5]];
        let found = sliced_wasserstein(first.view(), second.view(), 4, 0).unwrap();
        assert!((found.squared - (0.25 + 0.0 + 4.0) / 3.0).abs() < 1e-15);
        assert!(found.standard_error < 1e-15);
        assert!((found.distance().powi(2) - found.squared).abs() < 1e-15);
    }

    #[test]
    fn sets_of_different_sizes_are_coupled_by_their_quantiles() {
        // The masses 1/2 at 0 and 1; 1/3 at 0, 1 and 4: a sixth of the mass goes from 0 to 1, and a
        // third from 1 to 4.
        let found = squared_wasserstein_on_the_line(vec![1.0, 0.0], vec![4.0, 0.0, 1.0]);
        assert!((found - (1.0 / 6.0 + 9.0 / 3.0)).abs() < 1e-15);
    }

    #[test]
    fn repeating_every_point_changes_nothing() {
        let (first, second) = (gaussian_points(3, 7, 3), gaussian_points(4, 9, 3));
        let doubled = ndarray::concatenate![ndarray::Axis(0), first, first];
        let once = sliced_wasserstein(first.view(), second.view(), 20, 5).unwrap();
        let twice = sliced_wasserstein(doubled.view(), second.view(), 20, 5).unwrap();
        assert!((once.squared - twice.squared).abs() < 1e-14);
    }

    #[test]
    fn it_is_zero_on_itself_in_any_order_and_symmetric() {
        let (first, second) = (gaussian_points(5, 30, 3), gaussian_points(6, 20, 3));
        let mut reversed = first.clone();
        reversed.invert_axis(ndarray::Axis(0));
        let none = sliced_wasserstein(first.view(), reversed.view(), 10, 1).unwrap();
        assert_eq!(none.squared, 0.0);
        let there = sliced_wasserstein(first.view(), second.view(), 10, 1).unwrap();
        let back = sliced_wasserstein(second.view(), first.view(), 10, 1).unwrap();
        assert!((there.squared - back.squared).abs() < 1e-14);
    }

    #[test]
    fn more_projections_add_to_fewer() {
        let directions = |count| (0..count).map(|k| direction(9, k, 3)).collect::<Vec<_>>();
        assert_eq!(directions(4), directions(6)[..4]);
        for direction in directions(6) {
            assert!((direction.dot(&direction) - 1.0).abs() < 1e-14);
        }
    }

    #[test]
    fn a_single_projection_is_refused() {
        let points = gaussian_points(7, 3, 2);
        assert!(matches!(
            sliced_wasserstein(points.view(), points.view(), 1, 0),
            Err(EvaluationError::Option {
                option: "projections",
                ..
            })
        ));
    }
}
