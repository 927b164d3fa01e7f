//! Ancestral sampling with the variance that a model learned (Nichol & Dhariwal 2021), on Gaussian data, where
//! the variance to learn is known.

use ndarray::Array2;
use sde_core::chains::{Chain, Ddpm, DdpmChain};
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, LearnedVariance, Score, StepIndex, Time};
use solvers::{
    Ancestral, AncestralVariance, LastStep, Problem, Solution, SolveError, Solver, TimeGrid,
    Unobserved,
};

use crate::scripted_noise::Impulses;

type X = Array2<f64>;

const STD: f64 = 0.4;

/// The exact score of N(0, `STD`²) beside a v that depends on t alone.
struct Gaussian<'a, V> {
    world: &'a GaussianMixture,
    chain: &'a DdpmChain,
    v: V,
}

impl<V: Fn(Time) -> f64> Score<X> for Gaussian<'_, V> {
    fn score(&self, x: &X, t: Time) -> X {
        self.world.under(self.chain).score(x, t)
    }

    fn with_learned_variance(&self) -> Option<&dyn LearnedVariance<X>> {
        Some(self)
    }
}

impl<V: Fn(Time) -> f64> LearnedVariance<X> for Gaussian<'_, V> {
    fn score_and_variance(&self, x: &X, t: Time) -> (X, X) {
        (self.score(x, t), X::from_elem(x.dim(), (self.v)(t)))
    }
}

fn world() -> GaussianMixture {
    GaussianMixture::gaussian(&[0.0], STD).unwrap()
}

fn chain() -> DdpmChain {
    let steps = 30;
    Ddpm {
        steps,
        ..Ddpm::default()
    }
    .chain()
    .unwrap()
}

/// Every `stride`-th node, down to the first.
fn nodes(chain: &DdpmChain, stride: usize) -> TimeGrid {
    let steps = (0..chain.steps()).rev().step_by(stride).map(StepIndex);
    let times = steps.map(|step| chain.time_of(step)).collect();
    TimeGrid::from_times(times, LastStep::Plain).unwrap()
}

fn ancestral(variance: AncestralVariance) -> Ancestral {
    Ancestral {
        variance,
        clip: None,
    }
}

/// Where the reversal's own variance lies: Var(x_{t−1} | x_t) = V_{t−1} β/((1 − β) V_{t−1} + β), by Bayes'
/// rule, between ln β̃ and ln β.
fn best_v(chain: &DdpmChain, t: Time) -> f64 {
    let step = chain.step_at(t);
    let before = chain.marginal_before(step);
    let before = (before.alpha * STD).powi(2) + before.sigma * before.sigma;
    let beta = chain.beta(step);
    let variance = before * beta / ((1.0 - beta) * before + beta);
    let (low, high) = chain.log_variance_range(step);
    (variance.ln() - low) / (high - low)
}

/// Var x / Var p_t − 1 at the end of the chain's nodes, from p_T itself.
fn excess(variance: AncestralVariance, v: impl Fn(Time) -> f64) -> f64 {
    let (world, chain) = (world(), chain());
    let grid = nodes(&chain, 1);
    let score = Gaussian {
        world: &world,
        chain: &chain,
        v,
    };
    let at = |t| world.noised(chain.marginal(t)).stds()[[0, 0]].powi(2);
    let problem = Problem::new(&chain, &score);
    let start = Impulses::start(grid.steps());
    let run = ancestral(variance).solve(&problem, &grid, start, &Impulses, &mut Unobserved);
    Impulses::variance(&run.unwrap().x, at(grid.start())) / at(grid.end()) - 1.0
}

#[test]
fn with_the_reversal_s_own_variance_a_short_chain_is_exact_where_both_fixed_ones_are_not() {
    let chain = chain();
    let learned = excess(AncestralVariance::Learned, |t| best_v(&chain, t));
    let small = excess(AncestralVariance::Small, |_| f64::NAN);
    let large = excess(AncestralVariance::Large, |_| f64::NAN);
    assert!(learned.abs() < 1e-12, "{learned:e}");
    assert!(small < -0.02 && large > 0.02, "{small} {large}");
}

fn solve(solver: Ancestral, v: f64, stride: usize) -> Solution<X> {
    let (world, chain) = (world(), chain());
    let grid = nodes(&chain, stride);
    let score = Gaussian {
        world: &world,
        chain: &chain,
        v: |_| v,
    };
    let x = world.sample_at(chain.marginal(grid.start()), 3, 4);
    let problem = Problem::new(&chain, &score);
    let noise = CounterNoise::new(5);
    let run = solver.solve(&problem, &grid, x, &noise, &mut Unobserved);
    run.unwrap()
}

#[test]
fn v_of_0_and_1_are_the_fixed_variances_on_every_grid_at_one_evaluation_a_step() {
    for stride in [1, 4, 7] {
        for (v, fixed) in [
            (0.0, AncestralVariance::Small),
            (1.0, AncestralVariance::Large),
        ] {
            let learned = solve(ancestral(AncestralVariance::Learned), v, stride);
            let expected = solve(ancestral(fixed), f64::NAN, stride);
            assert_eq!(learned.nfe, expected.nfe);
            let errors = (&learned.x - &expected.x).mapv(f64::abs);
            assert!(errors.iter().all(|&e| e < 1e-12), "{stride} {errors}");
        }
        // In between lies neither.
        let between = solve(ancestral(AncestralVariance::Learned), 0.5, stride).x;
        let small = solve(ancestral(AncestralVariance::Small), 0.0, stride).x;
        assert!((between - small).iter().any(|d| d.abs() > 1e-4));
    }
}

#[test]
fn an_exact_score_has_no_learned_variance_and_is_refused_with_the_reason() {
    let (world, chain) = (world(), chain());
    let (score, grid) = (world.under(&chain), nodes(&chain, 1));
    let problem = Problem::new(&chain, &score);
    let solver = ancestral(AncestralVariance::Learned);
    let run = solver.solve(
        &problem,
        &grid,
        X::zeros((1, 1)),
        &CounterNoise::new(0),
        &mut Unobserved,
    );
    let error = run.unwrap_err();
    let solver = "ancestral";
    assert_eq!(error, SolveError::NoLearnedVariance { solver });
    let text = error.to_string();
    for part in ["ancestral", "learned", "exact score", "small or large"] {
        assert!(text.contains(part), "{text}");
    }
}
