//! The adaptive solver: samples by themselves, what is counted, observed and refused.

use std::ops::ControlFlow;

use ndarray::{Array2, Axis, concatenate, s};
use sde_core::families::{Edm, VariancePreserving};
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Score, Time};
use solvers::{
    GridConfig, GridSpec, LastStep, Problem, Progress, Rk45, SolveError, Solver, StepControl,
    TimeGrid, Unobserved, sample_prior,
};

use crate::families;
use crate::reference_flow::distance;

type X = Array2<f64>;

const NOISE: CounterNoise = CounterNoise {
    seed: 8,
    first_sample: 0,
};

fn grid(sde: &dyn AffineSde, steps: usize, last_step: LastStep) -> TimeGrid {
    let spec = GridSpec::new(GridConfig::LogSnr {}, steps).ending_with(last_step);
    spec.build(sde).unwrap()
}

/// States, costs, and everything an observer sees: one sample alone or among others.
#[test]
fn a_sample_has_the_steps_it_would_have_alone() {
    let world = GaussianMixture::eight_gaussians();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let grid = grid(sde, 6, LastStep::Denoise);
        let x_t = sample_prior(sde, &X::zeros((6, 2)), &NOISE);
        let run = |x: X| {
            let mut seen = Vec::new();
            let mut observer = |progress: Progress<'_, X>| {
                seen.push(progress.x.clone());
                ControlFlow::Continue(())
            };
            let (solution, costs) = Rk45::default()
                .solve_with_costs(&problem, &grid, x, &mut observer)
                .unwrap();
            (solution.x, costs, seen)
        };
        let (whole, costs, seen) = run(x_t.clone());
        let parts: Vec<_> = (0..6)
            .map(|i| run(x_t.slice(s![i..=i, ..]).to_owned()))
            .collect();
        let views: Vec<_> = parts.iter().map(|part| part.0.view()).collect();
        assert_eq!(
            whole,
            concatenate(Axis(0), &views).unwrap(),
            "{}",
            sde.name()
        );
        for (i, (_, alone, states)) in parts.iter().enumerate() {
            assert_eq!(alone[0], costs[i]);
            for (state, together) in states.iter().zip(&seen) {
                assert_eq!(state.row(0), together.row(i));
            }
        }
        let different = costs.iter().any(|cost| cost != &costs[0]);
        assert!(different, "{}: steps of their own", sde.name());
    }
}

#[test]
fn a_step_takes_six_evaluations_and_the_batch_as_many_as_its_slowest_sample() {
    let world = GaussianMixture::eight_gaussians();
    for sde in families::all() {
        let sde = sde.as_ref();
        let exact = world.under(sde);
        let calls = std::cell::Cell::new(0);
        struct Counting<'a, S>(&'a S, &'a std::cell::Cell<usize>);
        impl<S: Score<X>> Score<X> for Counting<'_, S> {
            fn score(&self, x: &X, t: Time) -> X {
                self.1.set(self.1.get() + 1);
                self.0.score(x, t)
            }
            fn score_each(&self, x: &X, times: &[Time]) -> X {
                self.1.set(self.1.get() + 1);
                self.0.score_each(x, times)
            }
        }
        let score = Counting(&exact, &calls);
        let problem = Problem::new(sde, &score);
        let x_t = sample_prior(sde, &X::zeros((9, 2)), &NOISE);
        let grid = grid(sde, 3, LastStep::Denoise);
        let run =
            Rk45::with_tolerance(1e-6).solve_with_costs(&problem, &grid, x_t, &mut Unobserved);
        let (solution, costs) = run.unwrap();
        assert_eq!(solution.nfe, calls.get());
        for cost in &costs {
            // Two for the first step, one for the last.
            assert_eq!(cost.evaluations, 6 * (cost.accepted + cost.rejected) + 3);
        }
        let slowest = costs.iter().map(|cost| cost.evaluations).max();
        assert_eq!(Some(solution.nfe), slowest);
    }
}

#[test]
fn an_observer_sees_the_grid_whose_times_change_no_sample() {
    let world = GaussianMixture::eight_gaussians();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let x_t = sample_prior(sde, &X::zeros((5, 2)), &NOISE);
        let (coarse, fine) = (
            grid(sde, 1, LastStep::Plain),
            grid(sde, 40, LastStep::Plain),
        );
        let solver = Rk45::with_tolerance(1e-7);
        let unobserved = solver.solve(&problem, &coarse, x_t.clone(), &NOISE, &mut Unobserved);
        let mut seen = Vec::new();
        let observed = solver.solve(
            &problem,
            &fine,
            x_t.clone(),
            &NOISE,
            &mut |progress: Progress<'_, X>| {
                assert_eq!(progress.step.0, seen.len());
                seen.push((progress.time, progress.x.clone()));
                ControlFlow::Continue(())
            },
        );
        let sample = observed.unwrap().x;
        assert_eq!(sample, unobserved.unwrap().x, "{}", sde.name());
        let times: Vec<Time> = seen.iter().map(|(t, _)| *t).collect();
        assert_eq!(times, fine.times());
        assert_eq!(seen[0].1, x_t);
        assert_eq!(seen[40].1, sample);
        // Between steps, against a run that ends there.
        for (t, state) in &seen[1..40] {
            let scale = sde.marginal(*t).alpha.hypot(sde.marginal(*t).sigma);
            let there = solver
                .transport(&problem, x_t.clone(), sde.t_max(), *t)
                .unwrap();
            let error = distance(state, &there.x) / scale;
            assert!(error < 1e-5, "{} at {}: {error:e}", sde.name(), t.0);
        }
    }
}

#[test]
fn an_observer_stops_a_run_between_steps() {
    let sde = VariancePreserving::default();
    let world = GaussianMixture::eight_gaussians();
    let score = world.under(&sde);
    let problem = Problem::new(&sde, &score);
    let grid = grid(&sde, 6, LastStep::Denoise);
    for stop in [0, 3, 5, 6] {
        let x_t = sample_prior(&sde, &X::zeros((3, 2)), &NOISE);
        let mut observer = |progress: Progress<'_, X>| match progress.step.0 {
            step if step == stop => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        let run = Rk45::default().solve(&problem, &grid, x_t, &NOISE, &mut observer);
        let time = grid.times().get(stop).copied().unwrap_or(Time(0.0));
        let step = sde_core::StepIndex(stop);
        assert_eq!(run.unwrap_err(), SolveError::Stopped { step, time });
    }
}

#[test]
fn what_cannot_be_solved_is_an_error_that_names_the_sample_and_the_time() {
    let sde = VariancePreserving::default();
    let world = GaussianMixture::eight_gaussians();
    let exact = world.under(&sde);
    let grid = grid(&sde, 2, LastStep::Plain);
    let x_t = || sample_prior(&sde, &X::zeros((4, 2)), &NOISE);
    let run = |solver: Rk45, score: &dyn Score<X>| {
        let problem = Problem::new(&sde, score);
        solver
            .solve(&problem, &grid, x_t(), &NOISE, &mut Unobserved)
            .unwrap_err()
    };
    let few = Rk45 {
        max_steps: 3,
        ..Rk45::default()
    };
    let error = run(few, &exact).to_string();
    let named = error.contains("after 3 steps") && error.contains("1e-5") && error.contains("t = ");
    assert!(named, "{error}");

    // Below t = 0.4 the score of what is right of 0 is lost.
    let broken = |x: &X, t: Time| match t {
        Time(t) if t < 0.4 => x.mapv(|x| if x > 0.0 { f64::NAN } else { -x }),
        t => exact.score(x, t),
    };
    match run(Rk45::default(), &broken) {
        SolveError::SampleNotFinite { time, .. } => assert!(time.0 >= 0.4 && time.0 < 0.41),
        other => panic!("{other}"),
    }
    // Infinite from the start.
    let lost = |x: &X, _: Time| x / 0.0;
    let expected = SolveError::SampleNotFinite {
        sample: 0,
        time: sde.t_max(),
    };
    assert_eq!(run(Rk45::default(), &lost), expected);

    let default = Rk45::default();
    let control = StepControl::default();
    let wrong = [
        (
            Rk45 {
                rtol: 0.0,
                ..default
            },
            "rtol = 0 ",
        ),
        (
            Rk45 {
                atol: 0.0,
                ..default
            },
            "atol = 0 ",
        ),
        (
            Rk45 {
                atol: f64::NAN,
                ..default
            },
            "atol = NaN",
        ),
        (
            Rk45 {
                max_steps: 0,
                ..default
            },
            "max_steps = 0",
        ),
        (
            Rk45 {
                control: StepControl {
                    safety: 1.0,
                    ..control
                },
                ..default
            },
            "control.safety = 1",
        ),
        (
            Rk45 {
                control: StepControl {
                    max_factor: 1.0,
                    ..control
                },
                ..default
            },
            "control.max_factor = 1",
        ),
    ];
    for (solver, message) in wrong {
        let error = run(solver, &exact).to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// Closed form: the flow of one Gaussian, forwards and backwards.
#[test]
fn the_flow_of_one_gaussian_is_followed_to_the_tolerance_in_both_directions() {
    let world = GaussianMixture::gaussian(&[0.7, -1.1], 0.4).unwrap();
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let ends = [sde.t_max(), sde.t_min_sampling()];
        for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            let x = world.sample_at(sde.marginal(from), 2, 5);
            let expected = world
                .flow(sde.marginal(from), sde.marginal(to), &x)
                .unwrap();
            let solver = Rk45::with_tolerance(1e-8);
            let found = solver.transport(&problem, x, from, to).unwrap().x;
            let m = sde.marginal(to);
            let error = distance(&found, &expected) / m.alpha.hypot(m.sigma);
            assert!(error < 1e-6, "{}: {error:e}", sde.name());
        }
    }
}

#[test]
fn a_flow_from_a_time_to_itself_costs_nothing() {
    let sde = Edm::default();
    let score = |_: &X, _: Time| -> X { unreachable!("no evaluation") };
    let problem = Problem::new(&sde, &score);
    let x = X::ones((2, 2));
    let run = Rk45::default().transport(&problem, x.clone(), Time(3.0), Time(3.0));
    assert_eq!(run.unwrap().x, x);
}
