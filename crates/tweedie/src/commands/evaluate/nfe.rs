//! `tweedie evaluate nfe`: what every solver makes of so many evaluations of the score.

mod model;
mod table;
mod world;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use evaluation::sliced_wasserstein;
use ndarray::Array2;
use sde_core::noise::CounterNoise;
use sde_core::{AffineSde, SdeConfig, Time};
use serde_json::json;
use solvers::{
    AdaptiveSde, GridConfig, GridSpec, LastStep, Problem, Rk45, SolverConfig, TimeGrid, Unobserved,
};

use self::table::{Curve, Point, csv, tables};
use super::super::sample::{ModelArgs, at_least, grid_parser, solver_parser};
use crate::failure::Fault;
use crate::files::write_whole;
use crate::pictures::{NfePanel, NfePlot, nfe_plot};
use crate::runs::Chosen;
use crate::terminal::{Progress, note, say};

/// Arguments of `evaluate nfe`.
#[derive(Debug, Args)]
#[command(after_help = "\
A model of digits is judged by the Fréchet distance in a classifier's features and by how many samples \
are readable; one of points by the sliced Wasserstein distance to fresh data, one of other images by \
that in pixels to the set's test part or a part of the training data. In an analytic world the score \
is exact, so that what is left is the solver's own error: its distance to the exact flow where it is \
deterministic, and the sliced Wasserstein distance to exact samples.

Writes a table (nfe.csv), a picture (nfe.png) and all figures (nfe.json).

Examples:
  tweedie evaluate nfe
  tweedie evaluate nfe --run runs/mnist --solvers heun,edm,ddim --nfe 10,20,40,80 --samples 1000
  tweedie evaluate nfe --world eight-gaussians --sde cosine")]
pub struct NfeArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// An analytic world instead of a model
    #[arg(long, value_name = "WORLD", conflicts_with_all = ["run", "checkpoint"], help_heading = "Model")]
    pub world: Option<world::WorldName>,
    /// The world's process
    #[arg(
        long, value_name = "KIND", requires = "world", help_heading = "Model", default_value = "vp",
        value_parser = PossibleValuesParser::new(SdeConfig::KINDS)
    )]
    pub sde: String,
    #[arg(
        long, value_name = "NAMES", value_delimiter = ',', value_parser = solver_parser(),
        hide_possible_values = true, help_heading = "Sampling",
        help = "Solvers, separated by commas [default: all that such budgets suffice for]"
    )]
    pub solvers: Vec<SolverConfig>,
    /// Budgets: evaluations for each sample, separated by commas
    #[arg(
        long, value_name = "N", value_delimiter = ',', default_value = "5,10,20,40",
        value_parser = at_least(1), help_heading = "Sampling"
    )]
    pub nfe: Vec<usize>,
    #[arg(
        long, value_name = "NAME", value_parser = grid_parser(), help_heading = "Sampling",
        hide_possible_values = true,
        help = format!(
            "Spacing of the steps: {} [default: what suits each solver]", GridConfig::NAMES.join(", ")
        )
    )]
    pub grid: Option<GridConfig>,
    /// Number of samples, 2 or more
    #[arg(
        long, value_name = "N", default_value = "500", value_parser = at_least(2),
        help_heading = "Sampling"
    )]
    pub samples: usize,
    /// Seed of the noise
    #[arg(long, value_name = "S", default_value_t = 0, help_heading = "Sampling")]
    pub seed: u64,
    /// The folder of results [default: made of the settings, in the run's folder evaluations/, or in
    /// evaluations/ for a world]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// A measure of samples, smaller being better.
#[derive(Clone, Debug)]
pub struct Measured {
    /// In files.
    pub key: &'static str,
    /// In tables and plots.
    pub title: String,
    /// What real data get.
    pub floor: Option<f64>,
}

/// What one run of a solver gave.
pub struct Outcome {
    /// Evaluations of the score for each sample, counted.
    pub nfe: usize,
    /// A value for each measure; none where the measure is not defined for the solver.
    pub values: Vec<Option<f64>>,
}

/// What solvers are compared on.
pub trait Subject {
    /// In the picture's title.
    fn title(&self) -> String;
    /// The process.
    fn sde(&self) -> &dyn AffineSde;
    /// How runs end.
    fn last_step(&self) -> LastStep;
    /// What is measured.
    fn measures(&self) -> Vec<Measured>;
    /// Runs a solver and measures its samples.
    fn run(&self, solver: SolverConfig, grid: &TimeGrid) -> Result<Outcome>;
}

/// Directions of the sliced Wasserstein distance.
const PROJECTIONS: usize = 512;
/// Sets of data whose distance to another such set is the least to be expected.
const DRAWS: u64 = 8;

/// The sliced Wasserstein distance of data to `reference`: the root of the mean square over several draws.
fn usual_distance(reference: &Array2<f64>, data: impl Fn(u64) -> Array2<f64>) -> Result<f64> {
    let squares: Vec<f64> = (0..DRAWS)
        .map(|draw| {
            let found = sliced_wasserstein(data(draw).view(), reference.view(), PROJECTIONS, 0)?;
            Ok(found.squared)
        })
        .collect::<Result<_>>()?;
    Ok((squares.iter().sum::<f64>() / DRAWS as f64).max(0.0).sqrt())
}

/// Compares solvers and writes the results.
pub fn run(args: &NfeArgs) -> Result<()> {
    match args.world {
        Some(name) => {
            let subject = world::World::new(name, &args.sde, args.samples, args.seed)?;
            let name = name.to_possible_value().expect("no world is hidden");
            let name = format!("nfe-{}-{}-n{}", name.get_name(), args.sde, args.samples);
            compare(args, &subject, &Path::new("evaluations").join(name))
        }
        None => {
            let chosen = Chosen::open(args.model.run.as_deref(), args.model.checkpoint.as_deref())?;
            let selected = runtime::select(args.model.backend)?;
            selected.check()?;
            let step = chosen.checkpoint.manifest().step;
            let name = format!("nfe-step-{step:08}-n{}", args.samples);
            let place = chosen
                .run
                .as_ref()
                .map_or_else(PathBuf::new, |run| run.folder.root().join("evaluations"));
            let subject = model::Trained::new(&chosen, args.samples, args.seed, &selected.device)?;
            compare(args, &subject, &place.join(name))
        }
    }
}

fn compare(args: &NfeArgs, subject: &dyn Subject, folder: &Path) -> Result<()> {
    let asked = !args.solvers.is_empty();
    let solvers: Vec<SolverConfig> = match asked {
        true => args.solvers.clone(),
        false => SolverConfig::NAMES
            .iter()
            .map(|name| name.parse())
            .collect::<Result<_, _>>()?,
    };
    let mut budgets = args.nfe.clone();
    budgets.sort_unstable();
    budgets.dedup();
    let mut plans = Vec::new();
    for solver in solvers {
        let name = solver.info().name;
        let mut efforts = efforts(solver, &budgets, subject.last_step());
        if asked && efforts.len() < budgets.len() {
            note(format!(
                "{name} cannot do with the smallest budgets: it takes {} evaluations a step",
                solver.info().nfe_per_step
            ));
        }
        efforts.sort_by_key(|effort| effort.budget);
        if !efforts.is_empty() {
            plans.push((solver, efforts));
        }
    }
    if plans.is_empty() {
        let names: Vec<_> = args
            .solvers
            .iter()
            .map(|solver| solver.info().name)
            .collect();
        return Err(Fault::usage(format!(
            "so few evaluations do not suffice for {}",
            names.join(", ")
        ))
        .hint("give larger budgets with --nfe")
        .into());
    }

    let folder = args.out.as_deref().unwrap_or(folder);
    let largest = budgets.last().copied().unwrap_or_default();
    let mut bar = Progress::new("comparing", plans.len() as u64, 0);
    let mut curves = Vec::new();
    for (done, (solver, efforts)) in (1..).zip(plans) {
        let info = solver.info();
        bar.show(info.name);
        let spacing = (args.grid).unwrap_or_else(|| solver.default_grid(subject.sde().name()));
        let mut curve = Curve {
            solver: info.name,
            stochastic: info.stochastic,
            grid: spacing.name(),
            points: Vec::new(),
        };
        for Effort {
            solver,
            steps,
            tolerance,
            budget,
        } in efforts
        {
            let grid = GridSpec::new(spacing, steps)
                .ending_with(subject.last_step())
                .build(subject.sde())?;
            match subject.run(solver, &grid) {
                Ok(Outcome { nfe, .. }) if tolerance.is_some() && nfe > largest => break,
                Ok(Outcome { nfe, values }) => {
                    // Of two tolerances at the same cost the smaller one counts.
                    curve.points.retain(|point| point.nfe != nfe);
                    curve.points.push(Point {
                        budget: budget.unwrap_or_else(|| {
                            let enough = budgets.iter().find(|&&budget| nfe <= budget);
                            enough.copied().unwrap_or(largest)
                        }),
                        steps,
                        tolerance,
                        nfe,
                        values,
                    });
                }
                // It would have taken more steps than it may.
                Err(error) if tolerance.is_some() => {
                    tracing::info!("{} at tolerance {tolerance:?}: {error:#}", info.name);
                    break;
                }
                // One solver that fails is a result, not the end of the others.
                Err(error) => note(format!("{} in {steps} steps: {error:#}", info.name)),
            }
        }
        if !curve.points.is_empty() {
            curves.push(curve);
        }
        bar.advance(done);
    }
    drop(bar);
    if curves.is_empty() {
        return Err(Fault::failed("no solver came to an end").into());
    }

    let measures = subject.measures();
    say(format!("{}\n", subject.title()));
    say(tables(&measures, &budgets, &curves));
    let plot = plot(subject.title(), &measures, &budgets, &curves);
    let record = json!({
        "subject": subject.title(),
        "samples": args.samples,
        "seed": args.seed,
        "measures": measures.iter().map(|m| json!({"key": m.key, "title": m.title, "real_data": m.floor})).collect::<Vec<_>>(),
        "solvers": curves,
    });
    let picture = folder.join("nfe.png");
    nfe_plot(&plot)?.save(&picture)?;
    write_whole(&folder.join("nfe.csv"), csv(&measures, &curves).as_bytes())?;
    let text = format!("{}\n", serde_json::to_string_pretty(&record)?);
    write_whole(&folder.join("nfe.json"), text.as_bytes())?;
    say(format!("\n{}", picture.display()));
    Ok(())
}

/// One run of a solver.
struct Effort {
    solver: SolverConfig,
    steps: usize,
    /// What decides over the cost, if the solver chooses its own steps.
    tolerance: Option<f64>,
    /// What is allowed, if the steps decide.
    budget: Option<usize>,
}

/// Tolerances of solvers that choose their own steps, until they cost too much.
const TOLERANCES: [f64; 9] = [1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 1e-4];

/// The solver, held to the steps that the largest budget suffices for: one that needs more would take
/// minutes for a point that is not shown.
fn at_most(solver: SolverConfig, budgets: &[usize]) -> SolverConfig {
    let largest = budgets.last().copied().unwrap_or_default();
    let max_steps = (largest / solver.info().nfe_per_step.max(1)).max(1);
    match solver {
        SolverConfig::Rk45(solver) => SolverConfig::Rk45(Rk45 {
            max_steps,
            ..solver
        }),
        SolverConfig::AdaptiveSde(solver) => SolverConfig::AdaptiveSde(AdaptiveSde {
            max_steps,
            ..solver
        }),
        other => other,
    }
}

/// What to try of a solver for these budgets.
fn efforts(solver: SolverConfig, budgets: &[usize], last_step: LastStep) -> Vec<Effort> {
    let adaptive: Vec<Effort> = TOLERANCES
        .into_iter()
        .filter_map(|tolerance| {
            Some(Effort {
                solver: at_most(solver.with_tolerance(tolerance)?, budgets),
                // The fewest that a grid has: they do not matter to what it costs.
                steps: 2,
                tolerance: Some(tolerance),
                budget: None,
            })
        })
        .collect();
    if !adaptive.is_empty() {
        return adaptive;
    }
    let fixed = |&budget: &usize| {
        Some(Effort {
            solver,
            steps: steps_within(solver, budget, last_step)?,
            tolerance: None,
            budget: Some(budget),
        })
    };
    budgets.iter().filter_map(fixed).collect()
}

/// The most steps that cost at most `nfe` evaluations; none if that is less than two.
fn steps_within(solver: SolverConfig, nfe: usize, last_step: LastStep) -> Option<usize> {
    // More never fit, but where the last step takes more than one evaluation fewer do.
    let per_step = solver.info().nfe_per_step.max(1);
    let most = nfe / per_step + 1;
    (2..=most)
        .rev()
        .find(|&steps| cost(solver, steps, last_step).is_some_and(|cost| cost <= nfe))
}

/// The evaluations of so many steps, counted on a problem of one number.
fn cost(solver: SolverConfig, steps: usize, last_step: LastStep) -> Option<usize> {
    let sde = SdeConfig::default().build().ok()?;
    let spec = GridSpec::new(solver.default_grid(sde.name()), steps).ending_with(last_step);
    let grid = spec.build(&*sde).ok()?;
    let score = |x: &Array2<f64>, _: Time| -x;
    let solved = solver.build().ok()?.solve(
        &Problem::new(&*sde, &score),
        &grid,
        Array2::zeros((1, 1)),
        &CounterNoise::new(0),
        &mut Unobserved,
    );
    Some(solved.ok()?.nfe)
}

fn plot(title: String, measures: &[Measured], budgets: &[usize], curves: &[Curve]) -> NfePlot {
    let panel = |(index, measure): (usize, &Measured)| NfePanel {
        measure: measure.title.clone(),
        floor: measure.floor,
        curves: curves
            .iter()
            .map(|curve| {
                let points = curve.points.iter();
                points
                    .filter_map(|point| Some((point.nfe as f64, point.values[index]?)))
                    .collect()
            })
            .collect(),
    };
    NfePlot {
        title,
        solvers: curves
            .iter()
            .map(|curve| (curve.solver.to_owned(), curve.stochastic))
            .collect(),
        budgets: budgets.to_vec(),
        panels: measures.iter().enumerate().map(panel).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_exceeded_by_the_steps_it_buys() {
        for name in SolverConfig::NAMES {
            let solver: SolverConfig = name.parse().unwrap();
            if solver.with_tolerance(1.0).is_some() {
                continue;
            }
            for last_step in [LastStep::Denoise, LastStep::Plain] {
                for nfe in [9, 20, 41] {
                    let Some(steps) = steps_within(solver, nfe, last_step) else {
                        assert_eq!(name, "annealed-langevin");
                        continue;
                    };
                    let cost = |steps| cost(solver, steps, last_step).unwrap();
                    assert!(cost(steps) <= nfe && cost(steps + 1) > nfe, "{name} {nfe}");
                }
            }
        }
        let [heun, corrected]: [SolverConfig; 2] =
            ["heun", "predictor-corrector"].map(|name| name.parse().unwrap());
        assert_eq!(steps_within(heun, 5, LastStep::Denoise), Some(3));
        assert_eq!(steps_within(corrected, 5, LastStep::Denoise), Some(2));
        let langevin: SolverConfig = "annealed-langevin".parse().unwrap();
        assert_eq!(steps_within(langevin, 40, LastStep::Denoise), None);
    }
}
