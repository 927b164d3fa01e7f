//! What a run counts, reports and refuses.

use std::ops::ControlFlow;

use ndarray::Array2;
use sde_core::families::{Edm, VarianceExploding, VariancePreserving};
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, StepIndex, Time};
use solvers::{
    Ancestral, AnnealedLangevin, Corrector, Ddim, DpmSolver2M, DpmSolver2MSde, DpmSolver3M,
    DpmSolver3MSde, EdmSampler, EulerMaruyama, EulerOde, FiniteCheck, GradientEstimation,
    GridConfig, GridSpec, HeunOde, LangevinStep, LastStep, Observer, Predictor, PredictorCorrector,
    Problem, Progress, Solution, SolveError, Solver, SolverConfig, TimeGrid, Trajectory,
    Unobserved,
};

type X = Array2<f64>;

fn langevin(steps_per_level: usize) -> AnnealedLangevin {
    AnnealedLangevin {
        steps_per_level,
        ..AnnealedLangevin::default()
    }
}

fn grid(sde: &dyn AffineSde, steps: usize, last_step: LastStep) -> TimeGrid {
    let spec = GridSpec::new(GridConfig::karras(), steps).ending_with(last_step);
    spec.build(sde).unwrap()
}

/// Two points through `solver` under VP.
fn solve(
    solver: &dyn Solver<X>,
    grid: &TimeGrid,
    observer: &mut dyn Observer<X>,
) -> Result<Solution<X>, SolveError> {
    let sde = VariancePreserving::default();
    let world = GaussianMixture::eight_gaussians();
    let x_t = world.sample_at(sde.marginal(sde.t_max()), 0, 2);
    let score = world.under(&sde);
    solver.solve(
        &Problem::new(&sde, &score),
        grid,
        x_t,
        &CounterNoise::new(0),
        observer,
    )
}

#[test]
fn the_number_of_evaluations_is_the_documented_one() {
    let sde = VariancePreserving::default();
    let langevin_alone = PredictorCorrector {
        predictor: Predictor::None,
        corrector: Corrector::Langevin { r: 0.16, steps: 3 },
    };
    let cases: [(&dyn Solver<X>, [usize; 2]); 14] = [
        // 18 steps, the last of which denoises; 18 steps to t_min.
        (&EulerMaruyama, [18, 18]),
        (&EulerOde, [18, 18]),
        (&HeunOde, [35, 36]),
        (&EdmSampler::default(), [35, 36]),
        (&EdmSampler::imagenet64(), [35, 36]),
        (&langevin(4), [18 * 4 + 1, 19 * 4]),
        (&Ancestral::default(), [18, 18]),
        (&Ddim::default(), [18, 18]),
        (&GradientEstimation::default(), [18, 18]),
        (&DpmSolver2M::default(), [18, 18]),
        (&DpmSolver3M::default(), [18, 18]),
        (&DpmSolver3MSde::default(), [18, 18]),
        (&PredictorCorrector::default(), [18 * 2, 18 * 2]),
        (&langevin_alone, [18 * 3 + 1, 18 * 3]),
    ];
    for (solver, expected) in cases {
        for (last_step, expected) in [LastStep::Denoise, LastStep::Plain]
            .into_iter()
            .zip(expected)
        {
            let solution = solve(solver, &grid(&sde, 18, last_step), &mut Unobserved).unwrap();
            assert_eq!(
                solution.nfe,
                expected,
                "{} {last_step:?}",
                solver.info().name
            );
        }
    }
}

#[test]
fn one_evaluation_more_is_what_a_step_says_it_costs() {
    let sde = VariancePreserving::default();
    let published = SolverConfig::NAMES.map(|name| name.parse::<SolverConfig>().unwrap());
    // Those that choose their own steps care nothing for the grid's.
    let fixed = published
        .into_iter()
        .filter(|s| s.with_tolerance(1.0).is_none());
    let mut cases: Vec<Box<dyn Solver<X>>> = fixed.map(|s| s.build().unwrap()).collect();
    cases.push(Box::new(EdmSampler::imagenet64()));
    cases.push(Box::new(langevin(7)));
    cases.push(Box::new(PredictorCorrector {
        corrector: Corrector::Langevin { r: 0.16, steps: 4 },
        ..PredictorCorrector::default()
    }));
    for solver in cases {
        let [few, many] = [5, 6].map(|steps| {
            let grid = grid(&sde, steps, LastStep::Plain);
            solve(solver.as_ref(), &grid, &mut Unobserved).unwrap().nfe
        });
        assert_eq!(
            many - few,
            solver.info().nfe_per_step,
            "{}",
            solver.info().name
        );
    }
}

#[test]
fn an_observer_sees_the_start_every_step_and_the_sample() {
    let sde = VariancePreserving::default();
    for last_step in [LastStep::Denoise, LastStep::Plain] {
        let grid = grid(&sde, 6, last_step);
        let mut seen = Vec::new();
        let mut last = None;
        let solution = solve(&HeunOde, &grid, &mut |progress: Progress<'_, X>| {
            assert_eq!(progress.steps, 6);
            seen.push((progress.step.0, progress.time, progress.nfe));
            last = Some(progress.x.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
        let mut times = grid.times().to_vec();
        let mut evaluations: Vec<usize> = (0..times.len()).map(|i| 2 * i).collect();
        if last_step == LastStep::Denoise {
            times.push(Time(0.0));
            evaluations.push(11);
        }
        let expected: Vec<_> = (0..=6).map(|i| (i, times[i], evaluations[i])).collect();
        assert_eq!(seen, expected);
        assert_eq!(last, Some(solution.x));
    }
}

#[test]
fn an_observer_stops_a_run_where_it_says() {
    let sde = VariancePreserving::default();
    let grid = grid(&sde, 6, LastStep::Denoise);
    for stop in [0, 3, 6] {
        let mut calls = 0;
        let error = solve(&EulerMaruyama, &grid, &mut |progress: Progress<'_, X>| {
            calls += 1;
            if progress.step.0 == stop {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap_err();
        let time = grid.times().get(stop).copied().unwrap_or(Time(0.0));
        let step = StepIndex(stop);
        assert_eq!(error, SolveError::Stopped { step, time });
        assert_eq!(calls, stop + 1);
    }
}

#[test]
fn a_trajectory_keeps_every_kth_state_and_the_sample() {
    let sde = VariancePreserving::default();
    let grid = grid(&sde, 7, LastStep::Denoise);
    let mut trajectory = Trajectory::new(3);
    let solution = solve(&HeunOde, &grid, &mut trajectory).unwrap();
    let states = trajectory.into_states();
    let times: Vec<Time> = states.iter().map(|(time, _)| *time).collect();
    let kept = [grid.times()[0], grid.times()[3], grid.times()[6], Time(0.0)];
    assert_eq!(times, kept);
    assert_eq!(states[3].1, solution.x);
}

#[test]
fn a_state_that_is_not_finite_is_an_error_that_names_the_step_if_asked() {
    let sde = Edm::default();
    let grid = grid(&sde, 10, LastStep::Denoise);
    let broken = grid.times()[4];
    let score = |x: &X, t: Time| {
        if t == broken {
            x / 0.0
        } else {
            -x / (t.0 * t.0 + 1.0)
        }
    };
    let problem = Problem::new(&sde, &score);
    let run = |problem: &Problem<'_, X>| {
        let x_t = X::ones((2, 2));
        let noise = CounterNoise::new(0);
        EulerOde.solve(problem, &grid, x_t, &noise, &mut Unobserved)
    };
    let at_end = SolveError::NotFinite {
        step: StepIndex(10),
        time: Time(0.0),
    };
    assert_eq!(run(&problem).unwrap_err(), at_end);
    let at_once = SolveError::NotFinite {
        step: StepIndex(5),
        time: grid.times()[5],
    };
    let checked = problem.checked(FiniteCheck::EachStep);
    assert_eq!(run(&checked).unwrap_err(), at_once);
}

#[test]
fn bad_input_is_an_error_and_not_a_panic() {
    let sde = VariancePreserving::default();
    let good = grid(&sde, 5, LastStep::Denoise);
    let score = |x: &X, _: Time| -x;
    let run = |solver: &dyn Solver<X>, grid: &TimeGrid, x| {
        let problem = Problem::new(&sde, &score);
        let noise = CounterNoise::new(0);
        let solution = solver.solve(&problem, grid, x, &noise, &mut Unobserved);
        solution.unwrap_err().to_string()
    };
    let x = || X::ones((2, 2));

    let empty = run(&HeunOde, &good, X::zeros((0, 2)));
    assert!(empty.contains("0 samples"), "{empty}");
    let empty = run(&HeunOde, &good, X::zeros((2, 0)));
    assert!(empty.contains("0 elements"), "{empty}");
    let foreign = run(&HeunOde, &grid(&Edm::default(), 5, LastStep::Denoise), x());
    assert!(
        foreign.contains("80") && foreign.contains("`vp`"),
        "{foreign}"
    );
    let at_zero = TimeGrid::from_times(vec![Time(1.0), Time(0.0)], LastStep::Plain).unwrap();
    assert!(run(&HeunOde, &at_zero, x()).contains("to 0"));

    let edm = EdmSampler::default();
    let ncsn = |epsilon| LangevinStep::Ncsn { epsilon };
    let langevin = |steps_per_level, step| AnnealedLangevin {
        steps_per_level,
        step,
    };
    let corrected = |predictor, corrector| -> Box<dyn Solver<X>> {
        Box::new(PredictorCorrector {
            predictor,
            corrector,
        })
    };
    let corrector = |r, steps| Corrector::Langevin { r, steps };
    let sde2 = DpmSolver2MSde::default();
    let sde3 = DpmSolver3MSde::default();
    let wrong: [(Box<dyn Solver<X>>, &str); 20] = [
        (
            Box::new(Ancestral {
                clip: Some(0.0),
                ..Ancestral::default()
            }),
            "solver `ancestral`: clip = 0",
        ),
        (
            Box::new(Ddim {
                eta: 1.5,
                clip: None,
            }),
            "eta = 1.5",
        ),
        (
            Box::new(Ddim {
                eta: f64::NAN,
                clip: None,
            }),
            "eta = NaN",
        ),
        (
            Box::new(Ddim {
                eta: 0.0,
                clip: Some(f64::INFINITY),
            }),
            "clip = inf",
        ),
        (
            Box::new(GradientEstimation { gamma: f64::NAN }),
            "gamma = NaN",
        ),
        (
            corrected(Predictor::None, Corrector::None {}),
            "nothing is sampled",
        ),
        (
            corrected(Predictor::Ancestral, corrector(0.0, 1)),
            "corrector.r = 0",
        ),
        (
            corrected(Predictor::Ancestral, corrector(f64::INFINITY, 1)),
            "corrector.r = inf",
        ),
        (
            corrected(Predictor::Ancestral, corrector(0.16, 0)),
            "corrector.steps = 0",
        ),
        (
            Box::new(DpmSolver2MSde { eta: -0.1, ..sde2 }),
            "solver `dpm-solver++-2m-sde`: eta = -0.1",
        ),
        (
            Box::new(DpmSolver3MSde {
                s_noise: f64::NAN,
                ..sde3
            }),
            "s_noise = NaN",
        ),
        (
            Box::new(EdmSampler {
                s_churn: -1.0,
                ..edm
            }),
            "s_churn = -1",
        ),
        (
            Box::new(EdmSampler {
                s_churn: f64::INFINITY,
                ..edm
            }),
            "s_churn = inf",
        ),
        (
            Box::new(EdmSampler {
                s_min: f64::NAN,
                ..edm
            }),
            "s_min = NaN",
        ),
        (
            Box::new(EdmSampler {
                s_max: f64::NAN,
                ..edm
            }),
            "s_max = NaN",
        ),
        (
            Box::new(EdmSampler {
                s_noise: -0.5,
                ..edm
            }),
            "s_noise = -0.5",
        ),
        (Box::new(langevin(0, ncsn(0.2))), "steps_per_level = 0"),
        (Box::new(langevin(1, ncsn(0.0))), "epsilon = 0"),
        (Box::new(langevin(1, ncsn(4.0))), "diverge"),
        (
            Box::new(langevin(1, LangevinStep::Snr { r: f64::NAN })),
            "r = NaN",
        ),
    ];
    for (solver, message) in wrong {
        let error = run(solver.as_ref(), &good, x());
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn ve_may_be_solved_to_t_zero_where_it_still_has_noise() {
    let sde = VarianceExploding::default();
    let spec = GridSpec::new(GridConfig::Uniform {}, 50);
    let grid = spec.between(sde.t_max(), Time(0.0)).build(&sde).unwrap();
    let world = GaussianMixture::eight_gaussians();
    let score = world.under(&sde);
    let x_t = world.sample_at(sde.marginal(sde.t_max()), 0, 2);
    let problem = Problem::new(&sde, &score);
    let run = HeunOde.solve(&problem, &grid, x_t, &CounterNoise::new(0), &mut Unobserved);
    assert!(run.is_ok());
}
