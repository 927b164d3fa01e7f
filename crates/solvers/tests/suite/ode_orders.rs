//! The orders of the ODE solvers, measured on a mixture against a fourth-order method of another kind.
#![allow(clippy::print_stdout)]

use ndarray::Array2;
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use solvers::{GridSpec, LastStep, Order, Problem, SolverConfig, Unobserved, sample_prior};

use crate::families;
use crate::reference_flow::{distance, reference};
use crate::regression::order;

type X = Array2<f64>;

/// Every solver that draws no noise with its published parameters.
fn deterministic() -> Vec<SolverConfig> {
    let all = SolverConfig::NAMES.map(|name| name.parse::<SolverConfig>().unwrap());
    all.into_iter().filter(|s| !s.info().stochastic).collect()
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
            let Order::Ode(stated) = info.order else {
                panic!("{} states {}", info.name, info.order);
            };
            if !((measured - f64::from(stated)).abs() < 0.2) {
                println!("BAD");
            }
        }
    }
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
