//! The bound on Gaussian data, where the best network is linear and every expectation is exact: the terms
//! are quadratic in x₀ and ε, so three Gauss-Hermite nodes for each integrate them without error.

use std::f64::consts::{LN_2, TAU};

use ndarray::Array2;
use sde_core::chains::bound::{
    BoundTerms, Decoder, DiscreteBound, LogVariance, ReverseStep, gaussian_kl, log_normal_interval,
};
use sde_core::chains::{BetaSchedule, Chain, Ddpm, DdpmChain, FixedVariance};
use sde_core::noise::{Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{Marginal, Prediction, Score, StepIndex};

/// The data: N(0.3, 0.5²).
const MEAN: f64 = 0.3;
const STD: f64 = 0.5;

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// Nodes and weights that integrate polynomials of degree 5 against a standard normal.
fn hermite() -> [(f64, f64); 3] {
    let root = 3f64.sqrt();
    [(-root, 1.0 / 6.0), (0.0, 2.0 / 3.0), (root, 1.0 / 6.0)]
}

/// Sample i of the batch has the noise `nodes[i % nodes.len()]` at every step.
struct Nodes(Vec<f64>);

impl Noise<Array2<f64>> for Nodes {
    fn standard_normal(&self, like: &Array2<f64>, _: StepIndex, _: Role) -> Array2<f64> {
        Array2::from_shape_fn(like.dim(), |(i, _)| self.0[i % self.0.len()])
    }
}

fn chain(steps: usize) -> DdpmChain {
    let schedule = BetaSchedule::linear();
    Ddpm { steps, schedule }.chain().unwrap()
}

/// E[ε | x_t] from the exact score.
fn best_network(chain: &DdpmChain) -> impl Fn(&Array2<f64>, StepIndex) -> Array2<f64> {
    let world = GaussianMixture::gaussian(&[MEAN], STD).unwrap();
    move |x, step| {
        let score = world.under(chain).score(x, chain.time_of(step));
        Prediction::Score.convert(Prediction::Epsilon, chain.marginal_at(step), x, score)
    }
}

/// Var x_t of the data after `marginal`.
fn variance_at(Marginal { alpha, sigma }: Marginal) -> f64 {
    (alpha * STD).powi(2) + sigma * sigma
}

/// ln Var(x_{t−1} | x_t) of the data, by Bayes' rule.
fn reversal_log_variance(chain: &DdpmChain, step: StepIndex) -> f64 {
    let before = variance_at(chain.marginal_before(step));
    let beta = chain.beta(step);
    (before * beta / ((1.0 - beta) * before + beta)).ln()
}

/// E[bound] over x₀ and the noise, of the best mean with the log variances of `log_variance`.
fn expected_bound(chain: &DdpmChain, log_variance: impl Fn(StepIndex) -> f64) -> f64 {
    let nodes = hermite();
    let x0 = Array2::from_shape_fn((9, 1), |(i, _)| MEAN + STD * nodes[i / 3].0);
    let bound = DiscreteBound::new(chain, Decoder::Density {}).unwrap();
    let network = best_network(chain);
    let terms = bound.terms_of(
        &x0,
        |x, step| ReverseStep {
            mean: chain
                .reverse_mean(step, Prediction::Epsilon)
                .apply(x, network(x, step)),
            log_variance: LogVariance::Common(log_variance(step)),
        },
        &Nodes(nodes.map(|(node, _)| node).to_vec()),
    );
    let weight = |i: usize| nodes[i / 3].1 * nodes[i % 3].1;
    terms
        .iter()
        .enumerate()
        .map(|(i, terms)| weight(i) * terms.total())
        .sum()
}

/// The entropy of the data in nats, the least that any model needs.
fn entropy() -> f64 {
    0.5 * (TAU * STD * STD).ln() + 0.5
}

/// KL(q(x_T) ‖ N(0, 1)), which no reversal undoes.
fn prior_divergence(chain: &DdpmChain) -> f64 {
    let last = chain.marginal_at(StepIndex(chain.steps() - 1));
    gaussian_kl(last.alpha * MEAN, variance_at(last).ln(), 0.0, 0.0)
}

#[test]
fn every_term_has_its_closed_form() {
    // E‖ε − ε_θ‖² given x₀ is (α² s²/V)² + (σ α (x₀ − m)/V)² with V = α² s² + σ².
    let chain = chain(60);
    let bound = DiscreteBound::new(&chain, Decoder::Density {}).unwrap();
    let nodes = hermite();
    for x0 in [MEAN, 1.7, -4.0] {
        for variance in [FixedVariance::Large, FixedVariance::Small] {
            let terms: Vec<BoundTerms> = bound.terms(
                &Array2::from_elem((3, 1), x0),
                variance,
                best_network(&chain),
                &Nodes(nodes.map(|(node, _)| node).to_vec()),
            );
            for step in (1..60).map(StepIndex) {
                let found: f64 = (terms.iter().zip(nodes))
                    .map(|(terms, (_, weight))| weight * terms.transitions[step.0 - 1])
                    .sum();
                let marginal = chain.marginal_at(step);
                let Marginal { alpha, sigma } = marginal;
                let v = variance_at(marginal);
                let loss =
                    ((alpha * STD).powi(2) / v).powi(2) + (sigma * alpha * (x0 - MEAN) / v).powi(2);
                let (beta, chosen) = (chain.beta(step), chain.variance(step, variance));
                let weight = beta * beta / (2.0 * chosen * (1.0 - beta) * sigma * sigma);
                let log_ratio = (chain.posterior(step).variance / chosen).ln();
                let expected = weight * loss + 0.5 * (log_ratio.exp_m1() - log_ratio);
                // Means that nearly agree are rounded before their difference is squared.
                let rounding = 2e-15 * (1.0 + x0.abs()) * expected.sqrt();
                let error = (found - expected).abs();
                assert!(
                    error < 1e-11 * expected + rounding,
                    "{step:?}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn with_the_reversal_s_own_variance_the_bound_is_the_likelihood_up_to_the_prior() {
    // Then p_θ(x_{t−1} | x_t) is q(x_{t−1} | x_t) itself.
    for steps in [21, 50, 400] {
        let chain = chain(steps);
        let found = expected_bound(&chain, |step| reversal_log_variance(&chain, step));
        let expected = entropy() + prior_divergence(&chain);
        assert!(
            (found - expected).abs() < 1e-10,
            "{steps}: {found} {expected}"
        );
        // A learned variance can be that: v from where it lies between the logarithms.
        for step in [1, 7, steps - 1].map(StepIndex) {
            let (low, high) = chain.log_variance_range(step);
            let v = (reversal_log_variance(&chain, step) - low) / (high - low);
            assert!((0.0..=1.0).contains(&v), "{v}");
            let learned = chain.learned_log_variance(step, v);
            assert!((learned - reversal_log_variance(&chain, step)).abs() < 1e-12);
        }
    }
}

#[test]
fn with_beta_for_every_step_s_variance_the_bound_falls_to_the_likelihood_as_one_over_n() {
    let gap = |steps| {
        let chain = chain(steps);
        let bound = expected_bound(&chain, |step| chain.beta(step).ln());
        bound - entropy() - prior_divergence(&chain)
    };
    let gaps = [400, 800, 1600, 3200].map(gap);
    for pair in gaps.windows(2) {
        let order = (pair[0] / pair[1]).log2();
        assert!((order - 1.0).abs() < 0.05, "{gaps:?}");
    }
    assert!(gaps[3] > 0.0 && gaps[3] < 2e-3, "{gaps:?}");
}

#[test]
fn fixed_variances_cost_what_no_number_of_steps_wins_back() {
    // β̃_t is t/(t + 1) of the reversal's variance near the data, so a step costs
    // ½ (1/t − ln((t + 1)/t)), and Σ_t of it is ½ γ. Both begin with β̃_2, half of it: ½ (1 − ln 2).
    let first = 0.5 * (1.0 - LN_2);
    for (variance, limit) in [
        (FixedVariance::Large, first),
        (FixedVariance::Small, first + 0.5 * EULER),
    ] {
        let excess = |steps: usize| {
            let chain = chain(steps);
            let bound = expected_bound(&chain, |step| chain.log_variance(step, variance));
            bound - entropy() - prior_divergence(&chain) - limit
        };
        let [coarse, fine] = [8_000, 16_000].map(|steps| excess(steps).abs());
        assert!(fine < coarse / 1.6 && fine < 0.02, "{coarse} {fine}");
    }
}

/// N(mean, variance) of x₀ before it is rounded to a level, under the model: x_T ~ N(0, 1) walked back.
fn generated(chain: &DdpmChain, variance: FixedVariance) -> (f64, f64) {
    let network = best_network(chain);
    let (mut mean, mut spread) = (0.0, 1.0);
    for step in (0..chain.steps()).rev().map(StepIndex) {
        let ends = Array2::from_shape_vec((2, 1), vec![0.0, 1.0]).unwrap();
        let back = chain.reverse_step(step, variance, &ends, network(&ends, step));
        let (offset, slope) = (back.mean[[0, 0]], back.mean[[1, 0]] - back.mean[[0, 0]]);
        mean = offset + slope * mean;
        spread = slope * slope * spread + back.log_variance.of(0).exp();
    }
    (mean, spread)
}

#[test]
fn the_bound_of_every_level_is_above_the_model_s_exact_code_length() {
    let levels = 16;
    let chain = chain(100);
    let bound = DiscreteBound::new(&chain, Decoder::Discretised { levels }).unwrap();
    // L_0 is not polynomial: the trapezoidal rule over ε.
    let nodes: Vec<f64> = (-90..=90).map(|i| 0.1 * f64::from(i)).collect();
    let weights: Vec<f64> = nodes
        .iter()
        .map(|z| 0.1 * (-0.5 * z * z).exp() / TAU.sqrt())
        .collect();
    for variance in [FixedVariance::Large, FixedVariance::Small] {
        let (mean, spread) = generated(&chain, variance);
        let edge = |place: f64| (2.0 * place / 15.0 - 1.0 - mean) / spread.sqrt();
        let mut total = 0.0;
        for level in 0..16 {
            let place = f64::from(level);
            let low = if level == 0 {
                f64::NEG_INFINITY
            } else {
                edge(place - 0.5)
            };
            let high = if level == 15 {
                f64::INFINITY
            } else {
                edge(place + 0.5)
            };
            let exact = -log_normal_interval(low, high);
            let x0 = Array2::from_elem((nodes.len(), 1), 2.0 * place / 15.0 - 1.0);
            let terms = bound.terms(&x0, variance, best_network(&chain), &Nodes(nodes.clone()));
            let expected: f64 = (terms.iter().zip(&weights))
                .map(|(t, w)| w * t.total())
                .sum();
            assert!(expected > exact, "level {level}: {expected} below {exact}");
            assert!(
                expected < exact + 3.0,
                "level {level}: {expected} far above {exact}"
            );
            total += (-exact).exp();
        }
        assert!((total - 1.0).abs() < 1e-12, "{total}");
    }
}
