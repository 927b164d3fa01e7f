//! The gradient of the loss over a part of a batch.

use burn::optim::GradientsParams;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use score_net::{Model, Output};
use sde_core::Time;
use tracing::trace_span;

use crate::elbo::{self, ElboLosses};
use crate::hybrid;
use crate::objective::Batch;

/// What a part of a batch gives.
pub(crate) struct Part {
    /// Its share of the gradient of the mean loss over the whole batch.
    pub gradient: GradientsParams,
    /// The loss of each sample, `[samples]`.
    pub losses: Tensor<1>,
    /// Reconstruction and divergence of each sample, `[samples]` both, of an autoencoder.
    pub terms: Option<[Tensor<1>; 2]>,
    /// The time of each sample.
    pub times: Vec<Time>,
}

/// The gradient of `model` for a part of a batch that has `samples` in all, each of `shape`.
///
/// The model's leaves must be its own. Graphs that share their leaves share a lock, and Burn 0.22
/// takes two such locks in either order when one thread goes forward while another goes backward: it
/// deadlocks.
pub(crate) fn gradient(
    model: &Model,
    part: Batch,
    samples: usize,
    [channels, height, width]: [usize; 3],
    device: &Device,
) -> Part {
    let here = part.times.len();
    let upload = |values: Vec<f32>| -> Tensor<4> {
        // Of pairs twice the channels.
        let channels = channels * values.len() / (here * channels * height * width);
        Tensor::from_data(
            TensorData::new(values, [here, channels, height, width]),
            device,
        )
    };
    if let (Some(autoencoder), Some(noise)) = (model.network.as_autoencoder(), part.latent_noise) {
        let ElboLosses { losses, terms } = trace_span!(target: "profile::phase", "forward")
            .in_scope(|| {
                let [channels, height, width] = noise.shape;
                let epsilon = TensorData::new(noise.epsilon, [here, channels, height, width]);
                let epsilon = Tensor::from_data(epsilon, device);
                elbo::losses(autoencoder, upload(part.noisy), epsilon, noise.kl_weight)
            });
        let mean = losses.clone().sum().div_scalar(samples as f64);
        return Part {
            gradient: backward(mean, model),
            losses: losses.without_autodiff(),
            terms: Some(terms.map(Tensor::without_autodiff)),
            times: part.times,
        };
    }
    let output = trace_span!(target: "profile::phase", "forward").in_scope(|| match &part.pairs {
        None if part.classes.is_empty() => model.outputs(upload(part.noisy), &part.marginals),
        None => model.outputs_of(upload(part.noisy), &part.marginals, &part.classes),
        Some(pairs) => Output {
            prediction: model.velocity_output(upload(part.noisy), pairs),
            variance: None,
        },
    });
    let (losses, mean) = trace_span!(target: "profile::phase", "loss").in_scope(|| {
        let Output {
            prediction,
            variance,
        } = output;
        let losses = match part.labels {
            Some(labels) => cross_entropies(prediction, &labels),
            None => {
                let error = prediction.clone() - upload(part.target);
                let mean_square = error
                    .clone()
                    .square()
                    .reshape([here, channels * height * width])
                    .mean_dim(1);
                let weights = Tensor::from_data(TensorData::new(part.weights, [here]), device);
                let losses: Tensor<1> = mean_square.reshape([here]) * weights;
                match part.bound.as_ref().zip(variance) {
                    Some((terms, v)) => losses + hybrid::losses(terms, &prediction, &error, v),
                    None => losses,
                }
            }
        };
        let mean = losses.clone().sum().div_scalar(samples as f64);
        (losses, mean)
    });
    Part {
        gradient: backward(mean, model),
        losses: losses.without_autodiff(),
        terms: None,
        times: part.times,
    }
}

/// The gradient of `loss` for the parameters of `model`.
fn backward(loss: Tensor<1>, model: &Model) -> GradientsParams {
    trace_span!(target: "profile::phase", "backward")
        .in_scope(|| GradientsParams::from_grads(loss.backward(), &model.network))
}

/// −log p(label) of each sample, `[samples]`, in nats, for logits `[samples, classes, 1, 1]`.
fn cross_entropies(logits: Tensor<4>, labels: &[usize]) -> Tensor<1> {
    let [samples, classes, ..] = logits.dims();
    let rows: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let device = logits.device().without_autodiff();
    let rows = Tensor::<2, Int>::from_data(TensorData::new(rows, [samples, 1]), &device);
    let log = log_softmax(logits.reshape([samples, classes]), 1);
    log.gather(1, rows).neg().reshape([samples])
}
