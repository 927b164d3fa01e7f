//! What a solver does to Gaussian data, exactly: under a score that is linear in (x, v) its result is a linear
//! map of the start and of its draws, and impulses read that map off.

use ndarray::Array2;
use sde_core::StepIndex;
use sde_core::Time;
use sde_core::damped::{CholeskyFactor, DampedLangevin, PhaseMatrix, PhaseState};
use sde_core::noise::{Noise, Role};
use sde_core::worlds::GaussianMixture;
use solvers::damped::{DampedProblem, DampedSolver};
use solvers::{TimeGrid, Unobserved};

use super::{X, Z};

/// Samples 0 and 1 start as (1, 0) and (0, 1) and get no noise. Sample 2 + 2k gets 1 for the position in
/// draw k, sample 3 + 2k for the velocity; both start at 0.
struct PhaseImpulses;

/// The start of every impulse.
fn start(draws: usize) -> Z {
    let mut z = PhaseState::at_rest(Array2::zeros((2 + 2 * draws, 1)));
    z.position[[0, 0]] = 1.0;
    z.velocity[[1, 0]] = 1.0;
    z
}

impl Noise<Z> for PhaseImpulses {
    fn standard_normal(&self, like: &Z, step: StepIndex, _: Role) -> Z {
        let mut z = PhaseState::at_rest(Array2::zeros(like.position.raw_dim()));
        let first = 2 + 2 * step.0;
        assert!(first + 1 < z.position.nrows(), "draw {step:?} has impulses");
        z.position[[first, 0]] = 1.0;
        z.velocity[[first + 1, 0]] = 1.0;
        z
    }
}

/// The covariance (xx, xv, vv) at the end of `grid`, for data N(0, `std`²) and p_t at its start.
pub fn covariance(
    solver: &dyn DampedSolver<X>,
    process: &DampedLangevin,
    std: f64,
    grid: &TimeGrid,
) -> [f64; 3] {
    let world = GaussianMixture::gaussian(&[0.0], std).unwrap();
    let score = world.under_damped(process);
    let problem = DampedProblem::new(*process, &score);
    let draws = match solver.info().name {
        "sscs" => 2 * grid.steps(),
        _ => grid.steps(),
    };
    let z = start(draws);
    let run = solver.solve(&problem, grid, z, &PhaseImpulses, &mut Unobserved);
    let z = run.unwrap().x;
    let rows = || (z.position.iter()).zip(&z.velocity).map(|(&x, &v)| [x, v]);
    // Of the start, E C Eᵀ = (E L)(E L)ᵀ; of the rest, the squares.
    let l = process.covariance(grid.start(), std * std).factor();
    let [from_x, from_v] = [0, 1].map(|i| rows().nth(i).unwrap());
    let turned = [0, 1].map(|i| l.xx * from_x[i] + l.vx * from_v[i]);
    let straight = [0, 1].map(|i| l.vv * from_v[i]);
    let all = [turned, straight].into_iter().chain(rows().skip(2));
    all.fold([0.0; 3], |[xx, xv, vv], [x, v]| {
        [xx + x * x, xv + x * v, vv + v * v]
    })
}

/// Var x / its exact value − 1 at the end of `grid`.
pub fn excess(
    solver: &dyn DampedSolver<X>,
    process: &DampedLangevin,
    std: f64,
    grid: &TimeGrid,
) -> f64 {
    let found = covariance(solver, process, std, grid)[0];
    found / process.covariance(grid.end(), std * std).xx - 1.0
}

/// E‖(x, v/√M) − (x, v/√M)′‖² between runs of N and 2N steps on the same Brownian path, by impulses of the
/// path itself.
pub fn distance_on_one_path(
    solver: &dyn DampedSolver<X>,
    process: &DampedLangevin,
    std: f64,
    [coarse, fine]: [&TimeGrid; 2],
    finest: usize,
) -> f64 {
    let world = GaussianMixture::gaussian(&[0.0], std).unwrap();
    let score = world.under_damped(process);
    let problem = DampedProblem::new(*process, &score);
    let run = |grid: &TimeGrid| {
        let path = SharedPath::new(*process, grid, finest);
        let z = start(finest);
        let run = solver.solve(&problem, grid, z, &path, &mut Unobserved);
        run.unwrap().x
    };
    let (a, b) = (run(coarse), run(fine));
    let apart = |a: &X, b: &X| (a - b).mapv(|d| d * d).sum();
    apart(&a.position, &b.position) + apart(&a.velocity, &b.velocity) / process.mass()
}

/// The draws of an SSCS run as made of one path on a finest grid of equal intervals, impulse by impulse.
///
/// In each of the finest intervals the path has a pair of normals, from which follows what A adds to
/// position and velocity there. What A adds in a half step is the sum over its intervals, each carried
/// on by A to the end; the draw is that sum divided by the half step's own factor.
struct SharedPath {
    process: DampedLangevin,
    finest: usize,
    /// The length of the whole grid in t.
    span: f64,
    steps: usize,
}

impl SharedPath {
    fn new(process: DampedLangevin, grid: &TimeGrid, finest: usize) -> Self {
        Self {
            process,
            finest,
            span: grid.start().0 - grid.end().0,
            steps: grid.steps(),
        }
    }
}

impl Noise<Z> for SharedPath {
    /// For SSCS: draw j is the j-th half step.
    fn standard_normal(&self, like: &Z, step: StepIndex, _: Role) -> Z {
        let merged = self.finest / (2 * self.steps);
        let h = self.span / self.finest as f64;
        let of = |intervals: usize| self.process.backward_transition(Time(h * intervals as f64));
        let own = of(1).covariance.factor();
        let CholeskyFactor { xx, vx, vv } = of(merged).covariance.factor();
        let mut z = PhaseState::at_rest(Array2::zeros(like.position.raw_dim()));
        for k in 0..merged {
            // What an impulse in this interval becomes by the end of the half step.
            let PhaseMatrix {
                xx: exx,
                xv: exv,
                vx: evx,
                vv: evv,
            } = of(merged - 1 - k).mean;
            let row = 2 + 2 * (step.0 * merged + k);
            for (i, [x, v]) in [[own.xx, own.vx], [0.0, own.vv]].into_iter().enumerate() {
                let (x, v) = (exx * x + exv * v, evx * x + evv * v);
                let a = x / xx;
                z.position[[row + i, 0]] = a;
                z.velocity[[row + i, 0]] = (v - vx * a) / vv;
            }
        }
        z
    }
}

/// The draws of one coarse half step are as many standard normals, whatever path they are made of.
#[test]
fn draws_made_of_a_finer_path_are_standard_normal() {
    let process = DampedLangevin::default();
    let grid = super::plain(&process, solvers::GridConfig::Uniform {}, 4, 0.1);
    let path = SharedPath::new(process, &grid, 64);
    let z = path.standard_normal(&start(64), StepIndex(3), Role::Diffusion);
    let dot = |a: &X, b: &X| (a * b).sum();
    assert!((dot(&z.position, &z.position) - 1.0).abs() < 1e-10);
    assert!((dot(&z.velocity, &z.velocity) - 1.0).abs() < 1e-10);
    assert!(dot(&z.position, &z.velocity).abs() < 1e-10);
}
