//! Whether the solvers of pairs sample the right distribution, and whether these tests would notice if not.
//!
//! Runs start from the exact p_T and end at t_min. By the measure of `linear_maps`, positions are too wide
//! or too narrow by less than 2 % in variance on these grids, where detection begins at 10 %.

use ndarray::Array2;
use sde_core::damped::{DampedLangevin, VelocityScore};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{Marginal, State, StepIndex, Time};
use solvers::damped::{DampedEulerMaruyama, DampedHeun, DampedProblem, DampedSolver, Sscs};
use solvers::{GridConfig, Unobserved};

use super::linear_maps::excess;
use super::{X, Z, plain};
use crate::goodness_of_fit::{FALSE_ALARM, separated};

const QUADRATIC: GridConfig = GridConfig::Quadratic {};

/// Standard normal noise times a factor.
struct Scaled(f64);

impl Noise<Z> for Scaled {
    fn standard_normal(&self, like: &Z, step: StepIndex, role: Role) -> Z {
        let noise: Z = CounterNoise::new(2).standard_normal(like, step, role);
        noise.scale(self.0)
    }
}

/// The p-value of 2000 positions of the eight Gaussians at t_min.
fn p_value(
    solver: &dyn DampedSolver<X>,
    steps: usize,
    score: &dyn VelocityScore<X>,
    noise: f64,
) -> f64 {
    let (process, world) = (
        DampedLangevin::default(),
        GaussianMixture::eight_gaussians(),
    );
    let grid = plain(&process, QUADRATIC, steps, 1e-3);
    let z = world
        .under_damped(&process)
        .sample_at(grid.start(), 1, 2000);
    let problem = DampedProblem::new(process, score);
    let run = solver.solve(&problem, &grid, z, &Scaled(noise), &mut Unobserved);
    let kernel = process.marginal(grid.end());
    let marginal = Marginal {
        alpha: kernel.mean.xx,
        sigma: kernel.covariance.xx.sqrt(),
    };
    separated(&world.noised(marginal), &run.unwrap().x.position)
}

#[test]
fn every_solver_samples_the_eight_gaussians() {
    let (process, world) = (
        DampedLangevin::default(),
        GaussianMixture::eight_gaussians(),
    );
    let cases: [(&dyn DampedSolver<X>, usize); 4] = [
        (&Sscs::default(), 400),
        (&Sscs::midpoint(), 100),
        (&DampedEulerMaruyama, 400),
        (&DampedHeun, 100),
    ];
    for (solver, steps) in cases {
        // A component's own width.
        let grid = plain(&process, QUADRATIC, steps, 1e-3);
        let excess = excess(solver, &process, 0.2, &grid);
        let p = p_value(solver, steps, &world.under_damped(&process), 1.0);
        let name = super::label(solver);
        assert!(excess.abs() < 0.02, "{name}: {excess}");
        assert!(p > FALSE_ALARM, "{name}: {p}");
    }
}

#[test]
fn a_score_or_a_noise_ten_percent_off_is_noticed() {
    let (process, world) = (
        DampedLangevin::default(),
        GaussianMixture::eight_gaussians(),
    );
    let exact = world.under_damped(&process);
    let weak = |z: &Z, t: Time| -> Array2<f64> { 0.9 * exact.velocity_score(z, t) };
    let solver = Sscs::default();
    assert!(p_value(&solver, 200, &weak, 1.0) < FALSE_ALARM);
    assert!(p_value(&solver, 200, &exact, 1.1) < FALSE_ALARM);
    assert!(p_value(&solver, 200, &exact, 0.9) < FALSE_ALARM);
}
