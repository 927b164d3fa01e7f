//! The bound of a model with latents, against linear Gaussian models whose likelihood is known, with the prior's
//! density from the probability flow.

use std::f64::consts::TAU;

use burn::tensor::{DType, Device, Tensor, TensorData};
use score_net::{LatentBound, Posterior};
use sde_core::families::VariancePreserving;
use sde_core::noise::CounterNoise;
use sde_core::{AffineSde, DifferentiableScore, Score, State, Time};
use solvers::Rk45;
use solvers::likelihood::{DataEnd, Divergence, Integrator, Likelihood};

const DIM: usize = 3;

fn tensor(values: &[f64]) -> Tensor<4> {
    let shape = [values.len() / DIM, DIM, 1, 1];
    let data = TensorData::new(values.to_vec(), shape);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn host(x: &Tensor<4>) -> Vec<f64> {
    x.to_data().iter::<f64>().collect()
}

/// The exact score of data N(mean, deviation² I), which is linear in x.
struct Gaussian {
    sde: VariancePreserving,
    mean: f64,
    deviation: f64,
}

impl Gaussian {
    /// The weights of x and of 1.
    fn weights(&self, t: Time) -> (f64, f64) {
        let marginal = self.sde.marginal(t);
        let variance = (marginal.alpha * self.deviation).powi(2) + marginal.sigma.powi(2);
        (-1.0 / variance, marginal.alpha * self.mean / variance)
    }
}

impl Score<Tensor<4>> for Gaussian {
    fn score(&self, x: &Tensor<4>, t: Time) -> Tensor<4> {
        let (of_x, of_one) = self.weights(t);
        x.clone().mul_scalar(of_x).add_scalar(of_one)
    }
}

impl DifferentiableScore<Tensor<4>> for Gaussian {
    fn score_and_vjp(
        &self,
        x: &Tensor<4>,
        times: &[Time],
        v: &Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let of_x: Vec<f64> = times.iter().map(|&t| self.weights(t).0).collect();
        let zero = vec![0.0; times.len()];
        (
            self.score_each(x, times),
            v.clone().lincomb_per_sample(&of_x, v, &zero),
        )
    }
}

/// With α_T = e^{−15}. The published β leave 0.0066 of the data's mean at the end, which the flow's prior does
/// not know: a hundredth of a nat here.
fn process() -> VariancePreserving {
    VariancePreserving {
        beta_max: 60.0,
        ..VariancePreserving::default()
    }
}

/// ln p of standardised latents by the flow, and the determinant of scale · (z − shift).
fn log_prior(z: &Tensor<4>, shift: f64, scale: f64) -> Vec<f64> {
    let sde = process();
    // z is N(0, I).
    let prior = Gaussian {
        sde,
        mean: -scale * shift,
        deviation: scale,
    };
    let likelihood = Likelihood {
        divergence: Divergence::exact(),
        integrator: Integrator::Rk45(Rk45::with_tolerance(1e-8)),
        data_end: DataEnd::Rescaled,
        t_min: Some(Time(1e-7)),
        draws: 1,
        solver_check: false,
    };
    let standardised = z.clone().sub_scalar(shift).mul_scalar(scale);
    let found = likelihood
        .log_densities(&sde, &prior, &standardised, CounterNoise::new(0), 0)
        .unwrap();
    let log_determinant = DIM as f64 * scale.ln();
    found.values.iter().map(|v| v + log_determinant).collect()
}

/// ±√D eᵢ: the mean over them of any function that is quadratic in ε is its expectation under N(0, I).
fn cubature() -> Vec<f64> {
    let mut epsilon = Vec::new();
    for axis in 0..DIM {
        for sign in [1.0, -1.0] {
            epsilon.extend((0..DIM).map(|i| match i == axis {
                true => sign * (DIM as f64).sqrt(),
                false => 0.0,
            }));
        }
    }
    epsilon
}

/// The same q for every point of the cubature.
fn posterior(mean: [f64; DIM], log_variance: [f64; DIM]) -> Posterior {
    let repeated = |values: [f64; DIM]| tensor(&values.repeat(2 * DIM));
    Posterior {
        mean: repeated(mean),
        log_variance: repeated(log_variance),
    }
}

/// The model p(z) = N(0, I), p(x | z) = N(w z, s² I), element by element.
const W: [f64; DIM] = [0.5, -1.5, 2.0];
const NOISE: f64 = 0.4;
const X: [f64; DIM] = [0.7, -0.3, 1.9];

fn bounds(q: &Posterior, shift: f64, scale: f64) -> Vec<LatentBound> {
    let epsilon = cubature();
    let z = q.draw(tensor(&epsilon));
    let log_posterior = q.log_densities(&epsilon);
    let log_prior = log_prior(&z, shift, scale);
    let kl: Vec<f64> = q.kl().into_data().iter::<f64>().collect();
    (host(&z).chunks(DIM).enumerate())
        .map(|(i, z)| {
            let element = |k: usize| {
                let square = ((X[k] - W[k] * z[k]) / NOISE).powi(2);
                0.5 * (square + (TAU * NOISE * NOISE).ln())
            };
            LatentBound {
                reconstruction: (0..DIM).map(element).sum(),
                log_posterior: log_posterior[i],
                log_prior: log_prior[i],
                standard_kl: kl[i],
            }
        })
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    values.sum::<f64>() / (2 * DIM) as f64
}

/// −ln p(x), x ~ N(0, w² + s²).
fn exact() -> f64 {
    let element = |k: usize| {
        let variance = W[k] * W[k] + NOISE * NOISE;
        0.5 * (X[k] * X[k] / variance + (TAU * variance).ln())
    };
    (0..DIM).map(element).sum()
}

/// Mean and log variance of p(z | x).
fn exact_posterior() -> [[f64; DIM]; 2] {
    let variance = W.map(|w| NOISE * NOISE / (NOISE * NOISE + w * w));
    let mean = |k: usize| variance[k] * W[k] * X[k] / (NOISE * NOISE);
    [[mean(0), mean(1), mean(2)], variance.map(f64::ln)]
}

/// What the flow's tolerance and the noise at t_min leave.
const ERROR: f64 = 1e-4;

#[test]
fn at_the_exact_posterior_the_bound_is_the_likelihood_for_every_draw() {
    let [mean, log_variance] = exact_posterior();
    for (shift, scale) in [(0.0, 1.0), (0.8, 0.6)] {
        for bound in bounds(&posterior(mean, log_variance), shift, scale) {
            let (found, exact) = (bound.total(), exact());
            assert!((found - exact).abs() < ERROR, "{found} for {exact}");
        }
    }
}

#[test]
fn at_another_posterior_it_is_above_by_the_divergence_from_the_exact_one() {
    let [right, right_log_variance] = exact_posterior();
    let (wrong, wrong_log_variance) = ([0.2, 0.5, 0.4], [-1.0, -2.0, 0.1]);
    let gap: f64 = (0..DIM)
        .map(|k| {
            let d = wrong_log_variance[k] - right_log_variance[k];
            let square = (wrong[k] - right[k]).powi(2) / right_log_variance[k].exp();
            0.5 * (d.exp() - 1.0 - d + square)
        })
        .sum();
    let bounds = bounds(&posterior(wrong, wrong_log_variance), -0.3, 1.4);
    let found = mean(bounds.iter().map(LatentBound::total));
    let expected = exact() + gap;
    assert!(gap > 1.0);
    assert!((found - expected).abs() < ERROR, "{found} for {expected}");
}

#[test]
fn with_a_standard_normal_prior_the_flows_term_is_the_closed_divergence() {
    let q = posterior([0.2, 0.5, -1.4], [-1.0, -4.0, 0.3]);
    let bounds = bounds(&q, 0.0, 1.0);
    let by_flow = mean(bounds.iter().map(LatentBound::prior));
    let closed = bounds[0].standard_kl;
    assert!((by_flow - closed).abs() < ERROR, "{by_flow} for {closed}");
    let [total, standard] = [LatentBound::total, LatentBound::standard_total];
    let difference = mean(bounds.iter().map(total)) - mean(bounds.iter().map(standard));
    assert!(difference.abs() < ERROR);
}
