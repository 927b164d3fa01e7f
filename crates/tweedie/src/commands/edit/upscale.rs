//! `tweedie edit upscale`: a small picture enlarged.

use anyhow::Result;
use clap::Args;
use ndarray::Array4;
use solvers::editing::AveragePooling;

use super::super::sample::at_least;
use super::DrawArgs;
use super::method::MethodArgs;
use super::session::{Session, first, known_of};
use super::subject::{Subject, SubjectArgs};
use crate::failure::Fault;
use crate::pictures::Cell;

/// Arguments of `edit upscale`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is known are the means of squares of FACTOR x FACTOR pixels. A file may be of the small size, or of \
the model's, of which the means are then taken.

Examples:
  tweedie edit upscale --sample 3 --factor 4
  tweedie edit upscale --image small.png --factor 2 --count 16")]
pub struct UpscaleArgs {
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// How many times larger it becomes, in both directions; the model's size has to be a multiple
    #[arg(long, value_name = "FACTOR", value_parser = at_least(2), help_heading = "Picture")]
    pub factor: usize,
    #[command(flatten)]
    pub method: MethodArgs,
    #[command(flatten)]
    pub draw: DrawArgs,
}

/// Enlarges.
pub fn run(args: &UpscaleArgs) -> Result<()> {
    let session = Session::open(&args.draw.model)?;
    let shape = session.shape();
    let [_, height, width] = shape;
    let factor = args.factor;
    let divides = |factor: usize| height.is_multiple_of(factor) && width.is_multiple_of(factor);
    if !divides(factor) {
        let factors: Vec<String> = (2..=height.min(width))
            .filter(|&factor| divides(factor))
            .map(|factor| factor.to_string())
            .collect();
        let fault = format!(
            "--factor {factor}: the model's pictures have {width}x{height} pixels, which is no multiple"
        );
        return Err(Fault::usage(fault)
            .hint(format!("possible are {}", factors.join(", ")))
            .into());
    }
    let subject = args.subject.read(&session.chosen, shape)?;
    let (subject, whole) = enlarged(subject, factor, shape)?;
    let means = AveragePooling::new(shape, factor)?;
    let made = session.hold(&args.draw, &args.method, &means, &subject.values)?;
    let mut before = vec![Cell {
        caption: "known".to_owned(),
        image: known_of(&means, &subject.values),
    }];
    if whole {
        before.push(Cell {
            caption: "original".to_owned(),
            image: first(&subject.values),
        });
    }
    let how = format!("{factor}x, {}", args.method);
    session.write_variants(
        &args.draw.output,
        ("upscale", &subject.name, &how),
        before,
        &made,
    )
}

/// The picture at the model's size, and whether it has that size itself; of a small one each pixel is repeated.
fn enlarged(subject: Subject, factor: usize, shape: [usize; 3]) -> Result<(Subject, bool)> {
    let [channels, height, width] = shape;
    let small = [width / factor, height / factor];
    if subject.size() == [width, height] {
        return Ok((subject, true));
    }
    if subject.size() != small {
        let wanted = format!("{}x{} or {width}x{height} are needed", small[0], small[1]);
        return Err(subject.of_another_size(&wanted));
    }
    let values =
        Array4::from_shape_fn((1, channels, height, width), |(n, channel, row, column)| {
            subject.values[[n, channel, row / factor, column / factor]]
        });
    Ok((Subject { values, ..subject }, false))
}
