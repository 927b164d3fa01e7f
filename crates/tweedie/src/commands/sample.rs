//! `tweedie sample`: samples from a trained model.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use ndarray::Array4;
use ndarray_npy::WriteNpyExt;
use runtime::Backend;
use sde_core::Process;
use solvers::damped::DampedSolverConfig;
use solvers::{GridConfig, SolverConfig};

use crate::config::{AnySolver, ClassChoice, SamplingConfig};
use crate::dataset::{Dataset, points_of};
use crate::failure::Fault;
use crate::files::write_whole;
use crate::guidance::GuidanceArgs;
use crate::pictures::{Picture, scatter_plot};
use crate::portrait::{images, portrait};
use crate::runs::Chosen;
use crate::sampling::{Plan, Samples, default_batch, generate};
use crate::terminal::{Progress, note, say};
use crate::trajectory::Recorder;

/// Arguments of `sample`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tweedie sample                                 64 samples of the newest run, as a picture
  tweedie sample --run runs/mnist --count 16 --seed 7
  tweedie sample --solver euler-maruyama --steps 500
  tweedie sample --count 10000 --format npy --out digits.npy
  tweedie sample --trajectory                    with a strip and an animation of how they came about
  tweedie sample --class 7 --guidance 2          of a model with classes: sevens, and clearly so
  tweedie sample --class 7 --classifier runs/mnist-classifier --guidance 3

One seed gives the same samples whatever the batch size.")]
pub struct SampleArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Number of samples [default: the run's, 64 unless configured]
    #[arg(long, value_name = "N", value_parser = at_least(1), help_heading = "Sampling")]
    pub count: Option<usize>,
    /// A picture, or NumPy's array of f32 [N, C, H, W] with images in [-1, 1]
    #[arg(long, value_enum, default_value = "png", help_heading = "Output")]
    pub format: Format,
    /// Show the way from noise as well, as a strip and as an animation beside the samples
    #[arg(long, help_heading = "Output")]
    pub trajectory: bool,
    /// The file to write [default: a name made of the settings, in the run's folder samples/]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// Which model, and where it runs.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// The run whose newest checkpoint is used [default: the most recent run in runs/]
    #[arg(long, value_name = "DIR", help_heading = "Model")]
    pub run: Option<PathBuf>,
    /// A checkpoint's folder, instead of a run's newest
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "run",
        help_heading = "Model"
    )]
    pub checkpoint: Option<PathBuf>,
    /// flex (CPU), wgpu or cuda [default: the best there is; see `tweedie devices`]
    #[arg(long, value_name = "BACKEND", help_heading = "Model")]
    pub backend: Option<Backend>,
}

/// How samples are drawn, where it differs from the run's configuration.
#[derive(Debug, Args)]
pub struct SamplingArgs {
    #[arg(
        long, value_name = "NAME", value_parser = AnySolver::parser(), help_heading = "Sampling",
        hide_possible_values = true,
        help = format!(
            "{}; of damped-langevin {} [default: the run's]",
            SolverConfig::NAMES.join(", "), DampedSolverConfig::NAMES.join(", ")
        )
    )]
    pub solver: Option<AnySolver>,
    /// Number of steps [default: the run's, or what suits another solver]
    #[arg(long, value_name = "N", value_parser = at_least(1), help_heading = "Sampling")]
    pub steps: Option<usize>,
    #[arg(
        long, value_name = "NAME", value_parser = grid_parser(), help_heading = "Sampling",
        hide_possible_values = true,
        help = format!(
            "Spacing of the steps: {} [default: the run's, or what suits another solver]",
            GridConfig::NAMES.join(", ")
        )
    )]
    pub grid: Option<GridConfig>,
    /// Tolerance of a solver that chooses its own steps, rk45 or adaptive-sde [default: the run's, or
    /// the published one]
    #[arg(long, value_name = "TOL", help_heading = "Sampling")]
    pub tolerance: Option<f64>,
    /// Seed of the noise [default: the run's, 0 unless configured]
    #[arg(long, value_name = "S", help_heading = "Sampling")]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub guidance: GuidanceArgs,
    /// Samples worked on at once; changes speed and memory, not the samples
    #[arg(long, value_name = "N", value_parser = at_least(1), help_heading = "Sampling")]
    pub batch: Option<usize>,
}

impl SamplingArgs {
    /// The configuration with these arguments in place of its values.
    ///
    /// # Errors
    /// A tolerance for a solver that has none.
    pub fn over(&self, config: &SamplingConfig) -> Result<SamplingConfig> {
        let same = self
            .solver
            .is_none_or(|solver| solver.info().name == config.solver.info().name);
        // Steps and spacing that suit one solver do not suit another.
        let base = match (same, self.solver) {
            (false, Some(solver)) => SamplingConfig {
                solver,
                steps: None,
                grid: None,
                ..*config
            },
            _ => *config,
        };
        let solver = match self.tolerance {
            None => base.solver,
            Some(tolerance) => base.solver.with_tolerance(tolerance).ok_or_else(|| {
                let name = base.solver.info().name;
                Fault::usage(format!(
                    "--tolerance {tolerance}: {name} takes steps as they are"
                ))
                .hint("it is for rk45 and adaptive-sde; others take --steps")
            })?,
        };
        Ok(SamplingConfig {
            solver,
            steps: self.steps.or(base.steps),
            grid: self.grid.or(base.grid),
            seed: self.seed.unwrap_or(base.seed),
            class: self.guidance.class.unwrap_or(base.class),
            // Without a class there is nothing to guide to.
            guidance: base
                .guidance
                .filter(|_| self.guidance.class != Some(ClassChoice::None)),
            ..base
        })
    }
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Png,
    Npy,
}

/// The name of a solver, with its published parameters.
pub fn solver_parser() -> impl TypedValueParser<Value = SolverConfig> {
    PossibleValuesParser::new(SolverConfig::NAMES).try_map(|name| name.parse::<SolverConfig>())
}

/// The name of a spacing, with its published parameters.
pub fn grid_parser() -> impl TypedValueParser<Value = GridConfig> {
    PossibleValuesParser::new(GridConfig::NAMES).try_map(|name| name.parse::<GridConfig>())
}

/// A count of `least` or more.
pub fn at_least(least: u64) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64).range(least..).map(|n| n as usize)
}

/// Draws samples and writes them.
pub fn run(args: &SampleArgs) -> Result<()> {
    let chosen = Chosen::open(args.model.run.as_deref(), args.model.checkpoint.as_deref())?;
    let selected = runtime::select(args.model.backend)?;
    selected.check()?;
    let process = chosen.checkpoint.manifest().sde.build()?;
    let mut recorder = args.trajectory.then(|| Recorder::new(&process));
    let drawn = draw(
        &chosen,
        &args.sampling,
        args.count,
        &selected.device,
        recorder.as_mut(),
    )?;
    let extension = match args.format {
        Format::Png => "png",
        Format::Npy => "npy",
    };
    let out = args.out.clone().unwrap_or_else(|| {
        let step = chosen.checkpoint.manifest().step;
        let (label, count) = (drawn.plan.label(), drawn.plan.count);
        let name = format!("sample-step-{step:08}-{label}-n{count}.{extension}");
        match &chosen.run {
            Some(run) => run.folder.samples_path().join(name),
            None => name.into(),
        }
    });
    match args.format {
        Format::Png => picture(&chosen, &drawn, &selected.device)?.save(&out)?,
        Format::Npy => write_npy(&drawn.samples.values, &out)?,
    }
    let Samples { nfe, seconds, .. } = drawn.samples;
    say(format!(
        "{} samples{} by {} in {} steps, NFE {nfe}, {seconds:.1} s on {selected}",
        drawn.plan.count,
        drawn.plan.steered(),
        drawn.plan.solver.info().name,
        drawn.plan.grid.steps(),
    ));
    say(out.display());
    if let Some(recorder) = recorder {
        let (solver, steps) = (drawn.plan.solver.info().name, drawn.plan.grid.steps());
        let title = format!("from noise to data by {solver} in {steps} steps");
        for file in recorder.save(&title, &out)? {
            say(file.display());
        }
    }
    Ok(())
}

/// Samples with what they were drawn from.
pub struct Drawn {
    /// How.
    pub plan: Plan,
    /// From which model.
    pub model: score_net::Model,
    /// Under which process.
    pub process: Process,
    /// The samples.
    pub samples: Samples,
}

/// Draws from a checkpoint with its run's settings, changed by `args`.
pub fn draw(
    chosen: &Chosen,
    args: &SamplingArgs,
    count: Option<usize>,
    device: &Device,
    recorder: Option<&mut Recorder<'_>>,
) -> Result<Drawn> {
    let manifest = chosen.checkpoint.manifest();
    let process = manifest.sde.build()?;
    let unconfigured = || SamplingConfig {
        solver: AnySolver::of(&process),
        ..SamplingConfig::default()
    };
    let configured = (chosen.run.as_ref()).map_or_else(unconfigured, |run| run.config.sampling);
    let mut config = args.over(&configured)?;
    config.count = count.unwrap_or(config.count);
    let shape = manifest.model.shape;
    let batch = args.batch.unwrap_or_else(|| default_batch(shape));
    let mut plan = Plan::new(&config, &process, batch)?;
    let model = chosen.checkpoint.model(device)?;
    plan.latents = chosen.latents(device)?;
    if let (Some(_), Some(_)) = (&plan.latents, &recorder) {
        let fault =
            "--trajectory: the states on the way are latents in this run, which are no pictures";
        return Err(Fault::usage(fault).hint("leave --trajectory out").into());
    }
    args.guidance.over(&mut plan.guidance, shape, device)?;
    for (class, _) in plan.groups(&model) {
        plan.guidance.check(&model, class)?;
    }
    note(format!(
        "sampling from {} (step {})",
        chosen.checkpoint.folder().display(),
        manifest.step
    ));
    let mut bar = Progress::new("sampling", 0, 0);
    let samples = generate(
        &model,
        &process,
        shape,
        &plan,
        device,
        recorder,
        &mut |done, total| {
            bar.lengthen(total);
            bar.advance(done);
            bar.show("solver steps");
        },
    )?;
    drop(bar);
    Ok(Drawn {
        plan,
        model,
        process,
        samples,
    })
}

fn picture(chosen: &Chosen, drawn: &Drawn, device: &Device) -> Result<Picture> {
    let values = &drawn.samples.values;
    let Some(points) = points_of(values) else {
        return images(&drawn.samples);
    };
    let step = chosen.checkpoint.manifest().step;
    // Beside the data where those are known.
    match &chosen.run {
        Some(run) => {
            let title = format!("{} after {step} steps", run.config.name);
            let dataset = Dataset::load(&run.config.data)?;
            portrait(
                &title,
                &dataset,
                &drawn.samples,
                &drawn.model,
                &drawn.process,
                device,
            )
        }
        None => scatter_plot(&format!("samples after {step} steps"), &points.view()),
    }
}

/// Writes an array; images are clamped to [−1, 1], points left as they are.
pub fn write_npy(values: &Array4<f32>, out: &Path) -> Result<()> {
    let values = match points_of(values) {
        Some(_) => values.clone(),
        None => values.mapv(|value| value.clamp(-1.0, 1.0)),
    };
    let mut bytes = Vec::new();
    values
        .write_npy(&mut bytes)
        .with_context(|| format!("{}: encoding the array", out.display()))?;
    write_whole(out, &bytes)
}
