//! The step as one pass over the memory of all parameters.

use std::{slice, vec};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use kernels::{Gradient, Moments, Parameter, Step, adamw_ema, global_norm};
use score_net::Network;

use super::{Constants, GradientNorm, Moment, Refused, Schedule};
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

    /// AdamW's moments, parameter by parameter.
    pub fn moments(&self) -> Vec<Option<Moment>> {
        let mut telling = Telling {
            parameters: self.parameters.iter(),
            moments: Vec::with_capacity(self.parameters.len()),
        };
        self.hollow.visit(&mut telling);
        telling.moments
    }

    /// Goes on from moments, one for each parameter, in its shape.
    pub fn load_moments(&mut self, moments: Vec<Option<Moment>>) {
        let mut remembering = Remembering {
            parameters: std::mem::take(&mut self.parameters).into_iter(),
            moments: moments.into_iter(),
            done: Vec::new(),
        };
        self.hollow.visit(&mut remembering);
        self.parameters = remembering.done;
    }

    /// Takes the step, unless the gradient's norm is not finite.
    pub fn step(
        &mut self,
        constants: Constants,
        gradients: Vec<GradientsParams>,
        schedule: Schedule,
    ) -> Result<GradientNorm, Refused> {
        let mut collected = Collecting {
            parts: gradients,
            gradients: Vec::with_capacity(self.parameters.len()),
        };
        self.hollow.visit(&mut collected);
        let gradients = collected.gradients;
        let norm = global_norm(&gradients);
        if !norm.is_finite() {
            let of_one = |gradient| !global_norm(std::slice::from_ref(gradient)).is_finite();
            let parameter = gradients.iter().position(of_one);
            return Err(Refused { parameter });
        }
        let step = Step {
            learning_rate: schedule.learning_rate,
            betas: constants.betas,
            epsilon: constants.epsilon,
            weight_decay: constants.weight_decay,
            gradient_scale: clip_factor(norm, constants.clip_norm),
            average_decay: schedule.average_decay,
        };
        adamw_ema(&mut self.parameters, &gradients, &step);
        Ok(GradientNorm::Known(norm))
    }
}

struct Telling<'a> {
    parameters: slice::Iter<'a, Parameter>,
    moments: Vec<Option<Moment>>,
}

impl ModuleVisitor for Telling<'_> {
    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        let parameter = self.parameters.next().expect("as many as were taken");
        let Moments {
            first,
            second,
            updates,
        } = parameter.moments::<D>();
        let moment = || Moment {
            first: first.into_data(),
            second: second.into_data(),
            updates,
        };
        self.moments.push((updates > 0).then(moment));
    }
}

struct Remembering {
    parameters: vec::IntoIter<Parameter>,
    moments: vec::IntoIter<Option<Moment>>,
    done: Vec<Parameter>,
}

impl ModuleVisitor for Remembering {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let parameter = self.parameters.next().expect("as many as were taken");
        let place = (&param.val().device(), DType::F32);
        let moment = self.moments.next().flatten();
        self.done.push(match moment {
            None => parameter,
            Some(moment) => parameter.with_moments::<D>(Moments {
                first: Tensor::from_data(moment.first, place),
                second: Tensor::from_data(moment.second, place),
                updates: moment.updates,
            }),
        });
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
