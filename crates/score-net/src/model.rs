//! A network, its preconditioning and the shape of its data: what is trained, stored and sampled.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use sde_core::{AffineSde, Marginal, Prediction, Score, Time};
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
            let values: Vec<f32> = marginals.iter().map(|&m| f(m) as f32).collect();
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
        let c_noise = self.preconditioning.c_noise(marginal) as f32;
        let output = parallel::by_sample(x.clone(), |x| {
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
}
