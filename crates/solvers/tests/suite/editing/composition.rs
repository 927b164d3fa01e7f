//! Every solver, held to something known, with and without guidance.

use std::ops::ControlFlow;

use ndarray::{Array2, Array4, array, s};
use sde_core::families::VariancePreserving;
use sde_core::guidance::{ClassifierFree, ClassifierGuidance};
use sde_core::noise::CounterNoise;
use sde_core::worlds::{ClassedMixture, GaussianMixture};
use sde_core::{AffineSde, Score, State, Time};
use solvers::editing::{
    AveragePooling, Mask, Observation, PosteriorCovariance, Reconstruction, Replacement, Resampling,
};
use solvers::{
    GridSpec, LastStep, Problem, Progress, Solution, SolverConfig, Unobserved, sample_prior,
};

type X = Array2<f64>;

/// Class 0 at (±2, −2), class 1 at (±2, 2), all of standard deviation 0.3.
fn world() -> ClassedMixture {
    let means = array![[-2.0, -2.0], [2.0, -2.0], [-2.0, 2.0], [2.0, 2.0]];
    let mixture = GaussianMixture::isotropic(vec![0.25; 4], means, 0.3).unwrap();
    mixture.with_classes(vec![0, 0, 1, 1]).unwrap()
}

fn stepwise() -> Vec<SolverConfig> {
    let all = SolverConfig::NAMES.map(|name| name.parse::<SolverConfig>().unwrap());
    let stepwise = all.into_iter().filter(|s| s.with_tolerance(1.0).is_none());
    stepwise.collect()
}

fn spec(config: SolverConfig, sde: &dyn AffineSde) -> GridSpec {
    let steps = config.default_steps().min(60);
    GridSpec::new(config.default_grid(sde.name()), steps)
}

fn run(config: SolverConfig, spec: GridSpec, problem: &Problem<'_, X>, n: usize) -> Solution<X> {
    let noise = CounterNoise::new(5);
    let grid = spec.build(problem.sde).unwrap();
    let x_t = sample_prior(problem.sde, &X::zeros((n, 2)), &noise);
    let solver = config.build().unwrap();
    solver
        .solve(problem, &grid, x_t, &noise, &mut Unobserved)
        .unwrap()
}

/// The first coordinate is known to be 2.1 and the class is asked for: of the four components one is left, and
/// its second coordinate is independent of the first, so that replacement is not biased by much. Six standard
/// deviations have a probability of 2e-9 in each sample.
#[test]
fn every_stepwise_solver_takes_replacement_and_guidance_together() {
    let (sde, world) = (VariancePreserving::default(), world());
    let given = world.of_class(0).unwrap();
    let (s_c, s) = (given.under(&sde), world.mixture().under(&sde));
    let classifier = world.classifier(0, &sde).unwrap();
    let free = ClassifierFree::new(2.0).guide(&sde, &s_c, &s).unwrap();
    let classified = ClassifierGuidance::new(1.5)
        .guide(&sde, &s, &classifier)
        .unwrap();
    let mask = Mask::new(vec![true, false]).unwrap();
    let observation = Observation::new(&mask, &array![[2.1, 0.0]]).unwrap();
    let resamplings = [(1, 1), (3, 2)].map(|(jump_length, samples)| Resampling {
        jump_length,
        samples,
    });
    for config in stepwise() {
        for (name, score) in [
            ("conditional", &s_c as &dyn Score<X>),
            ("classifier-free", &free),
            ("classifier", &classified),
        ] {
            for resampling in resamplings {
                let known = Replacement::new(&observation)
                    .resampled(resampling)
                    .unwrap();
                let problem = Problem::new(&sde, score).holding(known);
                let x = run(config, spec(config, &sde), &problem, 8).x;
                let at = |x: ndarray::ArrayView1<'_, f64>| x[0] == 2.1 && (x[1] + 2.0).abs() < 1.8;
                let solver = config.info().name;
                assert!(
                    x.outer_iter().all(at),
                    "{solver} {name} {resampling:?}: {x}"
                );
            }
        }
    }
}

/// With both rules of covariance; an adaptive solver evaluates samples at times of their own.
#[test]
fn every_solver_takes_reconstruction_and_guidance_together() {
    let (sde, world) = (VariancePreserving::default(), world());
    let given = world.of_class(0).unwrap();
    let (s_c, s) = (given.under(&sde), world.mixture().under(&sde));
    let free = ClassifierFree::new(1.5).guide(&sde, &s_c, &s).unwrap();
    let mask = Mask::new(vec![true, false]).unwrap();
    let observation = Observation::new(&mask, &array![[2.1, 0.0]]).unwrap();
    for covariance in [
        PosteriorCovariance::default(),
        PosteriorCovariance::Jacobian { iterations: 1 },
    ] {
        let rule = Reconstruction {
            noise: 0.05,
            covariance,
            ..Reconstruction::default()
        };
        let guided = rule.guide(&sde, &free, &observation).unwrap();
        for name in SolverConfig::NAMES {
            let config: SolverConfig = name.parse().unwrap();
            let x = run(config, spec(config, &sde), &Problem::new(&sde, &guided), 8).x;
            let near = |x: ndarray::ArrayView1<'_, f64>| {
                (x[0] - 2.1).abs() < 0.6 && (x[1] + 2.0).abs() < 1.8
            };
            assert!(x.outer_iter().all(near), "{name} {covariance:?}: {x}");
        }
        // (1 + products) of two scores each.
        let products = if covariance == PosteriorCovariance::default() {
            1
        } else {
            2
        };
        assert_eq!(guided.cost(&[Time(0.5)]), 2 * (1 + products));
    }
}

#[test]
fn nothing_known_changes_nothing_and_all_known_leaves_nothing_to_sample() {
    let (sde, world) = (VariancePreserving::default(), world());
    let score = world.mixture().under(&sde);
    let free = || Problem::new(&sde, &score);
    let picture = array![[0.7, -0.4]];
    for config in stepwise() {
        let spec = spec(config, &sde);
        let name = config.info().name;
        let none = Mask::new(vec![false, false]).unwrap();
        let none = Observation::new(&none, &picture).unwrap();
        let held = run(config, spec, &free().holding(Replacement::new(&none)), 3).x;
        assert_eq!(held, run(config, spec, &free(), 3).x, "{name}");
        let all = Mask::new(vec![true, true]).unwrap();
        let all = Observation::new(&all, &picture).unwrap();
        let held = run(config, spec, &free().holding(Replacement::new(&all)), 3).x;
        assert_eq!(held, picture.select_samples(&[0, 0, 0]), "{name}");
    }
    let none = Mask::new(vec![false, false]).unwrap();
    let none = Observation::new(&none, &picture).unwrap();
    let x = array![[1.0, -0.3], [0.2, 2.0]];
    let covariance = PosteriorCovariance::Jacobian { iterations: 2 };
    let rule = Reconstruction {
        covariance,
        ..Reconstruction::default()
    };
    let guided = rule.guide(&sde, &score, &none).unwrap();
    assert_eq!(guided.score(&x, Time(0.4)), score.score(&x, Time(0.4)));
}

#[test]
fn a_held_batch_may_be_cut_anywhere_and_a_pass_draws_noise_of_its_own() {
    let (sde, world) = (VariancePreserving::default(), world());
    let score = world.mixture().under(&sde);
    let mask = Mask::new(vec![false, true]).unwrap();
    let pictures = Array2::from_shape_fn((5, 2), |(i, _)| 0.5 * i as f64 - 1.0);
    let resampling = Resampling {
        jump_length: 4,
        samples: 3,
    };
    for config in stepwise() {
        let part = |first: usize, len: usize| {
            let pictures = pictures.slice(s![first..first + len, ..]).to_owned();
            let observation = Observation::new(&mask, &pictures).unwrap();
            let known = Replacement::new(&observation)
                .resampled(resampling)
                .unwrap();
            let noise = CounterNoise::new(7).starting_at(first as u64);
            let x_t = sample_prior(&sde, &X::zeros((len, 2)), &noise);
            let problem = Problem::new(&sde, &score).holding(known);
            let grid = GridSpec::new(config.default_grid("vp"), 10)
                .build(&sde)
                .unwrap();
            let solver = config.build().unwrap();
            let solution = solver.solve(&problem, &grid, x_t, &noise, &mut Unobserved);
            solution.unwrap().x
        };
        let whole = part(0, 5);
        assert_eq!(
            part(1, 3),
            whole.slice(s![1..4, ..]),
            "{}",
            config.info().name
        );
        assert_eq!(whole.column(1), pictures.column(1));
    }
}

#[test]
fn an_observer_sees_every_step_of_every_pass() {
    let (sde, world) = (VariancePreserving::default(), world());
    let score = world.mixture().under(&sde);
    let mask = Mask::new(vec![true, false]).unwrap();
    let observation = Observation::new(&mask, &array![[2.0, 0.0]]).unwrap();
    let resampling = Resampling {
        jump_length: 2,
        samples: 2,
    };
    let known = Replacement::new(&observation)
        .resampled(resampling)
        .unwrap();
    let problem = Problem::new(&sde, &score).holding(known);
    let config = SolverConfig::EulerOde {};
    for last_step in [LastStep::Denoise, LastStep::Plain] {
        let spec = spec(config, &sde).ending_with(last_step);
        let grid = GridSpec { steps: 5, ..spec }.build(&sde).unwrap();
        let noise = CounterNoise::new(0);
        let x_t = sample_prior(&sde, &X::zeros((1, 2)), &noise);
        let mut places = Vec::new();
        let mut observer = |progress: Progress<'_, X>| {
            let place = grid.times().iter().position(|t| *t == progress.time);
            places.push(place);
            assert_eq!((progress.step.0, progress.steps), (places.len() - 1, 9));
            ControlFlow::Continue(())
        };
        let solver = config.build::<X>().unwrap();
        let solution = solver
            .solve(&problem, &grid, x_t, &noise, &mut observer)
            .unwrap();
        assert_eq!(solution.nfe, 9);
        // Stretches of two intervals from the end, each twice; what is left over at the start once.
        let seen = match last_step {
            LastStep::Denoise => [0, 1, 2, 1, 2, 3, 4, 3, 4, 5],
            LastStep::Plain => [0, 1, 2, 3, 2, 3, 4, 5, 4, 5],
        };
        // The sample of `Denoise` is at no time of the grid.
        let times = grid.times().len();
        let expected = seen.map(|place| (place < times).then_some(place));
        assert_eq!(places, expected);
    }
}

#[test]
fn pictures_in_f32_keep_their_means() {
    let sde = VariancePreserving::default();
    let score = |x: &Array4<f32>, _: Time| x.mapv(|x| -x);
    let pooling = AveragePooling::new([2, 4, 4], 2).unwrap();
    let picture = Array4::from_shape_fn((1, 2, 4, 4), |(_, c, i, j)| (c + i * j) as f32 / 10.0);
    let observation = Observation::new(&pooling, &picture).unwrap();
    let noise = CounterNoise::new(2);
    for config in stepwise() {
        let grid = GridSpec::new(config.default_grid("vp"), 10)
            .build(&sde)
            .unwrap();
        let x_t = sample_prior(&sde, &Array4::<f32>::zeros((2, 2, 4, 4)), &noise);
        let problem = Problem::new(&sde, &score).holding(Replacement::new(&observation));
        let solver = config.build().unwrap();
        let x = solver
            .solve(&problem, &grid, x_t, &noise, &mut Unobserved)
            .unwrap()
            .x;
        let means = observation.project(&x);
        let expected = observation.project(&picture.select_samples(&[0, 0]));
        let error = (&means - &expected)
            .iter()
            .fold(0.0, |m: f32, e| m.max(e.abs()));
        assert!(error < 1e-5, "{}: {error:e}", config.info().name);
    }
}
