//! `tweedie inspect`: an experiment before it is run.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use ndarray::Axis;
use score_net::VarianceKind;
use sde_core::noise::{Role, fill_standard_normal};
use sde_core::{Marginal, Process, Sigma, Time};
use training::TrainingConfig;

use crate::config::{Base, ExperimentConfig, Override};
use crate::dataset::{Dataset, points_of};
use crate::pictures::{Picture, SchedulePoint, Tile, label, noised_strip, schedule_plot};
use crate::runs::Run;
use crate::terminal::say;

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tweedie inspect                              the built-in MNIST experiment
  tweedie inspect --config configs/two-moons.toml --set sde.kind=edm
  tweedie inspect --run runs/mnist")]
pub struct InspectArgs {
    /// The experiment, a TOML file [default: MNIST, built in]
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    pub config: Option<PathBuf>,
    /// A run, whose configuration is looked at
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
    /// Overrides a value, such as sde.kind=edm; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
    /// Where the picture goes [default: inspect.png in the run's folder, else inspect-NAME.png]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Prints the process and the model, and draws the schedule over a strip of noised data.
pub fn run(args: &InspectArgs) -> Result<()> {
    let base = match (&args.config, &args.run) {
        (Some(path), _) => Base::file(path)?,
        (None, Some(root)) => Base::file(&Run::open(root)?.folder.config_path())?,
        (None, None) => Base::built_in(),
    };
    let config = base.load(&args.set)?;
    let dataset = Dataset::load(&config.data)?;
    let process = config.sde.build()?;
    say(summary(&config, &dataset, &process)?);
    let out = args.out.clone().unwrap_or_else(|| match &args.run {
        Some(root) => root.join("inspect.png"),
        None => format!("inspect-{}.png", config.name).into(),
    });
    picture(&config.name, &dataset, &process)?.save(&out)?;
    say(format!("\npicture   {}", out.display()));
    Ok(())
}

fn summary(config: &ExperimentConfig, dataset: &Dataset, process: &Process) -> Result<String> {
    let data_shape = dataset.source().sample_shape();
    let model = config.model(config.latent_shape(data_shape)?.unwrap_or(data_shape));
    let [channels, height, width] = data_shape;
    let sampling = &config.sampling;
    let mut text = String::new();
    let mut line = |name: &str, value: String| writeln!(text, "{name:<10}{value}");
    line("name", config.name.clone())?;
    line(
        "data",
        format!(
            "{} {} of shape {channels}x{height}x{width} (channels x height x width)",
            dataset.source().len(),
            dataset.unit()
        ),
    )?;
    if let Some(first) = config.first_stage() {
        line("first", first.model(data_shape).describe()?)?;
    }
    line("model", model.describe()?)?;
    let of_velocity = model.preconditioning.velocity;
    line(
        "predicts",
        match of_velocity {
            Some(velocity) => format!(
                "the score of the velocity, {} at sigma_data = {}",
                toml::Value::try_from(velocity)?,
                model.preconditioning.sigma_data
            ),
            None => format!(
                "{} at sigma_data = {}{}",
                toml::Value::try_from(model.preconditioning.prediction)?,
                model.preconditioning.sigma_data,
                match model.preconditioning.variance {
                    VarianceKind::Fixed => "",
                    VarianceKind::Learned => ", and the variance of the chain's reversal",
                }
            ),
        },
    )?;
    line("training", training(&config.training))?;
    line(
        "sampling",
        format!(
            "{} on a {} grid of {} steps, {} samples",
            sampling.solver.info().name,
            sampling.spacing(process.name()).name(),
            sampling.steps(),
            sampling.count,
        ),
    )?;
    let (start, end) = (process.t_min_sampling().0, process.t_max().0);
    line(
        "process",
        format!(
            "{}, sampled from t = {end} down to {start}, prior std {:.4}{}",
            process.name(),
            process.prior().std,
            match process {
                Process::Affine(_) => "",
                Process::Damped(_) => "; alpha and sigma are those of the position",
            }
        ),
    )?;
    write!(
        text,
        "\n{:>12} {:>12} {:>12} {:>12} {:>12}\n",
        "t", "alpha", "sigma", "sigma/alpha", "log-SNR"
    )?;
    for index in 0..=10 {
        let t = time_between(process, f64::from(index) / 10.0);
        let marginal = process.position_marginal(t);
        let Marginal { alpha, sigma } = marginal;
        let (ratio, snr) = (marginal.sigma_ratio().0, marginal.log_snr().0);
        writeln!(
            text,
            "{} {} {} {} {snr:>12.3}",
            significant(t.0),
            significant(alpha),
            significant(sigma),
            significant(ratio),
        )?;
    }
    Ok(text.trim_end().to_owned())
}

/// How long, and in how many parts.
fn training(config: &TrainingConfig) -> String {
    let shards = match config.shards {
        Some(shards) => format!("cut into {shards}"),
        None => format!(
            "cut into {} on this CPU, whole on a GPU",
            config.shards_on(&Device::flex())
        ),
    };
    format!("{} steps of {}, {shards}", config.steps, config.batch_size)
}

/// Five significant digits in a column of twelve.
fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => format!("{:>12}", "0"),
        m if !(1e-4..1e6).contains(&m) => format!("{value:>12.4e}"),
        m => {
            let decimals = (4 - m.log10().floor() as i32).clamp(0, 8) as usize;
            format!("{value:>12.decimals$}")
        }
    }
}

/// Whether a process's time is a noise level without bound rather than a share of 1.
fn runs_over_decades(process: &Process) -> bool {
    process.t_max().0 > 1.0
}

/// The time a share `u` of the way from the end of sampling to the prior.
fn time_between(process: &Process, u: f64) -> Time {
    let (start, end) = (process.t_min_sampling().0, process.t_max().0);
    Time(match (runs_over_decades(process), u) {
        (_, 1.0) => end,
        (true, u) => start * (end / start).powf(u),
        (false, u) => start + u * (end - start),
    })
}

fn picture(name: &str, dataset: &Dataset, process: &Process) -> Result<Picture> {
    let points: Vec<SchedulePoint> = (0..=300)
        .map(|index| {
            let t = time_between(process, f64::from(index) / 300.0);
            let marginal = process.position_marginal(t);
            SchedulePoint {
                t: t.0,
                alpha: marginal.alpha,
                sigma: marginal.sigma,
                log_snr: marginal.log_snr().0,
            }
        })
        .collect();
    let of = match process {
        Process::Affine(_) => "",
        Process::Damped(_) => " of the position",
    };
    let title = format!(
        "{}: α, σ and signal-to-noise ratio{of} over time",
        process.name()
    );
    let plot = schedule_plot(&title, &points, runs_over_decades(process))?;
    Ok(Picture::stacked(&[plot, strip(name, dataset, process)?]))
}

/// Tiles of a strip.
const TILES: usize = 8;

/// The data at noise levels that are equally spaced in the log-SNR.
fn strip(name: &str, dataset: &Dataset, process: &Process) -> Result<Picture> {
    let states = dataset.first(600)?;
    let is_points = points_of(&states).is_some();
    let ratio = |t: Time| process.position_marginal(t).sigma_ratio().0;
    // Beyond these nothing more is to be seen.
    let low = ratio(process.t_min_sampling()).max(0.02);
    let high = ratio(process.t_max()).clamp(low, 20.0);
    let mut tiles = Vec::with_capacity(TILES);
    for index in 0..TILES {
        let u = index as f64 / (TILES - 1) as f64;
        let t = process.time_at_sigma(Sigma(low * (high / low).powf(u)));
        let marginal @ Marginal { alpha, sigma } = process.position_marginal(t);
        // Scaled as a network sees it, so that a process that explodes can be shown.
        let scale = alpha.hypot(sigma).recip();
        let mut noise = vec![0.0; dataset.source().sample_shape().iter().product()];
        let noised = |sample: usize, noise: &mut Vec<f64>| {
            fill_standard_normal(0, sample as u64, 0, Role::Forward, noise);
            let x0 = states.index_axis(Axis(0), sample);
            let mut noise = noise.iter();
            x0.mapv(|x| {
                let epsilon = noise.next().copied().unwrap_or(0.0);
                (scale * (alpha * f64::from(x) + sigma * epsilon)) as f32
            })
        };
        let tile = if is_points {
            let mut cloud = states.clone();
            for (sample, mut point) in cloud.axis_iter_mut(Axis(0)).enumerate() {
                point.assign(&noised(sample, &mut noise));
            }
            Tile::Points(points_of(&cloud).expect("points stay points"))
        } else {
            Tile::Images(vec![noised(0, &mut noise)])
        };
        let captions = [
            format!("t = {}", label(t.0)),
            format!("log-SNR {:.1}", marginal.log_snr().0),
        ];
        tiles.push((tile, captions));
    }
    let what = if is_points { "the data" } else { "one image" };
    noised_strip(&format!("{name}: {what} on its way to noise"), &tiles)
}
