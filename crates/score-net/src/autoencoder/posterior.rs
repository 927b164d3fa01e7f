//! q(z | x), the Gaussian that an encoder answers with.

use std::f64::consts::TAU;

use burn::tensor::Tensor;

/// The log variances that are told apart, as in latent diffusion (Rombach et al. 2022): what lies
/// outside is clamped.
const LOG_VARIANCE: [f64; 2] = [-30.0, 20.0];

/// q(z | x) = N(mean, e^log_variance), a Gaussian of independent elements, one for each image.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// `[batch, channels, height, width]` of the latents.
    pub mean: Tensor<4>,
    /// ln σ² of each element, `[batch, channels, height, width]`.
    pub log_variance: Tensor<4>,
}

impl Posterior {
    /// From an encoder's answer, whose first half of the channels is the mean.
    ///
    /// # Shapes
    ///
    /// - moments: `[batch, 2·channels, height, width]`
    pub(super) fn from_moments(moments: Tensor<4>) -> Self {
        let [mean, log_variance] = moments
            .chunk(2, 1)
            .try_into()
            .expect("two halves of an even width");
        let [low, high] = LOG_VARIANCE;
        Self {
            mean,
            log_variance: log_variance.clamp(low, high),
        }
    }

    /// σ of each element, `[batch, channels, height, width]`.
    #[must_use]
    pub fn deviation(&self) -> Tensor<4> {
        self.log_variance.clone().mul_scalar(0.5).exp()
    }

    /// The draw z = mean + σ ε (Kingma & Welling 2014, section 2.4).
    ///
    /// # Shapes
    ///
    /// - epsilon, z: `[batch, channels, height, width]`
    #[must_use]
    pub fn draw(&self, epsilon: Tensor<4>) -> Tensor<4> {
        self.mean.clone() + self.deviation() * epsilon
    }

    /// KL(q(z | x) ‖ N(0, I)) = ½ Σ (μ² + σ² − 1 − ln σ²) of each image in nats (Kingma & Welling 2014,
    /// appendix B), `[batch]`.
    #[must_use]
    pub fn kl(&self) -> Tensor<1> {
        let [batch, channels, height, width] = self.mean.dims();
        let each = self.mean.clone().square() + self.log_variance.clone().exp()
            - self.log_variance.clone();
        each.sub_scalar(1.0)
            .mul_scalar(0.5)
            .reshape([batch, channels * height * width])
            .sum_dim(1)
            .reshape([batch])
    }

    /// ln q(z | x) of the draw that `epsilon` gives, of each image in nats; `epsilon` holds the elements
    /// image after image, in row-major order.
    ///
    /// It is told of ε and not of z, whose rounding to single precision would show where σ is small.
    ///
    /// # Panics
    ///
    /// If there are not as many elements.
    #[must_use]
    pub fn log_densities(&self, epsilon: &[f64]) -> Vec<f64> {
        let log_variance: Vec<f64> = self.log_variance.to_data().iter::<f64>().collect();
        assert_eq!(epsilon.len(), log_variance.len(), "one number an element");
        let [batch, ..] = self.mean.dims();
        let len = epsilon.len().checked_div(batch).unwrap_or(0).max(1);
        let element = |(epsilon, log_variance): (&f64, &f64)| {
            -0.5 * (epsilon * epsilon + log_variance + TAU.ln())
        };
        (epsilon.chunks(len).zip(log_variance.chunks(len)))
            .map(|(epsilon, log_variance)| epsilon.iter().zip(log_variance).map(element).sum())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, TensorData};
    use sde_core::chains::bound::gaussian_kl;

    use super::*;

    fn tensor(values: &[f64], shape: [usize; 4]) -> Tensor<4> {
        let data = TensorData::new(values.to_vec(), shape);
        Tensor::from_data(data, (&Device::flex(), DType::F64))
    }

    fn posterior() -> Posterior {
        let shape = [2, 1, 1, 3];
        Posterior {
            mean: tensor(&[0.3, -1.2, 2.0, 0.0, 0.5, -0.1], shape),
            log_variance: tensor(&[-1.0, 0.4, -3.0, 0.0, -8.0, 1.5], shape),
        }
    }

    #[test]
    fn the_divergence_from_the_standard_normal_is_the_closed_form() {
        let posterior = posterior();
        let host = |x: &Tensor<4>| -> Vec<f64> { x.to_data().iter::<f64>().collect() };
        let (mean, log_variance) = (host(&posterior.mean), host(&posterior.log_variance));
        let found: Vec<f64> = posterior.kl().into_data().iter::<f64>().collect();
        for (image, kl) in found.into_iter().enumerate() {
            let elements = 3 * image..3 * (image + 1);
            let exact: f64 = elements
                .map(|i| gaussian_kl(mean[i], log_variance[i], 0.0, 0.0))
                .sum();
            assert!((kl - exact).abs() < 1e-12, "{kl} {exact}");
        }
    }

    #[test]
    fn a_draws_density_is_that_of_the_gaussian_at_the_draw() {
        let posterior = posterior();
        let epsilon = [0.7, -0.2, 1.9, -1.1, 0.0, 2.5];
        let z = posterior.draw(tensor(&epsilon, [2, 1, 1, 3]));
        let host = |x: &Tensor<4>| -> Vec<f64> { x.to_data().iter::<f64>().collect() };
        let (z, mean, deviation) = (
            host(&z),
            host(&posterior.mean),
            host(&posterior.deviation()),
        );
        let found = posterior.log_densities(&epsilon);
        assert_eq!(found.len(), 2);
        for (image, found) in found.into_iter().enumerate() {
            let elements = 3 * image..3 * (image + 1);
            let density = |i: usize| {
                let square = ((z[i] - mean[i]) / deviation[i]).powi(2);
                -0.5 * square - (deviation[i] * TAU.sqrt()).ln()
            };
            let exact: f64 = elements.map(density).sum();
            assert!((found - exact).abs() < 1e-12);
        }
    }

    #[test]
    fn variances_are_held_within_what_single_precision_can_hold() {
        let moments = tensor(&[0.0, -1e4, 0.0, 1e4], [2, 2, 1, 1]);
        let posterior = Posterior::from_moments(moments);
        let found: Vec<f64> = posterior.log_variance.into_data().iter::<f64>().collect();
        assert_eq!(found, [-30.0, 20.0]);
    }
}
