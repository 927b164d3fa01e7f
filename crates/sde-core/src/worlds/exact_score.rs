//! The score of a world under a process, exactly.

use ndarray::{Array, Array1, Axis, Dimension, NdFloat, RemoveAxis};

use super::GaussianMixture;
use crate::{AffineSde, Score, Time};

/// ∇ₓ ln p_t(x) of a [`GaussianMixture`] under an [`AffineSde`]: a [`Score`] without error.
///
/// It accepts `f32` and `f64` arrays, and Burn tensors with feature `burn`, of shape `[batch, ...]`
/// whose samples, flattened in row-major order, have the world's dimension. It computes in `f64` on
/// the host and rounds once.
#[derive(Clone, Copy)]
pub struct ExactScore<'a> {
    /// The law of x₀.
    pub world: &'a GaussianMixture,
    /// The process that noises it.
    pub sde: &'a dyn AffineSde,
}

impl GaussianMixture {
    /// This world's exact score under `sde`.
    #[must_use]
    pub fn under<'a>(&'a self, sde: &'a dyn AffineSde) -> ExactScore<'a> {
        ExactScore { world: self, sde }
    }
}

impl<A, D> Score<Array<A, D>> for ExactScore<'_>
where
    A: NdFloat,
    D: Dimension + RemoveAxis,
{
    /// # Panics
    /// If the samples have another number of elements than the world has dimensions.
    fn score(&self, x: &Array<A, D>, t: Time) -> Array<A, D> {
        let noised = self.world.noised(self.sde.marginal(t));
        let mut score = x.clone();
        let mut out = Array1::zeros(noised.dim());
        for mut sample in score.axis_iter_mut(Axis(0)) {
            let point: Array1<f64> = sample
                .iter()
                .map(|x| x.to_f64().expect("every float type converts to f64"))
                .collect();
            noised.grad_log_pdf(point.view(), out.view_mut());
            for (element, &value) in sample.iter_mut().zip(&out) {
                *element = A::from(value).expect("every f64 converts to a float type");
            }
        }
        score
    }
}

#[cfg(feature = "burn")]
impl<const D: usize> Score<burn::tensor::Tensor<D>> for ExactScore<'_> {
    /// # Panics
    /// If the samples have another number of elements than the world has dimensions.
    fn score(&self, x: &burn::tensor::Tensor<D>, t: Time) -> burn::tensor::Tensor<D> {
        use crate::State;

        let noised = self.world.noised(self.sde.marginal(t));
        let points: Vec<f64> = x.clone().into_data().iter::<f64>().collect();
        let len = x.sample_len();
        x.filled_like(&mut |i, out| {
            let point = &points[i * len..(i + 1) * len];
            noised.grad_log_pdf(point.into(), out.into());
        })
    }
}
