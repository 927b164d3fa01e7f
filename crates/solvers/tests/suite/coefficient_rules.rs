//! The discrete and multistep solvers once more, from their papers' formulas and from each other.

use ndarray::Array2;
use sde_core::families::{Edm, VarianceExploding, VariancePreserving};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal, Score, Sigma, StepIndex, Time};
use solvers::{
    Ancestral, AncestralVariance, AnnealedLangevin, Corrector, Ddim, DpmSolver2M, DpmSolver2MSde,
    DpmSolver3M, EulerMaruyama, GradientEstimation, LangevinStep, LastStep, Predictor,
    PredictorCorrector, Problem, Slope, Solver, SolverConfig, TimeGrid, Unobserved,
};

use crate::ddpm_chain::DdpmChain;
use crate::families;

type X = Array2<f64>;

const NOISE: CounterNoise = CounterNoise {
    seed: 6,
    first_sample: 0,
};

/// Noise levels σ/α that every family visits.
const LEVELS: [f64; 6] = [8.0, 5.0, 2.2, 1.3, 0.7, 0.3];

fn world() -> GaussianMixture {
    GaussianMixture::eight_gaussians()
}

fn at_levels(sde: &dyn AffineSde, last: LastStep) -> TimeGrid {
    let times = LEVELS.map(|sigma| sde.time_at_sigma(Sigma(sigma)));
    TimeGrid::from_times(times.to_vec(), last).unwrap()
}

/// Five samples of the world at the first of `grid`.
fn start(sde: &dyn AffineSde, grid: &TimeGrid) -> X {
    world().sample_at(sde.marginal(grid.start()), 8, 5)
}

fn solve(solver: &dyn Solver<X>, sde: &dyn AffineSde, grid: &TimeGrid) -> X {
    let (world, x) = (world(), start(sde, grid));
    let score = world.under(sde);
    let problem = Problem::new(sde, &score);
    let run = solver.solve(&problem, grid, x, &NOISE, &mut Unobserved);
    run.unwrap().x
}

fn distance(found: &X, expected: &X) -> f64 {
    let scale = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    let largest = |m: f64, d: &f64| m.max(d.abs());
    (found - expected).iter().fold(0.0, largest) / scale
}

fn assert_close(found: &X, expected: &X, what: &str) {
    let error = distance(found, expected);
    assert!(error < 1e-12, "{what}: {error:e}");
}

fn predictor(predictor: Predictor) -> PredictorCorrector {
    PredictorCorrector {
        predictor,
        corrector: Corrector::None {},
    }
}

/// Ho et al. 2020, algorithm 2, with the ε of the exact score, α = 1 − β and both variances.
#[test]
fn ancestral_sampling_follows_algorithm_2_of_ddpm_line_by_line() {
    let chain = DdpmChain::new();
    let times = [Time(500.0), Time(499.0), Time(498.0)];
    let grid = TimeGrid::from_times(times.to_vec(), LastStep::Plain).unwrap();
    let bar = |t: Time| chain.marginal(t).alpha.powi(2);
    for large in [false, true] {
        let (world, mut x) = (world(), start(&chain, &grid));
        let score = world.under(&chain);
        for (i, pair) in times.windows(2).enumerate() {
            let beta = 1.0 - bar(pair[0]) / bar(pair[1]);
            let tilde = (1.0 - bar(pair[1])) / (1.0 - bar(pair[0])) * beta;
            let epsilon = -(1.0 - bar(pair[0])).sqrt() * score.score(&x, pair[0]);
            let mean = (x - beta / (1.0 - bar(pair[0])).sqrt() * epsilon) / (1.0 - beta).sqrt();
            let z = NOISE.standard_normal(&mean, StepIndex(i), Role::Diffusion);
            x = mean + if large { beta } else { tilde }.sqrt() * z;
        }
        let variance = if large {
            AncestralVariance::Large
        } else {
            AncestralVariance::Small
        };
        let solver = Ancestral {
            variance,
            clip: None,
        };
        let error = distance(&solve(&solver, &chain, &grid), &x);
        assert!(error < 1e-12, "{error:e}");
    }
}

/// Song et al. 2021, eq. 47 (ancestral) and eq. 46 with f = 0 (reverse diffusion), for σ_t > σ_s.
#[test]
fn the_predictors_are_those_of_smld_under_ve() {
    let sde = VarianceExploding::default();
    let [t, s] = [1.3, 0.7].map(|sigma| sde.time_at_sigma(Sigma(sigma)));
    let grid = TimeGrid::from_times(vec![t, s], LastStep::Plain).unwrap();
    let (world, x) = (world(), start(&sde, &grid));
    let score = world.under(&sde).score(&x, t);
    let z = NOISE.standard_normal(&x, StepIndex(0), Role::Diffusion);
    let added: f64 = 1.3 * 1.3 - 0.7 * 0.7;
    let mean = &x + added * score;
    let ancestral = &mean + (0.49 / 1.69 * added).sqrt() * &z;
    let reverse = &mean + added.sqrt() * &z;
    let large = Ancestral {
        variance: AncestralVariance::Large,
        clip: None,
    };
    let cases: [(&dyn Solver<X>, &X); 4] = [
        (&Ancestral::default(), &ancestral),
        (&predictor(Predictor::Ancestral), &ancestral),
        (&large, &reverse),
        (&predictor(Predictor::ReverseDiffusion), &reverse),
    ];
    for (solver, expected) in cases {
        assert_close(&solve(solver, &sde, &grid), expected, solver.info().name);
    }
}

/// Song et al. 2021, appendix E, with β from the marginals: x = (2 − √(1−β)) x + β s + √β z.
#[test]
fn reverse_diffusion_is_that_of_ddpm_under_the_chain() {
    let chain = DdpmChain::new();
    let times = vec![Time(500.0), Time(499.0)];
    let grid = TimeGrid::from_times(times, LastStep::Plain).unwrap();
    let beta: f64 = 1e-4 + (0.02 - 1e-4) * 500.0 / 999.0;
    let (world, x) = (world(), start(&chain, &grid));
    let score = world.under(&chain).score(&x, grid.start());
    let z = NOISE.standard_normal(&x, StepIndex(0), Role::Diffusion);
    let expected = (2.0 - (1.0 - beta).sqrt()) * &x + beta * score + beta.sqrt() * z;
    let found = solve(&predictor(Predictor::ReverseDiffusion), &chain, &grid);
    assert_close(&found, &expected, "β");
}

#[test]
fn ddim_with_eta_one_is_ancestral_sampling_of_the_small_variance() {
    for sde in families::all() {
        let sde = sde.as_ref();
        let ddim = Ddim {
            eta: 1.0,
            clip: None,
        };
        for last in [LastStep::Plain, LastStep::Denoise] {
            let grid = at_levels(sde, last);
            let expected = solve(&Ancestral::default(), sde, &grid);
            let error = distance(&solve(&ddim, sde, &grid), &expected);
            assert!(error < 1e-14, "{}: {error:e}", sde.name());
        }
    }
}

/// Song, Meng & Ermon 2021, eq. 12, in x and ᾱ = α², for any σ.
#[test]
fn ddim_follows_its_equation_12_for_every_eta() {
    let sde = VariancePreserving::default();
    let [t, s] = [1.3, 0.7].map(|sigma| sde.time_at_sigma(Sigma(sigma)));
    let grid = TimeGrid::from_times(vec![t, s], LastStep::Plain).unwrap();
    let (world, x) = (world(), start(&sde, &grid));
    let bar = |t| sde.marginal(t).alpha.powi(2);
    let (a, b) = (bar(t), bar(s));
    let epsilon = -(1.0 - a).sqrt() * world.under(&sde).score(&x, t);
    let data = (&x - &((1.0 - a).sqrt() * &epsilon)) / a.sqrt();
    let z = NOISE.standard_normal(&x, StepIndex(0), Role::Diffusion);
    for eta in [0.0, 0.3, 1.0] {
        let sigma = eta * ((1.0 - b) / (1.0 - a)).sqrt() * (1.0 - a / b).sqrt();
        let direction = (1.0 - b - sigma * sigma).sqrt() * &epsilon;
        let expected = b.sqrt() * &data + direction + sigma * &z;
        let solver = Ddim { eta, clip: None };
        assert_close(&solve(&solver, &sde, &grid), &expected, "ddim");
    }
}

/// Permenter & Yuan 2023, algorithm 2, with a denoiser in the place of their network.
#[test]
fn gradient_estimation_follows_algorithm_2_line_by_line_under_every_family() {
    for gamma in [2.0, 1.0, 1.3] {
        for sde in families::all() {
            let sde = sde.as_ref();
            let grid = at_levels(sde, LastStep::Denoise);
            let world = world();
            let mut x = start(sde, &grid) / sde.marginal(grid.start()).alpha;
            let mut before: Option<X> = None;
            for (i, &sigma) in LEVELS.iter().enumerate() {
                let noised = Marginal { alpha: 1.0, sigma };
                let mut epsilon = x.clone();
                for (mut epsilon, x) in epsilon.outer_iter_mut().zip(x.outer_iter()) {
                    let mean = world.posterior_mean(noised, x);
                    epsilon.assign(&((&x - &mean) / sigma));
                }
                let Some(&next) = LEVELS.get(i + 1) else {
                    // The last step is Tweedie's, as everywhere.
                    x = x - sigma * epsilon;
                    break;
                };
                let average = match &before {
                    None => epsilon.clone(),
                    Some(before) => gamma * &epsilon + (1.0 - gamma) * before,
                };
                x = x + (next - sigma) * average;
                before = Some(epsilon);
            }
            let found = solve(&GradientEstimation { gamma }, sde, &grid);
            assert_close(&found, &x, sde.name());
            if gamma == 1.0 {
                assert_close(&found, &solve(&Ddim::default(), sde, &grid), "γ = 1");
            }
        }
    }
}

/// With the first prediction alone each is the exponential Euler method.
#[test]
fn one_step_of_dpm_solver_is_ddim_or_ancestral_sampling() {
    for sde in families::all() {
        let sde = sde.as_ref();
        let ends = [1.3, 0.7].map(|sigma| sde.time_at_sigma(Sigma(sigma)));
        let grid = TimeGrid::from_times(ends.to_vec(), LastStep::Plain).unwrap();
        let ddim = solve(&Ddim::default(), sde, &grid);
        let ode: [&dyn Solver<X>; 2] = [&DpmSolver2M::default(), &DpmSolver3M::default()];
        for solver in ode {
            assert_close(&solve(solver, sde, &grid), &ddim, solver.info().name);
        }
        let ancestral = solve(&Ancestral::default(), sde, &grid);
        let found = solve(&DpmSolver2MSde::default(), sde, &grid);
        assert_close(&found, &ancestral, sde.name());
    }
}

/// A prediction that is a polynomial of λ along the path is integrated exactly from the step on at which
/// there are predictions enough: a line by the slopes of `heun`, a parabola by the exact curvature.
#[test]
fn lines_and_parabolas_in_lambda_are_integrated_exactly() {
    let sde = Edm::default();
    // λ from −2 to 1.2 in unequal steps.
    let lambdas = [-2.0, -1.6, -1.3, -0.7, 0.1, 0.4, 1.2f64];
    let times = lambdas.map(|lambda| Time((-lambda).exp())).to_vec();
    let grid = TimeGrid::from_times(times, LastStep::Plain).unwrap();
    // (solver, degree, the number of predictions it starts with)
    let heun = DpmSolver2M { slope: Slope::Heun };
    let exact = DpmSolver3M {
        curvature: solvers::Curvature::Exact,
    };
    let cases: [(&dyn Solver<X>, i32, usize); 2] = [(&heun, 1, 2), (&exact, 2, 3)];
    for (solver, degree, predictions) in cases {
        let data = |lambda: f64| 0.4 + 1.5 * lambda - 0.8 * lambda.powi(degree);
        // s = (x̂₀ − x)/σ², with x̂₀ a function of time alone.
        let score = |x: &X, t: Time| x.mapv(|x| (data(-t.0.ln()) - x) / (t.0 * t.0));
        let problem = Problem::new(&sde, &score);
        let mut states = Vec::new();
        let mut observer = |progress: solvers::Progress<'_, X>| {
            states.push(progress.x[[0, 0]]);
            std::ops::ControlFlow::Continue(())
        };
        let x = X::from_elem((1, 1), 3.0);
        solver
            .solve(&problem, &grid, x, &NOISE, &mut observer)
            .unwrap();
        for i in 0..lambdas.len() - 1 {
            // d(x/σ)/dλ = e^λ x̂₀ by Simpson's rule on 2000 pieces.
            let (a, b) = (lambdas[i], lambdas[i + 1]);
            let n = 2000;
            let h = (b - a) / f64::from(n);
            let sum: f64 = (0..=n)
                .map(|k| {
                    let lambda = a + h * f64::from(k);
                    let weight = match k {
                        0 => 1.0,
                        k if k == n => 1.0,
                        k if k % 2 == 1 => 4.0,
                        _ => 2.0,
                    };
                    weight * lambda.exp() * data(lambda)
                })
                .sum();
            let expected = (states[i] * a.exp() + sum * h / 3.0) * (-b).exp();
            let error = (states[i + 1] / expected - 1.0).abs();
            assert_eq!(error < 1e-11, i + 1 >= predictions, "step {i}: {error:e}");
        }
    }
}

/// Solvers that know x/α and σ/α alone do the same under every family.
#[test]
fn the_family_is_a_change_of_variables_to_every_coefficient_rule() {
    for name in SolverConfig::NAMES {
        let config: SolverConfig = name.parse().unwrap();
        let rule = name.starts_with("dpm-solver++")
            || ["ancestral", "ddim", "gradient-estimation", "edm"].contains(&name);
        if !rule {
            continue;
        }
        let solver = config.build::<X>().unwrap();
        let runs = families::all().into_iter().map(|sde| {
            let grid = at_levels(sde.as_ref(), LastStep::Plain);
            solve(solver.as_ref(), sde.as_ref(), &grid) / sde.marginal(grid.end()).alpha
        });
        let runs: Vec<X> = runs.collect();
        for run in &runs[1..] {
            assert_close(run, &runs[0], name);
        }
    }
}

#[test]
fn without_a_corrector_the_predictors_are_the_solvers_of_their_names() {
    for sde in families::all() {
        let sde = sde.as_ref();
        for last in [LastStep::Plain, LastStep::Denoise] {
            let grid = at_levels(sde, last);
            let [euler, ancestral] = [Predictor::EulerMaruyama, Predictor::Ancestral]
                .map(|p| solve(&predictor(p), sde, &grid));
            assert_eq!(euler, solve(&EulerMaruyama, sde, &grid), "{}", sde.name());
            let expected = solve(&Ancestral::default(), sde, &grid);
            assert_close(&ancestral, &expected, sde.name());
        }
    }
}

#[test]
fn without_a_predictor_the_corrector_is_annealed_langevin() {
    let corrector = Corrector::Langevin { r: 0.16, steps: 3 };
    let alone = PredictorCorrector {
        predictor: Predictor::None,
        corrector,
    };
    let langevin = AnnealedLangevin {
        steps_per_level: 3,
        step: LangevinStep::Snr { r: 0.16 },
    };
    for sde in families::all() {
        let grid = at_levels(sde.as_ref(), LastStep::Denoise);
        let [found, expected]: [&dyn Solver<X>; 2] = [&alone, &langevin];
        let [found, expected] = [found, expected].map(|s| solve(s, sde.as_ref(), &grid));
        assert_eq!(found, expected, "{}", sde.name());
    }
}

/// score_sde's order: correct at t, predict to s; the denoising step corrects before it takes the mean.
#[test]
fn the_corrector_comes_before_the_predictor_at_every_time() {
    let sde = VariancePreserving::default();
    let seen = std::cell::RefCell::new(Vec::new());
    let world = world();
    let exact = world.under(&sde);
    let score = |x: &X, t: Time| {
        seen.borrow_mut().push(t);
        exact.score(x, t)
    };
    let solver = PredictorCorrector {
        corrector: Corrector::Langevin { r: 0.16, steps: 2 },
        ..PredictorCorrector::default()
    };
    for (last, at_the_end) in [(LastStep::Plain, 0), (LastStep::Denoise, 3)] {
        let grid = at_levels(&sde, last);
        let problem = Problem::new(&sde, &score);
        let run = solver.solve(&problem, &grid, start(&sde, &grid), &NOISE, &mut Unobserved);
        let mut expected: Vec<Time> = Vec::new();
        for &t in &grid.times()[..LEVELS.len() - 1] {
            expected.extend([t, t, t]);
        }
        expected.extend(vec![grid.end(); at_the_end]);
        assert_eq!(run.unwrap().nfe, expected.len());
        assert_eq!(seen.take(), expected);
    }
}

/// For data N(0, ½²) in many dimensions norms are what they are on average, ‖z‖² = d and ‖s‖² = w d/v² for
/// x of variance w at a marginal of variance v. Then each part of a step maps w to a number, and 40 steps of
/// reverse diffusion alone leave the samples a quarter too wide, which the corrections mend.
#[test]
fn predictor_and_corrector_give_a_gaussian_the_variance_of_their_recursion_in_many_dimensions() {
    const DIM: usize = 4096;
    const SAMPLES: usize = 4;
    let (r, steps) = (0.16, 10);
    let sde = VarianceExploding::default();
    let grid = TimeGrid::uniform(&sde, 40).unwrap();
    let data = GaussianMixture::gaussian(&[0.0; DIM], 0.5).unwrap();
    let score = data.under(&sde);
    let problem = Problem::new(&sde, &score);
    let variance = |corrector| {
        let solver = PredictorCorrector {
            corrector,
            ..PredictorCorrector::default()
        };
        let x = data.sample_at(sde.marginal(grid.start()), 3, SAMPLES);
        let run = solver.solve(&problem, &grid, x, &NOISE, &mut Unobserved);
        run.unwrap().x.mapv(|x| x * x).mean().unwrap() / 0.25
    };
    let recursion = |steps: usize| {
        let squares: Vec<f64> = (grid.times().iter())
            .map(|&t| sde.marginal(t).sigma.powi(2))
            .collect();
        let mut w = 0.25 + squares[0];
        for (i, square) in squares.iter().enumerate() {
            let v = 0.25 + square;
            for _ in 0..steps {
                let epsilon = (2.0 * r * r * v * v / w).min(*square);
                w = w * (1.0 - epsilon / v).powi(2) + 2.0 * epsilon;
            }
            match squares.get(i + 1) {
                Some(next) => {
                    let fall = square - next;
                    w = w * (1.0 - fall / v).powi(2) + fall;
                }
                None => w *= (0.25 / v).powi(2),
            }
        }
        w / 0.25
    };
    // Five standard errors of a mean of squares.
    let error = 5.0 * (2.0 / (SAMPLES * DIM) as f64).sqrt();
    let [alone, corrected] = [0, steps].map(recursion);
    let found = variance(Corrector::None {});
    assert!((found / alone - 1.0).abs() < error, "{found} for {alone}");
    let found = variance(Corrector::Langevin { r, steps });
    let holds = (found / corrected - 1.0).abs() < error;
    assert!(holds, "{found} for {corrected}");
    assert!(alone > 1.2 && (corrected - 1.0).abs() < 0.05);
}

#[test]
fn clipped_predictions_stay_in_their_bounds_and_wide_bounds_change_nothing() {
    let c = 0.5;
    let sde = Edm::default();
    let grid = at_levels(&sde, LastStep::Denoise);
    let solvers = |clip| -> [Box<dyn Solver<X>>; 3] {
        [
            Box::new(Ddim { eta: 0.0, clip }),
            Box::new(Ddim { eta: 0.5, clip }),
            Box::new(Ancestral {
                clip,
                ..Ancestral::default()
            }),
        ]
    };
    let plain = solvers(None).map(|s| solve(s.as_ref(), &sde, &grid));
    assert!(plain.iter().all(|x| x.iter().any(|x| x.abs() > c)));
    for clipped in solvers(Some(c)).map(|s| solve(s.as_ref(), &sde, &grid)) {
        assert!(clipped.iter().all(|x| x.abs() <= c));
    }
    let wide = solvers(Some(1e6)).map(|s| solve(s.as_ref(), &sde, &grid));
    for (wide, plain) in wide.iter().zip(&plain) {
        assert_close(wide, plain, "clip = 1e6");
    }
}
