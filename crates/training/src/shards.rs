//! The gradient of a batch, computed in parts on threads of their own.

use std::ops::Range;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::{ThreadPool, ThreadPoolBuilder};
use score_net::{Model, Network};

use crate::TrainingError;
use crate::objective::Batch;

/// Threads for the parts of a batch; none for a batch in one piece.
///
/// Each part has a pool of its own: what Burn's CPU backend parallelises inside an operation then
/// stays on the part's share of the cores, so that parts do not wait for each other.
pub(crate) struct Shards(Vec<ThreadPool>);

/// The gradient of the mean loss over a batch.
pub(crate) struct Gradient {
    /// Of each parameter.
    pub parameters: GradientsParams,
    /// The weighted mean squared error of each sample, part by part.
    pub losses: Vec<Tensor<1>>,
}

impl Shards {
    pub fn new(parts: usize) -> Result<Self, TrainingError> {
        if parts <= 1 {
            return Ok(Self(Vec::new()));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / parts).max(1);
        let pool = |_| ThreadPoolBuilder::new().num_threads(threads).build();
        let pools: Result<_, _> = (0..parts).map(pool).collect();
        pools.map(Self).map_err(|source| TrainingError::Threads {
            shards: parts,
            source,
        })
    }

    /// The gradient of the mean loss of `model` over `batch`, samples of `shape` on `device`.
    pub fn gradient(
        &self,
        model: &Model,
        batch: &Batch,
        shape: [usize; 3],
        device: &Device,
    ) -> Gradient {
        let samples = batch.weights.len();
        if self.0.is_empty() {
            return gradient(model, batch, 0..samples, shape, device);
        }
        let parts = self.0.len();
        // Graphs that share their leaves share a lock, and Burn 0.22 takes two such locks in either
        // order when one thread goes forward while another goes backward: it deadlocks. So each part
        // has leaves of its own, on the same memory.
        let fork = |_| Model {
            network: model.network.clone().fork(device),
            preconditioning: model.preconditioning,
        };
        let models: Vec<Model> = (0..parts).map(fork).collect();
        let of = |model: &Model, range| gradient(model, batch, range, shape, device);
        let bounds = |part: usize| samples * part / parts..samples * (part + 1) / parts;
        let gradients: Vec<Gradient> = std::thread::scope(|scope| {
            let spawned: Vec<_> = (self.0.iter().zip(&models).enumerate())
                .map(|(part, (pool, model))| {
                    let of = &of;
                    scope.spawn(move || pool.install(|| of(model, bounds(part))))
                })
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Gradient>| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            spawned.into_iter().map(join).collect()
        });
        gradients
            .into_iter()
            .reduce(|sum, part| sum.plus(part, &model.network))
            .expect("there is a part")
    }
}

/// The gradient of the part `range` of the batch, as its share of the mean over the whole batch.
fn gradient(
    model: &Model,
    batch: &Batch,
    range: Range<usize>,
    [channels, height, width]: [usize; 3],
    device: &Device,
) -> Gradient {
    let (samples, len) = (range.len(), channels * height * width);
    let upload = |values: &[f32]| -> Tensor<4> {
        let values = values[range.start * len..range.end * len].to_vec();
        let shape = [samples, channels, height, width];
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    let weights = TensorData::new(batch.weights[range.clone()].to_vec(), [samples]);
    let output = model.forward(upload(&batch.noisy), &batch.marginals[range.clone()]);
    let error = output - upload(&batch.target);
    let mean_square = error.square().reshape([samples, len]).mean_dim(1);
    let losses = mean_square.reshape([samples]) * Tensor::<1>::from_data(weights, device);
    let mean = losses.clone().sum().div_scalar(batch.weights.len() as f64);
    Gradient {
        parameters: GradientsParams::from_grads(mean.backward(), &model.network),
        losses: vec![losses.without_autodiff()],
    }
}

impl Gradient {
    fn plus(mut self, other: Self, network: &Network) -> Self {
        network.visit(&mut Sum {
            into: &mut self.parameters,
            from: other.parameters,
        });
        self.losses.extend(other.losses);
        self
    }
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
        if let (Some(a), Some(b)) = parts {
            self.into.register(param.id, a + b);
        }
    }
}
