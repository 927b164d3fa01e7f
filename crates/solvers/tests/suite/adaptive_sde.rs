//! The adaptive SDE solver: its algorithm, its distribution, its samples by themselves.

use ndarray::{Array2, Axis, concatenate, s};
use sde_core::families::{VarianceExploding, VariancePreserving};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, ReverseSde, Score, Sde, StepIndex, Time};
use solvers::{
    AdaptiveSde, GridConfig, GridSpec, LastStep, Problem, SolveError, Solver, TimeGrid, Unobserved,
    sample_prior,
};

use crate::families;
use crate::goodness_of_fit::{FALSE_ALARM, separated};
use crate::reference_flow::distance;

type X = Array2<f64>;

const NOISE: CounterNoise = CounterNoise {
    seed: 12,
    first_sample: 0,
};

fn whole(sde: &dyn AffineSde) -> TimeGrid {
    let spec = GridSpec::new(GridConfig::LogSnr {}, 1).ending_with(LastStep::Plain);
    spec.build(sde).unwrap()
}

/// Algorithm 1 for one sample, written from the paper, with the noise of the step number.
fn algorithm_1(
    solver: &AdaptiveSde,
    sde: &dyn AffineSde,
    score: &dyn Score<X>,
    noise: CounterNoise,
    mut x: X,
) -> (X, usize, usize) {
    let reverse = ReverseSde::new(sde, score);
    let g = |t| Sde::<X>::diffusion(&reverse, t);
    let (mut t, end) = (sde.t_max().0, sde.t_min_sampling().0);
    let mut h = solver.h_init * t;
    let (mut previous, mut step, mut tries) = (x.clone(), 0, 0);
    while t > end {
        h = h.min(t - end);
        let z: X = noise.standard_normal(&x, StepIndex(step), Role::Diffusion);
        let euler = &x - &(h * reverse.drift(&x, Time(t))) + h.sqrt() * g(Time(t)) * &z;
        let to = if t - h <= end { end } else { t - h };
        let tilde = &x - &(h * reverse.drift(&euler, Time(to))) + h.sqrt() * g(Time(to)) * &z;
        let improved = 0.5 * (&euler + &tilde);
        let mut sum = 0.0;
        for ((e, i), p) in euler.iter().zip(&improved).zip(&previous) {
            let delta = solver
                .epsilon_abs
                .max(solver.epsilon_rel * e.abs().max(p.abs()));
            sum += ((e - i) / delta).powi(2);
        }
        let error = (sum / x.len() as f64).sqrt();
        tries += 1;
        if error <= 1.0 {
            (x, t, previous, step) = (improved, to, euler, step + 1);
        }
        h *= solver.theta * error.powf(-solver.r);
    }
    (x, step, tries - step)
}

#[test]
fn every_sample_follows_algorithm_1_by_itself_in_any_batch() {
    let world = GaussianMixture::eight_gaussians();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let solver = AdaptiveSde {
            epsilon_rel: 0.05,
            epsilon_abs: 0.05,
            ..AdaptiveSde::default()
        };
        let x_t = sample_prior(sde, &X::zeros((5, 2)), &NOISE);
        let run = |x: X, noise| {
            solver
                .solve_with_costs(&problem, &whole(sde), x, &noise, &mut Unobserved)
                .unwrap()
        };
        let (solution, costs) = run(x_t.clone(), NOISE);
        for (i, cost) in costs.iter().enumerate() {
            let start = x_t.slice(s![i..=i, ..]).to_owned();
            let noise = NOISE.starting_at(i as u64);
            let (expected, accepted, rejected) =
                algorithm_1(&solver, sde, &score, noise, start.clone());
            let found = solution.x.slice(s![i..=i, ..]).to_owned();
            assert!(distance(&found, &expected) < 1e-6, "{} {i}", sde.name());
            assert_eq!((cost.accepted, cost.rejected), (accepted, rejected));
            assert_eq!(cost.evaluations, 2 * (accepted + rejected));
            assert_eq!(run(start, noise).0.x, found, "alone as among others");
        }
        let slowest = costs.iter().map(|cost| cost.evaluations).max();
        assert_eq!(Some(solution.nfe), slowest);
        assert!(costs.iter().any(|cost| cost.rejected > 0), "{}", sde.name());
        let halves = [
            run(x_t.slice(s![..2, ..]).to_owned(), NOISE).0.x,
            run(x_t.slice(s![2.., ..]).to_owned(), NOISE.starting_at(2))
                .0
                .x,
        ];
        let joined = concatenate(Axis(0), &halves.each_ref().map(|h| h.view())).unwrap();
        assert_eq!(joined, solution.x);
    }
}

/// Mean and variance against the closed form, for a tolerance that leaves less than the Monte Carlo
/// error: 5 standard errors of the moments of 30 points in 64 dimensions.
#[test]
fn gaussian_data_has_its_exact_moments_within_the_standard_error_on_every_family() {
    const N: usize = 30 * 64;
    let world = GaussianMixture::gaussian(&[0.4; 64], 0.5).unwrap();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let x_t = world.sample_at(sde.marginal(sde.t_max()), 7, 30);
        let solver = AdaptiveSde::default();
        let run = solver.solve(&problem, &whole(sde), x_t, &NOISE, &mut Unobserved);
        let x = run.unwrap().x;
        let law = world.noised(sde.marginal(sde.t_min_sampling()));
        let (mean, std) = (law.means()[[0, 0]], law.stds()[[0, 0]]);
        let found = x.mean().unwrap();
        let variance = x.mapv(|x| (x - found).powi(2)).sum() / (N - 1) as f64;
        let error = std / (N as f64).sqrt();
        assert!(
            (found - mean).abs() < 5.0 * error,
            "{}: {found}",
            sde.name()
        );
        let ratio = variance / (std * std);
        let bound = 5.0 * (2.0 / N as f64).sqrt();
        assert!((ratio - 1.0).abs() < bound, "{}: {ratio}", sde.name());
    }
}

/// Four islands in the first two of 32 dimensions, on one family that keeps its variance and one that
/// does not.
#[test]
fn the_mixture_is_sampled_in_its_own_law_under_vp_and_ve() {
    let corners = [[-2.0, -2.0], [2.0, -2.0], [-2.0, 2.0], [2.0, 2.0]];
    let means = X::from_shape_fn((4, 32), |(k, d)| if d < 2 { corners[k][d] } else { 0.0 });
    let weights = vec![0.1, 0.2, 0.3, 0.4];
    let world = GaussianMixture::isotropic(weights.clone(), means.clone(), 0.3).unwrap();
    let plane = means.slice(s![.., ..2]).to_owned();
    let plane = GaussianMixture::isotropic(weights, plane, 0.3).unwrap();
    let (vp, ve) = (VariancePreserving::default(), VarianceExploding::default());
    for sde in [&vp as &dyn AffineSde, &ve] {
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let x_t = world.sample_at(sde.marginal(sde.t_max()), 1, 200);
        let solver = AdaptiveSde::default();
        let run = solver.solve(&problem, &whole(sde), x_t, &NOISE, &mut Unobserved);
        let x = run.unwrap().x.slice(s![.., ..2]).to_owned();
        let p = separated(&plane.noised(sde.marginal(sde.t_min_sampling())), &x);
        assert!(p > FALSE_ALARM, "{}: {p}", sde.name());
    }
}

/// On a Gaussian the excess variance is the whole error of the law. At coarse tolerances it stands out of
/// the Monte Carlo error, and it falls with the tolerance.
#[test]
fn the_error_of_the_variance_falls_with_the_tolerance() {
    let sde = VariancePreserving::default();
    let world = GaussianMixture::gaussian(&[0.0], 0.5).unwrap();
    let score = world.under(&sde);
    let problem = Problem::new(&sde, &score);
    const N: usize = 4000;
    let x_t = world.sample_at(sde.marginal(sde.t_max()), 7, N);
    let law = world.noised(sde.marginal(sde.t_min_sampling())).stds()[[0, 0]].powi(2);
    let runs = [0.4, 0.1, 0.02].map(|epsilon| {
        let solver = AdaptiveSde {
            epsilon_abs: epsilon,
            epsilon_rel: epsilon,
            ..AdaptiveSde::default()
        };
        let run = solver.solve(&problem, &whole(&sde), x_t.clone(), &NOISE, &mut Unobserved);
        let solution = run.unwrap();
        let variance = solution.x.mapv(|x| x * x).mean().unwrap();
        ((variance / law - 1.0).abs(), solution.nfe)
    });
    let noise = (2.0 / N as f64).sqrt();
    assert!(runs[0].0 > 6.0 * noise, "{runs:?}");
    assert!(
        runs[1].0 < 0.5 * runs[0].0 && runs[2].0 < 4.0 * noise,
        "{runs:?}"
    );
    assert!(runs[0].1 < runs[1].1 && runs[1].1 < runs[2].1, "{runs:?}");
}

#[test]
fn what_cannot_be_solved_is_an_error_that_names_the_sample_and_the_time() {
    let sde = VariancePreserving::default();
    let world = GaussianMixture::eight_gaussians();
    let exact = world.under(&sde);
    let run = |solver: AdaptiveSde, score: &dyn Score<X>| {
        let x_t = sample_prior(&sde, &X::zeros((3, 2)), &NOISE);
        let problem = Problem::new(&sde, score);
        let run = solver.solve(&problem, &whole(&sde), x_t, &NOISE, &mut Unobserved);
        run.unwrap_err()
    };
    let default = AdaptiveSde::default();
    let few = AdaptiveSde {
        max_steps: 5,
        ..default
    };
    let error = run(few, &exact).to_string();
    assert!(
        error.contains("after 5 steps") && error.contains("7.8e-3"),
        "{error}"
    );
    let broken = |x: &X, t: Time| {
        if t.0 < 0.5 {
            x / 0.0
        } else {
            exact.score(x, t)
        }
    };
    match run(default, &broken) {
        SolveError::SampleNotFinite { time, .. } => assert!(time.0 >= 0.5 && time.0 < 0.52),
        other => panic!("{other}"),
    }
    for (solver, message) in [
        (
            AdaptiveSde {
                epsilon_abs: 0.0,
                ..default
            },
            "epsilon_abs = 0 ",
        ),
        (
            AdaptiveSde {
                epsilon_rel: -1.0,
                ..default
            },
            "epsilon_rel = -1",
        ),
        (
            AdaptiveSde {
                theta: 1.5,
                ..default
            },
            "theta = 1.5",
        ),
        (AdaptiveSde { r: 0.0, ..default }, "r = 0"),
        (
            AdaptiveSde {
                h_init: f64::NAN,
                ..default
            },
            "h_init = NaN",
        ),
        (
            AdaptiveSde {
                max_steps: 0,
                ..default
            },
            "max_steps = 0",
        ),
    ] {
        let error = run(solver, &exact).to_string();
        assert!(error.contains(message), "{error}");
    }
}
