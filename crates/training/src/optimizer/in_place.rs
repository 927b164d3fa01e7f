//! The step as one pass over the memory of all parameters.

use std::slice;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{GradientsParams, OptimizerRecord};
use burn::tensor::{Device, Tensor};
use kernels::{Gradient, Parameter, Step, adamw_ema, global_norm};
use score_net::Network;

use super::{Constants, Schedule, record};
use crate::clipping::clip_factor;
use crate::ema::values;

/// The parameters, in the order in which a network visits its own.
pub(super) struct InPlace {
    /// Gives the parameters their places and ids. Its own values are empty: memory with a second
    /// holder cannot be changed in place.
    hollow: Network,
    parameters: Vec<Parameter>,
}

impl InPlace {
    /// None unless there is a kernel for every parameter. `average` is a copy of `network` with
    /// other values.
    pub fn new(network: &Network, average: &Network) -> Option<Self> {
        let mut taken = Taking {
            averages: values(average),
            parameters: Some(Vec::new()),
        };
        network.visit(&mut taken);
        Some(Self {
            parameters: taken.parameters?,
            hollow: network.clone().map(&mut Hollowing),
        })
    }

    /// The weights.
    pub fn network(&self) -> Network {
        self.filled(Content::Value)
    }

    /// Their average.
    pub fn average(&self) -> Network {
        self.filled(Content::Average)
    }

    fn filled(&self, content: Content) -> Network {
        self.hollow.clone().map(&mut Filling {
            parameters: self.parameters.iter(),
            content,
        })
    }

    pub fn record(&self) -> OptimizerRecord {
        record::of(self.network(), self.parameters.clone())
    }

    pub fn load_record(&mut self, record: OptimizerRecord) {
        let parameters = std::mem::take(&mut self.parameters);
        let network = self.hollow.clone();
        self.parameters = record::loaded(record, network, parameters);
    }

    pub fn step(
        &mut self,
        constants: Constants,
        gradients: Vec<GradientsParams>,
        schedule: Schedule,
    ) -> Tensor<1> {
        let mut collected = Collecting {
            parts: gradients,
            gradients: Vec::with_capacity(self.parameters.len()),
        };
        self.hollow.visit(&mut collected);
        let gradients = collected.gradients;
        let norm = global_norm(&gradients);
        let step = Step {
            learning_rate: schedule.learning_rate,
            betas: constants.betas,
            epsilon: constants.epsilon,
            weight_decay: constants.weight_decay,
            gradient_scale: clip_factor(norm, constants.clip_norm),
            average_decay: schedule.average_decay,
        };
        adamw_ema(&mut self.parameters, &gradients, &step);
        Tensor::from_floats([norm as f32], &Device::flex())
    }
}

/// Takes a network's values and averages, until there is one that no kernel is for.
struct Taking {
    averages: GradientsParams,
    parameters: Option<Vec<Parameter>>,
}

impl ModuleVisitor for Taking {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let average = self.averages.remove::<D>(param.id);
        let parameter = average.and_then(|average| Parameter::new(param.val(), average));
        self.parameters = (self.parameters.take().zip(parameter)).map(|(mut all, parameter)| {
            all.push(parameter);
            all
        });
    }
}

struct Hollowing;

impl ModuleMapper for Hollowing {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| Tensor::empty([0; D], &value.device()))
    }
}

#[derive(Clone, Copy)]
enum Content {
    Value,
    Average,
}

struct Filling<'a> {
    parameters: slice::Iter<'a, Parameter>,
    content: Content,
}

impl ModuleMapper for Filling<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let parameter = self.parameters.next().expect("as many as were taken");
        param.map(|_| match self.content {
            Content::Value => parameter.value(),
            Content::Average => parameter.average(),
        })
    }
}

/// Collects each parameter's parts of the gradient.
struct Collecting {
    parts: Vec<GradientsParams>,
    gradients: Vec<Gradient>,
}

impl ModuleVisitor for Collecting {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let mut gradient = Gradient::default();
        for part in &mut self.parts {
            if let Some(part) = part.remove::<D>(param.id) {
                gradient.push(part);
            }
        }
        self.gradients.push(gradient);
    }
}
