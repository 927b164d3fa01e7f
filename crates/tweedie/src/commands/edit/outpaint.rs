//! `tweedie edit outpaint`: what lies around a part of a picture.

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgGroup, Args};
use ndarray::{Array4, s};
use solvers::editing::Mask;

use super::DrawArgs;
use super::method::MethodArgs;
use super::region::{Area, check_parts, chosen};
use super::session::{Session, first, with_unknown_painted};
use super::subject::{Subject, SubjectArgs};
use crate::pictures::Cell;

/// Arguments of `edit outpaint`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("part").required(true).args(["mask", "area"])), after_help = "\
The reverse of `inpaint`: the box, or what is white in the mask, is kept, and the rest is made. A file of \
the box's own size is put into the box.

Examples:
  tweedie edit outpaint --sample 3 --box 0..14,0..28      the upper half of a test digit is kept
  tweedie edit outpaint --image piece.png --box 7..21,7..21")]
pub struct OutpaintArgs {
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// A black and white picture of the model's size: white is kept, black is what is made
    #[arg(long, value_name = "FILE", help_heading = "Picture")]
    pub mask: Option<PathBuf>,
    /// What is kept, in place of a mask: rows and columns such as 7..21,7..21, from 0 at the top left to the
    /// first that is outside
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

/// Draws around.
pub fn run(args: &OutpaintArgs) -> Result<()> {
    let session = Session::open(&args.draw.model)?;
    let shape = session.shape();
    let known = chosen(
        args.mask.as_deref(),
        args.area.as_ref(),
        args.threshold,
        shape,
    )?;
    let made: Vec<bool> = known.iter().map(|known| !known).collect();
    check_parts(&made)?;
    let subject = args.subject.read(&session.chosen, shape)?;
    let (subject, whole) = placed(subject, args.area.as_ref(), shape)?;
    let mask = Mask::of_pixels(shape[0], &known)?;
    let around = session.hold(&args.draw, &args.method, &mask, &subject.values)?;
    let original = first(&subject.values);
    let mut before = vec![Cell {
        caption: "known".to_owned(),
        image: with_unknown_painted(original.view(), &known),
    }];
    if whole {
        before.push(Cell {
            caption: "original".to_owned(),
            image: original,
        });
    }
    let how = args.method.to_string();
    session.write_variants(
        &args.draw.output,
        ("outpaint", &subject.name, &how),
        before,
        &around,
    )
}

/// The picture at the model's size, and whether it has that size itself; one of the box's is put there.
fn placed(subject: Subject, area: Option<&Area>, shape: [usize; 3]) -> Result<(Subject, bool)> {
    let [channels, height, width] = shape;
    if subject.size() == [width, height] {
        return Ok((subject, true));
    }
    let Some(Area { rows, columns }) = area else {
        return Ok((subject.of_size(shape)?, true));
    };
    let size = [columns.len(), rows.len()];
    if subject.size() != size {
        let wanted = format!(
            "{width}x{height} are needed, or {}x{} for the box",
            size[0], size[1]
        );
        return Err(subject.of_another_size(&wanted));
    }
    let mut values = Array4::zeros((1, channels, height, width));
    values
        .slice_mut(s![.., .., rows.clone(), columns.clone()])
        .assign(&subject.values);
    Ok((Subject { values, ..subject }, false))
}
