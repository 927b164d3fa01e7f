//! How far every deterministic solver is from the exact probability flow after 5, 10, 20 and 40
//! evaluations: the tables of `docs/solvers.md`.
//!
//! ```text
//! cargo run -p solvers --example error_against_nfe
//! cargo run -p solvers --example error_against_nfe -- --grids          # every solver on every grid
//! cargo run -p solvers --example error_against_nfe -- --json cases.json # for tests/golden/error_against_nfe.py
//! ```
#![allow(clippy::print_stdout)]

use std::fmt::Write;

use ndarray::Array2;
use sde_core::families::{Cosine, Edm, VarianceExploding, VariancePreserving};
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, State, Time};
use solvers::{
    Curvature, DpmSolver3M, GridConfig, GridSpec, LastStep, Problem, SolverConfig, TimeGrid,
    Unobserved, sample_prior,
};

#[path = "../tests/suite/reference_flow.rs"]
mod reference_flow;
use reference_flow::{distance, reference};

type X = Array2<f64>;
type Error = Box<dyn std::error::Error>;

const BUDGETS: [usize; 4] = [5, 10, 20, 40];
const SAMPLES: usize = 64;
const SPACINGS: [&str; 4] = ["uniform", "quadratic", "log-snr", "karras"];

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => tables(&|config, family| vec![config.default_grid(family)]),
        ["--grids"] => tables(&|_, _| SPACINGS.map(|name| name.parse().unwrap()).to_vec()),
        ["--json", path] => Ok(std::fs::write(path, cases()?)?),
        _ => Err("usage: error_against_nfe [--grids | --json FILE]".into()),
    }
}

/// Eight Gaussians on a circle, and eight in 64 dimensions whose means are standard normal.
fn worlds() -> [(&'static str, GaussianMixture); 2] {
    let origin = GaussianMixture::gaussian(&[0.0; 64], 1.0).expect("a Gaussian");
    let weights = (1..=8).map(|k| f64::from(k) / 36.0).collect();
    let wide = GaussianMixture::isotropic(weights, origin.sample(64, 8), 0.3);
    [
        (
            "eight Gaussians in 2 dimensions",
            GaussianMixture::eight_gaussians(),
        ),
        (
            "eight Gaussians in 64 dimensions",
            wide.expect("positive weights that sum to 1"),
        ),
    ]
}

fn families() -> [Box<dyn AffineSde>; 4] {
    [
        Box::new(VariancePreserving::default()),
        Box::new(VarianceExploding::default()),
        Box::new(Cosine::default()),
        Box::new(Edm::default()),
    ]
}

/// A world under a process, with its flow from SAMPLES points of the prior to t_min.
struct Case<'a> {
    world: &'a GaussianMixture,
    sde: &'a dyn AffineSde,
    start: X,
    exact: X,
}

impl<'a> Case<'a> {
    fn new(world: &'a GaussianMixture, sde: &'a dyn AffineSde) -> Self {
        let like = X::zeros((SAMPLES, world.dim()));
        let start = sample_prior(sde, &like, &CounterNoise::new(5));
        let exact = reference(sde, world, &start, 1000);
        Self {
            world,
            sde,
            start,
            exact,
        }
    }

    fn grid(&self, spacing: GridConfig, steps: usize) -> Result<TimeGrid, Error> {
        let spec = GridSpec::new(spacing, steps).ending_with(LastStep::Plain);
        Ok(spec.build(self.sde)?)
    }

    fn error(&self, config: SolverConfig, grid: &TimeGrid) -> Result<f64, Error> {
        let score = self.world.under(self.sde);
        let problem = Problem::new(self.sde, &score);
        let (start, noise) = (self.start.clone(), CounterNoise::new(0));
        let solution = config
            .build()?
            .solve(&problem, grid, start, &noise, &mut Unobserved)?;
        Ok(distance(&solution.x, &self.exact))
    }
}

/// The solvers that draw no noise, and the variant of order 3 of one.
fn deterministic() -> Vec<(String, SolverConfig)> {
    let named = SolverConfig::NAMES.map(|name| {
        let config = name.parse::<SolverConfig>().expect("a name of the list");
        (format!("`{name}`"), config)
    });
    let curvature = Curvature::Exact;
    let exact = SolverConfig::DpmSolver3M(DpmSolver3M { curvature });
    named
        .into_iter()
        .filter(|(_, config)| !config.info().stochastic)
        .chain([("`dpm-solver++-3m`, exact".into(), exact)])
        .collect()
}

/// Which grids a solver is run on, for a family.
type Spacings<'a> = &'a dyn Fn(SolverConfig, &str) -> Vec<GridConfig>;

fn tables(spacings: Spacings<'_>) -> Result<(), Error> {
    for (title, world) in worlds() {
        for sde in families() {
            let case = Case::new(&world, sde.as_ref());
            println!("\n{title}, `{}`:\n", sde.name());
            println!("| solver | grid | 5 NFE | 10 NFE | 20 NFE | 40 NFE |");
            println!("|---|---|---|---|---|---|");
            for (name, config) in deterministic() {
                for spacing in spacings(config, sde.name()) {
                    let mut row = format!("| {name} | {} |", spacing.name());
                    for budget in BUDGETS {
                        let grid = case.grid(spacing, budget / config.info().nfe_per_step)?;
                        write!(row, " {:.2e} |", case.error(config, &grid)?)?;
                    }
                    println!("{row}");
                }
            }
        }
    }
    Ok(())
}

/// What another implementation needs to run the same, in x/α and σ/α, with our errors.
///
/// The variant of order 3 is nobody else's.
fn cases() -> Result<String, Error> {
    let mut cases = Vec::new();
    for (title, world) in worlds() {
        for sde in families() {
            let case = Case::new(&world, sde.as_ref());
            let alpha = |t: Time| sde.marginal(t).alpha;
            let start = case.start.clone().scale(alpha(sde.t_max()).recip());
            let exact = case
                .exact
                .clone()
                .scale(alpha(sde.t_min_sampling()).recip());
            let mut runs = Vec::new();
            for name in ["edm", "ddim", "dpm-solver++-2m", "dpm-solver++-3m"] {
                let config: SolverConfig = name.parse()?;
                for budget in BUDGETS {
                    let spacing = config.default_grid(sde.name());
                    let grid = case.grid(spacing, budget / config.info().nfe_per_step)?;
                    let sigma = |t: &Time| sde.marginal(*t).sigma_ratio().0;
                    let sigmas: Vec<f64> = grid.times().iter().map(sigma).collect();
                    // In units of x/α, as the other implementations measure it.
                    let error = case.error(config, &grid)? / alpha(sde.t_min_sampling());
                    runs.push(format!(
                        r#"{{"solver": "{name}", "nfe": {budget}, "sigmas": {sigmas:?}, "error": {error:e}}}"#
                    ));
                }
            }
            cases.push(format!(
                r#"{{"world": "{title}", "family": "{}", "weights": {:?}, "std": {:e}, "means": {:?},
"start": {:?}, "exact": {:?}, "runs": [
{}]}}"#,
                sde.name(),
                world.weights(),
                world.stds()[[0, 0]],
                rows(&world.means().to_owned()),
                rows(&start),
                rows(&exact),
                runs.join(",\n")
            ));
        }
    }
    Ok(format!("[{}]\n", cases.join(",\n")))
}

fn rows(x: &X) -> Vec<Vec<f64>> {
    x.outer_iter().map(|row| row.to_vec()).collect()
}
