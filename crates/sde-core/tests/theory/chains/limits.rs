//! Each chain converges to its SDE as N grows, with the error 1/N.

use sde_core::chains::{BetaSchedule, Chain, Ddpm, DdpmChain, Smld, SmldChain, Transition};
use sde_core::families::{Cosine, VarianceExploding, VariancePreserving};
use sde_core::{AffineSde, Marginal, Prediction, Time};

/// s < t in tenths; nodes of every chain here.
const PAIRS: [(f64, f64); 4] = [(0.1, 0.2), (0.1, 0.9), (0.4, 0.5), (0.6, 1.0)];

fn linear(steps: usize) -> DdpmChain {
    let schedule = BetaSchedule::linear();
    Ddpm { steps, schedule }.chain().unwrap()
}

fn ladder(steps: usize) -> SmldChain {
    let smld = Smld::default();
    Smld { steps, ..smld }.chain().unwrap()
}

/// log₂ of the ratio of the errors at N and 2N, for N = 1000, 2000, 4000.
fn orders(error: impl Fn(usize) -> f64) -> [f64; 3] {
    [1000, 2000, 4000].map(|steps| (error(steps) / error(2 * steps)).log2())
}

fn assert_first_order(what: &str, error: impl Fn(usize) -> f64) {
    let orders = orders(error);
    assert!(
        orders.iter().all(|order| (order - 1.0).abs() < 0.02),
        "{what}: {orders:?}"
    );
}

/// The largest difference of two lists, relative to the second.
fn distance<const K: usize>(found: [f64; K], expected: [f64; K]) -> f64 {
    let relative = found.iter().zip(expected).map(|(x, y)| (x / y - 1.0).abs());
    relative.fold(0.0, f64::max)
}

/// α, σ and the coefficients of q(x_s | x_t, x₀).
fn moments(sde: &dyn AffineSde, (s, t): (f64, f64)) -> [f64; 5] {
    let (earlier, later) = (sde.marginal(Time(s)), sde.marginal(Time(t)));
    let Marginal { alpha, sigma } = later;
    let posterior = Transition::between(earlier, later).posterior(earlier, later);
    [alpha, sigma, posterior.x0, posterior.x, posterior.variance]
}

/// What one step does for a time of one: a and g² of the forward step, and the rates at which the mean
/// of p(x_{t−1} | x_t) moves by the state and by the score, and its variance.
fn rates(chain: &dyn Chain, t: f64) -> [f64; 5] {
    let step = chain.step_at(Time(t));
    let count = chain.steps() as f64;
    let forward = chain.transition(step);
    let mean = chain.reverse_mean(step, Prediction::Score);
    let variance = chain.posterior(step).variance;
    [
        count * (forward.scale - 1.0),
        count * forward.variance,
        count * (mean.x - 1.0),
        count * mean.p,
        count * variance,
    ]
}

#[test]
fn ddpm_s_moments_and_posteriors_become_those_of_the_vp_sde() {
    let sde = VariancePreserving::default();
    for pair in PAIRS {
        assert_first_order(&format!("{pair:?}"), |steps| {
            distance(moments(&linear(steps), pair), moments(&sde, pair))
        });
    }
}

#[test]
fn one_step_of_ddpm_becomes_the_drift_and_diffusion_of_the_vp_sde_and_of_its_reversal() {
    let sde = VariancePreserving::default();
    for t in [0.1, 0.5, 1.0] {
        let (a, g) = (sde.drift_rate(Time(t)), sde.diffusion(Time(t)));
        // Backwards: −a x + g² s (Anderson 1982).
        let expected = [a, g * g, -a, g * g, g * g];
        assert_first_order(&format!("t = {t}"), |steps| {
            distance(rates(&linear(steps), t), expected)
        });
    }
}

#[test]
fn smld_s_moments_and_posteriors_become_those_of_the_ve_sde() {
    let sde = VarianceExploding::default();
    for pair in PAIRS {
        assert_first_order(&format!("{pair:?}"), |steps| {
            distance(moments(&ladder(steps), pair), moments(&sde, pair))
        });
    }
}

#[test]
fn one_step_of_smld_becomes_the_diffusion_of_the_ve_sde_and_of_its_reversal() {
    let sde = VarianceExploding::default();
    for t in [0.1, 0.5, 1.0] {
        let g = sde.diffusion(Time(t));
        assert_first_order(&format!("t = {t}"), |steps| {
            let [_, forward, x, score, backward] = rates(&ladder(steps), t);
            assert!(x.abs() < 1e-9, "the state itself does not move: {x}");
            distance([forward, score, backward], [g * g; 3])
        });
    }
}

#[test]
fn the_cosine_chain_is_the_cosine_process_at_every_node_until_beta_is_clipped() {
    let sde = Cosine::default();
    for steps in [10, 1000] {
        let schedule = BetaSchedule::cosine();
        let chain = Ddpm { steps, schedule }.chain().unwrap();
        // Only the last β reaches 0.999.
        for i in 1..steps {
            let t = Time(i as f64 / steps as f64);
            let (found, expected) = (chain.marginal(t), sde.marginal(t));
            assert!((found.alpha / expected.alpha - 1.0).abs() < 1e-9);
            assert!((found.sigma / expected.sigma - 1.0).abs() < 1e-12);
        }
        assert!(chain.marginal(Time(1.0)).alpha > 1e-8);
    }
}

#[test]
fn quadratic_and_sigmoid_chains_become_the_processes_of_their_integrals() {
    let (low, high) = (0.1f64, 20.0f64);
    // ∫ (√low + u (√high − √low))² du and ∫ low + (high − low)/(1 + e^{6 − 12u}) du from 0 to t.
    let root = |u: f64| low.sqrt() + u * (high.sqrt() - low.sqrt());
    let quadratic =
        |t: f64| (root(t).powi(3) - root(0.0).powi(3)) / (3.0 * (root(1.0) - root(0.0)));
    let softplus = |x: f64| x.exp().ln_1p();
    let sigmoid =
        |t: f64| low * t + (high - low) * (softplus(12.0 * t - 6.0) - softplus(-6.0)) / 12.0;
    for t in [0.3, 0.5, 1.0] {
        for (schedule, integral) in [
            (BetaSchedule::quadratic(), quadratic(t)),
            (BetaSchedule::sigmoid(), sigmoid(t)),
        ] {
            let expected = [(-0.5 * integral).exp(), (-(-integral).exp_m1()).sqrt()];
            assert_first_order(schedule.name(), |steps| {
                let chain = Ddpm { steps, schedule }.chain().unwrap();
                let Marginal { alpha, sigma } = chain.marginal(Time(t));
                distance([alpha, sigma], expected)
            });
        }
    }
}
