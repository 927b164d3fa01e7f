//! The variance that a stochastic solver gives Gaussian data, exactly: what its samples are too wide by.

use ndarray::Array2;
use sde_core::AffineSde;
use sde_core::families::{Edm, VarianceExploding, VariancePreserving};
use sde_core::worlds::GaussianMixture;
use solvers::{
    AnnealedLangevin, EdmSampler, EulerMaruyama, GridConfig, GridSpec, LangevinStep, LastStep,
    Problem, Solver, TimeGrid, Unobserved,
};

use crate::families;
use crate::scripted_noise::Impulses;

/// Var x / Var p_t − 1 at the end of `grid`, for data N(0, `std`²), p_t at its start, and a solver that
/// numbers its draws 0..`draws`.
pub fn excess(
    solver: &dyn Solver<Array2<f64>>,
    sde: &dyn AffineSde,
    std: f64,
    grid: &TimeGrid,
    draws: usize,
) -> f64 {
    let world = GaussianMixture::gaussian(&[0.0], std).unwrap();
    let variance = |t| world.noised(sde.marginal(t)).stds()[[0, 0]].powi(2);
    let score = world.under(sde);
    let problem = Problem::new(sde, &score);
    let x = Impulses::start(draws);
    let result = solver.solve(&problem, grid, x, &Impulses, &mut Unobserved);
    let found = Impulses::variance(&result.unwrap().x, variance(grid.start()));
    found / variance(grid.end()) - 1.0
}

fn plain(sde: &dyn AffineSde, spacing: GridConfig, steps: usize) -> TimeGrid {
    let spec = GridSpec::new(spacing, steps).ending_with(LastStep::Plain);
    spec.build(sde).unwrap()
}

fn langevin(steps_per_level: usize, epsilon: f64) -> AnnealedLangevin {
    let step = LangevinStep::Ncsn { epsilon };
    AnnealedLangevin {
        steps_per_level,
        step,
    }
}

#[test]
fn euler_maruyama_is_within_two_percent_of_the_variance_in_500_steps_on_every_family() {
    for sde in families::all() {
        let grid = plain(sde.as_ref(), GridConfig::published(sde.name()), 500);
        let excess = excess(&EulerMaruyama, sde.as_ref(), 0.5, &grid, 500);
        assert!((0.0..0.02).contains(&excess), "{}: {excess}", sde.name());
    }
}

#[test]
fn the_published_churn_is_within_one_percent_of_the_variance_in_its_256_steps_on_every_family() {
    for sde in families::all() {
        let solver = EdmSampler {
            s_noise: 1.0,
            ..EdmSampler::imagenet64()
        };
        let grid = plain(sde.as_ref(), GridConfig::karras(), 256);
        let excess = excess(&solver, sde.as_ref(), 0.5, &grid, 256);
        assert!((0.0..0.01).contains(&excess), "{}: {excess}", sde.name());
    }
}

/// Added noise of standard deviation S_noise instead of 1 ends up in the samples.
#[test]
fn an_s_noise_above_one_widens_the_samples() {
    let sde = Edm::default();
    let grid = plain(&sde, GridConfig::karras(), 64);
    let excess_of = |s_noise| {
        let solver = EdmSampler {
            s_noise,
            ..EdmSampler::imagenet64()
        };
        excess(&solver, &sde, 0.5, &grid, 64)
    };
    assert!(excess_of(1.05) > excess_of(1.003));
    assert!(excess_of(1.003) > excess_of(1.0));
}

/// With a = ε σ²/2 and data at a point, one step maps the variance v to v (1 − a/σ²)² + 2a, whose fixed
/// point is σ²/(1 − ε/4).
#[test]
fn the_stationary_variance_of_ncsn_steps_is_the_fixed_point_of_their_recursion() {
    let sde = VarianceExploding::default();
    let time = |sigma| sde.time_at_sigma(sde_core::Sigma(sigma));
    // Two levels as good as one.
    let times = vec![time(1.0 + 1e-9), time(1.0)];
    let grid = TimeGrid::from_times(times, LastStep::Plain).unwrap();
    for epsilon in [0.2, 1.0, 3.0] {
        let excess = excess(&langevin(200, epsilon), &sde, 0.0, &grid, 400);
        let expected = 1.0 / (1.0 - 0.25 * epsilon) - 1.0;
        assert!((excess - expected).abs() < 1e-6, "{excess} for {expected}");
    }
}

/// The levels sink faster than Langevin dynamics can follow; what is left of an earlier level stays.
#[test]
fn annealed_langevin_lags_behind_its_levels_by_less_the_more_steps_it_takes() {
    let sde = VariancePreserving::default();
    let lag = |steps_per_level, epsilon, levels| {
        // A grid of so many times has one step less.
        let grid = plain(&sde, GridConfig::LogSnr {}, levels - 1);
        let solver = langevin(steps_per_level, epsilon);
        excess(&solver, &sde, 0.5, &grid, steps_per_level * levels)
    };
    // 6 % with the published parameters and 20 levels.
    let published = lag(100, 0.2, 20);
    assert!((0.05..0.065).contains(&published), "{published}");
    // Half of it with half the evaluations: longer steps.
    assert!((0.02..0.026).contains(&lag(10, 1.0, 100)));
    assert!(lag(20, 0.5, 20) > lag(40, 0.5, 20));
}
