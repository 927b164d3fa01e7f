//! `tweedie edit colourise`: colours for a grey picture.

use anyhow::Result;
use clap::Args;
use ndarray::Axis;
use solvers::editing::ChannelMix;

use super::DrawArgs;
use super::method::MethodArgs;
use super::session::{Session, first, known_of};
use super::subject::SubjectArgs;
use crate::failure::Fault;
use crate::pictures::Cell;

/// Arguments of `edit colourise`.
#[derive(Debug, Args)]
#[command(after_help = "\
The model has to be one of colours, such as that of configs/mnist-colours.toml. Of a picture in colour \
the grey values are kept, the mean of its channels, and the colours are made anew.

Examples:
  tweedie edit colourise --run runs/mnist-colours --sample 3
  tweedie edit colourise --image grey.png --count 16")]
pub struct ColouriseArgs {
    #[command(flatten)]
    pub subject: SubjectArgs,
    #[command(flatten)]
    pub method: MethodArgs,
    #[command(flatten)]
    pub draw: DrawArgs,
}

/// Colours.
pub fn run(args: &ColouriseArgs) -> Result<()> {
    let session = Session::open(&args.draw.model)?;
    let shape = session.shape();
    let [channels, height, width] = shape;
    if channels == 1 {
        return Err(Fault::usage(format!(
            "{}: this model has one channel, so its pictures have no colours",
            session.chosen.checkpoint.folder().display()
        ))
        .hint("train one of colours, such as `tweedie train --config configs/mnist-colours.toml`, and name it with --run")
        .into());
    }
    let subject = args.subject.read(&session.chosen, shape)?.of_size(shape)?;
    let grey = ChannelMix::grey(channels, height * width)?;
    let coloured = session.hold(&args.draw, &args.method, &grey, &subject.values)?;
    let original = first(&subject.values);
    let known = known_of(&grey, &subject.values);
    let was_grey =
        (original.axis_iter(Axis(0))).all(|channel| channel == original.index_axis(Axis(0), 0));
    let mut before = vec![Cell {
        caption: "known".to_owned(),
        image: known,
    }];
    if !was_grey {
        before.push(Cell {
            caption: "original".to_owned(),
            image: original,
        });
    }
    let how = args.method.to_string();
    session.write_variants(
        &args.draw.output,
        ("colourise", &subject.name, &how),
        before,
        &coloured,
    )
}
