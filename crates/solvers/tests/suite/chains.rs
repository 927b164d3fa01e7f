//! Discrete chains under the solvers: their nodes as grids, their samples against the exact flow.

use ndarray::{Array2, array};
use sde_core::chains::{BetaSchedule, Chain, Ddpm, Smld, StepSpacing};
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal};
use solvers::{
    EdmSampler, EulerOde, GridConfig, GridSpec, LastStep, Problem, Solver, TimeGrid, Unobserved,
};

fn ddpm(schedule: BetaSchedule) -> Box<dyn Chain> {
    let steps = 1000;
    Box::new(Ddpm { steps, schedule }.chain().unwrap())
}

fn chains() -> [Box<dyn Chain>; 3] {
    [
        ddpm(BetaSchedule::linear()),
        ddpm(BetaSchedule::cosine()),
        Box::new(Smld::default().chain().unwrap()),
    ]
}

/// Where `solver` takes x_T = 0.7 `prior` of data N(0.2, 0.5²), before the last step.
fn flowed(chain: &dyn Chain, solver: &dyn Solver<Array2<f64>>, grid: &TimeGrid) -> (f64, f64) {
    let sde: &dyn AffineSde = chain;
    let world = GaussianMixture::gaussian(&[0.2], 0.5).unwrap();
    let score = world.under(sde);
    let x = array![[0.7 * sde.prior().std]];
    let [start, end]: [Marginal; 2] = [grid.start(), grid.end()].map(|t| sde.marginal(t));
    let exact = world.flow(start, end, &x).unwrap()[[0, 0]];
    let problem = Problem::new(sde, &score);
    let run = solver.solve(&problem, grid, x, &CounterNoise::new(0), &mut Unobserved);
    (run.unwrap().x[[0, 0]], exact)
}

#[test]
fn the_published_grid_of_n_steps_is_the_chain_s_n_nodes() {
    for chain in chains() {
        let spacing = GridConfig::published(chain.name());
        let sde: &dyn AffineSde = &*chain;
        let grid = GridSpec::new(spacing, 1000).build(sde).unwrap();
        let nodes = chain.spaced_times(StepSpacing::Trailing, 1000).unwrap();
        for (t, node) in grid.times().iter().zip(&nodes) {
            assert!((t.0 - node.0).abs() < 1e-15, "{t:?} {node:?}");
        }
        assert_eq!(
            TimeGrid::from_times(nodes, LastStep::Denoise)
                .unwrap()
                .steps(),
            1000
        );
    }
}

#[test]
fn every_sub_sequence_of_a_chain_is_a_grid() {
    for chain in chains() {
        for spacing in [
            StepSpacing::Leading,
            StepSpacing::Trailing,
            StepSpacing::Linspace,
            StepSpacing::Quadratic,
        ] {
            let times = chain.spaced_times(spacing, 10).unwrap();
            let grid = TimeGrid::from_times(times, LastStep::Denoise).unwrap();
            assert_eq!(grid.steps(), 10);
        }
    }
}

#[test]
fn solvers_follow_the_exact_flow_of_a_chain() {
    for chain in chains() {
        let sde: &dyn AffineSde = &*chain;
        let grid = |spacing, steps| {
            let spec = GridSpec::new(spacing, steps).ending_with(LastStep::Plain);
            spec.build(sde).unwrap()
        };
        // Heun's method in σ/α, which sees the marginals alone: its second order.
        let errors = [100, 200, 400].map(|steps| {
            let grid = grid(GridConfig::karras(), steps);
            let (found, exact) = flowed(&*chain, &EdmSampler::default(), &grid);
            (found - exact).abs()
        });
        let name = chain.name();
        assert!(errors[2] < 1e-3, "{name}: {errors:?}");
        for pair in errors.windows(2) {
            let order = (pair[0] / pair[1]).log2();
            assert!((order - 2.0).abs() < 0.1, "{name}: {errors:?}");
        }
    }
    // Euler's method in t, which sees drift and diffusion, from node to node.
    for chain in [
        ddpm(BetaSchedule::linear()),
        Box::new(Smld::default().chain().unwrap()),
    ] {
        let times = chain.spaced_times(StepSpacing::Trailing, 1000).unwrap();
        let grid = TimeGrid::from_times(times, LastStep::Plain).unwrap();
        let (found, exact) = flowed(&*chain, &EulerOde, &grid);
        assert!(
            (found - exact).abs() < 0.01,
            "{}: {found} {exact}",
            chain.name()
        );
    }
}
