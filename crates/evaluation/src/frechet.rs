//! The Fréchet distance between Gaussians fitted to two sets of features.
//!
//! Its *square* is what the field reports as "FID" when the features are those of Inception-v3;
//! with any other features it is a Fréchet distance in those features, and its numbers compare
//! with no published FID.

mod interval;

use faer::{Mat, Side};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use crate::{EvaluationError, samples};

pub use interval::frechet_interval;

/// A Gaussian in D dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    mean: Array1<f64>,
    covariance: Array2<f64>,
}

impl Gaussian {
    /// Fits a Gaussian to features `[N, D]`: their mean and their unbiased covariance (N − 1 in the
    /// denominator, as in the published FID programs).
    ///
    /// With N ≤ D the covariance is singular, which the distance allows. With any N the distance
    /// between finite sets is biased upwards, by about a constant over N (Chong & Forsyth 2020,
    /// "Effectively unbiased FID"), so compare only distances taken with the same N.
    ///
    /// # Errors
    /// Fewer than two samples, no features, NaN or infinity.
    pub fn fit(features: ArrayView2<'_, f64>) -> Result<Self, EvaluationError> {
        samples::check("the feature set", &features, 2)?;
        let mean = features
            .mean_axis(Axis(0))
            .expect("there are at least two samples");
        let centred = &features - &mean;
        let covariance = centred.t().dot(&centred) / (features.nrows() - 1) as f64;
        Ok(Self { mean, covariance })
    }

    /// The Gaussian with this mean `[D]` and covariance `[D, D]`.
    ///
    /// Negative eigenvalues are taken for the rounding of a zero one. So statistics that another
    /// program computed can be compared with.
    ///
    /// # Errors
    /// [`EvaluationError::NotACovariance`] if the shapes disagree, or the matrix is not symmetric to
    /// a relative 1e-8, has a negative diagonal, or holds NaN or infinity (as may the mean not).
    pub fn new(mean: Array1<f64>, covariance: Array2<f64>) -> Result<Self, EvaluationError> {
        let dimension = mean.len();
        let not_a_covariance = |fault: String| EvaluationError::NotACovariance { dimension, fault };
        if dimension == 0 {
            return Err(EvaluationError::NoCoordinates { set: "the mean" });
        }
        if covariance.dim() != (dimension, dimension) {
            let (rows, columns) = covariance.dim();
            return Err(not_a_covariance(format!(
                "its shape is [{rows}, {columns}]"
            )));
        }
        samples::check("the mean", &mean.view().insert_axis(Axis(0)), 1)?;
        if let Some(((row, column), value)) =
            covariance.indexed_iter().find(|(_, c)| !c.is_finite())
        {
            return Err(not_a_covariance(format!(
                "it holds {value} at [{row}, {column}]"
            )));
        }
        if let Some((index, value)) = covariance.diag().indexed_iter().find(|(_, v)| **v < 0.0) {
            return Err(not_a_covariance(format!(
                "the variance of coordinate {index} is {value}"
            )));
        }
        let largest = covariance.iter().fold(0.0, |m: f64, c| m.max(c.abs()));
        for ((row, column), value) in covariance.indexed_iter() {
            let mirrored = covariance[[column, row]];
            if (value - mirrored).abs() > 1e-8 * largest {
                return Err(not_a_covariance(format!(
                    "it is {value} at [{row}, {column}] and {mirrored} at [{column}, {row}]"
                )));
            }
        }
        Ok(Self { mean, covariance })
    }

    /// The mean, `[D]`.
    #[must_use]
    pub fn mean(&self) -> &Array1<f64> {
        &self.mean
    }

    /// The covariance, `[D, D]`.
    #[must_use]
    pub fn covariance(&self) -> &Array2<f64> {
        &self.covariance
    }

    /// A square root L `[D, rank]` of the covariance, C = L Lᵀ, from its eigen-decomposition.
    ///
    /// Eigenvalues that double precision cannot tell from zero are zero: their square roots, some
    /// 1e-8 of the largest, would be noise.
    fn root(&self) -> Result<Mat<f64>, EvaluationError> {
        let dimension = self.mean.len();
        let covariance = Mat::from_fn(dimension, dimension, |i, j| self.covariance[[i, j]]);
        let eigen = covariance.self_adjoint_eigen(Side::Lower).map_err(|_| {
            EvaluationError::NoConvergence {
                decomposition: "eigen-decomposition",
                dimension,
            }
        })?;
        let (values, vectors) = (eigen.S().column_vector(), eigen.U());
        // In nondecreasing order.
        let smallest = values[dimension - 1] * dimension as f64 * f64::EPSILON;
        let kept: Vec<usize> = (0..dimension).filter(|&k| values[k] > smallest).collect();
        Ok(Mat::from_fn(dimension, kept.len(), |i, k| {
            vectors[(i, kept[k])] * values[kept[k]].sqrt()
        }))
    }
}

/// The squared Fréchet distance and the two parts it is the sum of.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct FrechetDistance {
    /// ‖m₁ − m₂‖²: how far the means are apart.
    pub means: f64,
    /// Tr(C₁ + C₂ − 2(C₁C₂)^½) ≥ 0: how much the spreads differ.
    pub covariances: f64,
}

impl FrechetDistance {
    /// d², what is reported as "FID" for Inception's features.
    #[must_use]
    pub fn squared(&self) -> f64 {
        self.means + self.covariances
    }

    /// d, the 2-Wasserstein distance between the Gaussians, in the features' unit.
    #[must_use]
    pub fn distance(&self) -> f64 {
        self.squared().sqrt()
    }
}

/// d² = ‖m₁ − m₂‖² + Tr(C₁ + C₂ − 2(C₁C₂)^½) between two Gaussians (Dowson & Landau 1982; Heusel et
/// al. 2017, eq. 6).
///
/// (C₁C₂)^½ has the eigenvalues of (C₁^½ C₂ C₁^½)^½, which are the singular values of L₁ᵀL₂ for any
/// roots Cᵢ = LᵢLᵢᵀ: C₁^½ C₂ C₁^½ and (L₁ᵀL₂)(L₁ᵀL₂)ᵀ are similar but for zeros. Taking singular
/// values instead of the root of a product keeps all digits where a covariance is singular or
/// nearly so, and no matrix is asked to have a real root that rounding took from it.
///
/// # Errors
/// [`EvaluationError::DimensionMismatch`], or [`EvaluationError::NoConvergence`].
pub fn frechet_distance(
    first: &Gaussian,
    second: &Gaussian,
) -> Result<FrechetDistance, EvaluationError> {
    let dimension = first.mean.len();
    samples::same_dimension(dimension, second.mean.len())?;
    let difference = &first.mean - &second.mean;
    let product = first.root()?.transpose() * second.root()?;
    let root_trace: f64 = product
        .singular_values()
        .map_err(|_| EvaluationError::NoConvergence {
            decomposition: "singular value decomposition",
            dimension,
        })?
        .iter()
        .sum();
    let traces = first.covariance.diag().sum() + second.covariance.diag().sum();
    Ok(FrechetDistance {
        means: difference.dot(&difference),
        // Rounding can take a zero below it.
        covariances: (traces - 2.0 * root_trace).max(0.0),
    })
}

/// The Fréchet distance between Gaussians fitted to two sets of features, `[N, D]` and `[M, D]`.
///
/// # Errors
/// Those of [`Gaussian::fit`] and [`frechet_distance`].
pub fn frechet_distance_of_samples(
    first: ArrayView2<'_, f64>,
    second: ArrayView2<'_, f64>,
) -> Result<FrechetDistance, EvaluationError> {
    samples::check_pair(&first, &second, 2)?;
    frechet_distance(&Gaussian::fit(first)?, &Gaussian::fit(second)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;
    use sde_core::noise::{Role, fill_standard_normal};

    fn normal(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
        let mut values = Array2::zeros((rows, columns));
        fill_standard_normal(seed, 0, 0, Role::Data, values.as_slice_mut().unwrap());
        values
    }

    /// A random Gaussian: AAᵀ/D as its covariance.
    fn gaussian(seed: u64, dimension: usize) -> Gaussian {
        let root = normal(seed, dimension, dimension);
        let mean = normal(seed + 1000, 1, dimension).remove_axis(Axis(0));
        Gaussian::new(mean, root.dot(&root.t()) / dimension as f64).unwrap()
    }

    fn diagonal(mean: &Array1<f64>, deviations: &Array1<f64>) -> Gaussian {
        let variances = deviations.mapv(|s| s * s);
        Gaussian::new(mean.clone(), Array2::from_diag(&variances)).unwrap()
    }

    /// A product of two Householder reflections: orthogonal, and of no special form.
    fn orthogonal(seed: u64, dimension: usize) -> Array2<f64> {
        let reflection = |seed| {
            let v = normal(seed, dimension, 1);
            let norm = v.mapv(|x| x * x).sum();
            Array2::eye(dimension) - v.dot(&v.t()) * (2.0 / norm)
        };
        reflection(seed).dot(&reflection(seed + 1))
    }

    fn mapped(gaussian: &Gaussian, map: &Array2<f64>) -> Gaussian {
        let covariance = map.dot(&gaussian.covariance).dot(&map.t());
        let symmetric = (&covariance + &covariance.t()) / 2.0;
        Gaussian::new(map.dot(&gaussian.mean), symmetric).unwrap()
    }

    fn assert_close(found: f64, expected: f64) {
        let tolerance = 1e-12 * expected.abs().max(1.0);
        assert!(
            (found - expected).abs() < tolerance,
            "{found} not {expected}"
        );
    }

    #[test]
    fn the_fit_is_the_mean_and_the_unbiased_covariance() {
        let fit = Gaussian::fit(array![[1.0, 0.0], [3.0, 3.0], [5.0, 0.0]].view()).unwrap();
        assert_eq!(fit.mean, array![3.0, 1.0]);
        assert_eq!(fit.covariance, array![[4.0, 0.0], [0.0, 3.0]]);
    }

    #[test]
    fn on_the_line_it_is_the_gap_of_means_and_of_deviations() {
        let (a, b) = (
            diagonal(&array![1.0], &array![2.0]),
            diagonal(&array![4.0], &array![0.5]),
        );
        let found = frechet_distance(&a, &b).unwrap();
        assert_close(found.means, 9.0);
        assert_close(found.covariances, 2.25);
        assert_close(found.squared(), 11.25);
        assert_close(found.distance(), 11.25_f64.sqrt());
    }

    #[test]
    fn covariances_that_commute_differ_by_their_deviations_in_any_basis() {
        let (m1, m2) = (array![0.0, 1.0, 2.0, 0.0], array![0.5, 1.0, 0.0, 0.0]);
        let (s1, s2) = (array![1.0, 2.0, 0.0, 3.0], array![1.5, 0.1, 2.0, 3.0]);
        let expected = (&m1 - &m2).mapv(|d| d * d).sum() + (&s1 - &s2).mapv(|d| d * d).sum();
        let (a, b) = (diagonal(&m1, &s1), diagonal(&m2, &s2));
        assert_close(frechet_distance(&a, &b).unwrap().squared(), expected);
        let turn = orthogonal(3, 4);
        let (a, b) = (mapped(&a, &turn), mapped(&b, &turn));
        assert_close(frechet_distance(&a, &b).unwrap().squared(), expected);
    }

    #[test]
    fn in_the_plane_it_is_the_closed_form_for_any_covariances() {
        // The eigenvalues a, b of C₁C₂ have (√a + √b)² = Tr C₁C₂ + 2 √det C₁C₂.
        let (c1, c2) = (
            array![[2.0, 0.7], [0.7, 1.0]],
            array![[0.5, -0.4], [-0.4, 3.0]],
        );
        let determinant = |c: &Array2<f64>| c[[0, 0]] * c[[1, 1]] - c[[0, 1]] * c[[1, 0]];
        let product = c1.dot(&c2);
        let root = (product.diag().sum() + 2.0 * determinant(&product).sqrt()).sqrt();
        let expected = 3.0 + 3.5 - 2.0 * root;
        let gaussian = |c| Gaussian::new(array![0.0, 0.0], c).unwrap();
        let found = frechet_distance(&gaussian(c1), &gaussian(c2)).unwrap();
        assert_close(found.covariances, expected);
    }

    /// Tr (C₁^½ C₂ C₁^½)^½ by the eigenvalues of that symmetric matrix.
    fn trace_by_eigenvalues(first: &Gaussian, second: &Gaussian) -> f64 {
        let dense = |c: &Array2<f64>| Mat::from_fn(c.nrows(), c.ncols(), |i, j| c[[i, j]]);
        let eigen = dense(&first.covariance)
            .self_adjoint_eigen(Side::Lower)
            .unwrap();
        let n = first.mean.len();
        let roots = Mat::from_fn(n, n, |i, j| {
            if i == j {
                eigen.S().column_vector()[i].max(0.0).sqrt()
            } else {
                0.0
            }
        });
        let root = eigen.U() * &roots * eigen.U().transpose();
        let product = &root * dense(&second.covariance) * &root;
        let values = product.self_adjoint_eigenvalues(Side::Lower).unwrap();
        values.iter().map(|v| v.max(0.0).sqrt()).sum()
    }

    #[test]
    fn singular_values_and_the_eigenvalues_of_the_symmetric_product_agree() {
        for dimension in [3, 16, 64] {
            let (a, b) = (gaussian(7, dimension), gaussian(8, dimension));
            let traces = a.covariance.diag().sum() + b.covariance.diag().sum();
            let expected = traces - 2.0 * trace_by_eigenvalues(&a, &b);
            let found = frechet_distance(&a, &b).unwrap().covariances;
            // The squares of the smallest roots are lost in the other way, so no closer.
            assert!(
                (found - expected).abs() < 1e-8 * expected,
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn a_singular_covariance_is_at_no_distance_from_itself() {
        // Ten samples in thirty dimensions.
        let features = normal(5, 10, 30);
        let found = frechet_distance_of_samples(features.view(), features.view()).unwrap();
        assert!(found.squared() < 1e-12, "{found:?}");
    }

    #[test]
    fn point_masses_are_at_the_distance_of_the_points() {
        let mass = |mean: Array1<f64>| Gaussian::new(mean, Array2::zeros((2, 2))).unwrap();
        let found = frechet_distance(&mass(array![0.0, 0.0]), &mass(array![3.0, 4.0])).unwrap();
        assert_eq!(found.distance(), 5.0);
        let wide = diagonal(&array![0.0, 0.0], &array![1.0, 2.0]);
        let found = frechet_distance(&mass(array![0.0, 0.0]), &wide).unwrap();
        assert_close(found.squared(), 5.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn it_is_symmetric_nonnegative_and_unmoved_by_orthogonal_maps(
            seed in 0_u64..1 << 40, dimension in 1_usize..12,
        ) {
            let (a, b) = (gaussian(seed, dimension), gaussian(seed + 1, dimension));
            let there = frechet_distance(&a, &b).unwrap();
            let back = frechet_distance(&b, &a).unwrap();
            prop_assert!(there.means >= 0.0 && there.covariances >= 0.0);
            let scale = 1.0 + there.squared();
            prop_assert!((there.squared() - back.squared()).abs() < 1e-11 * scale);
            let turn = orthogonal(seed + 2, dimension);
            let turned = frechet_distance(&mapped(&a, &turn), &mapped(&b, &turn)).unwrap();
            prop_assert!((there.squared() - turned.squared()).abs() < 1e-10 * scale);
        }

        #[test]
        fn the_distance_obeys_the_triangle_inequality(seed in 0_u64..1 << 40) {
            let [a, b, c] = [0, 1, 2].map(|k| gaussian(seed + k, 4));
            let distance = |x, y| frechet_distance(x, y).unwrap().distance();
            prop_assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c) + 1e-12);
        }
    }

    #[test]
    fn bad_sets_and_matrices_are_refused() {
        let fit = |features: Array2<f64>| Gaussian::fit(features.view()).unwrap_err();
        assert!(matches!(
            fit(Array2::zeros((1, 2))),
            EvaluationError::TooFewSamples {
                found: 1,
                needed: 2,
                ..
            }
        ));
        assert!(matches!(
            fit(array![[0.0], [f64::NAN]]),
            EvaluationError::NonFinite {
                sample: 1,
                coordinate: 0,
                ..
            }
        ));
        let new = |covariance| Gaussian::new(array![0.0, 0.0], covariance).unwrap_err();
        for covariance in [
            Array2::zeros((2, 3)),
            array![[1.0, 0.5], [0.4, 1.0]],
            array![[-1.0, 0.0], [0.0, 1.0]],
            array![[1.0, f64::NAN], [f64::NAN, 1.0]],
        ] {
            assert!(matches!(
                new(covariance),
                EvaluationError::NotACovariance { .. }
            ));
        }
        assert!(matches!(
            frechet_distance(&gaussian(0, 2), &gaussian(0, 3)),
            Err(EvaluationError::DimensionMismatch {
                first: 2,
                second: 3
            })
        ));
    }
}
