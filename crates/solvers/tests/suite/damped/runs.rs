//! What a run of pairs counts, reports, refuses, and keeps apart.

use std::ops::ControlFlow;

use ndarray::{Array2, Array4, Axis, concatenate, s};
use sde_core::damped::{DampedLangevin, PhaseState, VelocityScore};
use sde_core::families::Edm;
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use sde_core::{State, StepIndex, Time};
use solvers::damped::{DampedProblem, DampedSolverConfig, Sscs, sample_damped_prior};
use solvers::{
    FiniteCheck, GridConfig, GridSpec, LastStep, Observer, Progress, Solution, SolveError,
    TimeGrid, Trajectory, Unobserved,
};

use super::{X, Z};

fn every_solver() -> Vec<DampedSolverConfig> {
    let mut all = DampedSolverConfig::NAMES
        .map(|name| name.parse().unwrap())
        .to_vec();
    all.push(DampedSolverConfig::Sscs(Sscs::midpoint()));
    all
}

fn grid(steps: usize, last_step: LastStep) -> TimeGrid {
    GridSpec::new(GridConfig::Quadratic {}, steps)
        .ending_with(last_step)
        .build_damped(&DampedLangevin::default())
        .unwrap()
}

/// Two points of the eight Gaussians.
fn solve(
    solver: DampedSolverConfig,
    grid: &TimeGrid,
    observer: &mut dyn Observer<Z>,
) -> Result<Solution<Z>, SolveError> {
    let (process, world) = (
        DampedLangevin::default(),
        GaussianMixture::eight_gaussians(),
    );
    let score = world.under_damped(&process);
    let z = score.sample_at(process.t_max(), 0, 2);
    let problem = DampedProblem::new(process, &score);
    let noise = CounterNoise::new(0);
    solver.build().solve(&problem, grid, z, &noise, observer)
}

#[test]
fn evaluations_are_the_documented_ones_and_an_observer_sees_every_state() {
    for solver in every_solver() {
        let cost = solver.info().nfe_per_step;
        for last_step in [LastStep::Denoise, LastStep::Plain] {
            let grid = grid(6, last_step);
            let mut seen = Vec::new();
            let mut last = None;
            let solution = solve(solver, &grid, &mut |progress: Progress<'_, Z>| {
                seen.push((progress.step.0, progress.time, progress.nfe));
                last = Some(progress.x.clone());
                ControlFlow::Continue(())
            })
            .unwrap();
            let mut times = grid.times().to_vec();
            let mut evaluations: Vec<usize> = (0..times.len()).map(|i| cost * i).collect();
            if last_step == LastStep::Denoise {
                times.push(Time(0.0));
                evaluations.push(cost * 5 + 1);
            }
            let expected: Vec<_> = (0..=6).map(|i| (i, times[i], evaluations[i])).collect();
            assert_eq!(seen, expected);
            assert_eq!(solution.nfe, evaluations[6]);
            assert_eq!(last, Some(solution.x));
        }
    }
}

#[test]
fn the_last_step_is_an_euler_step_of_the_reverse_sde_to_zero_without_noise() {
    let (process, world) = (
        DampedLangevin::default(),
        GaussianMixture::eight_gaussians(),
    );
    let score = world.under_damped(&process);
    for solver in every_solver() {
        let mut trajectory = Trajectory::new(1);
        solve(solver, &grid(5, LastStep::Denoise), &mut trajectory).unwrap();
        let states = trajectory.into_states();
        let [(t, before), (_, after)] = &states[4..] else {
            panic!("six states");
        };
        let s = score.velocity_score(before, *t);
        let h = t.0;
        // β = 4, M⁻¹ = 4, Γ = 1.
        let x = &before.position - &(h * 16.0 * &before.velocity);
        let push = 4.0 * &before.position + 16.0 * &before.velocity + 8.0 * &s;
        let v = &before.velocity + &(h * push);
        let close = |a: &X, b: &X| (a - b).iter().all(|d| d.abs() < 1e-13);
        assert!(close(&after.position, &x) && close(&after.velocity, &v));
    }
}

#[test]
fn an_observer_stops_a_run_and_a_state_that_is_not_finite_is_an_error() {
    let solver: DampedSolverConfig = "sscs".parse().unwrap();
    let grid = grid(6, LastStep::Denoise);
    let stopped = solve(solver, &grid, &mut |progress: Progress<'_, Z>| {
        if progress.step.0 == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let (step, time) = (StepIndex(3), grid.times()[3]);
    assert_eq!(stopped.unwrap_err(), SolveError::Stopped { step, time });

    let broken = grid.times()[2];
    let score = |z: &Z, t: Time| -> X {
        if t == broken {
            &z.velocity / 0.0
        } else {
            -&z.velocity
        }
    };
    let problem = DampedProblem::new(DampedLangevin::default(), &score);
    let run = |problem: &DampedProblem<'_, X>| {
        let z = PhaseState::at_rest(X::ones((2, 2)));
        let noise = CounterNoise::new(0);
        let run = solver
            .build()
            .solve(problem, &grid, z, &noise, &mut Unobserved);
        run.unwrap_err()
    };
    let at_end = SolveError::NotFinite {
        step: StepIndex(6),
        time: Time(0.0),
    };
    assert_eq!(run(&problem), at_end);
    let at_once = SolveError::NotFinite {
        step: StepIndex(3),
        time: grid.times()[3],
    };
    assert_eq!(run(&problem.checked(FiniteCheck::EachStep)), at_once);
}

#[test]
fn bad_input_is_an_error_and_not_a_panic() {
    let score = |z: &Z, _: Time| -> X { -4.0 * &z.velocity };
    let problem = DampedProblem::new(DampedLangevin::default(), &score);
    let run = |grid: &TimeGrid, position: (usize, usize), velocity: (usize, usize)| {
        let z = PhaseState {
            position: X::ones(position),
            velocity: X::ones(velocity),
        };
        let solver: DampedSolverConfig = "sscs".parse().unwrap();
        let noise = CounterNoise::new(0);
        let run = solver
            .build()
            .solve(&problem, grid, z, &noise, &mut Unobserved);
        run.unwrap_err().to_string()
    };
    let good = grid(5, LastStep::Denoise);
    let empty = run(&good, (0, 2), (0, 2));
    assert!(empty.contains("0 samples"), "{empty}");
    for velocity in [(3, 2), (2, 3)] {
        let unpaired = run(&good, (2, 2), velocity);
        assert!(
            unpaired.contains("the positions are 2 samples of 2 elements"),
            "{unpaired}"
        );
    }
    let foreign = GridSpec::new(GridConfig::karras(), 5)
        .build(&Edm::default())
        .unwrap();
    let foreign = run(&foreign, (2, 2), (2, 2));
    assert!(
        foreign.contains("80") && foreign.contains("`damped-langevin`"),
        "{foreign}"
    );
    let at_zero = TimeGrid::from_times(vec![Time(1.0), Time(0.0)], LastStep::Plain).unwrap();
    assert!(run(&at_zero, (2, 2), (2, 2)).contains("to 0"));
}

#[test]
fn a_batch_may_be_cut_anywhere_without_changing_a_bit() {
    let (process, world) = (
        DampedLangevin::default(),
        GaussianMixture::eight_gaussians(),
    );
    let exact = world.under_damped(&process);
    let grid = grid(12, LastStep::Denoise);
    for solver in every_solver() {
        let part = |first: u64, len: usize, seed: u64| {
            let noise = CounterNoise::new(seed).starting_at(first);
            let z = sample_damped_prior(&process, &X::zeros((len, 2)), &noise);
            let problem = DampedProblem::new(process, &exact);
            let run = solver
                .build()
                .solve(&problem, &grid, z, &noise, &mut Unobserved);
            run.unwrap().x
        };
        let whole = part(0, 7, 17);
        let cut = [part(0, 1, 17), part(1, 4, 17), part(5, 2, 17)];
        assert_eq!(
            whole,
            Z::concatenate_samples(&cut),
            "{}",
            solver.info().name
        );

        // A neighbour that explodes changes no other sample.
        let noise = CounterNoise::new(17);
        let mut z = sample_damped_prior(&process, &X::zeros((7, 2)), &noise);
        z.velocity.slice_mut(s![1, ..]).fill(1e6);
        let problem = DampedProblem::new(process, &exact);
        let run = solver
            .build()
            .solve(&problem, &grid, z, &noise, &mut Unobserved);
        let disturbed = run.unwrap().x;
        let others = [0, 2, 3, 4, 5, 6];
        assert_eq!(
            disturbed.select_samples(&others),
            whole.select_samples(&others)
        );
        assert_ne!(disturbed, whole);
    }
}

#[test]
fn pictures_in_f32_are_cut_as_well_as_points_in_f64() {
    let process = DampedLangevin::default();
    let score = |z: &PhaseState<Array4<f32>>, t: Time| {
        (&z.velocity + &z.position.mapv(f32::sin)) * (-4.0 / (1.0 + t.0 as f32))
    };
    let grid = grid(6, LastStep::Denoise);
    for solver in every_solver() {
        let part = |first: u64, len: usize| {
            let noise = CounterNoise::new(3).starting_at(first);
            let z = sample_damped_prior(&process, &Array4::zeros((len, 2, 3, 4)), &noise);
            let problem = DampedProblem::new(process, &score);
            let run = solver
                .build()
                .solve(&problem, &grid, z, &noise, &mut Unobserved);
            run.unwrap().x.position
        };
        let joined = concatenate(Axis(0), &[part(0, 2).view(), part(2, 3).view()]).unwrap();
        assert_eq!(part(0, 5), joined);
    }
}

#[test]
fn only_stochastic_solvers_depend_on_the_seed_after_the_prior_which_has_the_process_s_widths() {
    let process = DampedLangevin::default();
    let like = Array2::<f64>::zeros((2000, 2));
    let z = sample_damped_prior(&process, &like, &CounterNoise::new(4));
    let variance = |x: &X| x.mapv(|x| x * x).mean().unwrap();
    // Five standard errors of 4000 draws.
    assert!((variance(&z.position) - 1.0).abs() < 5.0 * (2.0f64 / 4000.0).sqrt());
    assert!((variance(&z.velocity) - 0.25).abs() < 0.25 * 5.0 * (2.0f64 / 4000.0).sqrt());

    let world = GaussianMixture::eight_gaussians();
    let score = world.under_damped(&process);
    let problem = DampedProblem::new(process, &score);
    let z = z.select_samples(&[0, 1, 2]);
    for solver in every_solver() {
        let [one, other] = [1, 2].map(|seed| {
            let noise = CounterNoise::new(seed);
            let grid = grid(4, LastStep::Denoise);
            let run = solver
                .build()
                .solve(&problem, &grid, z.clone(), &noise, &mut Unobserved);
            run.unwrap().x
        });
        assert_eq!(one != other, solver.info().stochastic, "{:?}", solver);
    }
}
