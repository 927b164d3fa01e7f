//! AdamW's moments out of Burn's record, and back.
//!
//! Burn alone can make such a record or read it: from the states that an optimiser returns from its
//! step. So here is one whose step does nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::Module;
use burn::optim::{
    AdamWState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer, OptimizerRecord,
};
use burn::tensor::{Device, Tensor, TensorData};
use score_net::Network;

use crate::ema::values;

/// What AdamW remembers of one parameter, on the host.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moment {
    /// m, the average of the gradient, in the parameter's shape.
    pub first: TensorData,
    /// v, the average of its square.
    pub second: TensorData,
    /// How many gradients there have been.
    pub updates: usize,
}

/// The record of the moments of `network`'s parameters, in its order.
pub(super) fn of(network: Network, moments: Vec<Option<Moment>>) -> OptimizerRecord {
    let mut optimizer = ModuleOptimizer::from(Exchange::giving(moments));
    visit(&mut optimizer, network);
    optimizer.to_record()
}

/// The moments in a record, in the order of `network`'s parameters; none for those that had no
/// gradient yet.
pub(super) fn moments(record: OptimizerRecord, network: Network) -> Vec<Option<Moment>> {
    let exchange = Exchange::giving(Vec::new());
    let mut optimizer = ModuleOptimizer::from(exchange.clone()).load_record(record);
    visit(&mut optimizer, network);
    std::mem::take(&mut exchange.trays().found)
}

/// Has every parameter visited, by giving it some gradient.
fn visit(optimizer: &mut ModuleOptimizer, network: Network) {
    let gradients = values(&network);
    optimizer.step(0.0, network.train(), gradients);
}

/// Gives each parameter the next moments, and takes those that were stored for it.
#[derive(Clone)]
struct Exchange(Arc<Mutex<Trays>>);

struct Trays {
    given: VecDeque<Option<Moment>>,
    found: Vec<Option<Moment>>,
}

impl Exchange {
    fn giving(moments: Vec<Option<Moment>>) -> Self {
        Self(Arc::new(Mutex::new(Trays {
            given: moments.into(),
            found: Vec::new(),
        })))
    }

    fn trays(&self) -> MutexGuard<'_, Trays> {
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
        let mut trays = self.trays();
        let given = trays.given.pop_front().flatten();
        trays
            .found
            .push(stored.map(|AdamWState { momentum }| Moment {
                first: momentum.moment_1.into_data(),
                second: momentum.moment_2.into_data(),
                updates: momentum.time,
            }));
        let place = (&tensor.device(), tensor.dtype());
        let state = given.map(
            |Moment {
                 first,
                 second,
                 updates,
             }| {
                let [first, second] = [first, second].map(|data| Tensor::from_data(data, place));
                AdamWState::new(AdaptiveMomentumState::new(updates, first, second))
            },
        );
        (tensor, state)
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        AdamWState::new(state.momentum.to_device(device))
    }
}
