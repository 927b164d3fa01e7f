//! A trained classifier of noised images, as the gradient that guides a score.

use std::ops::Range;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};
use sde_core::guidance::ClassifierGradient;
use sde_core::{AffineSde, Marginal, Time};

use crate::{ClassError, Model, Network, parallel};

impl Model {
    /// log p(c | x, t) for every class.
    ///
    /// # Shapes
    /// - x: `[batch, channels, height, width]`; `marginals`: one a sample
    /// - output: `[batch, classes]`, nats
    ///
    /// # Panics
    /// If there is not one marginal a sample, or the model is no classifier.
    pub fn log_probabilities(&self, x: Tensor<4>, marginals: &[Marginal]) -> Tensor<2> {
        assert!(self.is_classifier(), "the model is no classifier");
        let logits = self.forward(x, marginals);
        let [batch, classes, ..] = logits.dims();
        log_softmax(logits.reshape([batch, classes]), 1)
    }

    /// Whether it tells classes apart instead of predicting noise.
    #[must_use]
    pub fn is_classifier(&self) -> bool {
        matches!(self.network, Network::Classifier(_))
    }

    /// This classifier under `sde`, as the gradient of one class's log probability.
    ///
    /// # Errors
    /// [`ClassError`] if the model is no classifier, or does not know the class.
    pub fn classifier_under<'a>(
        &'a self,
        sde: &'a dyn AffineSde,
        class: usize,
    ) -> Result<ModelClassifier<'a>, ClassError> {
        if !self.is_classifier() {
            return Err(ClassError::Kind {
                found: "a model of the score",
                needed: "a classifier (network.kind = classifier)",
            });
        }
        ClassError::check(class, self.classes)?;
        Ok(ModelClassifier {
            model: self,
            sde,
            class,
        })
    }
}

/// ∇ₓ log p(c | x, t) of a trained classifier (Song et al. 2021, appendix I.1).
#[derive(Clone, Copy)]
pub struct ModelClassifier<'a> {
    model: &'a Model,
    sde: &'a dyn AffineSde,
    class: usize,
}

impl ClassifierGradient<Tensor<4>> for ModelClassifier<'_> {
    fn gradient(&self, x: &Tensor<4>, t: Time) -> Tensor<4> {
        let [batch, ..] = x.dims();
        self.gradient_each(x, &vec![t; batch])
    }

    /// One forward and one backward pass, through the input alone: the weights are constants.
    fn gradient_each(&self, x: &Tensor<4>, times: &[Time]) -> Tensor<4> {
        let [batch, ..] = x.dims();
        assert_eq!(times.len(), batch, "one time a sample");
        let marginals: Vec<Marginal> = times.iter().map(|&t| self.sde.marginal(t)).collect();
        let parts = parallel::in_parts(batch, &x.device(), |samples: Range<usize>| {
            let x = parallel::part(x, &samples).autodiff().require_grad();
            let log = (self.model).log_probabilities(x.clone(), &marginals[samples]);
            let mut gradients = log.narrow(1, self.class, 1).sum().backward();
            x.grad_remove(&mut gradients).unwrap_or_else(|| {
                let zeros = TensorData::zeros::<f32, _>(x.dims());
                Tensor::from_data(zeros, &x.device().without_autodiff())
            })
        });
        Tensor::cat(parts, 0)
    }
}
