//! A chain as a process: exact at its nodes, and the solution of its own equation in between.

use proptest::prelude::*;
use sde_core::chains::{Chain, Ddpm, DdpmChain, Posterior, SmldChain, Transition};
use sde_core::{Marginal, Prediction, SdeConfig, Sigma, StepIndex, Time};

use crate::processes::any_chain_config;

fn built(config: SdeConfig) -> Box<dyn Chain> {
    config.build_chain().unwrap().unwrap()
}

proptest! {
    #[test]
    fn at_its_nodes_the_process_has_the_chain_s_marginals_exactly(config in any_chain_config()) {
        let chain = built(config);
        for step in (0..chain.steps()).map(StepIndex) {
            let t = chain.time_of(step);
            prop_assert_eq!(chain.marginal(t), chain.marginal_at(step));
            prop_assert_eq!(chain.step_at(t), step);
            let back = chain.time_at_sigma(chain.marginal_at(step).sigma_ratio());
            prop_assert!((back.0 - t.0).abs() < 1e-12, "{} {}", back.0, t.0);
        }
        prop_assert_eq!(chain.marginal(Time(0.0)), Marginal { alpha: 1.0, sigma: 0.0 });
        prop_assert_eq!(chain.time_of(StepIndex(chain.steps() - 1)), chain.t_max());
        prop_assert_eq!(chain.time_of(StepIndex(0)), chain.t_min_sampling());
        prop_assert_eq!(chain.t_min_training(), chain.t_min_sampling());
    }

    #[test]
    fn between_nodes_the_marginals_solve_the_equation_of_constant_coefficients(
        config in any_chain_config(),
        place in 0.0..1.0f64,
        within in 0.0..=1.0,
    ) {
        // α′ = a α and (σ²)′ = 2 a σ² + g² with the a and g of the middle of the piece.
        let chain = built(config);
        let count = chain.steps() as f64;
        let piece = (place * count).floor();
        let (from, middle) = (Time(piece / count), Time((piece + 0.5) / count));
        let h = within / count;
        let (a, g) = (chain.drift_rate(middle), chain.diffusion(middle));
        let start = chain.marginal(from);
        let growth = if a == 0.0 { h } else { f64::exp_m1(2.0 * a * h) / (2.0 * a) };
        let alpha = start.alpha * f64::exp(a * h);
        let variance = start.sigma.powi(2) * f64::exp(2.0 * a * h) + g * g * growth;
        let found = chain.marginal(Time(from.0 + h));
        prop_assert!((found.alpha / alpha - 1.0).abs() < 1e-9, "{} {alpha}", found.alpha);
        let tolerance = 1e-9 * variance + 1e-14 * g * g / count;
        prop_assert!((found.sigma.powi(2) - variance).abs() <= tolerance, "{} {variance}", found.sigma.powi(2));
        // A node has the coefficients of the piece that leads to it.
        let node = chain.time_of(StepIndex(piece as usize));
        prop_assert_eq!((chain.drift_rate(node), chain.diffusion(node)), (a, g));
    }

    #[test]
    fn transitions_compose_to_the_marginals(config in any_chain_config()) {
        let chain = built(config);
        let (mut alpha, mut variance) = (1.0, 0.0);
        for step in (0..chain.steps()).map(StepIndex) {
            let q = chain.transition(step);
            alpha *= q.scale;
            variance = variance * q.scale.powi(2) + q.variance;
            let Marginal { alpha: found, sigma } = chain.marginal_at(step);
            prop_assert!((found / alpha - 1.0).abs() < 1e-11, "{found} {alpha}");
            prop_assert!((sigma * sigma / variance - 1.0).abs() < 1e-11);
            // And are what lies between two marginals.
            let between = Transition::between(chain.marginal_before(step), chain.marginal_at(step));
            prop_assert!((between.scale / q.scale - 1.0).abs() < 1e-11);
            let unit = sigma * sigma;
            prop_assert!((between.variance - q.variance).abs() < 1e-11 * unit);
        }
    }

    #[test]
    fn the_posterior_is_bayes_rule(config in any_chain_config(), place in 0.0..1.0) {
        // The joint law of (x_s, x_t) given x₀ has Cov(x_s, x_t) = scale σ_s².
        let chain = built(config);
        let step = StepIndex(1 + (place * (chain.steps() - 1) as f64) as usize);
        let (s, t) = (chain.marginal_before(step), chain.marginal_at(step));
        let q = chain.transition(step);
        let gain = q.scale * s.sigma.powi(2) / t.sigma.powi(2);
        let Posterior { x0, x, variance } = chain.posterior(step);
        prop_assert!((x - gain).abs() < 1e-12 * (1.0 + gain));
        // E[x_s | x_t] = α_s x₀ + gain (x_t − α_t x₀), Var = σ_s² − gain scale σ_s².
        prop_assert!((x0 - (s.alpha - gain * t.alpha)).abs() < 1e-11);
        let expected = s.sigma.powi(2) * (1.0 - gain * q.scale);
        prop_assert!((variance - expected).abs() < 1e-11 * s.sigma.powi(2));
    }
}

#[test]
fn the_first_step_s_posterior_is_the_data() {
    let first = StepIndex(0);
    for kind in ["ddpm", "smld"] {
        let config: SdeConfig = toml::from_str(&format!("kind = '{kind}'")).unwrap();
        let chain = built(config);
        let expected = Posterior {
            x0: 1.0,
            x: 0.0,
            variance: 0.0,
        };
        assert_eq!(chain.posterior(first), expected);
        let x0 = Prediction::Epsilon.conversion(Prediction::X0, chain.marginal_at(first));
        assert_eq!(chain.reverse_mean(first, Prediction::Epsilon), x0);
    }
}

#[test]
fn times_between_nodes_are_told_to_a_network_as_the_nearest_step() {
    let chain = SmldChain::from_sigmas(vec![0.1, 0.2, 0.7, 0.9]).unwrap();
    let step = |t| chain.step_at(Time(t)).0;
    assert_eq!([0.0, 0.2, 0.37, 0.38, 0.6].map(step), [0, 0, 0, 1, 1]);
    assert_eq!([0.7, 1.0, 7.0, f64::NAN].map(step), [2, 3, 3, 0]);
}

#[test]
fn noise_levels_that_a_chain_does_not_reach_are_its_ends() {
    let chain = SmldChain::from_sigmas(vec![0.1, 0.2]).unwrap();
    assert_eq!(
        sde_core::AffineSde::time_at_sigma(&chain, Sigma(0.3)),
        Time(1.0)
    );
    // Half way in σ² from 0.01 to 0.04.
    let t = sde_core::AffineSde::time_at_sigma(&chain, Sigma(0.025f64.sqrt()));
    assert!((t.0 - 0.75).abs() < 1e-15);
}

#[test]
fn a_respaced_chain_keeps_the_marginals_at_its_steps() {
    let chain = Ddpm::default().chain().unwrap();
    let steps = [0, 9, 10, 300, 999].map(StepIndex);
    let few = chain.respaced(&steps).unwrap();
    for (i, step) in steps.into_iter().enumerate() {
        let (found, expected) = (few.marginal_at(StepIndex(i)), chain.marginal_at(step));
        assert!((found.alpha / expected.alpha - 1.0).abs() < 1e-12);
        assert!((found.sigma / expected.sigma - 1.0).abs() < 1e-12);
    }
    for wrong in [vec![3, 3, 5], vec![5, 3], vec![3, 1000], vec![3]] {
        let wrong: Vec<StepIndex> = wrong.into_iter().map(StepIndex).collect();
        assert!(chain.respaced(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn betas_and_levels_of_ones_own_are_checked() {
    let error = |betas: &[f64]| {
        DdpmChain::from_betas(betas.to_vec())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(&[0.1, 1.0]),
        "sde `ddpm`: betas = 1 is not possible: each must be above 0 and below 1"
    );
    assert!(error(&[0.1]).contains("steps = 1"));
    assert!(error(&[f64::NAN, 0.1]).contains("betas = NaN"));
    for wrong in [
        vec![0.0, 1.0],
        vec![2.0, 1.0],
        vec![1.0, 1e200],
        vec![1.0, f64::NAN],
    ] {
        assert!(SmldChain::from_sigmas(wrong.clone()).is_err(), "{wrong:?}");
    }
}
