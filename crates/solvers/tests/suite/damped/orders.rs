//! The weak and strong orders of the stochastic solvers on Gaussian data, exactly.
#![allow(clippy::print_stdout)]

use sde_core::damped::DampedLangevin;
use sde_core::noise::CounterNoise;
use solvers::damped::{DampedEulerMaruyama, DampedHeun, DampedProblem, DampedSolver, Sscs};
use solvers::{GridConfig, Order, Unobserved};

use super::linear_maps::{covariance, distance_on_one_path, excess};
use super::{X, label, plain};
use crate::regression::order;
use crate::scripted_noise::BrownianPath;

const UNIFORM: GridConfig = GridConfig::Uniform {};

fn stated(solver: &dyn DampedSolver<X>) -> (f64, f64) {
    match solver.info().order {
        Order::Sde { strong, weak } => (strong, weak),
        other => panic!("{} states {other}", solver.info().name),
    }
}

/// SSCS is of weak order 1 with its published Euler step, 2 with the midpoint rule in its place.
#[test]
fn the_weak_orders_on_a_gaussian_are_those_stated_exactly() {
    let process = DampedLangevin::default();
    println!("relative error of Var x at t for data of standard deviation 0.5");
    println!("solver (NFE a step)        t     grid      N=100    200      400        order");
    let solvers: [&dyn DampedSolver<X>; 3] =
        [&DampedEulerMaruyama, &Sscs::default(), &Sscs::midpoint()];
    for solver in solvers {
        for end in [0.125, 1e-3] {
            for spacing in [UNIFORM, GridConfig::Quadratic {}] {
                let errors = [100, 200, 400].map(|steps| {
                    let grid = plain(&process, spacing, steps, end);
                    (steps, excess(solver, &process, 0.5, &grid))
                });
                let measured = order(&errors.map(|(steps, error)| (steps, error.abs())));
                let columns = errors.map(|(_, error)| format!("{error:+.1e}")).join(" ");
                let (name, grid) = (label(solver), spacing.name());
                println!("{name:26} {end:5} {grid:9} {columns}   {measured:.3}");
                assert!((measured - stated(solver).1).abs() < 0.2, "{measured}");
            }
        }
    }
}

/// Covariances of 100 equal steps from T to t = 1/8, computed by numpy from the schemes' 2 × 2 matrices
/// in the units of the damping: Var x / exact − 1, Cov(x, v), Var v.
#[test]
fn the_covariances_are_those_of_a_second_implementation() {
    let process = DampedLangevin::default();
    let cases: [(&dyn DampedSolver<X>, [f64; 3]); 4] = [
        (&DampedEulerMaruyama, NUMPY[0]),
        (&Sscs::default(), NUMPY[1]),
        (&Sscs::midpoint(), NUMPY[2]),
        (&DampedHeun, NUMPY[3]),
    ];
    for (solver, [excess, xv, vv]) in cases {
        let grid = plain(&process, UNIFORM, 100, 0.125);
        let found = covariance(solver, &process, 0.5, &grid);
        let exact = process.covariance(grid.end(), 0.25).xx;
        let found = [found[0] / exact - 1.0, found[1], found[2]];
        for (found, expected) in found.into_iter().zip([excess, xv, vv]) {
            // numpy's moments cancel a little.
            let name = solver.info().name;
            assert!(
                (found - expected).abs() < 1e-12,
                "{name}: {found} {expected}"
            );
        }
    }
}

const NUMPY: [[f64; 3]; 4] = [
    [0.07899666186923149, 0.12441009898703387, 0.2637505115787239],
    [0.0168766886320455, 0.10351737336363917, 0.22502497238495242],
    [
        -0.00015049135188549556,
        0.10134590655537391,
        0.2252388177850803,
    ],
    [
        -0.001051808176257052,
        0.101541018209805,
        0.22443047251162548,
    ],
];

/// Runs with N and 2N steps on one path differ by C (1 − 2^{−p}) N^{−p}.
#[test]
fn the_strong_orders_on_a_gaussian_are_those_stated_exactly() {
    const FINEST: usize = 256;

    let process = DampedLangevin::default();
    for solver in [Sscs::default(), Sscs::midpoint()] {
        let distances = [8, 16, 32, 64].map(|steps| {
            let [coarse, fine] = [steps, 2 * steps].map(|n| plain(&process, UNIFORM, n, 0.125));
            let square = distance_on_one_path(&solver, &process, 0.5, [&coarse, &fine], FINEST);
            (steps, square.sqrt())
        });
        let measured = order(&distances);
        println!(
            "{}: {distances:?}, strong order {measured:.3}",
            label(&solver)
        );
        assert!((measured - stated(&solver).0).abs() < 0.2, "{measured}");
    }

    // Brownian increments alone move Euler-Maruyama. 400 paths: their spread does not depend on N.
    let world = sde_core::worlds::GaussianMixture::gaussian(&[0.0], 0.5).unwrap();
    let score = world.under_damped(&process);
    let problem = DampedProblem::new(process, &score);
    let z = score.sample_at(process.t_max(), 1, 400);
    const STEPS: [usize; 5] = [64, 128, 256, 512, 1024];
    let runs = STEPS.map(|steps| {
        let grid = plain(&process, UNIFORM, steps, 0.125);
        let noise = BrownianPath {
            finest: CounterNoise::new(9),
            finest_steps: 1024,
            steps,
        };
        let run = DampedEulerMaruyama.solve(&problem, &grid, z.clone(), &noise, &mut Unobserved);
        run.unwrap().x
    });
    let distances: Vec<(usize, f64)> = (STEPS.into_iter().zip(runs.windows(2)))
        .map(|(steps, pair)| {
            let square = (&pair[0].position - &pair[1].position)
                .mapv(|d| d * d)
                .mean();
            (steps, square.unwrap().sqrt())
        })
        .collect();
    let measured = order(&distances);
    println!("damped-euler-maruyama: {distances:?}, strong order {measured:.3}");
    assert!(
        (measured - stated(&DampedEulerMaruyama).0).abs() < 0.2,
        "{measured}"
    );
}
