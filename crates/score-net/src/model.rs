//! A network, its preconditioning and the shape of its data: what is trained, stored and sampled.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use sde_core::prediction::Conversion;
use sde_core::{AffineSde, DifferentiableScore, Marginal, Prediction, Score, State, Time};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::parallel;
use crate::{
    ConfigError, Network, NetworkConfig, Preconditioning, PreconditioningConfig,
    PreconditioningError,
};

/// Everything that makes a model but its weights, as plain data; it is stored beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The shape of one sample, [channels, height, width]; points are [dimensions, 1, 1].
    pub shape: [usize; 3],
    /// The network.
    pub network: NetworkConfig,
    /// What surrounds it.
    #[serde(default)]
    pub preconditioning: PreconditioningConfig,
}

/// A model that cannot be built.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The network's configuration.
    #[error(transparent)]
    Network(#[from] ConfigError),
    /// The preconditioning's.
    #[error("preconditioning.{0}")]
    Preconditioning(#[from] PreconditioningError),
}

impl ModelConfig {
    /// The model with fresh weights that depend on `seed` alone.
    ///
    /// # Errors
    /// [`ModelError`] names the field that cannot be worked with.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Model, ModelError> {
        Ok(Model {
            network: self.network.init(self.shape, seed, device)?,
            preconditioning: self.preconditioning.build()?,
        })
    }
}

/// A preconditioned network on states `[batch, channels, height, width]`.
#[derive(Clone, Debug)]
pub struct Model {
    /// The bare network, whose weights are trained.
    pub network: Network,
    /// What surrounds it.
    pub preconditioning: Preconditioning,
}

impl Model {
    /// The raw output of the network for states at their own marginals, to be compared with
    /// [`Prediction::target`].
    ///
    /// # Shapes
    /// - x: `[batch, channels, height, width]`; `marginals`: one a sample
    /// - output: x's shape
    ///
    /// # Panics
    /// If there is not one marginal a sample.
    pub fn forward(&self, x: Tensor<4>, marginals: &[Marginal]) -> Tensor<4> {
        let [batch, ..] = x.dims();
        assert_eq!(batch, marginals.len(), "one marginal a sample");
        let column = |f: &dyn Fn(Marginal) -> f64| -> TensorData {
            let values: Vec<f64> = marginals.iter().map(|&m| f(m)).collect();
            TensorData::new(values, [batch])
        };
        let place = (&x.device(), x.dtype());
        let c_in = column(&|m| self.preconditioning.c_in(m));
        let c_noise = column(&|m| self.preconditioning.c_noise(m));
        let c_in = Tensor::<1>::from_data(c_in, place).reshape([batch, 1, 1, 1]);
        self.network
            .forward(x * c_in, Tensor::from_data(c_noise, place))
    }

    /// The model's prediction as `target` (ε, x₀, v, the score, F), every sample at `marginal`.
    ///
    /// # Shapes
    /// - x and output: `[batch, channels, height, width]`
    pub fn predict(&self, target: Prediction, x: &Tensor<4>, marginal: Marginal) -> Tensor<4> {
        let c_in = self.preconditioning.c_in(marginal);
        let c_noise = self.preconditioning.c_noise(marginal);
        let output = parallel::by_sample(x.clone(), |x, _| {
            let [batch, ..] = x.dims();
            let c_noise = TensorData::new(vec![c_noise; batch], [batch]);
            let place = (&x.device(), x.dtype());
            let c_noise = Tensor::from_data(c_noise, place);
            self.network.forward(x.mul_scalar(c_in), c_noise)
        });
        self.preconditioning
            .prediction()
            .convert(target, marginal, x, output)
    }

    /// The model's prediction as `target`, every sample at a marginal of its own.
    ///
    /// # Shapes
    /// - x and output: `[batch, channels, height, width]`; `marginals`: one a sample
    ///
    /// # Panics
    /// If there is not one marginal a sample.
    pub fn predict_each(
        &self,
        target: Prediction,
        x: &Tensor<4>,
        marginals: &[Marginal],
    ) -> Tensor<4> {
        let output =
            parallel::by_sample(x.clone(), |x, samples| self.forward(x, &marginals[samples]));
        self.converted(target, x, output, marginals)
    }

    /// The network's output as `target`.
    fn converted(
        &self,
        target: Prediction,
        x: &Tensor<4>,
        output: Tensor<4>,
        marginals: &[Marginal],
    ) -> Tensor<4> {
        let prediction = self.preconditioning.prediction();
        let (of_output, of_x): (Vec<f64>, Vec<f64>) = (marginals.iter())
            .map(|&marginal| prediction.conversion(target, marginal))
            .map(|Conversion { x, p }| (p, x))
            .unzip();
        output.lincomb_per_sample(&of_output, x, &of_x)
    }

    /// A copy for evaluation: no autodiff, no dropout.
    #[must_use]
    pub fn valid(&self) -> Self {
        Self {
            network: self.network.valid(),
            preconditioning: self.preconditioning,
        }
    }

    /// The score of this model under `sde`.
    pub fn under<'a>(&'a self, sde: &'a dyn AffineSde) -> ModelScore<'a> {
        ModelScore { model: self, sde }
    }
}

/// A model as the score of a process.
#[derive(Clone, Copy)]
pub struct ModelScore<'a> {
    model: &'a Model,
    sde: &'a dyn AffineSde,
}

impl Score<Tensor<4>> for ModelScore<'_> {
    fn score(&self, x: &Tensor<4>, t: Time) -> Tensor<4> {
        self.model
            .predict(Prediction::Score, x, self.sde.marginal(t))
    }

    fn score_each(&self, x: &Tensor<4>, times: &[Time]) -> Tensor<4> {
        let marginals = self.marginals(times);
        self.model.predict_each(Prediction::Score, x, &marginals)
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
            let output = self.model.forward(x.clone(), marginals);
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
