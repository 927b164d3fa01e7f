//! A process of the line in both directions: densities, SDE paths and the probability flow (after
//! Song et al. 2021, figure 2).

use anyhow::Result;
use ndarray::Array2;
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal, Sde, State, StepIndex, Time};
use solvers::{EulerMaruyama, LastStep, Problem, Solver, TimeGrid, Trajectory, sample_prior};

use super::SEED;
use super::flow::{Method, rising_times, trajectory};
use super::worlds::two_on_a_line;
use crate::pictures::{Picture, ProcessPanel, ProcessPlot, process_plot};

/// Steps of every path.
const STEPS: usize = 600;
/// SDE paths of each direction.
const PATHS: usize = 4;
/// Curves of the flow: the quantiles (k + ½)/7.
const CURVES: usize = 7;
/// Exact samples whose order statistics are those quantiles.
const SORTED: usize = 20_000;
/// What is shown on the vertical axis, in standard deviations.
const HALF: f64 = 3.2;
/// Cells of the densities.
const CELLS: (usize, usize) = (240, 200);

/// Two panels, the process and its reversal, with the densities at both ends.
pub fn picture(sde: &dyn AffineSde) -> Result<Picture> {
    let world = two_on_a_line()?;
    let times = rising_times(sde, STEPS)?;
    let (start, end) = (times[0], times[STEPS]);
    let log_time = end.0 > 1.0;
    let falling: Vec<Time> = times.iter().rev().copied().collect();

    let forward_flow = trajectory(&world, sde, Method::Rk4, &times, quantiles(&world));
    let ends = forward_flow[STEPS].clone();
    let reverse_flow = trajectory(&world, sde, Method::Rk4, &falling, ends);
    let forward_paths = forward_paths(&world, sde, &times);
    let reverse_paths = reverse_paths(&world, sde, &falling)?;

    let panel = |title: &str, backwards, times: &[Time], paths: &[_], curves: &[_]| ProcessPanel {
        title: title.into(),
        backwards,
        paths: lines(sde, times, paths),
        curves: lines(sde, times, curves),
    };
    process_plot(&ProcessPlot {
        title: format!(
            "{}: SDE paths (orange) and the probability flow (black) over p at t",
            sde.name()
        ),
        x_name: match unit_variance(sde) {
            true => "x",
            false => "x / √(α² + σ²)",
        },
        half: HALF,
        time: (start.0, end.0),
        log_time,
        density: density(&world, sde, (start, end), log_time),
        ends: [start, end].map(|t| profile(&world, sde, t)),
        panels: [
            panel("forward", false, &times, &forward_paths, &forward_flow),
            panel("reverse", true, &falling, &reverse_paths, &reverse_flow),
        ],
    })
}

/// Whether data of variance 1 keep it.
fn unit_variance(sde: &dyn AffineSde) -> bool {
    (scale(sde, sde.t_max()) - 1.0).abs() < 1e-9 && (scale(sde, Time(0.5)) - 1.0).abs() < 1e-9
}

/// √(α² + σ²), the standard deviation that data of variance 1 have at t.
fn scale(sde: &dyn AffineSde, t: Time) -> f64 {
    let Marginal { alpha, sigma } = sde.marginal(t);
    alpha.hypot(sigma)
}

/// Points of the data that cut its probability into equal parts, shape `[CURVES, 1]`.
fn quantiles(world: &GaussianMixture) -> Array2<f64> {
    let mut sorted = world.sample(SEED, SORTED).into_raw_vec_and_offset().0;
    sorted.sort_unstable_by(f64::total_cmp);
    Array2::from_shape_fn((CURVES, 1), |(k, _)| {
        sorted[(2 * k + 1) * SORTED / (2 * CURVES)]
    })
}

/// Data noised by Euler-Maruyama steps x + f h + g √h z of dx = f dt + g dw.
fn forward_paths(world: &GaussianMixture, sde: &dyn AffineSde, times: &[Time]) -> Vec<Array2<f64>> {
    let noise = CounterNoise::new(SEED);
    let mut states = vec![world.sample_at(sde.marginal(times[0]), SEED, PATHS)];
    for (step, ends) in times.windows(2).enumerate() {
        let x = states.last().expect("it begins with the data");
        let h = ends[1].0 - ends[0].0;
        let z = noise.standard_normal(x, StepIndex(step), Role::Diffusion);
        let drift = Sde::drift(sde, x, ends[0]);
        let g = AffineSde::diffusion(sde, ends[0]);
        states.push(x.clone().axpy(h, &drift).axpy(g * h.sqrt(), &z));
    }
    states
}

/// Noise taken back by the reverse SDE.
fn reverse_paths(
    world: &GaussianMixture,
    sde: &dyn AffineSde,
    times: &[Time],
) -> Result<Vec<Array2<f64>>> {
    let score = world.under(sde);
    let noise = CounterNoise::new(SEED);
    let x = sample_prior(sde, &Array2::zeros((PATHS, 1)), &noise);
    let grid = TimeGrid::from_times(times.to_vec(), LastStep::Plain)?;
    let mut states = Trajectory::new(1);
    EulerMaruyama.solve(&Problem::new(sde, &score), &grid, x, &noise, &mut states)?;
    Ok(states.into_states().into_iter().map(|(_, x)| x).collect())
}

/// One line of (t, x/scale) for each row of the states.
fn lines(sde: &dyn AffineSde, times: &[Time], states: &[Array2<f64>]) -> Vec<Vec<(f64, f64)>> {
    let rows = states[0].nrows();
    let at = |row: usize| {
        let points = times.iter().zip(states);
        points.map(move |(t, x)| (t.0, x[[row, 0]] / scale(sde, *t)))
    };
    (0..rows).map(|row| at(row).collect()).collect()
}

/// The density of x/scale at the centres of cells over time and over ±[`HALF`].
fn density(
    world: &GaussianMixture,
    sde: &dyn AffineSde,
    (start, end): (Time, Time),
    log_time: bool,
) -> Array2<f64> {
    let (columns, rows) = CELLS;
    let mut density = Array2::zeros(CELLS);
    for (column, mut out) in density.outer_iter_mut().enumerate() {
        let u = (column as f64 + 0.5) / columns as f64;
        let t = Time(match log_time {
            true => start.0 * (end.0 / start.0).powf(u),
            false => start.0 + u * (end.0 - start.0),
        });
        let at = |row: usize| ((row as f64 + 0.5) / rows as f64 * 2.0 - 1.0) * HALF;
        for (row, out) in out.iter_mut().enumerate() {
            *out = scaled_density(world, sde, t, at(row));
        }
    }
    density
}

/// (x, density) of x/scale at t.
fn profile(world: &GaussianMixture, sde: &dyn AffineSde, t: Time) -> Vec<(f64, f64)> {
    let at = |i: i32| f64::from(i) / 200.0 * HALF;
    (-200..=200)
        .map(|i| (at(i), scaled_density(world, sde, t, at(i))))
        .collect()
}

fn scaled_density(world: &GaussianMixture, sde: &dyn AffineSde, t: Time, x: f64) -> f64 {
    let scale = scale(sde, t);
    let point = ndarray::array![x * scale];
    scale * world.log_density(sde.marginal(t), point.view()).exp()
}

#[cfg(test)]
mod tests {
    use super::super::process;
    use super::*;

    #[test]
    fn the_flow_there_and_back_ends_where_it_began() {
        for kind in ["vp", "ve", "edm"] {
            let (world, sde) = (two_on_a_line().unwrap(), process(kind).unwrap());
            let times = rising_times(&*sde, STEPS).unwrap();
            let falling: Vec<Time> = times.iter().rev().copied().collect();
            let there = trajectory(&world, &*sde, Method::Rk4, &times, quantiles(&world));
            let back = trajectory(&world, &*sde, Method::Rk4, &falling, there[STEPS].clone());
            let error = (&back[STEPS] - &there[0]).mapv(f64::abs);
            assert!(error.iter().all(|&e| e < 1e-4), "{kind}: {error}");
        }
    }

    #[test]
    fn densities_of_the_picture_have_unit_mass_at_every_time() {
        for kind in ["vp", "ve", "sub-vp", "cosine", "edm", "brownian"] {
            let (world, sde) = (two_on_a_line().unwrap(), process(kind).unwrap());
            let ends = (sde.t_min_sampling(), sde.t_max());
            let density = density(&world, &*sde, ends, ends.1.0 > 1.0);
            let cell = 2.0 * HALF / CELLS.1 as f64;
            for column in density.outer_iter() {
                // N(0, 1), the widest of them, has 0.0014 beyond ±3.2.
                let mass = cell * column.sum();
                assert!((0.998..1.0001).contains(&mass), "{kind}: {mass}");
            }
        }
    }

    #[test]
    fn only_processes_that_preserve_variance_are_shown_in_x_itself() {
        for (kind, expected) in [
            ("vp", true),
            ("cosine", true),
            ("ve", false),
            ("sub-vp", false),
        ] {
            assert_eq!(unit_variance(&*process(kind).unwrap()), expected, "{kind}");
        }
    }
}
