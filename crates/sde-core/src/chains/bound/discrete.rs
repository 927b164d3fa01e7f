//! The bound's terms and their sum.

use std::f64::consts::LN_2;

use thiserror::Error;

use super::normal::{gaussian_kl, log_ratio_kl};
use super::{Decoder, Elements, LogVariance, ReverseStep};
use crate::chains::{Chain, DdpmChain, FixedVariance};
use crate::noise::{Noise, Role};
use crate::{Marginal, State, StepIndex};

/// The variational bound of a chain, for data that `decoder` describes.
#[derive(Clone, Copy, Debug)]
pub struct DiscreteBound<'a> {
    chain: &'a DdpmChain,
    decoder: Decoder,
}

/// The terms of one sample, in nats.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundTerms {
    /// L_T, the distance of q(x_T | x₀) from the prior.
    pub prior: f64,
    /// L_{t−1} of the steps `StepIndex(1)` to the last, in this order.
    pub transitions: Vec<f64>,
    /// L_0, of `StepIndex(0)`: −ln p(x₀ | x₁).
    pub decoder: f64,
}

impl BoundTerms {
    /// L_T + Σ L_{t−1} + L_0 in nats: at least −ln p_θ(x₀), in expectation over the noise.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.prior + self.transitions.iter().sum::<f64>() + self.decoder
    }

    /// The sum in bits for each of `dim` elements. For a discretised decoder of any number of levels
    /// this is the code length of the data; for a density in [−1, 1], add ln₂(levels/2) to compare.
    #[must_use]
    pub fn bits_per_dimension(&self, dim: usize) -> f64 {
        self.total() / (dim as f64 * LN_2)
    }
}

impl<'a> DiscreteBound<'a> {
    /// The bound for `chain`.
    ///
    /// # Errors
    /// A discretised decoder needs two levels at least.
    pub fn new(chain: &'a DdpmChain, decoder: Decoder) -> Result<Self, BoundError> {
        match decoder {
            Decoder::Discretised { levels } if levels < 2 => Err(BoundError { levels }),
            decoder => Ok(Self { chain, decoder }),
        }
    }

    /// L_T of each sample in nats, ½ (ᾱ_T ‖x₀‖² − dim (ᾱ_T + ln(1 − ᾱ_T))).
    pub fn prior_term<X: State>(&self, x0: &X) -> Vec<f64> {
        let alpha_bar = self.chain.alpha_bar(StepIndex(self.chain.steps() - 1));
        let spread = x0.sample_len() as f64 * log_ratio_kl((-alpha_bar).ln_1p());
        let squares = x0.dots(x0).into_iter();
        squares
            .map(|square| 0.5 * (alpha_bar * square + spread))
            .collect()
    }

    /// The term of one step for each sample in nats, at a given x_t of q(x_t | x₀): the divergence
    /// L_{t−1} of q(x_{t−1} | x_t, x₀) from the model's step, or L_0 for the first step.
    ///
    /// # Panics
    /// If the shapes differ, or the chain has no such step.
    pub fn term<X: Elements>(
        &self,
        step: StepIndex,
        x0: &X,
        x_t: &X,
        reverse: &ReverseStep<X>,
    ) -> Vec<f64> {
        if step == StepIndex(0) {
            let (x0, mean) = (x0.elements(), reverse.mean.elements());
            return per_sample(reverse.mean.batch(), x0.len(), |i| {
                let log_variance = reverse.log_variance.of(i);
                -self.decoder.log_likelihood(x0[i], mean[i], log_variance)
            });
        }
        let posterior = self.chain.posterior(step);
        let mean = posterior.mean(x0.clone(), x_t);
        let log_variance = posterior.variance.ln();
        match reverse.log_variance {
            LogVariance::Common(other) => common_kl(mean, log_variance, &reverse.mean, other),
            LogVariance::Each(ref others) => {
                let (mean, other_mean) = (mean.elements(), reverse.mean.elements());
                per_sample(x0.batch(), mean.len(), |i| {
                    gaussian_kl(mean[i], log_variance, other_mean[i], others[i])
                })
            }
        }
    }

    /// Every term of each sample of `x0`, shape `[batch, ...]`, for a network that predicts ε from x_t
    /// and t, with a fixed variance.
    ///
    /// The ε of step t is the noise of [`Role::Forward`] at that step.
    pub fn terms<X: Elements>(
        &self,
        x0: &X,
        variance: FixedVariance,
        epsilon: impl Fn(&X, StepIndex) -> X,
        noise: &dyn Noise<X>,
    ) -> Vec<BoundTerms> {
        self.terms_of(
            x0,
            |x, step| {
                let predicted = epsilon(x, step);
                self.chain.reverse_step(step, variance, x, predicted)
            },
            noise,
        )
    }

    /// The same for a network that predicts ε and v, see [`DdpmChain::learned_step`].
    pub fn terms_learned<X: Elements>(
        &self,
        x0: &X,
        epsilon_and_v: impl Fn(&X, StepIndex) -> (X, X),
        noise: &dyn Noise<X>,
    ) -> Vec<BoundTerms> {
        self.terms_of(
            x0,
            |x, step| {
                let (predicted, v) = epsilon_and_v(x, step);
                self.chain.learned_step(step, x, predicted, &v)
            },
            noise,
        )
    }

    /// The same for any model p_θ(x_{t−1} | x_t).
    pub fn terms_of<X: Elements>(
        &self,
        x0: &X,
        reverse: impl Fn(&X, StepIndex) -> ReverseStep<X>,
        noise: &dyn Noise<X>,
    ) -> Vec<BoundTerms> {
        let mut terms: Vec<BoundTerms> = self
            .prior_term(x0)
            .into_iter()
            .map(|prior| BoundTerms {
                prior,
                transitions: Vec::with_capacity(self.chain.steps() - 1),
                decoder: 0.0,
            })
            .collect();
        for step in (0..self.chain.steps()).map(StepIndex) {
            let Marginal { alpha, sigma } = self.chain.marginal_at(step);
            let epsilon = noise.standard_normal(x0, step, Role::Forward);
            let x_t = epsilon.lincomb(sigma, x0, alpha);
            let values = self.term(step, x0, &x_t, &reverse(&x_t, step));
            for (sample, value) in terms.iter_mut().zip(values) {
                match step {
                    StepIndex(0) => sample.decoder = value,
                    _ => sample.transitions.push(value),
                }
            }
        }
        terms
    }
}

/// The divergence of N(mean, e^log_variance I) from N(other, e^other_log_variance I), of each sample.
fn common_kl<X: State>(mean: X, log_variance: f64, other: &X, other_log_variance: f64) -> Vec<f64> {
    let spread = mean.sample_len() as f64 * log_ratio_kl(log_variance - other_log_variance);
    let precision = (-other_log_variance).exp();
    let distance = mean.axpy(-1.0, other);
    let squares = distance.dots(&distance).into_iter();
    squares
        .map(|square| 0.5 * (spread + precision * square))
        .collect()
}

/// The sum of `value` over each sample's elements, of `len` elements in all.
fn per_sample(batch: usize, len: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    let each = len.checked_div(batch).unwrap_or(0);
    (0..batch)
        .map(|sample| (sample * each..(sample + 1) * each).map(&value).sum())
        .collect()
}

/// A decoder that nothing can be encoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a discretised decoder of {levels} levels is not possible: it needs at least 2")]
pub struct BoundError {
    /// The number of levels.
    pub levels: u32,
}
