//! Hybrid and denoising score matching: their optimum is the score of the velocity.

use ndarray::{Array2, array};
use proptest::prelude::*;
use sde_core::damped::{
    DampedLangevin, Matching, PhaseKernel, PhaseState, VelocityObjective, VelocityPrediction,
    VelocityScore, VelocityWeighting,
};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{State, StepIndex, Time};

use super::moments::any_process;

type X = Array2<f64>;

fn line() -> GaussianMixture {
    GaussianMixture::new(
        vec![0.3, 0.2, 0.5],
        array![[-1.0], [0.5], [1.5]],
        array![[0.5], [0.3], [0.8]],
    )
    .unwrap()
}

/// ε with which E (x₀, v₀) + L ε is (x, v).
fn epsilon(kernel: &PhaseKernel, [x0, v0]: [f64; 2], [x, v]: [f64; 2]) -> [f64; 2] {
    let (e, l) = (kernel.mean, kernel.covariance.factor());
    let a = (x - e.xx * x0 - e.xv * v0) / l.xx;
    [a, (v - e.vx * x0 - e.vv * v0 - l.vx * a) / l.vv]
}

/// E[−ℓ ε_v | x_t, v_t] = ∫ −ℓ ε_v p(z_t | ·) p(·) / ∫ p(z_t | ·) p(·), by the trapezoidal rule over x₀, and
/// over v₀ where the kernel is given it.
fn optimum(process: &DampedLangevin, matching: Matching, t: Time, z: [f64; 2]) -> f64 {
    let (kernel, v_std) = match matching {
        Matching::Hybrid => (process.marginal(t), 0.0),
        Matching::Denoising => (process.transition(t), process.initial_velocity_std()),
    };
    let velocities: Vec<f64> = match matching {
        Matching::Hybrid => vec![0.0],
        Matching::Denoising => (-60..=60).map(|i| 0.1 * f64::from(i)).collect(),
    };
    let (mut numerator, mut denominator) = (0.0, 0.0);
    for i in -1200..=1200 {
        let x0 = 5e-3 * f64::from(i);
        let data = line().log_pdf(array![x0].view());
        for &unit in &velocities {
            let [a, b] = epsilon(&kernel, [x0, v_std * unit], z);
            let weight = (data - 0.5 * (unit * unit + a * a + b * b)).exp();
            numerator -= weight * kernel.ell() * b;
            denominator += weight;
        }
    }
    numerator / denominator
}

#[test]
fn the_optimum_of_hybrid_and_of_denoising_matching_is_the_velocity_s_score() {
    let (process, world) = (DampedLangevin::default(), line());
    for t in [0.05, 0.2, 0.6, 1.0].map(Time) {
        for [x, v] in [[0.3, 0.2], [-0.9, -0.3], [1.8, 0.05]] {
            let pair = PhaseState {
                position: array![[x]],
                velocity: array![[v]],
            };
            let score = world.under_damped(&process).velocity_score(&pair, t)[[0, 0]];
            for matching in [Matching::Hybrid, Matching::Denoising] {
                let found = optimum(&process, matching, t, [x, v]);
                let error = (found - score).abs();
                assert!(
                    error < 1e-8 * (1.0 + score.abs()),
                    "{matching:?} {t:?}: {found} {score}"
                );
            }
        }
    }
}

/// The target of one example is −ℓ_t ε_v, the slope of ln p(z_t | ·) in v.
#[test]
fn the_score_of_a_kernel_is_minus_ell_times_the_velocity_s_noise() {
    let process = DampedLangevin::default();
    let log = |kernel: &PhaseKernel, start: [f64; 2], z: [f64; 2]| {
        let [a, b] = epsilon(kernel, start, z);
        -0.5 * (a * a + b * b)
    };
    for t in [1e-3, 0.1, 0.7].map(Time) {
        for kernel in [process.marginal(t), process.transition(t)] {
            let start = [0.4, -0.02];
            let l = kernel.covariance.factor();
            let mean = PhaseState {
                position: array![[start[0]]],
                velocity: array![[start[1]]],
            };
            let noise = PhaseState {
                position: array![[0.7]],
                velocity: array![[-1.1]],
            };
            let z = kernel.sample(&mean, &noise);
            let (x, v) = (z.position[[0, 0]], z.velocity[[0, 0]]);
            let h = 1e-3 * l.vv;
            let slope =
                (log(&kernel, start, [x, v + h]) - log(&kernel, start, [x, v - h])) / (2.0 * h);
            assert!((slope / (1.1 * kernel.ell()) - 1.0).abs() < 1e-8);
        }
    }
}

/// Var(−ℓ ε_v) at given (x, v) is what the network must average away: E of it over p_t is
/// E‖target‖² − E‖score‖², and E‖target‖² = ℓ².
#[test]
fn hybrid_targets_have_less_variance_than_denoising_ones() {
    let process = DampedLangevin::default();
    for t in [1e-4, 1e-2, 0.1, 0.5].map(Time) {
        let [hybrid, denoising] = [process.marginal(t).ell(), process.transition(t).ell()];
        assert!(hybrid < denoising);
    }
    // By a quarter at the data, by 8 % where τ is γ.
    let ratio = |t| (process.marginal(t).ell() / process.transition(t).ell()).powi(2);
    assert!((ratio(Time(1e-7)) - 0.75).abs() < 1e-4);
    let at_gamma = ratio(Time(0.04 / 8.0));
    assert!((0.8..0.95).contains(&at_gamma), "{at_gamma}");
}

fn any_objective() -> impl Strategy<Value = VelocityObjective> {
    use VelocityPrediction::{Epsilon, Mixed, Score};
    let matching = prop_oneof![Just(Matching::Hybrid), Just(Matching::Denoising)];
    let prediction = prop_oneof![Just(Score), Just(Epsilon), Just(Mixed)];
    let weighting = prop_oneof![
        Just(VelocityWeighting::Reweighted),
        Just(VelocityWeighting::Likelihood)
    ];
    (matching, prediction, weighting).prop_map(|(matching, prediction, weighting)| {
        VelocityObjective {
            matching,
            prediction,
            weighting,
        }
    })
}

proptest! {
    /// Whatever is predicted, an output equal to its target is the score −ℓ ε_v, and the weighted
    /// error of the output is λ times that of the score.
    #[test]
    fn every_prediction_s_target_is_the_same_score(
        objective in any_objective(),
        process in any_process(),
        times in [1e-5..1.0, 1e-5..1.0, 1e-5..1.0],
        seed in any::<u64>(),
    ) {
        let times = times.map(Time);
        let noise = CounterNoise::new(seed);
        let draw = |step| -> X { noise.standard_normal(&X::zeros((3, 2)), StepIndex(step), Role::Forward) };
        let z0 = PhaseState {
            position: draw(0),
            velocity: process.initial_velocity_std() * draw(1),
        };
        let epsilon = PhaseState { position: draw(2), velocity: draw(3) };
        let examples = objective.examples(&process, &times, &z0, &epsilon);
        let from = match objective.matching {
            Matching::Hybrid => PhaseState::at_rest(z0.position.clone()),
            Matching::Denoising => z0,
        };
        for (i, &t) in times.iter().enumerate() {
            let one = |z: &PhaseState<X>| z.select_samples(&[i]);
            let c = objective.coefficients(&process, t);
            let expected = c.kernel.sample(&one(&from), &one(&epsilon));
            let apart = one(&examples.state).axpy(-1.0, &expected).norms()[0];
            prop_assert!(apart < 1e-14 * (1.0 + expected.norms()[0]));
            let target = examples.target.select_samples(&[i]);
            let velocity = &one(&examples.state).velocity;
            let lambda = match objective.weighting {
                VelocityWeighting::Reweighted => c.kernel.ell().powi(-2),
                VelocityWeighting::Likelihood => process.friction() * process.beta,
            };
            let score = |p: X| c.score.apply(velocity, p);
            let exact = score(target.clone());
            let size = c.kernel.ell() * (1.0 + velocity.norms()[0] / c.kernel.covariance.vv.sqrt());
            for (s, e) in exact.iter().zip(one(&epsilon).velocity.iter()) {
                prop_assert!((s + c.kernel.ell() * e).abs() < 1e-12 * size, "{s} {e}");
            }
            // A prediction off by one.
            let off = (score(&target + 1.0) - exact).mapv(|d| d * d).sum();
            let loss = examples.weights[i] * 2.0;
            prop_assert!((loss / (lambda * off) - 1.0).abs() < 1e-9, "{loss} {}", lambda * off);
        }
    }
}

#[test]
fn hybrid_examples_do_not_read_the_initial_velocity() {
    let process = DampedLangevin::default();
    let objective = VelocityObjective::default();
    let z0 = PhaseState {
        position: array![[0.5, -1.0]],
        velocity: array![[f64::NAN, 1e9]],
    };
    let epsilon = PhaseState {
        position: array![[0.1, 0.2]],
        velocity: array![[-0.3, 0.4]],
    };
    let one = objective.examples(&process, &[Time(0.2)], &z0, &epsilon);
    let rest = PhaseState::at_rest(z0.position.clone());
    let other = objective.examples(&process, &[Time(0.2)], &rest, &epsilon);
    assert_eq!(one.state, other.state);
    assert_eq!(one.target, other.target);
}

#[test]
fn a_mixed_score_of_zero_is_the_velocity_s_score_of_data_at_zero() {
    let process = DampedLangevin::default();
    for t in [1e-3, 0.3, 1.0].map(Time) {
        let c = VelocityObjective::default().coefficients(&process, t);
        let variance = process.covariance(t, 0.0).vv;
        let v = array![[0.3, -0.7]];
        let found = c.score.apply(&v, X::zeros((1, 2)));
        assert!(
            (&found + &(&v / variance))
                .iter()
                .all(|e| e.abs() < 1e-14 / variance)
        );
    }
    // At T it is nearly the whole score: what is left for the network is small.
    let c = VelocityObjective::default().coefficients(&process, Time(1.0));
    assert!((c.target_v + 1.0 / (c.kernel.ell() * c.kernel.covariance.vv)).abs() < 1e-12);
    let world = line();
    let exact = world.under_damped(&process);
    let z = exact.sample_at(Time(1.0), 0, 200);
    let residual =
        exact.velocity_score(&z, Time(1.0)) - c.score.apply(&z.velocity, X::zeros((200, 1)));
    assert!(residual.iter().all(|r| r.abs() < 0.02 * c.kernel.ell()));
}
