//! A model as the score of a process.

use std::ops::Range;

use burn::tensor::Tensor;
use sde_core::{
    AffineSde, DifferentiableScore, LearnedVariance, Marginal, Prediction, Score, Time,
};

use super::Model;
use crate::{ClassError, VarianceKind, parallel};

/// A model as the score of a process.
#[derive(Clone, Copy)]
pub struct ModelScore<'a> {
    pub(super) model: &'a Model,
    pub(super) sde: &'a dyn AffineSde,
    pub(super) class: Option<usize>,
}

impl ModelScore<'_> {
    /// The score of one class, for every sample of a batch.
    ///
    /// # Errors
    /// [`ClassError`] if the model knows no classes, or not this one.
    pub fn of_class(self, class: usize) -> Result<Self, ClassError> {
        ClassError::check(class, self.model.classes)?;
        Ok(Self {
            class: Some(class),
            ..self
        })
    }
}

impl Score<Tensor<4>> for ModelScore<'_> {
    fn score(&self, x: &Tensor<4>, t: Time) -> Tensor<4> {
        let marginal = self.sde.marginal(t);
        (self
            .model
            .predicted(Prediction::Score, x, marginal, self.class))
        .prediction
    }

    fn score_each(&self, x: &Tensor<4>, times: &[Time]) -> Tensor<4> {
        let marginals = self.marginals(times);
        (self.model).predicted_each(Prediction::Score, x, &marginals, self.class)
    }

    fn with_learned_variance(&self) -> Option<&dyn LearnedVariance<Tensor<4>>> {
        match self.model.preconditioning.variance() {
            VarianceKind::Fixed => None,
            VarianceKind::Learned => Some(self),
        }
    }
}

impl LearnedVariance<Tensor<4>> for ModelScore<'_> {
    /// # Panics
    /// If the model has no learned variance; [`Score::with_learned_variance`] is then none.
    fn score_and_variance(&self, x: &Tensor<4>, t: Time) -> (Tensor<4>, Tensor<4>) {
        let marginal = self.sde.marginal(t);
        let output = (self.model).predicted(Prediction::Score, x, marginal, self.class);
        let variance = output.variance.expect("a model with a learned variance");
        (output.prediction, variance)
    }
}

impl DifferentiableScore<Tensor<4>> for ModelScore<'_> {
    /// One forward and one backward pass, through the input alone: the weights are constants.
    fn score_and_vjp(
        &self,
        x: &Tensor<4>,
        times: &[Time],
        v: &Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let [batch, ..] = x.dims();
        assert_eq!(times.len(), batch, "one time a sample");
        assert_eq!(x.dims(), v.dims(), "states of one shape");
        let marginals = self.marginals(times);
        let parts = parallel::in_parts(batch, &x.device(), |samples: Range<usize>| {
            let v = parallel::part(v, &samples);
            let x = parallel::part(x, &samples).autodiff().require_grad();
            let marginals = &marginals[samples];
            let classes = vec![self.class; marginals.len()];
            let output = (self.model).outputs_of(x.clone(), marginals, &classes);
            let output = output.prediction;
            let score = self
                .model
                .converted(Prediction::Score, &x, output, marginals);
            let along = (score.clone() * v.autodiff()).sum();
            let mut gradients = along.backward();
            let product = x.grad_remove(&mut gradients).unwrap_or_else(|| {
                // A network that does not look at its input.
                Tensor::zeros(x.dims(), &x.device().without_autodiff())
            });
            (score.without_autodiff(), product)
        });
        let (scores, products): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        (Tensor::cat(scores, 0), Tensor::cat(products, 0))
    }
}

impl ModelScore<'_> {
    fn marginals(&self, times: &[Time]) -> Vec<Marginal> {
        times.iter().map(|&t| self.sde.marginal(t)).collect()
    }
}
