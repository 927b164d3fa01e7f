//! The score of a world under a process, exactly.

use ndarray::{Array, Array1, Array2, Axis, Dimension, NdFloat, RemoveAxis};

use super::GaussianMixture;
use crate::{AffineSde, DifferentiableScore, Score, Time};

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

impl ExactScore<'_> {
    /// Writes the score of each sample into `score`, which holds x; sample i at the marginal of
    /// `time(i)`.
    fn overwrite<A, D>(&self, score: &mut Array<A, D>, time: impl Fn(usize) -> Time)
    where
        A: NdFloat,
        D: Dimension + RemoveAxis,
    {
        let mut noised: Option<(Time, GaussianMixture)> = None;
        let mut out = Array1::zeros(self.world.dim());
        for (i, mut sample) in score.axis_iter_mut(Axis(0)).enumerate() {
            let t = time(i);
            let world = match noised.take() {
                Some((at, world)) if at == t => world,
                _ => self.world.noised(self.sde.marginal(t)),
            };
            let point: Array1<f64> = sample
                .iter()
                .map(|x| x.to_f64().expect("every float type converts to f64"))
                .collect();
            world.grad_log_pdf(point.view(), out.view_mut());
            for (element, &value) in sample.iter_mut().zip(&out) {
                *element = A::from(value).expect("every f64 converts to a float type");
            }
            noised = Some((t, world));
        }
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
        let mut score = x.clone();
        self.overwrite(&mut score, |_| t);
        score
    }

    fn score_each(&self, x: &Array<A, D>, times: &[Time]) -> Array<A, D> {
        assert_eq!(times.len(), x.len_of(Axis(0)), "one time a sample");
        let mut score = x.clone();
        self.overwrite(&mut score, |i| times[i]);
        score
    }
}

impl DifferentiableScore<Array2<f64>> for ExactScore<'_> {
    fn score_and_vjp(
        &self,
        x: &Array2<f64>,
        times: &[Time],
        v: &Array2<f64>,
    ) -> (Array2<f64>, Array2<f64>) {
        assert_eq!(x.dim(), v.dim(), "states of one shape");
        let score = self.score_each(x, times);
        let mut product = v.clone();
        for (i, mut row) in product.outer_iter_mut().enumerate() {
            let noised = self.world.noised(self.sde.marginal(times[i]));
            row.assign(&noised.hessian_product(x.row(i), v.row(i)));
        }
        (score, product)
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
