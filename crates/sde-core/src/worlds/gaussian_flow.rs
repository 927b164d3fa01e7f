//! The probability flow of one Gaussian, solved.

use ndarray::{Array1, Array2};

use super::{GaussianMixture, WorldError};
use crate::Marginal;

impl GaussianMixture {
    /// Where the probability flow takes `x`, shape `[batch, dim]`, from one marginal to another:
    ///
    /// ```text
    /// x_t = α_t m + √(α_t² s² + σ_t²) / √(α_s² s² + σ_s²) · (x_s − α_s m)
    /// ```
    ///
    /// The flow of a Gaussian is linear, keeps the mean and carries one standard deviation into the
    /// other. It solves any affine process, forwards and backwards.
    ///
    /// # Errors
    /// [`WorldError::NotOneGaussian`] for a mixture, whose flow has no closed form.
    ///
    /// # Panics
    /// If `x` has another dimension than the world.
    pub fn flow(
        &self,
        from: Marginal,
        to: Marginal,
        x: &Array2<f64>,
    ) -> Result<Array2<f64>, WorldError> {
        if self.components() > 1 {
            let components = self.components();
            return Err(WorldError::NotOneGaussian { components });
        }
        let (start, end) = (self.noised(from), self.noised(to));
        let ratio: Array1<f64> = &end.stds().row(0) / &start.stds().row(0);
        Ok((x - &start.means().row(0)) * &ratio + end.means().row(0))
    }
}
