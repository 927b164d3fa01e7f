//! The density of a noised mixture and its derivatives.

use ndarray::{Array1, ArrayView1, ArrayViewMut1};

use super::GaussianMixture;
use crate::Marginal;

impl GaussianMixture {
    /// ln p_t(x) in nats, where p_t is the law of α x₀ + σ ε; `x` has shape `[dim]`.
    ///
    /// For many points at one marginal, `noised(marginal).log_pdf(x)` prepares p_t once.
    ///
    /// # Panics
    /// If `x` has another dimension than the world.
    #[must_use]
    pub fn log_density(&self, marginal: Marginal, x: ArrayView1<'_, f64>) -> f64 {
        self.noised(marginal).log_pdf(x)
    }

    /// Writes the score ∇ₓ ln p_t(x), shape `[dim]`.
    ///
    /// # Panics
    /// If `x` or `out` has another dimension than the world.
    pub fn score(&self, marginal: Marginal, x: ArrayView1<'_, f64>, out: ArrayViewMut1<'_, f64>) {
        self.noised(marginal).grad_log_pdf(x, out);
    }

    /// The divergence of the score, ∇·∇ₓ ln p_t(x), for `x` of shape `[dim]`.
    ///
    /// # Panics
    /// If `x` has another dimension than the world.
    #[must_use]
    pub fn divergence(&self, marginal: Marginal, x: ArrayView1<'_, f64>) -> f64 {
        self.noised(marginal).laplacian_log_pdf(x)
    }

    /// E[x₀ | x_t = x], shape `[dim]`: each component's Gaussian conditional mean
    /// m + α s² (x − α m) / (α² s² + σ²), weighted by the component's posterior probability. The score
    /// does not enter, so Tweedie's formula can be checked against it.
    ///
    /// # Panics
    /// If `x` has another dimension than the world.
    #[must_use]
    pub fn posterior_mean(&self, marginal: Marginal, x: ArrayView1<'_, f64>) -> Array1<f64> {
        let Marginal { alpha, sigma } = marginal;
        let (posterior, _) = self.noised(marginal).posterior(x);
        let mut mean = Array1::zeros(self.dim());
        for (k, probability) in posterior.into_iter().enumerate() {
            for d in 0..self.dim() {
                let (m, s) = (self.means()[[k, d]], self.stds()[[k, d]]);
                let gain = alpha * s * s / ((alpha * s).powi(2) + sigma * sigma);
                mean[d] += probability * (m + gain * (x[d] - alpha * m));
            }
        }
        mean
    }

    /// ln p(x) in nats of this mixture itself; `x` has shape `[dim]`.
    ///
    /// # Panics
    /// If `x` has another dimension than the world.
    #[must_use]
    pub fn log_pdf(&self, x: ArrayView1<'_, f64>) -> f64 {
        self.posterior(x).1
    }

    /// Writes ∇ₓ ln p(x) of this mixture itself, shape `[dim]`.
    ///
    /// # Panics
    /// If `x` or `out` has another dimension than the world.
    pub fn grad_log_pdf(&self, x: ArrayView1<'_, f64>, mut out: ArrayViewMut1<'_, f64>) {
        assert_eq!(out.len(), self.dim(), "the score has the world's dimension");
        out.fill(0.0);
        for (k, probability) in self.posterior(x).0.into_iter().enumerate() {
            for (d, out) in out.iter_mut().enumerate() {
                *out += probability * self.pull(k, d, x[d]);
            }
        }
    }

    /// ∇·∇ₓ ln p(x) of this mixture itself; `x` has shape `[dim]`.
    ///
    /// # Panics
    /// If `x` has another dimension than the world.
    #[must_use]
    pub fn laplacian_log_pdf(&self, x: ArrayView1<'_, f64>) -> f64 {
        let mut score = Array1::zeros(self.dim());
        self.grad_log_pdf(x, score.view_mut());
        let mut sum = 0.0;
        for (k, probability) in self.posterior(x).0.into_iter().enumerate() {
            for (d, std) in self.stds().row(k).iter().enumerate() {
                // The variance of the components' pulls, centred: a difference of squares cancels.
                let spread = self.pull(k, d, x[d]) - score[d];
                sum += probability * (spread * spread - (std * std).recip());
            }
        }
        sum
    }

    /// The Hessian of ln p of this mixture itself times `v`; `x`, `v` and the result have shape `[dim]`.
    ///
    /// # Panics
    /// If `x` or `v` has another dimension than the world.
    #[must_use]
    pub fn hessian_product(&self, x: ArrayView1<'_, f64>, v: ArrayView1<'_, f64>) -> Array1<f64> {
        assert_eq!(v.len(), self.dim(), "a vector has the world's dimension");
        let mut score = Array1::zeros(self.dim());
        self.grad_log_pdf(x, score.view_mut());
        let mut product = Array1::zeros(self.dim());
        for (k, probability) in self.posterior(x).0.into_iter().enumerate() {
            // The covariance of the components' pulls, centred: a difference of squares cancels.
            let spread = |d: usize| self.pull(k, d, x[d]) - score[d];
            let along: f64 = v.iter().enumerate().map(|(d, v)| spread(d) * v).sum();
            for (d, product) in product.iter_mut().enumerate() {
                let curvature = v[d] / self.stds()[[k, d]].powi(2);
                *product += probability * (spread(d) * along - curvature);
            }
        }
        product
    }

    /// ∂/∂x_d of the log-density of component `k` alone.
    fn pull(&self, k: usize, d: usize, x: f64) -> f64 {
        let std = self.stds()[[k, d]];
        (self.means()[[k, d]] - x) / (std * std)
    }

    /// The probability of each component given x, and ln p(x), by a shifted log-sum-exp.
    fn posterior(&self, x: ArrayView1<'_, f64>) -> (Vec<f64>, f64) {
        assert_eq!(x.len(), self.dim(), "a point has the world's dimension");
        let mut terms: Vec<f64> = (0..self.components())
            .map(|k| {
                let square: f64 = x
                    .iter()
                    .zip(self.means().row(k))
                    .zip(self.stds().row(k))
                    .map(|((x, mean), std)| ((x - mean) / std).powi(2))
                    .sum();
                self.log_peaks[k] - 0.5 * square
            })
            .collect();
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for term in &mut terms {
            *term = (*term - largest).exp();
            total += *term;
        }
        for term in &mut terms {
            *term /= total;
        }
        (terms, largest + total.ln())
    }
}
