//! The step in Burn's own operations, for every backend and number type.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use score_net::Network;

use super::{Constants, GradientNorm, Moment, Refused, Schedule, record};
use crate::clipping::{clip_by, square_norms};
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
        moments: Option<Vec<Option<Moment>>>,
    ) -> Self {
        let fresh = constants.adamw().init();
        let optimizer = match moments {
            Some(moments) => fresh.load_record(record::of(network.clone(), moments)),
            None => fresh,
        };
        Self {
            network,
            average,
            optimizer,
        }
    }

    /// AdamW's moments, parameter by parameter.
    pub fn moments(&self) -> Vec<Option<Moment>> {
        record::moments(self.optimizer.to_record(), self.network.clone())
    }

    /// Takes the step. Whether the norm is finite is not known until somebody waits for the device; with
    /// [`Constants::wait_for_norm`] this does, and takes no step then.
    pub fn step(
        &mut self,
        constants: Constants,
        gradients: Vec<GradientsParams>,
        schedule: Schedule,
    ) -> Result<GradientNorm, Refused> {
        let add = |sum, part| added(sum, part, &self.network);
        let mut gradients = gradients.into_iter().reduce(add).unwrap_or_default();
        let device = self.network.devices().into_iter().next();
        let device = device.unwrap_or_default();
        let squares = square_norms(&self.network, &gradients, &device);
        let mut norm = GradientNorm::OnDevice(squares.clone());
        if constants.wait_for_norm {
            norm = GradientNorm::Known(norm.read()?);
        }
        clip_by(
            &self.network,
            &mut gradients,
            squares.sum().sqrt(),
            constants.clip_norm,
        );
        // Burn's optimiser wants parameters that could have had a gradient.
        let network = self.network.clone().train();
        let rate = schedule.learning_rate;
        self.network = self.optimizer.step(rate, network, gradients).valid();
        self.average = ema::updated(self.average.clone(), &self.network, schedule.average_decay);
        Ok(norm)
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
