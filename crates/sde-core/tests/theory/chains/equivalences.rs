//! What is the same in other words: a step by x₀, by ε and by the score; DDPM's loss, SMLD's loss and
//! denoising score matching.

use ndarray::{Array2, ArrayD, IxDyn};
use proptest::prelude::*;
use sde_core::chains::bound::{Decoder, DiscreteBound};
use sde_core::chains::{BetaSchedule, Chain, Ddpm, DdpmChain, FixedVariance, Smld};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{Marginal, Prediction, State, StepIndex};

/// Random states of shape `[3, 5]`: x₀, ε and what a network might say.
fn states(seed: u64) -> [Array2<f64>; 3] {
    let noise = CounterNoise::new(seed);
    [Role::Data, Role::Forward, Role::Probe]
        .map(|role| noise.standard_normal(&Array2::zeros((3, 5)), StepIndex(0), role))
}

fn any_ddpm() -> impl Strategy<Value = DdpmChain> {
    let schedules = [
        BetaSchedule::linear(),
        BetaSchedule::quadratic(),
        BetaSchedule::cosine(),
        BetaSchedule::sigmoid(),
    ];
    (21..600usize, 0..4usize).prop_map(move |(steps, kind)| {
        let schedule = schedules[kind];
        Ddpm { steps, schedule }.chain().unwrap()
    })
}

fn any_step(chain: &impl Chain, place: f64) -> StepIndex {
    StepIndex(1 + (place * (chain.steps() - 1) as f64) as usize)
}

fn largest(x: &Array2<f64>) -> f64 {
    x.iter().fold(0.0, |largest, x| largest.max(x.abs()))
}

fn squares(x: &Array2<f64>) -> Vec<f64> {
    x.dots(x)
}

proptest! {
    #[test]
    fn a_step_of_ddpm_by_x0_by_epsilon_and_by_the_score_is_one(
        chain in any_ddpm(),
        place in 0.0..1.0,
        seed in any::<u64>(),
    ) {
        let t = any_step(&chain, place);
        let [x0, epsilon, _] = states(seed);
        let marginal = chain.marginal_at(t);
        let Marginal { alpha, sigma } = marginal;
        let x = alpha * &x0 + sigma * &epsilon;
        let beta = chain.beta(t);
        let by_x0 = chain.posterior(t).mean(x0.clone(), &x);
        // Ho et al. 2020, eq. 11.
        let by_epsilon = (&x - beta / (1.0 - chain.alpha_bar(t)).sqrt() * &epsilon) / (1.0 - beta).sqrt();
        // Tweedie's formula for one step: (x + β s)/√(1 − β).
        let score = &epsilon / -sigma;
        let by_score = (&x + beta * &score) / (1.0 - beta).sqrt();
        let bound = 1e-12 * (1.0 + largest(&by_x0) + largest(&x) / (1.0 - beta).sqrt());
        prop_assert!(largest(&(&by_epsilon - &by_x0)) < bound);
        prop_assert!(largest(&(&by_score - &by_x0)) < bound);
        // And so says the library, of any prediction.
        for (prediction, p) in [
            (Prediction::X0, x0.clone()),
            (Prediction::Epsilon, epsilon.clone()),
            (Prediction::Score, score),
            (Prediction::V, alpha * &epsilon - sigma * &x0),
        ] {
            let mean = chain.reverse_mean(t, prediction).apply(&x, p);
            prop_assert!(largest(&(mean - &by_x0)) < bound, "{prediction:?}");
        }
    }

    #[test]
    fn an_ancestral_step_of_smld_by_x0_by_epsilon_and_by_the_score_is_one(
        steps in 2..300usize,
        place in 0.0..1.0,
        seed in any::<u64>(),
    ) {
        let chain = Smld { steps, ..Smld::default() }.chain().unwrap();
        let t = any_step(&chain, place);
        let [x0, epsilon, _] = states(seed);
        let sigma = chain.sigma(t);
        let before = chain.sigma(StepIndex(t.0 - 1));
        let x = &x0 + sigma * &epsilon;
        let rise = sigma * sigma - before * before;
        // Song et al. 2021, appendix F.
        let keep = (before / sigma).powi(2);
        let by_x0 = keep * &x + (1.0 - keep) * &x0;
        let score = &epsilon / -sigma;
        let by_score = &x + rise * &score;
        let by_epsilon = &x - rise / sigma * &epsilon;
        let bound = 1e-12 * (1.0 + largest(&x));
        prop_assert!(largest(&(&by_score - &by_x0)) < bound);
        prop_assert!(largest(&(&by_epsilon - &by_x0)) < bound);
        for (prediction, p) in [
            (Prediction::X0, x0.clone()),
            (Prediction::Epsilon, epsilon.clone()),
            (Prediction::Score, score),
        ] {
            let mean = chain.reverse_mean(t, prediction).apply(&x, p);
            prop_assert!(largest(&(mean - &by_x0)) < bound, "{prediction:?}");
        }
        let variance = before * before * rise / (sigma * sigma);
        prop_assert!((chain.posterior(t).variance / variance - 1.0).abs() < 1e-9);
    }

    #[test]
    fn ddpm_s_loss_is_smld_s_and_denoising_score_matching_s_times_the_noise_s_variance(
        chain in any_ddpm(),
        place in 0.0..1.0,
        seed in any::<u64>(),
    ) {
        let marginal = chain.marginal_at(any_step(&chain, place));
        let Marginal { alpha, sigma } = marginal;
        let [x0, epsilon, output] = states(seed);
        let x = alpha * &x0 + sigma * &epsilon;
        // DDPM: ‖ε_θ − ε‖².
        let ddpm = squares(&(&output - &epsilon));
        // Denoising score matching, λ = σ²: s_θ = −ε_θ/σ against ∇log p(x_t | x₀) = (α x₀ − x_t)/σ².
        let score = Prediction::Epsilon.convert(Prediction::Score, marginal, &x, output.clone());
        let kernel = (alpha * &x0 - &x) / (sigma * sigma);
        let matching = squares(&(&score - &kernel));
        // SMLD: the same point x̃ = x/α = x₀ + σ̃ ε, its score α s_θ, λ(σ̃) = σ̃²: ‖s̃_θ(x̃, σ̃) + ε/σ̃‖².
        let level = sigma / alpha;
        let smld = squares(&(alpha * &score + &epsilon / level));
        for i in 0..3 {
            let tolerance = 1e-12 * (1.0 + ddpm[i]) + 1e-13 * (alpha * largest(&x0) / sigma).powi(2);
            prop_assert!((sigma * sigma * matching[i] - ddpm[i]).abs() < tolerance);
            prop_assert!((level * level * smld[i] - ddpm[i]).abs() < 1e-12 * (1.0 + ddpm[i]));
        }
    }

    #[test]
    fn a_term_of_the_bound_is_ddpm_s_loss_times_its_weight_and_a_constant(
        chain in any_ddpm(),
        place in 0.0..1.0,
        seed in any::<u64>(),
    ) {
        let t = any_step(&chain, place);
        let [x0, epsilon, output] = states(seed);
        let Marginal { alpha, sigma } = chain.marginal_at(t);
        let x = alpha * &x0 + sigma * &epsilon;
        let losses = squares(&(&output - &epsilon));
        let beta = chain.beta(t);
        let bound = DiscreteBound::new(&chain, Decoder::default()).unwrap();
        for variance in [FixedVariance::Large, FixedVariance::Small] {
            // β²/(2 σ_t² α_t (1 − ᾱ_t)) (Ho et al. 2020, eq. 12), and 5 elements' share of the variances.
            let chosen = chain.variance(t, variance);
            let weight = beta * beta / (2.0 * chosen * (1.0 - beta) * sigma * sigma);
            let ratio = chain.posterior(t).variance / chosen;
            let constant = 2.5 * (ratio - 1.0 - ratio.ln());
            let model = chain.reverse_step(t, variance, &x, output.clone());
            let terms = bound.term(t, &x0, &x, &model);
            for (term, loss) in terms.into_iter().zip(&losses) {
                let expected = weight * loss + constant;
                // The means are rounded before their difference is divided by σ_t.
                let rounding = 1e-15 * (1.0 + largest(&x)) / (1.0 - beta).sqrt() / chosen.sqrt();
                let tolerance = 1e-11 * (1.0 + expected) + 20.0 * rounding * (1.0 + expected.sqrt());
                prop_assert!((term - expected).abs() < tolerance, "{term} {expected}");
            }
        }
    }
}

#[test]
fn steps_work_on_states_of_any_shape_and_in_single_precision() {
    let chain = Ddpm::default().chain().unwrap();
    let x = ArrayD::<f32>::from_elem(IxDyn(&[2, 3, 4, 4]), 0.5);
    let epsilon = ArrayD::<f32>::from_elem(IxDyn(&[2, 3, 4, 4]), -1.0);
    let t = StepIndex(500);
    let mean = chain
        .reverse_mean(t, Prediction::Epsilon)
        .apply(&x, epsilon);
    let (beta, sigma) = (chain.beta(t), chain.marginal_at(t).sigma);
    let expected = (0.5 + beta / sigma) / (1.0 - beta).sqrt();
    assert!(
        mean.iter()
            .all(|&found| (f64::from(found) - expected).abs() < 1e-6)
    );
}
