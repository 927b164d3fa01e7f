//! `tweedie edit inpaint`: a part of a picture made anew.

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgGroup, Args};
use solvers::editing::Mask;

use super::DrawArgs;
use super::method::MethodArgs;
use super::region::{Area, check_parts, chosen};
use super::session::{Session, first, with_unknown_painted};
use super::subject::SubjectArgs;
use crate::pictures::Cell;

/// Arguments of `edit inpaint`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("part").required(true).args(["mask", "area"])), after_help = "\
What is kept is kept to the last bit.

Examples:
  tweedie edit inpaint --sample 3 --box 7..21,7..21       the middle of a test digit
  tweedie edit inpaint --image digit.png --mask mask.png --count 16
  tweedie edit inpaint --sample 3 --box 14..28,0..28 --method repaint --resamples 10")]
pub struct InpaintArgs {
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// A black and white picture of the model's size: white is what is made anew, black is kept
    #[arg(long, value_name = "FILE", help_heading = "Picture")]
    pub mask: Option<PathBuf>,
    /// What is made anew, in place of a mask: rows and columns such as 7..21,7..21, from 0 at the top left to
    /// the first that is outside
    #[arg(
        long = "box",
        id = "area",
        value_name = "ROWS,COLUMNS",
        help_heading = "Picture"
    )]
    pub area: Option<Area>,
    /// Takes a mask with shades of grey: pixels of this level (0 to 255) and above are white
    #[arg(
        long,
        value_name = "LEVEL",
        requires = "mask",
        conflicts_with = "area",
        help_heading = "Picture"
    )]
    pub threshold: Option<u8>,
    #[command(flatten)]
    pub method: MethodArgs,
    #[command(flatten)]
    pub draw: DrawArgs,
}

/// Fills in.
pub fn run(args: &InpaintArgs) -> Result<()> {
    let session = Session::open(&args.draw.model)?;
    let shape = session.shape();
    let made = chosen(
        args.mask.as_deref(),
        args.area.as_ref(),
        args.threshold,
        shape,
    )?;
    check_parts(&made)?;
    let subject = args.subject.read(&session.chosen, shape)?.of_size(shape)?;
    let known: Vec<bool> = made.iter().map(|made| !made).collect();
    let mask = Mask::of_pixels(shape[0], &known)?;
    let filled = session.hold(&args.draw, &args.method, &mask, &subject.values)?;
    let original = first(&subject.values);
    let before = vec![
        Cell {
            caption: "known".to_owned(),
            image: with_unknown_painted(original.view(), &known),
        },
        Cell {
            caption: "original".to_owned(),
            image: original,
        },
    ];
    let how = args.method.to_string();
    session.write_variants(
        &args.draw.output,
        ("inpaint", &subject.name, &how),
        before,
        &filled,
    )
}
