//! The solvers of critically damped Langevin diffusion.

mod comparison;
mod configuration;
mod distributions;
mod flow_order;
mod linear_maps;
mod orders;
mod runs;

use ndarray::Array2;
use sde_core::Time;
use sde_core::damped::{DampedLangevin, PhaseState};
use solvers::damped::DampedSolver;
use solvers::{GridConfig, GridSpec, LastStep, TimeGrid};

type X = Array2<f64>;
type Z = PhaseState<X>;

/// `steps` steps from T to `end`, without the last one.
fn plain(process: &DampedLangevin, spacing: GridConfig, steps: usize, end: f64) -> TimeGrid {
    GridSpec::new(spacing, steps)
        .ending_with(LastStep::Plain)
        .between(process.t_max(), Time(end))
        .build_damped(process)
        .unwrap()
}

/// The name in tables: SSCS has two forms.
fn label(solver: &dyn DampedSolver<X>) -> String {
    let info = solver.info();
    format!("{} ({})", info.name, info.nfe_per_step)
}
