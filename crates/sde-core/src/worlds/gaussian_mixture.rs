//! Gaussian mixtures with diagonal covariances: definition, moments, samples.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use ndarray::{Array1, Array2, ArrayView2, Axis, array};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::WorldError;
use crate::noise::{Role, fill_standard_normal, generator};
use crate::{Marginal, State};

/// Σ_k w_k N(m_k, diag(s_k²)) on points of `dim` coordinates.
///
/// A standard deviation may be 0 (a point mass); its density is finite only at marginals with σ > 0.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianMixture {
    /// w_k, shape `[components]`, of sum 1.
    weights: Array1<f64>,
    /// m_k, shape `[components, dim]`.
    means: Array2<f64>,
    /// s_k, shape `[components, dim]`.
    stds: Array2<f64>,
    /// ln(w_k N(m_k; m_k, s_k²)), each component's weighted density at its own mean.
    pub(super) log_peaks: Vec<f64>,
}

impl GaussianMixture {
    /// A mixture of `weights` (length `components`, of any positive sum), `means` and `stds` (both of
    /// shape `[components, dim]`).
    ///
    /// # Errors
    /// The shapes must agree, weights must be above 0, standard deviations at least 0, and everything
    /// finite.
    pub fn new(
        weights: Vec<f64>,
        means: Array2<f64>,
        stds: Array2<f64>,
    ) -> Result<Self, WorldError> {
        let (components, dim) = means.dim();
        if components == 0 || dim == 0 {
            return Err(WorldError::Empty { components, dim });
        }
        let shape = |field, found: &[usize], expected: &[usize]| {
            let (found, expected) = (found.to_vec(), expected.to_vec());
            if found == expected {
                Ok(())
            } else {
                Err(WorldError::Shape {
                    field,
                    found,
                    expected,
                })
            }
        };
        shape("weights", &[weights.len()], &[components])?;
        shape("stds", stds.shape(), means.shape())?;
        for (component, &weight) in weights.iter().enumerate() {
            let holds = weight > 0.0 && weight.is_finite();
            require(holds, "weights", component, weight, "it must be above 0")?;
        }
        for ((component, _), &mean) in means.indexed_iter() {
            require(
                mean.is_finite(),
                "means",
                component,
                mean,
                "it must be finite",
            )?;
        }
        for ((component, _), &std) in stds.indexed_iter() {
            let holds = std >= 0.0 && std.is_finite();
            require(holds, "stds", component, std, "it must be at least 0")?;
        }
        let weights = Array1::from(weights);
        let total = weights.sum();
        Ok(Self::assemble(weights / total, means, stds))
    }

    /// A mixture whose components all have the covariance `std`² I; `means` has shape
    /// `[components, dim]`.
    ///
    /// # Errors
    /// As [`GaussianMixture::new`].
    pub fn isotropic(weights: Vec<f64>, means: Array2<f64>, std: f64) -> Result<Self, WorldError> {
        let stds = Array2::from_elem(means.raw_dim(), std);
        Self::new(weights, means, stds)
    }

    /// The one Gaussian N(`mean`, `std`² I), in as many dimensions as `mean` has coordinates.
    ///
    /// # Errors
    /// As [`GaussianMixture::new`].
    pub fn gaussian(mean: &[f64], std: f64) -> Result<Self, WorldError> {
        let mean = Array1::from(mean.to_vec()).insert_axis(Axis(0));
        Self::isotropic(vec![1.0], mean, std)
    }

    /// Eight equal Gaussians of standard deviation 0.2 on a circle of radius 2 in the plane, at the
    /// multiples of 45°.
    #[must_use]
    pub fn eight_gaussians() -> Self {
        let diagonal = 2.0 * FRAC_1_SQRT_2;
        let means = array![
            [2.0, 0.0],
            [diagonal, diagonal],
            [0.0, 2.0],
            [-diagonal, diagonal],
            [-2.0, 0.0],
            [-diagonal, -diagonal],
            [0.0, -2.0],
            [diagonal, -diagonal],
        ];
        let stds = Array2::from_elem(means.raw_dim(), 0.2);
        Self::assemble(Array1::from_elem(8, 0.125), means, stds)
    }

    fn assemble(weights: Array1<f64>, means: Array2<f64>, stds: Array2<f64>) -> Self {
        let log_peaks = weights
            .iter()
            .zip(stds.outer_iter())
            .map(|(weight, stds)| {
                let log_volume: f64 = stds.iter().map(|std| 0.5 * TAU.ln() + std.ln()).sum();
                weight.ln() - log_volume
            })
            .collect();
        Self {
            weights,
            means,
            stds,
            log_peaks,
        }
    }

    /// p_t: the mixture of means α m_k and variances α² s_k² + σ² that x_t = α x₀ + σ ε has.
    #[must_use]
    pub fn noised(&self, Marginal { alpha, sigma }: Marginal) -> Self {
        Self::assemble(
            self.weights.clone(),
            alpha * &self.means,
            self.stds.mapv(|std| (alpha * std).hypot(sigma)),
        )
    }

    /// The number of coordinates of a point.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.means.ncols()
    }

    /// The number of Gaussians.
    #[must_use]
    pub fn components(&self) -> usize {
        self.means.nrows()
    }

    /// w_k, of sum 1, one a component.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        self.weights
            .as_slice()
            .expect("weights are built contiguous")
    }

    /// m_k, shape `[components, dim]`.
    #[must_use]
    pub fn means(&self) -> ArrayView2<'_, f64> {
        self.means.view()
    }

    /// s_k, shape `[components, dim]`.
    #[must_use]
    pub fn stds(&self) -> ArrayView2<'_, f64> {
        self.stds.view()
    }

    /// The mean of the mixture, shape `[dim]`.
    #[must_use]
    pub fn mean(&self) -> Array1<f64> {
        self.weights.dot(&self.means)
    }

    /// The covariance of the mixture, shape `[dim, dim]`: within the components and between them.
    #[must_use]
    pub fn covariance(&self) -> Array2<f64> {
        let within = self.weights.dot(&self.stds.mapv(|std| std * std));
        let centred = &self.means - &self.mean();
        let weighted = &centred * &self.weights.view().insert_axis(Axis(1));
        Array2::from_diag(&within) + centred.t().dot(&weighted)
    }

    /// `n` points x₀, shape `[n, dim]`; the i-th depends on `seed` and i only.
    #[must_use]
    pub fn sample(&self, seed: u64, n: usize) -> Array2<f64> {
        let mut points = Array2::zeros((n, self.dim()));
        for (i, mut point) in points.outer_iter_mut().enumerate() {
            let mut generator = generator(seed, i as u64, 0, Role::Data);
            let component = self.component_at(generator.random());
            for ((x, mean), std) in point
                .iter_mut()
                .zip(self.means.row(component))
                .zip(self.stds.row(component))
            {
                let noise: f64 = StandardNormal.sample(&mut generator);
                *x = mean + std * noise;
            }
        }
        points
    }

    /// `n` points x_t = α x₀ + σ ε, shape `[n, dim]`, over the x₀ of [`GaussianMixture::sample`] with
    /// the same seed; ε is the noise of [`Role::Forward`] at step 0.
    #[must_use]
    pub fn sample_at(
        &self,
        Marginal { alpha, sigma }: Marginal,
        seed: u64,
        n: usize,
    ) -> Array2<f64> {
        let x0 = self.sample(seed, n);
        let noise = x0.filled_like(&mut |i, out| {
            fill_standard_normal(seed, i as u64, 0, Role::Forward, out);
        });
        x0.lincomb(alpha, &noise, sigma)
    }

    /// The component in whose share of [0, 1) the number `quantile` falls.
    fn component_at(&self, quantile: f64) -> usize {
        let mut cumulative = 0.0;
        let below = |weight: &&f64| {
            cumulative += **weight;
            cumulative <= quantile
        };
        // The weights may sum to an ulp below 1; what is left belongs to the last component.
        let passed = self.weights.iter().take_while(below).count();
        passed.min(self.components() - 1)
    }
}

fn require(
    holds: bool,
    field: &'static str,
    component: usize,
    value: f64,
    reason: &'static str,
) -> Result<(), WorldError> {
    if holds {
        Ok(())
    } else {
        Err(WorldError::Value {
            field,
            component,
            value,
            reason,
        })
    }
}
