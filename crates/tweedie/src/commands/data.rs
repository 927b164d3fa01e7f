//! `tweedie data`: what is in a data set, before hours are spent on it.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::config::{Base, DataConfig, Override};
use crate::dataset::section;
use crate::failure::Fault;
use crate::terminal::{Progress, say};

/// Arguments of `data`.
#[derive(Debug, Args)]
#[command(subcommand_value_name = "WHAT", disable_help_subcommand = true)]
pub struct DataArgs {
    #[command(subcommand)]
    pub what: What,
}

/// What is done with a data set.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Go over every sample and list what cannot be read, what is odd, and what there is
    Check(CheckArgs),
}

/// Arguments of `data check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Fails if training would stop at something that was found.

Examples:
  tweedie data check                                    the data of the built-in experiment
  tweedie data check photographs --set data.size=64 --set data.classes=true
  tweedie data check images.npy
  tweedie data check --config configs/mnist.toml --json")]
pub struct CheckArgs {
    /// A folder of pictures, a folder of MNIST's or CIFAR's files, an npy, npz or IDX file
    #[arg(value_name = "PATH", conflicts_with = "config")]
    pub path: Option<PathBuf>,
    /// The experiment whose data it is, a TOML file [default: MNIST, built in]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Overrides a value, such as data.size=64; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
    /// Prints the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Looks at a data set.
pub fn run(args: &DataArgs) -> Result<()> {
    let What::Check(args) = &args.what;
    let base = match (&args.path, &args.config) {
        (Some(path), _) => Base::data(&section(path)?),
        (None, Some(path)) => Base::file(path)?,
        (None, None) => Base::built_in(),
    };
    check(&base.load(&args.set)?.data, args.json)
}

fn check(config: &DataConfig, json: bool) -> Result<()> {
    let mut progress: Option<Progress> = None;
    let report = data::check(config, &mut |at| {
        let shown = progress.get_or_insert_with(|| Progress::new("checking", at.total as u64, 0));
        shown.advance(at.done as u64);
    });
    drop(progress);
    if json {
        say(serde_json::to_string_pretty(&report)?);
    } else {
        say(report.to_string().trim_end());
    }
    match report.is_usable() {
        true => Ok(()),
        false => Err(Fault::failed("this data set cannot be trained on as it is").into()),
    }
}
