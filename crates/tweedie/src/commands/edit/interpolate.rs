//! `tweedie edit interpolate`: the way from one picture to another.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use burn::tensor::Tensor;
use clap::{ArgGroup, Args};
use ndarray::s;
use sde_core::State;
use solvers::{Problem, Rk45, SolveError, decode, encode, slerp};

use super::super::sample::{ModelArgs, at_least};
use super::OutputArgs;
use super::session::{Session, first};
use super::subject::{Subject, of_data, of_file};
use crate::config::ClassChoice;
use crate::failure::Fault;
use crate::guidance::{Guidance, GuidanceArgs};
use crate::pictures::{Cell, Edited};
use crate::sampling::{to_array, to_tensor};
use crate::terminal::say;

/// Arguments of `edit interpolate`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("ends").required(true).args(["from", "samples"])), after_help = "\
The probability flow takes both pictures to noise; between the two noises the way is an arc, and the flow \
takes its points back (Song et al. 2021, section 4.3). The first and the last of the row should be the two \
pictures again.

Examples:
  tweedie edit interpolate --samples 3,7
  tweedie edit interpolate --from a.png --to b.png --count 11")]
pub struct InterpolateArgs {
    /// The picture it begins with: a PNG, JPEG or WebP file
    #[arg(long, value_name = "FILE", requires = "to", help_heading = "Picture")]
    pub from: Option<PathBuf>,
    /// The picture it ends with
    #[arg(long, value_name = "FILE", requires = "from", help_heading = "Picture")]
    pub to: Option<PathBuf>,
    /// Two pictures of the run's test data in place of files, by their places, counted from 0; of its training
    /// data where no part is for tests
    #[arg(
        long,
        value_name = "FROM,TO",
        value_parser = pair,
        conflicts_with = "to",
        help_heading = "Picture"
    )]
    pub samples: Option<(usize, usize)>,
    /// Number of pictures, both ends included
    #[arg(long, value_name = "N", default_value = "9", value_parser = at_least(2), help_heading = "Sampling")]
    pub count: usize,
    /// Absolute and relative tolerance of the flow's solver, rk45
    #[arg(
        long,
        value_name = "TOL",
        default_value_t = 1e-5,
        help_heading = "Sampling"
    )]
    pub tolerance: f64,
    #[command(flatten)]
    pub guidance: GuidanceArgs,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Interpolates.
pub fn run(args: &InterpolateArgs) -> Result<()> {
    if !(args.tolerance > 0.0 && args.tolerance.is_finite()) {
        return Err(Fault::usage(format!(
            "--tolerance {}: it must be above 0 and finite",
            args.tolerance
        ))
        .into());
    }
    let session = Session::open(&args.model)?;
    let [from, to] = ends(args, &session)?;
    let started = Instant::now();
    let sde = session.sde()?;
    let device = &session.selected.device;
    let mut guidance = Guidance::default();
    args.guidance.over(&mut guidance, session.shape(), device)?;
    let class = match args.guidance.class {
        None | Some(ClassChoice::None) => None,
        Some(ClassChoice::One(class)) => Some(class),
        Some(ClassChoice::All) => {
            let fault =
                "--class all: both pictures and all between them are of one class, or of none";
            return Err(Fault::usage(fault).hint("--class N names one").into());
        }
    };
    session.announce();
    let pictures = [&from, &to].map(|subject| to_tensor(&subject.values, device));
    let (between, nfe) = guidance.with_score(&session.model, sde, class, |guided| {
        let problem = Problem::new(sde, guided.score);
        way(args, &problem, Tensor::concatenate_samples(&pictures))
    })??;
    let values = to_array(between)?;

    let seconds = started.elapsed().as_secs_f64();
    let back = [(0, &from), (args.count - 1, &to)].map(|(place, subject)| {
        let found = values.slice(s![place..=place, .., .., ..]);
        let square = (&found - &subject.values).mapv(|d| d * d).mean();
        square.unwrap_or(0.0).sqrt()
    });
    say(format!(
        "{} pictures by rk45 to a tolerance of {}, NFE {nfe}, {seconds:.1} s on {}; the ends come back to within {:.3} \
         (root mean square, of a range of 2)",
        args.count,
        args.tolerance,
        session.selected,
        back[0].max(back[1]),
    ));
    let cell = |caption: &str, subject: &Subject| Cell {
        caption: caption.to_owned(),
        image: first(&subject.values),
    };
    let step = session.chosen.checkpoint.manifest().step;
    let name = format!(
        "interpolate-{}-{}-step-{step:08}-n{}",
        from.name, to.name, args.count
    );
    let edited = Edited {
        title: &format!(
            "interpolate: through the probability flow, tolerance {}",
            args.tolerance
        ),
        before: vec![cell("from", &from)],
        caption: "between their noises, both ends included",
        made: &values,
        columns: args.count,
        beyond: vec![cell("to", &to)],
    };
    session.write(&args.output, &name, &edited)
}

/// The states between two, `[count, ...]`, and the evaluations that they took. All go back in one batch.
fn way(
    args: &InterpolateArgs,
    problem: &Problem<'_, Tensor<4>>,
    ends: Tensor<4>,
) -> Result<(Tensor<4>, usize), SolveError> {
    let solver = Rk45::with_tolerance(args.tolerance);
    let t_min = problem.sde.t_min_sampling();
    let encoded = encode(&solver, problem, ends, t_min)?;
    let [a, b] = [0, 1].map(|place| encoded.x.select_samples(&[place]));
    let latents: Vec<Tensor<4>> = (0..args.count)
        .map(|place| slerp(&a, &b, place as f64 / (args.count - 1) as f64))
        .collect();
    let latents = Tensor::concatenate_samples(&latents);
    let decoded = decode(&solver, problem, latents, t_min)?;
    Ok((decoded.x, encoded.nfe + decoded.nfe))
}

/// The two pictures.
fn ends(args: &InterpolateArgs, session: &Session) -> Result<[Subject; 2]> {
    let shape = session.shape();
    let [from, to] = match (&args.from, &args.to, args.samples) {
        (Some(from), Some(to), _) => [of_file(from, shape[0])?, of_file(to, shape[0])?],
        (_, _, Some((from, to))) => [
            of_data(&session.chosen, from)?,
            of_data(&session.chosen, to)?,
        ],
        _ => {
            let fault = "two pictures are needed: --from FILE --to FILE, or --samples FROM,TO";
            return Err(Fault::usage(fault).into());
        }
    };
    Ok([from.of_size(shape)?, to.of_size(shape)?])
}

/// "3,7"
fn pair(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once(',').and_then(|(from, to)| {
        let number = |text: &str| text.trim().parse().ok();
        Some((number(from)?, number(to)?))
    });
    numbers.ok_or_else(|| "write two places with a comma between them, such as 3,7".to_owned())
}
