//! The hybrid objective of a learned variance, L_simple + λ L_vlb (Nichol & Dhariwal 2021, eq. 16).
//!
//! The terms of the bound are `sde-core`'s ([`sde_core::chains::bound`]); here they meet tensors. As the mean is
//! cut off from the graph in L_vlb, each element of a term depends on the learned v there and on nothing
//! else that is trained.

use std::f64::consts::LN_2;

use burn::tensor::{Tensor, TensorData};
use sde_core::chains::bound::{Decoder, HybridObjective};
use sde_core::chains::{Chain, DdpmChain};
use sde_core::prediction::Conversion;
use sde_core::{Prediction, State, StepIndex, Time};
use serde::{Deserialize, Serialize};

/// L_vlb as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HybridConfig {
    /// λ; 0.001 as published.
    pub vlb_weight: f64,
    /// What the likelihood of the data is stated for; without it 256 levels for images, and a density for
    /// points.
    pub decoder: Option<Decoder>,
}

impl Default for HybridConfig {
    fn default() -> Self {
        let HybridObjective { vlb_weight } = HybridObjective::default();
        Self {
            vlb_weight,
            decoder: None,
        }
    }
}

/// L_vlb of one chain, for data of one shape.
pub(crate) struct Hybrid {
    chain: DdpmChain,
    prediction: Prediction,
    decoder: Decoder,
    /// λ N/(dim ln 2): a term L_t at a t drawn uniformly stands for all N, in bits per dimension.
    scale: f64,
}

/// The term of the bound at one sample's step, which is in nats and counts `scale` times:
///
/// ```text
/// ½ Σ (e^{−range v} − 1 + range v + squared · error² e^{−range v})        from the second step on
/// ```
///
/// over the elements, with the error of the network's own output: the divergence of two Gaussians whose means
/// differ by a multiple of it, and whose log variances by range · v.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundTerm {
    /// ln β − ln β̃.
    pub range: f64,
    /// (∂μ/∂output)²/β̃.
    pub squared: f64,
    /// λ N/(dim ln 2).
    pub scale: f64,
    /// The first step, whose term is the decoder's.
    pub first: Option<FirstStep>,
}

/// L_0 of one sample, for the Gaussian around x̂₀.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstStep {
    decoder: Decoder,
    /// ln β̃ of it.
    low: f64,
    /// From x and the output to x̂₀.
    mean: Conversion,
    x0: Vec<f32>,
    x: Vec<f32>,
}

impl Hybrid {
    pub fn new(
        config: HybridConfig,
        chain: DdpmChain,
        prediction: Prediction,
        shape: [usize; 3],
    ) -> Self {
        let [_, height, width] = shape;
        let decoder = config.decoder.unwrap_or(match height * width {
            1 => Decoder::Density {},
            _ => Decoder::default(),
        });
        let dim: usize = shape.iter().product();
        Self {
            scale: config.vlb_weight * chain.steps() as f64 / (dim as f64 * LN_2),
            chain,
            prediction,
            decoder,
        }
    }

    /// The step whose share of [0, 1] holds t, so that a uniform t draws every step alike.
    pub fn step(&self, t: Time) -> StepIndex {
        let steps = self.chain.steps();
        StepIndex(((t.0 * steps as f64) as usize).min(steps - 1))
    }

    /// The step of one of its times.
    pub fn step_at(&self, t: Time) -> StepIndex {
        self.chain.step_at(t)
    }

    /// The time of a step.
    pub fn time(&self, step: StepIndex) -> Time {
        self.chain.time_of(step)
    }

    /// The term at a step, where the sample `x0` was noised to `x`.
    pub fn term(&self, step: StepIndex, x0: &[f32], x: &[f32]) -> BoundTerm {
        let (low, high) = self.chain.log_variance_range(step);
        let data = (self.prediction).conversion(Prediction::X0, self.chain.marginal_at(step));
        let is_first = step == StepIndex(0);
        let slope = self.chain.posterior(step).x0 * data.p;
        BoundTerm {
            range: high - low,
            squared: slope * slope * (-low).exp(),
            scale: self.scale,
            first: is_first.then(|| FirstStep {
                decoder: self.decoder,
                low,
                mean: data,
                x0: x0.to_vec(),
                x: x.to_vec(),
            }),
        }
    }
}

/// λ N L_t/(dim ln 2) of each sample, `[samples]`, whose gradient reaches `v` alone.
///
/// # Shapes
/// - output, v: `[samples, channels, height, width]`, the network's prediction and its learned variance;
///   error: the same, the prediction less its target
pub(crate) fn losses(
    terms: &[BoundTerm],
    output: &Tensor<4>,
    error: &Tensor<4>,
    v: Tensor<4>,
) -> Tensor<1> {
    let samples = terms.len();
    let column = |value: &dyn Fn(&BoundTerm) -> f64| -> Tensor<4> {
        let values: Vec<f64> = terms.iter().map(value).collect();
        Tensor::from_data(
            TensorData::new(values, [samples, 1, 1, 1]),
            (&v.device(), v.dtype()),
        )
    };
    // Zero where the decoder's term stands: e⁰ − 1.
    let later = |term: &BoundTerm, value: f64| if term.first.is_some() { 0.0 } else { value };
    let exponent = column(&|term| later(term, term.range)) * v.clone();
    let squared = column(&|term| later(term, term.squared)) * error.clone().detach().square();
    let divergence = (squared.add_scalar(1.0) * exponent.clone().neg().exp() + exponent)
        .sub_scalar(1.0)
        .mul_scalar(0.5);
    let mut elements = divergence;
    if terms.iter().any(|term| term.first.is_some()) {
        elements = elements + decoded(terms, output, &v);
    }
    let nats: Tensor<4> = elements * column(&|term| term.scale);
    nats.reshape([samples as i64, -1])
        .sum_dim(1)
        .reshape([samples])
}

/// L_0 of each element in nats where the step is the first, and 0 elsewhere.
///
/// It is computed on the host, in f64, with its slope: few samples of a batch are at the first of many steps,
/// and the logarithm of a Gaussian's share of a level needs every digit.
fn decoded(terms: &[BoundTerm], output: &Tensor<4>, v: &Tensor<4>) -> Tensor<4> {
    let at_first = |(sample, term): (usize, &BoundTerm)| term.first.as_ref().map(|_| sample);
    let samples: Vec<usize> = terms.iter().enumerate().filter_map(at_first).collect();
    let host = |x: &Tensor<4>| -> Vec<f64> {
        let chosen = x.clone().detach().select_samples(&samples);
        chosen.into_data().iter::<f64>().collect()
    };
    let (outputs, fractions) = (host(output), host(v));
    let len = v.sample_len();
    let mut values = vec![0.0; terms.len() * len];
    let mut slopes = values.clone();
    for (place, &sample) in samples.iter().enumerate() {
        let BoundTerm { range, first, .. } = &terms[sample];
        let Some(first) = first else { continue };
        for element in 0..len {
            let (o, v) = (
                outputs[place * len + element],
                fractions[place * len + element],
            );
            let x0 = f64::from(first.x0[element]);
            let mean = first.mean.x * f64::from(first.x[element]) + first.mean.p * o;
            let log_variance = first.low + range * v;
            let at = sample * len + element;
            values[at] = -(first.decoder).log_likelihood(x0, mean, log_variance);
            slopes[at] = -range * (first.decoder).log_variance_slope(x0, mean, log_variance);
        }
    }
    let upload = |values: Vec<f64>| -> Tensor<4> {
        Tensor::from_data(TensorData::new(values, v.dims()), (&v.device(), v.dtype()))
    };
    // The value, with the slope as its gradient.
    upload(values) + upload(slopes) * (v.clone() - v.clone().detach())
}

#[cfg(test)]
mod tests;
