//! What k-diffusion and diffusers compute from the same score, start, grid and noise, and the sums of
//! diffusers' own tests. `tests/golden/multistep.py` prints the constants of the first kind.

use ndarray::{Array2, Array4, array};
use sde_core::families::{Edm, VariancePreserving};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Prediction, Sigma, State, StepIndex, Time};
use solvers::{
    Ancestral, AncestralVariance, Curvature, Ddim, DpmSolver2M, DpmSolver2MSde, DpmSolver3M,
    DpmSolver3MSde, EdmSampler, EulerOde, LastStep, Problem, Slope, Solver, TimeGrid, Unobserved,
};

use crate::ddpm_chain::DdpmChain;
use crate::families;

type X = Array2<f64>;

/// Draw number i is sin(1.3 (i + 1)) in every element.
struct Script;

impl Noise<X> for Script {
    fn standard_normal(&self, like: &X, StepIndex(step): StepIndex, _: Role) -> X {
        X::from_elem(like.raw_dim(), (1.3 * (step + 1) as f64).sin())
    }
}

fn world() -> GaussianMixture {
    GaussianMixture::isotropic(vec![0.3, 0.7], array![[-1.0], [1.5]], 0.5).unwrap()
}

/// The script's points, in x/α.
fn start() -> X {
    array![[-60.0], [25.0], [90.0]]
}

/// 8 noise levels of ρ = 7 from 80 to 0.002 and the step to 0, or without it.
fn karras(sde: &dyn AffineSde, last_step: LastStep) -> TimeGrid {
    let root = |sigma: f64| sigma.powf(1.0 / 7.0);
    let time = |i: usize| {
        let u = i as f64 / 7.0;
        let sigma = (root(80.0) + u * (root(0.002) - root(80.0))).powi(7);
        sde.time_at_sigma(Sigma(sigma))
    };
    TimeGrid::from_times((0..8).map(time).collect(), last_step).unwrap()
}

fn assert_close(found: &X, expected: [f64; 3], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        let error = (found / expected - 1.0).abs();
        assert!(error < 1e-11, "{what}: {found} for {expected}");
    }
}

/// `solver` from the script's points, in x/α from the first of its times to its end.
fn solve(
    solver: &dyn Solver<X>,
    sde: &dyn AffineSde,
    grid: &TimeGrid,
    noise: &dyn Noise<X>,
    scale: f64,
) -> X {
    let world = world();
    let score = world.under(sde);
    let problem = Problem::new(sde, &score);
    let x = start() * scale;
    solver
        .solve(&problem, grid, x, noise, &mut Unobserved)
        .unwrap()
        .x
}

/// In x/α and σ/α they are the same under every family that reaches σ/α = 80.
#[test]
fn dpm_solver_is_the_one_of_k_diffusion_under_every_family() {
    let ode = |curvature| DpmSolver3M { curvature };
    let sde2 = |eta, slope| -> Box<dyn Solver<X>> {
        Box::new(DpmSolver2MSde {
            eta,
            slope,
            ..DpmSolver2MSde::default()
        })
    };
    let sde3 = |eta| -> Box<dyn Solver<X>> {
        Box::new(DpmSolver3MSde {
            eta,
            curvature: Curvature::Halved,
            ..DpmSolver3MSde::default()
        })
    };
    let (midpoint, heun) = (Slope::Midpoint, Slope::Heun);
    let cases: [(Box<dyn Solver<X>>, [f64; 3]); 12] = [
        (
            Box::new(DpmSolver2M::default()),
            [-0.789845890708208, 1.6404551269283, 2.24230654934677],
        ),
        (
            Box::new(DpmSolver2M { slope: heun }),
            [-1.16782464788759, 1.83806783362882, 2.53827174501935],
        ),
        (
            Box::new(ode(Curvature::Halved)),
            [-1.33580657307326, 1.75006059608025, 2.33728050319049],
        ),
        (
            sde2(0.0, midpoint),
            [-0.789845890708207, 1.6404551269283, 2.24230654934677],
        ),
        (
            sde2(0.0, heun),
            [-1.16782464788759, 1.83806783362882, 2.53827174501935],
        ),
        (
            sde3(0.0),
            [-1.33580657307326, 1.75006059608025, 2.33728050319049],
        ),
        (
            sde2(1.0, midpoint),
            [-1.05874521597705, -1.01884328028581, -0.986776327391564],
        ),
        (
            sde2(1.0, heun),
            [-2.11294416211765, -2.06743869274498, -2.03171081881506],
        ),
        (
            sde3(1.0),
            [-3.11429806013106, -3.07915659039723, -3.05107782508541],
        ),
        (
            sde2(0.6, midpoint),
            [-0.887112965043443, -0.571998092906936, -0.168499501145232],
        ),
        (
            sde2(0.6, heun),
            [-1.67522509542747, -1.35513011260638, -0.935789822543459],
        ),
        (
            sde3(0.6),
            [-2.39359700370097, -2.21190691842766, -2.04919187310785],
        ),
    ];
    for sde in families::all() {
        let sde = sde.as_ref();
        let first = sde.marginal(sde.t_max());
        if first.sigma_ratio() < Sigma(80.0) || sde.name() == "ve" {
            continue;
        }
        let grid = karras(sde, LastStep::Denoise);
        for (solver, expected) in &cases {
            let scale = sde.marginal(grid.start()).alpha;
            let found = solve(solver.as_ref(), sde, &grid, &Script, scale);
            assert_close(&found, *expected, &format!("{solver:?} {}", sde.name()));
        }
    }
}

#[test]
fn euler_and_heun_are_those_of_k_diffusion() {
    let sde = Edm::default();
    let grid = karras(&sde, LastStep::Denoise);
    let cases: [(&dyn Solver<X>, [f64; 3]); 3] = [
        (
            &EulerOde,
            [-0.027461982401925, 1.28985664888013, 1.7109213875631],
        ),
        (
            &Ddim::default(),
            [-0.027461982401925, 1.28985664888013, 1.7109213875631],
        ),
        (
            &EdmSampler::default(),
            [-0.949672135599579, 1.60894097493834, 2.27287427952559],
        ),
    ];
    for (solver, expected) in cases {
        let found = solve(solver, &sde, &grid, &Script, 1.0);
        assert_close(&found, expected, solver.info().name);
    }
}

#[test]
fn dpm_solver_is_the_one_of_diffusers() {
    let sde = VariancePreserving::default();
    let grid = karras(&sde, LastStep::Plain);
    let halved = DpmSolver3M {
        curvature: Curvature::Halved,
    };
    let cases: [(&dyn Solver<X>, [f64; 3]); 3] = [
        (
            &Ddim::default(),
            [-0.0274515043472311, 1.28985328710906, 1.71092476231306],
        ),
        (
            &DpmSolver2M::default(),
            [-0.789842531087571, 1.64045737422602, 2.2423184262516],
        ),
        (
            &halved,
            [-1.33581194599053, 1.75006459705503, 2.33729389967856],
        ),
    ];
    let alpha = |t| sde.marginal(t).alpha;
    for (solver, expected) in cases {
        let x = solve(solver, &sde, &grid, &Script, alpha(grid.start()));
        assert_close(&(x / alpha(grid.end())), expected, solver.info().name);
    }
}

/// 900, 800, …, 0 of the chain's times, as diffusers' `leading` spacing.
fn every_hundredth() -> TimeGrid {
    let times = (0..10).rev().map(|n| Time(100.0 * f64::from(n)));
    TimeGrid::from_times(times.collect(), LastStep::Denoise).unwrap()
}

#[test]
fn ddim_and_ancestral_sampling_of_the_ddpm_chain_are_those_of_diffusers() {
    let clipped = |clip| if clip { Some(0.8) } else { None };
    let ddim = |eta, clip| -> Box<dyn Solver<X>> {
        let clip = clipped(clip);
        Box::new(Ddim { eta, clip })
    };
    let ddpm = |variance, clip| -> Box<dyn Solver<X>> {
        let clip = clipped(clip);
        Box::new(Ancestral { variance, clip })
    };
    let (small, large) = (AncestralVariance::Small, AncestralVariance::Large);
    let cases: [(Box<dyn Solver<X>>, [f64; 3]); 8] = [
        (
            ddim(0.0, false),
            [-0.80460170802956, 1.46138919100249, 1.96007211405913],
        ),
        (
            ddim(0.0, true),
            [-0.797546848624811, 0.792854028065203, 0.793230031483771],
        ),
        (
            ddim(0.7, false),
            [1.15319933339259, 1.39393523093462, 1.5332477396793],
        ),
        (
            ddim(0.7, true),
            [0.741777578164976, 0.768758756239885, 0.783137053949154],
        ),
        (
            ddpm(small, false),
            [1.30098216622039, 1.31798402643398, 1.33044694649072],
        ),
        (
            ddpm(small, true),
            [0.792517600405862, 0.792522816263225, 0.792526744175844],
        ),
        (
            ddpm(large, false),
            [0.973722133859229, 0.989730262200868, 1.00151800698212],
        ),
        (
            ddpm(large, true),
            [0.46051936834523, 0.467586577722422, 0.472845591187198],
        ),
    ];
    let chain = DdpmChain::new();
    for (solver, expected) in cases {
        let found = solve(
            solver.as_ref(),
            &chain,
            &every_hundredth(),
            &Script,
            1.0 / 60.0,
        );
        assert_close(&found, expected, &format!("{solver:?}"));
    }
}

/// The sample of diffusers' scheduler tests: k/768 for k < 768 in the shape (3, 8, 8, 4), its last axis
/// taken to the front.
fn picture() -> Array4<f64> {
    let flat = Array4::from_shape_fn((3, 8, 8, 4), |(a, b, c, d)| {
        (((a * 8 + b) * 8 + c) * 4 + d) as f64 / 768.0
    });
    flat.permuted_axes([3, 0, 1, 2])
}

fn sum_of_absolutes(x: &Array4<f64>) -> f64 {
    x.iter().map(|x| x.abs()).sum()
}

/// A run of `solver` on the picture times `std`, for a network whose output at time t is
/// x c(t) n/(n + 1): `scale` and `label` give c and n.
fn with_dummy_network(
    solver: &dyn Solver<Array4<f64>>,
    sde: &dyn AffineSde,
    grid: &TimeGrid,
    prediction: Prediction,
    std: f64,
    input: &dyn Fn(Time) -> (f64, f64),
) -> (f64, usize) {
    let score = |x: &Array4<f64>, t: Time| {
        let (scale, label) = input(t);
        let output = x.clone().scale(scale * label / (label + 1.0));
        prediction.convert(Prediction::Score, sde.marginal(t), x, output)
    };
    let problem = Problem::new(sde, &score);
    let noise = CounterNoise::new(0);
    let run = solver.solve(&problem, grid, picture() * std, &noise, &mut Unobserved);
    let solution = run.unwrap();
    (sum_of_absolutes(&solution.x), solution.nfe)
}

/// `test_full_loop_no_noise` and `test_full_loop_with_v_prediction` of diffusers' DDIM tests.
#[test]
fn ddim_gives_the_sums_of_the_tests_of_diffusers() {
    let solver = Ddim {
        eta: 0.0,
        clip: Some(1.0),
    };
    let chain = DdpmChain::new();
    let sum = |prediction| {
        let as_is = |t: Time| (1.0, t.0);
        with_dummy_network(&solver, &chain, &every_hundredth(), prediction, 1.0, &as_is).0
    };
    assert!((sum(Prediction::Epsilon) - 172.006522).abs() < 1e-3);
    assert!((sum(Prediction::V) - 52.530124).abs() < 1e-3);
}

/// Diffusers' `EDMEulerScheduler` after 10 steps: its network sees x/√(σ² + σ_d²) and the label ¼ ln σ.
#[test]
fn euler_on_the_edm_grid_gives_the_sum_of_the_tests_of_diffusers() {
    let sde = Edm::default();
    let grid = TimeGrid::karras(&sde, 10, 7.0).unwrap();
    let prediction = Prediction::Edm { sigma_data: 0.5 };
    let input = |t: Time| (t.0.hypot(0.5).recip(), 0.25 * t.0.ln());
    // Its initial noise has the standard deviation √(σ_max² + 1).
    let std = 80f64.hypot(1.0);
    for solver in [&EulerOde as &dyn Solver<_>, &Ddim::default()] {
        let (sum, nfe) = with_dummy_network(solver, &sde, &grid, prediction, std, &input);
        assert!((sum - 34.185494).abs() < 1e-3, "{sum}");
        assert_eq!(nfe, 10);
    }
}

/// Diffusers' Euler and Heun tests: 10 of 1100 times, equally spaced from 1099 to 0, with the noise levels
/// of the chain interpolated between; x/√(σ² + 1) is what the network sees. (The numbers there feed that
/// scaled input back as the state; these are a sampler's.)
#[test]
fn euler_and_heun_in_the_noise_level_give_the_sums_of_a_correct_sampler() {
    let mut alpha_bar = 1.0;
    let sigmas: Vec<f64> = (0..1100)
        .map(|n| {
            alpha_bar *= 1.0 - (1e-4 + (0.02 - 1e-4) * f64::from(n) / 1099.0);
            ((1.0 - alpha_bar) / alpha_bar).sqrt()
        })
        .collect();
    let labels: Vec<f64> = (0..10).rev().map(|i| f64::from(i) * 1099.0 / 9.0).collect();
    let level = |label: f64| {
        let n = (label.floor() as usize).min(1098);
        sigmas[n] + (label - n as f64) * (sigmas[n + 1] - sigmas[n])
    };
    let times: Vec<Time> = labels.iter().map(|&label| Time(level(label))).collect();
    let sde = Edm {
        sigma_max: 300.0,
        ..Edm::default()
    };
    let grid = TimeGrid::from_times(times.clone(), LastStep::Denoise).unwrap();
    let input = |t: Time| {
        let place = times.iter().position(|&time| time == t).unwrap();
        (t.0.hypot(1.0).recip(), labels[place])
    };
    let run = |solver: &dyn Solver<_>| {
        let std = times[0].0;
        with_dummy_network(solver, &sde, &grid, Prediction::Epsilon, std, &input)
    };
    let (euler, _) = run(&EulerOde);
    assert!((euler - 168.051361).abs() < 1e-2, "{euler}");
    let (heun, nfe) = run(&EdmSampler::default());
    assert!((heun - 244.602368).abs() < 1e-2, "{heun}");
    assert_eq!(nfe, 19);
}
