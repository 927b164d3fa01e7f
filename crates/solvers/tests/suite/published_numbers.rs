//! Numbers that a developer who knows the papers will check first.

use ndarray::{Array2, array};
use sde_core::families::Edm;
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use solvers::{EdmSampler, EulerOde, HeunOde, Problem, Solver, TimeGrid, Unobserved};

/// The grid of Karras et al. 2022, eq. 5, for 18 steps, in 40-digit arithmetic.
const GRID_OF_18: [f64; 18] = [
    80.0,
    57.5859847212,
    40.7855737965,
    28.3745846042,
    19.3524529803,
    12.9100823808,
    8.4009353091,
    5.3151945218,
    3.25682151977,
    1.92333983704,
    1.08817063655,
    0.585348123195,
    0.296442284479,
    0.139516468731,
    0.0599473112355,
    0.0229345183723,
    0.00752801996278,
    0.002,
];

#[test]
fn the_edm_grid_of_18_steps_is_the_published_one() {
    let grid = TimeGrid::karras(&Edm::default(), 18, 7.0).unwrap();
    assert_eq!(grid.steps(), 18);
    assert_eq!(grid.times().len(), GRID_OF_18.len());
    for (time, expected) in grid.times().iter().zip(GRID_OF_18) {
        assert!(
            (time.0 / expected - 1.0).abs() < 1e-11,
            "{time:?} for {expected}"
        );
    }
}

/// Where `solver` takes x(80) = 80 for data N(0, 0.5²) with σ(t) = t, in `steps` steps of ρ = 7 of
/// which the last goes to σ = 0.
fn from_eighty(solver: &dyn Solver<Array2<f64>>, steps: usize) -> f64 {
    let sde = Edm::default();
    let world = GaussianMixture::gaussian(&[0.0], 0.5).unwrap();
    let score = world.under(&sde);
    let grid = TimeGrid::karras(&sde, steps, 7.0).unwrap();
    let problem = Problem::new(&sde, &score);
    let noise = CounterNoise::new(0);
    let run = solver.solve(&problem, &grid, array![[80.0]], &noise, &mut Unobserved);
    run.unwrap().x[[0, 0]]
}

/// The expected values come from a recursion written apart from this crate, in 40-digit arithmetic.
#[test]
fn euler_and_heun_give_the_numbers_of_algorithm_1_on_a_gaussian() {
    let heun = [
        (18, 0.52762463700105),
        (36, 0.5060970918684),
        (72, 0.50142562624075),
        (144, 0.50033572335204),
    ];
    for (steps, expected) in heun {
        assert!((from_eighty(&HeunOde, steps) - expected).abs() < 1e-12);
        assert!((from_eighty(&EdmSampler::default(), steps) - expected).abs() < 1e-12);
    }
    for (steps, expected) in [(18, 0.42303143640798), (36, 0.4609962160555)] {
        assert!((from_eighty(&EulerOde, steps) - expected).abs() < 1e-12);
    }
}

/// The flow of a Gaussian carries one standard deviation into the other, here √(80² + 0.5²) into 0.5.
#[test]
fn many_steps_reach_the_exact_flow() {
    let exact = 80.0 * 0.5 / (80.0f64.powi(2) + 0.25).sqrt();
    assert!((exact - 0.499990235).abs() < 5e-10);
    // What is left is the last step: Tweedie's mean at σ_min is short by σ_min²/(2 s²).
    let last_step = -0.5 * (0.002f64 / 0.5).powi(2);
    let error = from_eighty(&HeunOde, 10_000) / exact - 1.0;
    assert!((error - last_step).abs() < 2e-7, "{error}");
}
