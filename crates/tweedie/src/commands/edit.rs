//! `tweedie edit`: pictures made of pictures.

mod colourise;
mod inpaint;
mod interpolate;
mod method;
mod outpaint;
mod region;
mod session;
mod subject;
mod upscale;
mod vary;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::sample::{Format, ModelArgs, SamplingArgs, at_least};

/// Arguments of `edit`.
#[derive(Debug, Args)]
#[command(
    subcommand_value_name = "WHAT",
    subcommand_help_heading = "What",
    disable_help_subcommand = true,
    after_help = "\
Each writes one picture: what was there on the left, what was made of it on the right.

Examples:
  tweedie edit inpaint --sample 3 --box 7..21,7..21
  tweedie edit upscale --sample 3 --factor 4
  tweedie edit vary --image sketch.png --strength 0.5
  tweedie edit interpolate --samples 3,7

Pictures are PNG, JPEG or WebP files of the model's size. Colours become grey for a grey model (ITU-R \
601), grey becomes three equal channels for one of colours, transparency is dropped. `tweedie edit WHAT \
--help` tells more."
)]
pub struct EditArgs {
    #[command(subcommand)]
    pub what: What,
}

/// What is made of a picture.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Fill in a part of a picture
    Inpaint(Box<inpaint::InpaintArgs>),
    /// Draw what lies around a part of a picture
    Outpaint(Box<outpaint::OutpaintArgs>),
    /// Give a grey picture colours
    Colourise(Box<colourise::ColouriseArgs>),
    /// Enlarge a small picture
    Upscale(Box<upscale::UpscaleArgs>),
    /// Make pictures that are like one (SDEdit), such as of a sketch
    Vary(Box<vary::VaryArgs>),
    /// Show the way from one picture to another, through the probability flow
    Interpolate(Box<interpolate::InterpolateArgs>),
}

/// How variants are drawn: what every way of editing but interpolation takes.
#[derive(Debug, Args)]
pub struct DrawArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Number of variants
    #[arg(long, value_name = "N", default_value = "8", value_parser = at_least(1), help_heading = "Sampling")]
    pub count: usize,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What is written.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// A picture of before and after, or NumPy's array of f32 [N, C, H, W] in [-1, 1] of what was made
    #[arg(long, value_enum, default_value = "png", help_heading = "Output")]
    pub format: Format,
    /// The file to write [default: a name made of the settings, in the run's folder samples/]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// Edits.
pub fn run(args: &EditArgs) -> Result<()> {
    match &args.what {
        What::Inpaint(args) => inpaint::run(args),
        What::Outpaint(args) => outpaint::run(args),
        What::Colourise(args) => colourise::run(args),
        What::Upscale(args) => upscale::run(args),
        What::Vary(args) => vary::run(args),
        What::Interpolate(args) => interpolate::run(args),
    }
}
