//! `tweedie likelihood`: how probable a model finds data.

mod latent;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, anyhow};
use burn::tensor::Tensor;
use clap::{Args, ValueEnum};
use ndarray::{Array4, Axis, Slice};
use sde_core::noise::CounterNoise;
use sde_core::objective::{BoundConfig, VariationalBound};
use sde_core::{Sigma, Time};
use serde_json::{Value, json};
use solvers::Rk45;
use solvers::likelihood::{
    DataEnd, Divergence, Integrator, Likelihood, LikelihoodReport, Quantisation,
};

use super::sample::{ModelArgs, at_least};
use crate::config::DataConfig;
use crate::dataset::{Dataset, samples_at, test_part};
use crate::failure::Fault;
use crate::files::write_whole;
use crate::pictures::label;
use crate::reconstructions::mean_and_error;
use crate::runs::{Chosen, Run};
use crate::sampling::{default_batch, to_tensor};
use crate::terminal::{Progress, say};

/// Arguments of `likelihood`.
#[derive(Debug, Args)]
#[command(after_help = "\
The probability flow takes every point to the prior, and the divergence along the way says how its \
density changes (Song et al. 2021, section 4.3). Images are taken for 8-bit levels: their bits per \
dimension are of the probability of the levels, by uniform dequantisation. Points are given in nats.

Each figure comes with its standard error and where that comes from: the choice of the data, draws \
(of dequantisation), probes of the divergence, and the solver. The variational bound stands beside it \
(Huang, Lim & Courville 2021; Song, Durkan, Murray & Ermon 2021).

Of a run in the latents of an autoencoder it is the bound on −ln P(x): the reconstruction, and the latents'
divergence from the prior, whose density is the flow's.

Examples:
  tweedie likelihood                              1000 of the test images, the newest run
  tweedie likelihood --run runs/mnist --count 100 --probes 4 --draws 4
  tweedie likelihood --images mine.npy --tolerance 1e-4 --no-check")]
pub struct LikelihoodArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Number of data points, from the first
    #[arg(long, value_name = "N", default_value = "1000", value_parser = at_least(1), help_heading = "Data")]
    pub count: usize,
    /// Which part of the data set: train or test
    #[arg(long, value_enum, default_value_t = Part::Test, help_heading = "Data")]
    pub split: Part,
    /// Data of one's own in place of the run's: a folder of pictures, or NumPy's array (npy or npz) of f32
    /// [N, C, H, W], images in [-1, 1], or of u8 [N, H, W, C]
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "split",
        help_heading = "Data"
    )]
    pub images: Option<PathBuf>,
    /// Absolute and relative tolerance of the flow's solver
    #[arg(
        long,
        value_name = "TOL",
        default_value_t = 1e-5,
        help_heading = "Likelihood"
    )]
    pub tolerance: f64,
    /// Hutchinson's probes for each draw, or 0 for the exact divergence (few dimensions) [default: 1, and
    /// for points 0]
    #[arg(long, value_name = "N", help_heading = "Likelihood")]
    pub probes: Option<usize>,
    /// Draws of the dequantisation for each image
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least(1), help_heading = "Likelihood")]
    pub draws: usize,
    /// The noise level σ/α at which the data are taken to be [default: 0.001, as published for VP]
    #[arg(long, value_name = "S", help_heading = "Likelihood")]
    pub sigma_min: Option<f64>,
    /// Take the density at that noise level for the data's: plain, rescaled by α, or a bound on the
    /// density without noise
    #[arg(long, value_enum, default_value_t = End::Rescaled, help_heading = "Likelihood")]
    pub data_end: End,
    /// Leave out the second run at a tenth of the tolerance, and with it the solver's error
    #[arg(long, help_heading = "Likelihood")]
    pub no_check: bool,
    /// Leave out the variational bound
    #[arg(long, help_heading = "Likelihood")]
    pub no_bound: bool,
    /// Seed of probes and draws
    #[arg(
        long,
        value_name = "S",
        default_value_t = 0,
        help_heading = "Likelihood"
    )]
    pub seed: u64,
    /// Data points worked on at once; changes speed and memory, not the result
    #[arg(long, value_name = "N", value_parser = at_least(1), help_heading = "Likelihood")]
    pub batch: Option<usize>,
    /// The file of results [default: a name made of the settings, in the run's folder evaluations/]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Train,
    Test,
}

/// [`DataEnd`] on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum End {
    Plain,
    Rescaled,
    Bound,
}

/// σ of VP at the published t_min of 1e-5 (Song et al. 2021, appendix C).
const SIGMA_MIN: f64 = 1e-3;

/// What is evaluated.
struct Subject {
    /// `[N, C, H, W]`.
    values: Array4<f32>,
    /// "1000 test images".
    what: String,
    /// In names of files.
    label: String,
    quantisation: Option<Quantisation>,
}

/// Evaluates, prints a table and writes it as JSON.
pub fn run(args: &LikelihoodArgs) -> Result<()> {
    if !(args.tolerance > 0.0 && args.tolerance.is_finite()) {
        return Err(Fault::usage(format!(
            "--tolerance {}: it must be above 0 and finite",
            args.tolerance
        ))
        .into());
    }
    let chosen = Chosen::open(args.model.run.as_deref(), args.model.checkpoint.as_deref())?;
    let manifest = chosen.checkpoint.manifest();
    let selected = runtime::select(args.model.backend)?;
    selected.check()?;
    if manifest.model.network.has_no_score() {
        let fault = "this run's network has no score, and so no likelihood";
        return Err(Fault::usage(fault)
            .hint("name the run of a score with --run")
            .into());
    }
    let latents = chosen.latents(&selected.device)?;
    let shape = (latents.as_ref()).map_or(manifest.model.shape, |latents| latents.coder().image);
    let subject = subject(args, &chosen, shape)?;
    let process = manifest.sde.build()?;
    let sde = process.affine()?;
    let model = chosen.checkpoint.model(&selected.device)?;
    let score = model.under(sde);

    let sigma = args.sigma_min.unwrap_or(SIGMA_MIN);
    let t_min = t_min(sde, sigma)?;
    let likelihood = Likelihood {
        divergence: divergence(args, subject.quantisation.is_some()),
        integrator: Integrator::Rk45(Rk45::with_tolerance(args.tolerance)),
        data_end: match args.data_end {
            End::Plain => DataEnd::Plain,
            End::Rescaled => DataEnd::Rescaled,
            End::Bound => DataEnd::Bound,
        },
        t_min: Some(t_min),
        draws: args.draws,
        solver_check: !args.no_check,
    };
    if let Some(latents) = latents {
        let likelihood = Likelihood {
            divergence: divergence(args, true),
            draws: 1,
            ..likelihood
        };
        return latent::run(args, &chosen, &subject, &latents, &likelihood, &selected);
    }
    let bound_config = BoundConfig {
        t_min: Some(t_min.0),
        sigma_data: model.preconditioning.sigma_data(),
        draws: BOUND_DRAWS,
        repeats: BOUND_REPEATS,
        ..BoundConfig::default()
    };
    let bound = (!args.no_bound)
        .then(|| VariationalBound::new(bound_config, sde))
        .transpose()?;

    let started = Instant::now();
    let (_, channels, height, width) = subject.values.dim();
    let batch = args
        .batch
        .unwrap_or_else(|| default_batch([channels, height, width]));
    let count = subject.values.len_of(Axis(0));
    let mut bar = Progress::new("likelihood", count as u64, 0);
    let (mut parts, mut bounds) = (Vec::new(), Vec::new());
    for first in (0..count).step_by(batch) {
        let rows = Slice::from(first..(first + batch).min(count));
        let values = subject.values.slice_axis(Axis(0), rows).to_owned();
        let noise = CounterNoise::new(args.seed).starting_at(first as u64);
        let x = to_tensor(&values, &selected.device);
        let report = match subject.quantisation {
            Some(quantisation) => {
                likelihood.evaluate_quantised(sde, &score, &x, quantisation, noise)?
            }
            None => likelihood.evaluate(sde, &score, &x, noise)?,
        };
        if let Some(bound) = &bound {
            bounds.extend(bound_of(bound, &score, x, subject.quantisation, noise));
        }
        parts.push(report);
        let so_far = LikelihoodReport::combined(&parts).ok_or_else(|| anyhow!("no data"))?;
        bar.advance((first + batch).min(count) as u64);
        bar.tell(&headline(&so_far));
    }
    drop(bar);
    let report = LikelihoodReport::combined(&parts).ok_or_else(|| anyhow!("no data"))?;
    let seconds = started.elapsed().as_secs_f64();
    let bound = (!bounds.is_empty()).then(|| mean_and_error(&bounds));

    say(format!(
        "{}: {}, step {}, {seconds:.0} s on {selected}\n",
        chosen
            .run
            .as_ref()
            .map_or("checkpoint", |run| &run.config.name),
        subject.what,
        manifest.step
    ));
    say(table(&report, bound, args, sigma));
    let record = json!({
        "step": manifest.step,
        "data": subject.what,
        "tolerance": args.tolerance,
        "sigma_min": sigma,
        "seed": args.seed,
        "seconds": seconds,
        "report": report,
        "variational_bound_nats": bound.map(|(mean, error)| json!({"value": mean, "standard_error": error})),
    });
    write(args, &chosen, &subject, &record)
}

/// Draws of (t, ε) for each point's variational bound, and their independent repeats.
const BOUND_DRAWS: usize = 8;
const BOUND_REPEATS: usize = 4;

fn t_min(sde: &dyn sde_core::AffineSde, sigma: f64) -> Result<Time> {
    let least = sde.marginal(Time(0.0)).sigma_ratio();
    let most = sde.marginal(sde.t_max()).sigma_ratio();
    if sigma.is_nan() || sigma <= 0.0 || sigma >= most.0 {
        return Err(Fault::usage(format!(
            "--sigma-min {sigma}: {} has noise levels above 0 and below {:.4}",
            sde.name(),
            most.0
        ))
        .into());
    }
    // A process whose noise begins above that, as VE's, is taken where it begins.
    match sigma <= least.0 {
        true => Ok(sde.t_min_training()),
        false => Ok(sde.time_at_sigma(Sigma(sigma))),
    }
}

fn divergence(args: &LikelihoodArgs, images: bool) -> Divergence {
    match (args.probes, images) {
        (Some(0), _) | (None, false) => Divergence::exact(),
        (probes, _) => Divergence::hutchinson(probes.unwrap_or(1)),
    }
}

fn subject(args: &LikelihoodArgs, chosen: &Chosen, shape: [usize; 3]) -> Result<Subject> {
    let [_, height, width] = shape;
    let (values, what, label) = match &args.images {
        Some(path) => {
            let values = samples_at(path, shape, args.count)?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let file = path.display().to_string();
            (values, file, stem.into_owned())
        }
        None => of_run(args, chosen)?,
    };
    let count = values.len_of(Axis(0));
    let what = format!("{count} of {what}");
    if height * width == 1 {
        return Ok(Subject {
            values,
            what,
            label,
            quantisation: None,
        });
    }
    // Pixel p is 2p/255 − 1: levels are the centres of their cells.
    let edge = 256.0 / 255.0;
    let quantisation = Quantisation {
        bits: 8,
        low: -edge,
        high: edge,
    };
    let levels = values.mapv(|value| f32::from(data::unit_to_pixel(value)));
    Ok(Subject {
        values: levels,
        what,
        label,
        quantisation: Some(quantisation),
    })
}

/// The data of the checkpoint's run; of a toy, points that were not trained on.
fn of_run(args: &LikelihoodArgs, chosen: &Chosen) -> Result<(Array4<f32>, String, String)> {
    let Some(Run { config, .. }) = &chosen.run else {
        return Err(Fault::usage(format!(
            "{}: this checkpoint lies in no run, so its data is not known",
            chosen.checkpoint.folder().display()
        ))
        .hint("name a run with --run, or data with --images")
        .into());
    };
    let (data, part) = match (config.data.clone(), args.split) {
        (DataConfig::Mnist { path, colours, .. }, Part::Train) => {
            let split = data::Split::Train;
            let data = DataConfig::Mnist {
                path,
                split,
                colours,
            };
            (data, "train")
        }
        (data, Part::Train) => (data, "train"),
        (DataConfig::Toy { name, seed, .. }, Part::Test) => {
            let (count, seed) = (args.count, seed.wrapping_add(1));
            (DataConfig::Toy { name, count, seed }, "test")
        }
        (data, Part::Test) => match test_part(&data) {
            Some(data) => (data, "test"),
            None => {
                return Err(Fault::usage(format!(
                    "which part of {} data was not trained on is not known",
                    data.kind()
                ))
                .hint("--split train takes those of training, --images others")
                .into());
            }
        },
    };
    let dataset = Dataset::load(&data)?;
    let values = dataset.first(args.count)?;
    let what = format!("the {part} {}", dataset.unit());
    Ok((values, what, part.to_owned()))
}

/// The bound on −ln p of each point, or on −ln P of its levels, in nats.
fn bound_of(
    bound: &VariationalBound<'_>,
    score: &score_net::ModelScore<'_>,
    x: Tensor<4>,
    quantisation: Option<Quantisation>,
    noise: CounterNoise,
) -> Vec<f64> {
    let (x, log_volume) = match quantisation {
        Some(quantisation) => {
            let [_, channels, height, width] = x.dims();
            let dim = (channels * height * width) as f64;
            let log_volume = dim * quantisation.log_cell();
            (quantisation.dequantised(&x, noise, 0), log_volume)
        }
        None => (x, 0.0),
    };
    let bounds = bound.denoising(score, &x, noise);
    bounds
        .into_iter()
        .map(|bound| bound.at_data().value - log_volume)
        .collect()
}

fn headline(report: &LikelihoodReport) -> String {
    match report.bits_per_dim {
        Some(bits) => format!("{:.4} ± {:.4} bits/dim", bits.value, bits.standard_error),
        None => {
            let nats = report.nats;
            format!("{:.4} ± {:.4} nats", nats.value, nats.standard_error)
        }
    }
}

fn table(
    report: &LikelihoodReport,
    bound: Option<(f64, f64)>,
    args: &LikelihoodArgs,
    sigma: f64,
) -> String {
    let per_bit = report.dim as f64 * std::f64::consts::LN_2;
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| {
        rows.push(format!("{name:34}{value}").trim_end().to_owned());
    };
    if let Some(bits) = report.bits_per_dim {
        row(
            "bits per dimension",
            format!("{:.4} ± {:.4}", bits.value, bits.standard_error),
        );
    }
    row(
        "log-likelihood, nats",
        format!(
            "{:.3} ± {:.3}",
            report.nats.value, report.nats.standard_error
        ),
    );
    match (bound, report.bits_per_dim) {
        (Some((nats, error)), Some(_)) => row(
            "variational bound, bits/dim",
            format!("at most {:.4} ± {:.4}", nats / per_bit, error / per_bit),
        ),
        (Some((nats, error)), None) => row(
            "variational bound, nats",
            format!("at least {:.3} ± {error:.3}", -nats),
        ),
        (None, _) => {}
    }
    row("", String::new());
    row("the error, in nats", String::new());
    let known = |error: Option<f64>, otherwise: &str| {
        error.map_or_else(|| otherwise.to_owned(), |error| format!("{error:.4}"))
    };
    let budget = &report.budget;
    row(
        "  choice of the data",
        known(budget.data, "needs two points"),
    );
    row(
        "  draws",
        known(budget.draws, "not known from one; --draws 2 tells"),
    );
    row(
        "  probes",
        known(budget.probes, "not known from one; --probes 2 tells"),
    );
    row(
        "  solver",
        budget.solver.map_or_else(
            || "not measured (--no-check)".to_owned(),
            |error| {
                format!(
                    "{:.4} in the mean, {:.4} at most for one, against a tenth of the tolerance",
                    error.shift, error.largest
                )
            },
        ),
    );
    row("", String::new());
    let plural = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let divergence = match report.budget.probes {
        Some(0.0) => "exact divergence".to_owned(),
        _ => plural(report.probes, "probe"),
    };
    rows.push(format!(
        "Tolerance {}, {divergence}, {}, data at σ/α = {sigma} (t = {}); {} evaluations of the score with a \
         product of its Jacobian.",
        args.tolerance,
        plural(report.draws, "draw"),
        label(report.t_min.0),
        report.evaluations
    ));
    rows.join("\n")
}

fn write(args: &LikelihoodArgs, chosen: &Chosen, subject: &Subject, record: &Value) -> Result<()> {
    let step = chosen.checkpoint.manifest().step;
    let out = args.out.clone().unwrap_or_else(|| {
        let count = subject.values.len_of(Axis(0));
        let name = format!("likelihood-step-{step:08}-{}-n{count}.json", subject.label);
        match &chosen.run {
            Some(run) => run.folder.root().join("evaluations").join(name),
            None => name.into(),
        }
    });
    let mut text = serde_json::to_string_pretty(record)?;
    text.push('\n');
    write_whole(&out, text.as_bytes())?;
    say(format!("\n{}", out.display()));
    Ok(())
}
