//! The step in Burn's own operations, for every backend and number type.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::Tensor;
use score_net::Network;

use super::{Constants, Schedule};
use crate::clipping::clip_global_norm;
use crate::ema;

/// The weights and their average as Burn's modules, the moments in Burn's optimiser.
pub(super) struct Plain {
    pub network: Network,
    pub average: Network,
    pub optimizer: ModuleOptimizer,
}

impl Plain {
    pub fn new(
        constants: Constants,
        network: Network,
        average: Network,
        record: Option<OptimizerRecord>,
    ) -> Self {
        let fresh = constants.adamw().init();
        let optimizer = match record {
            Some(record) => fresh.load_record(record),
            None => fresh,
        };
        Self {
            network,
            average,
            optimizer,
        }
    }

    pub fn step(
        &mut self,
        constants: Constants,
        gradients: Vec<GradientsParams>,
        schedule: Schedule,
    ) -> Tensor<1> {
        let add = |sum, part| added(sum, part, &self.network);
        let mut gradients = gradients.into_iter().reduce(add).unwrap_or_default();
        let device = self.network.devices().into_iter().next();
        let device = device.unwrap_or_default();
        let max_norm = constants.clip_norm;
        let norm = clip_global_norm(&self.network, &mut gradients, max_norm, &device);
        // Burn's optimiser wants parameters that could have had a gradient.
        let network = self.network.clone().train();
        let rate = schedule.learning_rate;
        self.network = self.optimizer.step(rate, network, gradients).valid();
        self.average = ema::updated(self.average.clone(), &self.network, schedule.average_decay);
        norm
    }
}

/// The sum of two parts of a gradient.
fn added(mut into: GradientsParams, from: GradientsParams, network: &Network) -> GradientsParams {
    network.visit(&mut Sum {
        into: &mut into,
        from,
    });
    into
}

struct Sum<'a> {
    into: &'a mut GradientsParams,
    from: GradientsParams,
}

impl ModuleVisitor for Sum<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let parts = (
            self.into.remove::<D>(param.id),
            self.from.remove::<D>(param.id),
        );
        let sum = match parts {
            (Some(a), Some(b)) => Some(a + b),
            (one, None) | (None, one) => one,
        };
        if let Some(sum) = sum {
            self.into.register(param.id, sum);
        }
    }
}
