//! A network, its preconditioning and the shape of its data: what is trained, stored and sampled.

mod score;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use sde_core::prediction::Conversion;
use sde_core::{AffineSde, Marginal, Prediction, State};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::score::ModelScore;
use crate::parallel;
use crate::{
    ConfigError, Network, NetworkConfig, Preconditioning, PreconditioningConfig,
    PreconditioningError, Signature, VarianceKind,
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
    /// The classes that it is told, beside none, or that it tells apart if it is a classifier; 0, as of a
    /// checkpoint that does not say, for a model that knows no classes.
    #[serde(default, skip_serializing_if = "no_classes")]
    pub classes: usize,
}

fn no_classes(classes: &usize) -> bool {
    *classes == 0
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
            network: self.network.init(self.signature(), seed, device)?,
            preconditioning: self.preconditioning.build()?,
            classes: self.classes,
        })
    }

    /// What the network takes and answers with: of pairs it takes twice the data's channels, for a learned
    /// variance it answers with as many.
    #[must_use]
    pub fn signature(&self) -> Signature {
        let [channels, height, width] = self.shape;
        let channels_in = match self.preconditioning.velocity {
            None => channels,
            Some(_) => 2 * channels,
        };
        Signature {
            shape: [channels_in, height, width],
            channels_out: match self.preconditioning.variance {
                VarianceKind::Fixed => channels,
                VarianceKind::Learned => 2 * channels,
            },
            classes: self.classes,
        }
    }

    /// One paragraph for a reader about the network.
    ///
    /// # Errors
    /// Names the field that is at fault, or that does not go with the data's shape.
    pub fn describe(&self) -> Result<String, ConfigError> {
        self.network.describe(self.signature())
    }
}

/// A preconditioned network on states `[batch, channels, height, width]`.
#[derive(Clone, Debug)]
pub struct Model {
    /// The bare network, whose weights are trained.
    pub network: Network,
    /// What surrounds it.
    pub preconditioning: Preconditioning,
    /// The classes that it knows, beside none; 0 if it knows none.
    pub classes: usize,
}

/// What a network answers with, in x's shape.
#[derive(Clone, Debug)]
pub struct Output {
    /// The raw prediction, to be compared with [`Prediction::target`].
    pub prediction: Tensor<4>,
    /// The learned v: where the log variance of each element's reverse step lies, from ln β̃ at 0 to ln β at 1
    /// (Nichol & Dhariwal 2021, eq. 15). None if the model [has none](VarianceKind::Fixed).
    pub variance: Option<Tensor<4>>,
}

impl Model {
    /// The raw prediction of the network for states at their own marginals, to be compared with
    /// [`Prediction::target`].
    ///
    /// # Shapes
    /// - x: `[batch, channels, height, width]`; `marginals`: one a sample
    /// - output: x's shape
    ///
    /// # Panics
    /// If there is not one marginal a sample.
    pub fn forward(&self, x: Tensor<4>, marginals: &[Marginal]) -> Tensor<4> {
        self.outputs(x, marginals).prediction
    }

    /// The same together with the learned variance, where there is one.
    ///
    /// # Shapes
    /// - x: `[batch, channels, height, width]`; `marginals`: one a sample
    /// - both outputs: x's shape
    ///
    /// # Panics
    /// If there is not one marginal a sample.
    pub fn outputs(&self, x: Tensor<4>, marginals: &[Marginal]) -> Output {
        self.read(self.raw(x, marginals, None))
    }

    /// The same for samples each of a class of its own, or of none.
    ///
    /// # Shapes
    /// - x: `[batch, channels, height, width]`; `marginals`, `classes`: one a sample
    /// - both outputs: x's shape
    ///
    /// # Panics
    /// If there is not one marginal and one class a sample, or a class that the model does not have.
    pub fn outputs_of(
        &self,
        x: Tensor<4>,
        marginals: &[Marginal],
        classes: &[Option<usize>],
    ) -> Output {
        self.read(self.raw(x, marginals, Some(classes)))
    }

    /// Classes as a network is told them: the number of classes stands for none.
    pub(crate) fn class_rows(
        &self,
        classes: &[Option<usize>],
        device: &Device,
    ) -> Option<Tensor<1, Int>> {
        if classes.iter().all(Option::is_none) {
            return None;
        }
        let row = |class: &Option<usize>| -> i32 {
            let class = class.unwrap_or(self.classes);
            assert!(
                self.classes > 0 && class <= self.classes,
                "a class that the model does not have"
            );
            class as i32
        };
        let rows: Vec<i32> = classes.iter().map(row).collect();
        let len = rows.len();
        Some(Tensor::from_data(TensorData::new(rows, [len]), device))
    }

    /// Tells prediction and variance in a network's answer apart.
    fn read(&self, output: Tensor<4>) -> Output {
        match self.preconditioning.variance() {
            VarianceKind::Fixed => Output {
                prediction: output,
                variance: None,
            },
            VarianceKind::Learned => {
                let [_, both, ..] = output.dims();
                let channels = both / 2;
                let o = output.clone().narrow(1, channels, channels);
                Output {
                    prediction: output.narrow(1, 0, channels),
                    variance: Some(o.add_scalar(1.0).mul_scalar(0.5)),
                }
            }
        }
    }

    /// The network's answer with all its channels.
    fn raw(
        &self,
        x: Tensor<4>,
        marginals: &[Marginal],
        classes: Option<&[Option<usize>]>,
    ) -> Tensor<4> {
        let [batch, ..] = x.dims();
        assert_eq!(batch, marginals.len(), "one marginal a sample");
        let classes = classes.and_then(|classes| {
            assert_eq!(batch, classes.len(), "one class a sample");
            self.class_rows(classes, &x.device())
        });
        let column = |f: &dyn Fn(Marginal) -> f64| -> TensorData {
            let values: Vec<f64> = marginals.iter().map(|&m| f(m)).collect();
            TensorData::new(values, [batch])
        };
        let place = (&x.device(), x.dtype());
        let c_in = column(&|m| self.preconditioning.c_in(m));
        let c_noise = column(&|m| self.preconditioning.c_noise(m));
        let c_in = Tensor::<1>::from_data(c_in, place).reshape([batch, 1, 1, 1]);
        let c_noise = Tensor::from_data(c_noise, place);
        self.network.forward_given(x * c_in, c_noise, classes)
    }

    /// The model's prediction as `target` (ε, x₀, v, the score, F), every sample at `marginal`.
    ///
    /// # Shapes
    /// - x and output: `[batch, channels, height, width]`
    pub fn predict(&self, target: Prediction, x: &Tensor<4>, marginal: Marginal) -> Tensor<4> {
        self.predict_with_variance(target, x, marginal).prediction
    }

    /// The same together with the learned variance, where there is one.
    ///
    /// # Shapes
    /// - x and both outputs: `[batch, channels, height, width]`
    pub fn predict_with_variance(
        &self,
        target: Prediction,
        x: &Tensor<4>,
        marginal: Marginal,
    ) -> Output {
        self.predicted(target, x, marginal, None)
    }

    /// The prediction and the learned variance for samples that are all of one class, or of none.
    fn predicted(
        &self,
        target: Prediction,
        x: &Tensor<4>,
        marginal: Marginal,
        class: Option<usize>,
    ) -> Output {
        let c_in = self.preconditioning.c_in(marginal);
        let c_noise = self.preconditioning.c_noise(marginal);
        let output = parallel::by_sample(x.clone(), |x, _| {
            let [batch, ..] = x.dims();
            let c_noise = TensorData::new(vec![c_noise; batch], [batch]);
            let place = (&x.device(), x.dtype());
            let c_noise = Tensor::from_data(c_noise, place);
            let classes = self.class_rows(&vec![class; batch], &x.device());
            (self.network).forward_given(x.mul_scalar(c_in), c_noise, classes)
        });
        let output = self.read(output);
        let own = self.preconditioning.prediction();
        Output {
            prediction: own.convert(target, marginal, x, output.prediction),
            ..output
        }
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
        self.predicted_each(target, x, marginals, None)
    }

    /// The same for samples that are all of one class, or of none.
    fn predicted_each(
        &self,
        target: Prediction,
        x: &Tensor<4>,
        marginals: &[Marginal],
        class: Option<usize>,
    ) -> Tensor<4> {
        let output = parallel::by_sample(x.clone(), |x, samples| {
            let classes = vec![class; samples.len()];
            (self.outputs_of(x, &marginals[samples], &classes)).prediction
        });
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
            classes: self.classes,
        }
    }

    /// The score of this model under `sde`; of a model with classes that of all of them together, until
    /// [`ModelScore::of_class`] asks for one.
    ///
    /// # Panics
    /// When it is evaluated, if the network is a classifier.
    pub fn under<'a>(&'a self, sde: &'a dyn AffineSde) -> ModelScore<'a> {
        ModelScore {
            model: self,
            sde,
            class: None,
        }
    }
}
