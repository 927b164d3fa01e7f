//! The order of Heun's method on the flow of pairs.
#![allow(clippy::print_stdout)]

use sde_core::damped::{DampedLangevin, VelocityScore};
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use sde_core::{State, Time};
use solvers::damped::{DampedHeun, DampedProblem, DampedSolver, sample_damped_prior};
use solvers::{GridConfig, Order, Scheme, Unobserved};

use super::{X, Z, plain};
use crate::regression::order;

const END: f64 = 1e-3;

/// The flow from T to [`END`] by the classical Runge-Kutta method in ln(t + 0.01): another clock, another
/// method.
fn reference(process: &DampedLangevin, world: &GaussianMixture, mut z: Z, steps: u32) -> Z {
    let score = world.under_damped(process);
    let [from, to] = [1.0, END].map(|t| f64::ln(t + 0.01));
    let h = (to - from) / f64::from(steps);
    let slope = |z: &Z, l: f64| {
        let s = score.velocity_score(z, Time(l.exp() - 0.01));
        process.flow(z, &s).scale(l.exp())
    };
    for i in 0..steps {
        let l = from + h * f64::from(i);
        let k1 = slope(&z, l);
        let k2 = slope(&z.clone().axpy(0.5 * h, &k1), l + 0.5 * h);
        let k3 = slope(&z.clone().axpy(0.5 * h, &k2), l + 0.5 * h);
        let k4 = slope(&z.clone().axpy(h, &k3), l + h);
        z = z.axpy(h / 6.0, &k1.axpy(2.0, &k2).axpy(2.0, &k3).axpy(1.0, &k4));
    }
    z
}

fn distance(a: &Z, b: &Z) -> f64 {
    let norms = a.clone().axpy(-1.0, b).norms();
    (norms.iter().map(|n| n * n).sum::<f64>() / norms.len() as f64).sqrt()
}

#[test]
fn heun_is_of_order_two_on_a_mixture_of_pairs() {
    let (process, world) = (
        DampedLangevin::default(),
        GaussianMixture::eight_gaussians(),
    );
    let score = world.under_damped(&process);
    let problem = DampedProblem::new(process, &score);
    let noise = CounterNoise::new(5);
    let z = sample_damped_prior(&process, &X::zeros((16, 2)), &noise);
    let exact = reference(&process, &world, z.clone(), 6000);
    let coarse = reference(&process, &world, z.clone(), 3000);
    let unsure = distance(&exact, &coarse);
    assert!(unsure < 1e-8, "{unsure:e}");
    for spacing in [GridConfig::Uniform {}, GridConfig::Quadratic {}] {
        let errors = [256, 512, 1024, 2048].map(|steps| {
            let grid = plain(&process, spacing, steps, END);
            let run = DampedHeun.solve(&problem, &grid, z.clone(), &noise, &mut Unobserved);
            (steps, distance(&run.unwrap().x, &exact))
        });
        let measured = order(&errors);
        println!(
            "damped-heun {}: {errors:?}, order {measured:.3}",
            spacing.name()
        );
        assert_eq!(DampedHeun.info().order, Order::Ode(2));
        assert!((measured - 2.0).abs() < 0.2, "{measured}");
    }
}

/// One Gaussian's flow is known in closed form.
#[test]
fn heun_converges_to_the_closed_flow_of_a_gaussian() {
    let process = DampedLangevin::default();
    let world = GaussianMixture::gaussian(&[0.3, -1.0], 0.5).unwrap();
    let exact = world.under_damped(&process);
    let problem = DampedProblem::new(process, &exact);
    let noise = CounterNoise::new(1);
    let z = exact.sample_at(process.t_max(), 2, 8);
    let closed = exact.flow(Time(1.0), Time(END), &z).unwrap();
    let errors = [250, 500, 1000].map(|steps| {
        let grid = plain(&process, GridConfig::Quadratic {}, steps, END);
        let run = DampedHeun.solve(&problem, &grid, z.clone(), &noise, &mut Unobserved);
        (steps, distance(&run.unwrap().x, &closed))
    });
    let measured = order(&errors);
    assert!((measured - 2.0).abs() < 0.2, "{errors:?}, {measured}");
}
