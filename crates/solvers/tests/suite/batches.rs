//! A sample depends on the seed and its own index, never on the batch it is computed in.

use ndarray::{Array, Array2, Array4, Axis, Dimension, NdFloat, RemoveAxis, concatenate, s};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Score, State, StepIndex, Time};
use solvers::{
    AdaptiveSde, Ancestral, AnnealedLangevin, Ddim, DpmSolver2M, DpmSolver2MSde, DpmSolver3M,
    DpmSolver3MSde, EdmSampler, GradientEstimation, GridSpec, LangevinStep, PredictorCorrector,
    Problem, Rk45, SolverConfig, Unobserved, sample_prior,
};

use crate::families;

/// Every solver, the stochastic ones with every kind of noise that they can draw.
fn every_solver() -> Vec<SolverConfig> {
    let langevin = |step| {
        SolverConfig::AnnealedLangevin(AnnealedLangevin {
            steps_per_level: 3,
            step,
        })
    };
    vec![
        SolverConfig::EulerMaruyama {},
        SolverConfig::EulerOde {},
        SolverConfig::Heun {},
        SolverConfig::Edm(EdmSampler::default()),
        SolverConfig::Edm(EdmSampler::imagenet64()),
        langevin(LangevinStep::Ncsn { epsilon: 0.2 }),
        langevin(LangevinStep::Snr { r: 0.16 }),
        SolverConfig::Rk4 {},
        SolverConfig::Rk45(Rk45::default()),
        SolverConfig::AdaptiveSde(AdaptiveSde {
            epsilon_abs: 0.05,
            epsilon_rel: 0.05,
            ..AdaptiveSde::default()
        }),
        SolverConfig::Ancestral(Ancestral::default()),
        SolverConfig::Ddim(Ddim::default()),
        SolverConfig::Ddim(Ddim {
            eta: 0.5,
            clip: Some(2.0),
        }),
        SolverConfig::GradientEstimation(GradientEstimation::default()),
        SolverConfig::PredictorCorrector(PredictorCorrector::default()),
        SolverConfig::DpmSolver2M(DpmSolver2M::default()),
        SolverConfig::DpmSolver3M(DpmSolver3M::default()),
        SolverConfig::DpmSolver2MSde(DpmSolver2MSde::default()),
        SolverConfig::DpmSolver3MSde(DpmSolver3MSde::default()),
    ]
}

#[test]
fn every_name_has_a_solver_in_these_tests() {
    let tested: Vec<&str> = every_solver().iter().map(|s| s.info().name).collect();
    assert!(SolverConfig::NAMES.iter().all(|name| tested.contains(name)));
}

/// The samples `noise.first_sample..` of a run, as many as `like` holds.
fn samples<A, D>(
    config: SolverConfig,
    sde: &dyn AffineSde,
    score: &dyn Score<Array<A, D>>,
    like: &Array<A, D>,
    noise: CounterNoise,
) -> Array<A, D>
where
    A: NdFloat,
    D: Dimension + RemoveAxis,
{
    let spacing = config.default_grid(sde.name());
    let grid = GridSpec::new(spacing, 12).build(sde).unwrap();
    let x_t = sample_prior(sde, like, &noise);
    let solver = config.build().unwrap();
    let run = solver.solve(
        &Problem::new(sde, score),
        &grid,
        x_t,
        &noise,
        &mut Unobserved,
    );
    run.unwrap().x
}

#[test]
fn a_batch_may_be_cut_anywhere_without_changing_a_bit() {
    let world = GaussianMixture::eight_gaussians();
    for config in every_solver() {
        for sde in families::all() {
            let (sde, score) = (sde.as_ref(), world.under(sde.as_ref()));
            let noise = CounterNoise::new(17);
            let whole = samples(config, sde, &score, &Array2::<f64>::zeros((7, 2)), noise);
            let part = |first: usize, len: usize| {
                let like = Array2::<f64>::zeros((len, 2));
                samples(config, sde, &score, &like, noise.starting_at(first as u64))
            };
            let cut = [part(0, 1), part(1, 4), part(5, 2)];
            let joined = concatenate(Axis(0), &cut.each_ref().map(|p| p.view())).unwrap();
            assert_eq!(whole, joined, "{} {}", config.info().name, sde.name());
            assert_eq!(whole, part(0, 7), "the same run twice");
        }
    }
}

#[test]
fn pictures_in_f32_are_cut_as_well_as_points_in_f64() {
    let score = |x: &Array4<f32>, t: Time| x.mapv(|x| -(x + x.sin()) / (1.0 + t.0 as f32));
    for config in every_solver() {
        for sde in families::all() {
            let noise = CounterNoise::new(3);
            let part = |first: u64, len: usize| {
                let like = Array4::<f32>::zeros((len, 2, 3, 4));
                samples(
                    config,
                    sde.as_ref(),
                    &score,
                    &like,
                    noise.starting_at(first),
                )
            };
            let joined = concatenate(Axis(0), &[part(0, 2).view(), part(2, 3).view()]).unwrap();
            assert_eq!(part(0, 5), joined, "{} {}", config.info().name, sde.name());
        }
    }
}

#[test]
fn a_neighbour_that_explodes_changes_no_other_sample() {
    let sde = &families::all()[0];
    let world = GaussianMixture::eight_gaussians();
    let score = world.under(sde.as_ref());
    let problem = Problem::new(sde.as_ref(), &score);
    let noise = CounterNoise::new(23);
    for config in every_solver() {
        let grid = GridSpec::new(config.default_grid(sde.name()), 12).build(sde.as_ref());
        let solver = config.build::<Array2<f64>>().unwrap();
        let x_t = sample_prior(sde.as_ref(), &Array2::zeros((4, 2)), &noise);
        let mut disturbed = x_t.clone();
        disturbed.slice_mut(s![1, ..]).fill(1e6);
        let run = |x| {
            let solution =
                solver.solve(&problem, grid.as_ref().unwrap(), x, &noise, &mut Unobserved);
            solution.unwrap().x
        };
        let (calm, disturbed) = (run(x_t), run(disturbed));
        for i in [0, 2, 3] {
            assert_eq!(calm.row(i), disturbed.row(i), "{}", config.info().name);
        }
        assert_ne!(calm.row(1), disturbed.row(1));
    }
}

#[test]
fn only_stochastic_solvers_depend_on_the_seed_after_the_prior() {
    let sde = &families::all()[0];
    let world = GaussianMixture::eight_gaussians();
    let score = world.under(sde.as_ref());
    let problem = Problem::new(sde.as_ref(), &score);
    for config in every_solver() {
        let grid = GridSpec::new(config.default_grid(sde.name()), 12).build(sde.as_ref());
        let solver = config.build::<Array2<f64>>().unwrap();
        let x_t = sample_prior(sde.as_ref(), &Array2::zeros((4, 2)), &CounterNoise::new(0));
        let [one, other] = [1, 2].map(|seed| {
            let noise = CounterNoise::new(seed);
            let grid = grid.as_ref().unwrap();
            let run = solver.solve(&problem, grid, x_t.clone(), &noise, &mut Unobserved);
            run.unwrap().x
        });
        assert_eq!(one != other, config.info().stochastic, "{:?}", config);
    }
}

#[test]
fn the_prior_has_the_standard_deviation_of_the_process() {
    for sde in families::all() {
        let x_t = sample_prior(
            sde.as_ref(),
            &Array2::<f64>::zeros((3, 5)),
            &CounterNoise::new(4),
        );
        let unit: Array2<f64> =
            CounterNoise::new(4).standard_normal(&x_t, StepIndex(0), Role::Prior);
        assert_eq!(x_t, unit.scale(sde.prior().std));
    }
}
