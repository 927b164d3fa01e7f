//! Euler-Maruyama beside SSCS at equal numbers of evaluations: the paper's claim, on data whose score is exact.
#![allow(clippy::print_stdout)]

use sde_core::damped::DampedLangevin;
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use solvers::damped::{
    DampedEulerMaruyama, DampedHeun, DampedProblem, DampedSolver, Sscs, sample_damped_prior,
};
use solvers::{GridConfig, GridSpec, Unobserved};

use super::linear_maps::excess;
use super::{X, label, plain};

fn solvers() -> [Box<dyn DampedSolver<X>>; 4] {
    [
        Box::new(DampedEulerMaruyama),
        Box::new(Sscs::default()),
        Box::new(Sscs::midpoint()),
        Box::new(DampedHeun),
    ]
}

const NFE: [usize; 5] = [20, 50, 100, 200, 500];

/// The error of a component's variance, exactly, for the data and the grids of the table.
#[test]
fn sscs_is_nearer_to_the_variance_than_euler_maruyama_at_few_evaluations() {
    let process = DampedLangevin::default();
    for std in [0.2, 0.5] {
        for spacing in [GridConfig::Uniform {}, GridConfig::Quadratic {}] {
            println!(
                "Var x / exact − 1, data of std {std}, {} grid, NFE {NFE:?}",
                spacing.name()
            );
            let errors = solvers().map(|solver| {
                let errors = NFE.map(|nfe| {
                    let steps = nfe / solver.info().nfe_per_step;
                    excess(
                        solver.as_ref(),
                        &process,
                        std,
                        &plain(&process, spacing, steps, 1e-3),
                    )
                });
                println!("{:26} {errors:+.4?}", label(solver.as_ref()));
                errors
            });
            let [euler, sscs, midpoint, _] = errors;
            for i in 0..2 {
                assert!(sscs[i].abs() < euler[i].abs());
            }
            for i in 1..NFE.len() {
                assert!(midpoint[i].abs() < euler[i].abs());
            }
        }
    }
}

/// Mean squared radius about the nearest of the eight Gaussians, in units of its own expectation, from the
/// prior to the denoised sample: the standard error for 1000 samples is 0.03.
#[test]
fn on_the_eight_gaussians_sscs_finds_the_modes_with_fewer_evaluations_than_euler_maruyama() {
    let (process, world) = (
        DampedLangevin::default(),
        GaussianMixture::eight_gaussians(),
    );
    let score = world.under_damped(&process);
    let problem = DampedProblem::new(process, &score);
    let noise = CounterNoise::new(8);
    let spread = |solver: &dyn DampedSolver<X>, nfe: usize| {
        // The last of N steps costs one evaluation.
        let steps = (nfe - 1) / solver.info().nfe_per_step + 1;
        let grid = GridSpec::new(GridConfig::Quadratic {}, steps).build_damped(&process);
        let z = sample_damped_prior(&process, &X::zeros((1000, 2)), &noise);
        let run = solver.solve(&problem, &grid.unwrap(), z, &noise, &mut Unobserved);
        let x = run.unwrap().x.position;
        let square = |i: usize| {
            let means = world.means();
            let to = |mean: ndarray::ArrayView1<'_, f64>| (&x.row(i) - &mean).mapv(|d| d * d).sum();
            means.outer_iter().map(to).fold(f64::INFINITY, f64::min)
        };
        (0..1000).map(square).sum::<f64>() / 1000.0 / (2.0 * 0.04)
    };
    println!("squared radius about the nearest mode / its expectation, NFE 20, 50, 100");
    let found = solvers().map(|solver| {
        let row = [20, 50, 100].map(|nfe| spread(solver.as_ref(), nfe));
        println!("{:26} {row:.3?}", label(solver.as_ref()));
        row
    });
    for i in 0..2 {
        assert!((found[1][i] - 1.0).abs() < (found[0][i] - 1.0).abs());
    }
}
