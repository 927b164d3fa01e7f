//! AdamW's moments in the record that Burn's own AdamW keeps, so that a checkpoint goes on with
//! either.
//!
//! Burn alone can make such a record or read it: from the states that an optimiser returns from its
//! step. So here is one whose step does nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::Module;
use burn::optim::{
    AdamWState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer, OptimizerRecord,
};
use burn::tensor::{Device, Tensor};
use kernels::{Moments, Parameter};
use score_net::Network;

use crate::ema::values;

/// The record of `parameters`, which are those of `network` in its order.
pub(super) fn of(network: Network, parameters: Vec<Parameter>) -> OptimizerRecord {
    let exchange = Exchange::new(parameters);
    let mut optimizer = ModuleOptimizer::from(exchange);
    visit(&mut optimizer, network);
    optimizer.to_record()
}

/// `parameters`, which are those of `network` in its order, with the moments of a record; where it
/// has none, with those they have.
pub(super) fn loaded(
    record: OptimizerRecord,
    network: Network,
    parameters: Vec<Parameter>,
) -> Vec<Parameter> {
    let exchange = Exchange::new(parameters);
    let mut optimizer = ModuleOptimizer::from(exchange.clone()).load_record(record);
    visit(&mut optimizer, network);
    std::mem::take(&mut *exchange.parameters()).into()
}

/// Has every parameter visited, by giving it some gradient.
fn visit(optimizer: &mut ModuleOptimizer, network: Network) {
    let gradients = values(&network);
    optimizer.step(0.0, network.train(), gradients);
}

/// Gives each parameter the moments that were stored for it, if any, and stores what it has then.
#[derive(Clone)]
struct Exchange(Arc<Mutex<VecDeque<Parameter>>>);

impl Exchange {
    fn new(parameters: Vec<Parameter>) -> Self {
        Self(Arc::new(Mutex::new(parameters.into())))
    }

    fn parameters(&self) -> MutexGuard<'_, VecDeque<Parameter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Optimizer for Exchange {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        _: LearningRate,
        tensor: Tensor<D>,
        _: Tensor<D>,
        stored: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let mut parameters = self.parameters();
        let mut parameter = parameters.pop_front().expect("one for each of the network");
        if let Some(AdamWState { momentum }) = stored {
            parameter = parameter.with_moments(Moments {
                first: momentum.moment_1,
                second: momentum.moment_2,
                updates: momentum.time,
            });
        }
        let Moments {
            first,
            second,
            updates,
        } = parameter.moments();
        // At the back, so that the order is the same when all have been visited.
        parameters.push_back(parameter);
        let state = || AdamWState::new(AdaptiveMomentumState::new(updates, first, second));
        (tensor, (updates > 0).then(state))
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamWState::new(state.momentum.to_device(device))
    }
}
