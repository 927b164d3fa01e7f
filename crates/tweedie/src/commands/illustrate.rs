//! `tweedie illustrate`: the figures of the theory primer, from worlds whose score is exact.

mod annealed;
mod chain;
mod flow;
mod langevin;
mod likelihood;
mod paths;
mod schedules;
mod worlds;

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use sde_core::{AffineSde, SdeConfig};

use crate::failure::Fault;
use crate::pictures::Picture;
use crate::terminal::say;

/// Arguments of `illustrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The figures of docs/primer.md. Nothing is learned: the data are Gaussian mixtures, whose score is known \
at every time, so each figure takes seconds.

Examples:
  tweedie illustrate sde
  tweedie illustrate sde --sde ve --out ve.png
  tweedie illustrate likelihood")]
pub struct IllustrateArgs {
    /// The figure
    #[arg(value_name = "NAME")]
    pub figure: Figure,
    /// The process [default: vp]
    #[arg(long, value_name = "KIND", value_parser = PossibleValuesParser::new(SdeConfig::KINDS))]
    pub sde: Option<String>,
    /// Where the picture goes [default: illustrate-NAME.png]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A figure of the primer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// Langevin dynamics from the score alone, and what it gets wrong
    Langevin,
    /// Annealed Langevin dynamics down a ladder of noise levels [default process: ve]
    Annealed,
    /// The DDPM chain, forwards and in reverse [processes: vp, cosine]
    Ddpm,
    /// A process of the line: densities, SDE paths and the probability flow, both ways
    Sde,
    /// α, σ and log-SNR of every process
    Schedules,
    /// The log-density along the probability flow against its closed form
    Likelihood,
}

/// Draws one figure.
pub fn run(args: &IllustrateArgs) -> Result<()> {
    let name = args
        .figure
        .to_possible_value()
        .expect("no figure is hidden");
    let name = name.get_name();
    let picture = picture(args.figure, args.sde.as_deref())?;
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| format!("illustrate-{name}.png").into());
    picture.save(&out)?;
    say(out.display());
    Ok(())
}

fn picture(figure: Figure, kind: Option<&str>) -> Result<Picture> {
    match figure {
        Figure::Langevin | Figure::Schedules if kind.is_some() => {
            let why = match figure {
                Figure::Langevin => "Langevin dynamics knows no process",
                _ => "the figure shows every process",
            };
            Err(Fault::usage(format!("--sde has no meaning here: {why}"))
                .hint("leave --sde out")
                .into())
        }
        Figure::Langevin => langevin::picture(),
        Figure::Schedules => schedules::picture(),
        Figure::Annealed => annealed::picture(&*process(kind.unwrap_or("ve"))?),
        Figure::Ddpm => chain::picture(&*process(kind.unwrap_or("vp"))?),
        Figure::Sde => paths::picture(&*process(kind.unwrap_or("vp"))?),
        Figure::Likelihood => likelihood::picture(&*process(kind.unwrap_or("vp"))?),
    }
}

/// The process of that kind with its published parameters.
fn process(kind: &str) -> Result<Box<dyn AffineSde>> {
    let config: SdeConfig = serde_json::from_value(serde_json::json!({ "kind": kind }))?;
    Ok(config.build()?)
}

/// Every figure draws its noise from this seed.
const SEED: u64 = 0;
