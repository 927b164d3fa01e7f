//! The orders of the ODE solvers, measured on a mixture against a fourth-order method of another kind.
#![allow(clippy::print_stdout)]

use ndarray::Array2;
use sde_core::AffineSde;
use sde_core::families::Brownian;
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use solvers::{
    Curvature, DpmSolver2M, DpmSolver3M, DpmSolver3MSde, GradientEstimation, GridConfig, GridSpec,
    LastStep, Order, Problem, Slope, Solver, SolverConfig, Unobserved, sample_prior,
};

use crate::families;
use crate::reference_flow::{distance, reference};
use crate::regression::order;

type X = Array2<f64>;

/// Every solver that draws no noise with its published parameters, and what else has an order.
fn deterministic() -> Vec<SolverConfig> {
    let published = SolverConfig::NAMES.map(|name| name.parse::<SolverConfig>().unwrap());
    let variants = [
        SolverConfig::DpmSolver2M(DpmSolver2M { slope: Slope::Heun }),
        SolverConfig::DpmSolver3M(DpmSolver3M {
            curvature: Curvature::Exact,
        }),
        SolverConfig::GradientEstimation(GradientEstimation { gamma: 1.5 }),
        SolverConfig::DpmSolver3MSde(DpmSolver3MSde {
            eta: 0.0,
            ..DpmSolver3MSde::default()
        }),
    ];
    let all = published.into_iter().chain(variants);
    // Those that choose their own steps are measured by their tolerances, in `rk45.rs`.
    all.filter(|s| !s.info().stochastic && s.with_tolerance(1.0).is_none())
        .collect()
}

/// The order to expect of `config` on `sde`: what it states, with one exception. The first step of a method
/// of order 3 knows one prediction, and so leaves an error h² dx̂₀/dλ at t_max. That is nothing where the
/// noise is far above the data, but Brownian motion on [0, 100] begins at σ = 10, for data of radius 2.
fn expected(config: SolverConfig, sde: &dyn AffineSde) -> f64 {
    let Order::Ode(stated) = config.info().order else {
        panic!("{config:?} states {}", config.info().order);
    };
    if stated == 3 && sde.name() == "brownian" {
        2.65
    } else {
        f64::from(stated)
    }
}

#[test]
fn every_ode_solver_has_the_order_it_states_on_every_family() {
    let world = GaussianMixture::eight_gaussians();
    let noise = CounterNoise::new(5);
    println!("RMS error on eight Gaussians, and the order fitted to it");
    println!(
        "family    grid     solver                 N=128    256      512      1024       order"
    );
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let x_t = sample_prior(sde, &X::zeros((16, 2)), &noise);
        let exact = reference(sde, &world, &x_t, 2000);
        for config in deterministic() {
            let (solver, spacing) = (
                config.build::<X>().unwrap(),
                config.default_grid(sde.name()),
            );
            let errors = [128, 256, 512, 1024].map(|steps| {
                let grid = GridSpec::new(spacing, steps)
                    .ending_with(LastStep::Plain)
                    .build(sde)
                    .unwrap();
                let solution = solver
                    .solve(&problem, &grid, x_t.clone(), &noise, &mut Unobserved)
                    .unwrap();
                (steps, distance(&solution.x, &exact))
            });
            let info = solver.info();
            let measured = order(&errors);
            let columns = errors.map(|(_, error)| format!("{error:.2e}")).join(" ");
            let (family, grid) = (sde.name(), spacing.name());
            println!(
                "{family:9} {grid:8} {:22} {columns}   {measured:.3}",
                info.name
            );
            let expected = expected(config, sde);
            assert!((measured - expected).abs() < 0.2, "{config:?}: {measured}");
        }
    }
}

/// So it is not Brownian motion that costs the order.
#[test]
fn the_third_order_is_whole_on_brownian_motion_that_starts_far_above_the_data() {
    let world = GaussianMixture::eight_gaussians();
    let sde = Brownian { t_max: 6400.0 };
    let score = world.under(&sde);
    let problem = Problem::new(&sde, &score);
    let noise = CounterNoise::new(5);
    let x_t = sample_prior(&sde, &X::zeros((16, 2)), &noise);
    let exact = reference(&sde, &world, &x_t, 4000);
    let solver = DpmSolver3M {
        curvature: Curvature::Exact,
    };
    let errors = [128, 256, 512].map(|steps| {
        let spec = GridSpec::new(GridConfig::LogSnr {}, steps).ending_with(LastStep::Plain);
        let grid = spec.build(&sde).unwrap();
        let run = solver.solve(&problem, &grid, x_t.clone(), &noise, &mut Unobserved);
        (steps, distance(&run.unwrap().x, &exact))
    });
    let measured = order(&errors);
    assert!((measured - 3.0).abs() < 0.2, "{measured}");
}

#[test]
fn the_reference_is_converged_far_beyond_the_errors_measured_with_it() {
    let world = GaussianMixture::eight_gaussians();
    for sde in families::all() {
        let x_t = sample_prior(sde.as_ref(), &X::zeros((16, 2)), &CounterNoise::new(5));
        let [coarse, fine] = [1000, 2000].map(|n| reference(sde.as_ref(), &world, &x_t, n));
        assert!(distance(&coarse, &fine) < 1e-8);
    }
}
