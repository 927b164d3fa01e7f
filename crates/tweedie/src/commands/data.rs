//! `tweedie data`: what is in a data set, before hours are spent on it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};
use toml::{Table, Value};

use crate::config::{Base, DataConfig, Override};
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

/// The section `data` of a set that is known by its path alone.
fn section(path: &Path) -> Result<Table, Fault> {
    let kind = kind(path)?;
    let key = if kind == "idx" { "images" } else { "path" };
    let text = path
        .to_str()
        .ok_or_else(|| Fault::usage(format!("{}: the path is no UTF-8", path.display())))?;
    let mut section = Table::from_iter([
        ("kind".to_owned(), Value::from(kind)),
        (key.to_owned(), Value::from(text)),
    ]);
    if kind == "idx" {
        // Labels lie beside their pictures, under a name that says so.
        let labels = text.replace("images", "labels").replace("idx3", "idx1");
        if labels != text && Path::new(&labels).is_file() {
            section.insert("labels".to_owned(), Value::from(labels));
        }
    }
    Ok(section)
}

/// The kind of a set, by what lies at its path.
fn kind(path: &Path) -> Result<&'static str, Fault> {
    let has = |name: &str| path.join(name).is_file();
    if path.is_dir() {
        let mnist = ["t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"];
        return Ok(if has("data_batch_1.bin") {
            "cifar10"
        } else if has("train.bin") && has("fine_label_names.txt") {
            "cifar100"
        } else if mnist.iter().any(|name| has(name)) {
            "mnist"
        } else {
            "image-folder"
        });
    }
    if let Err(error) = fs::metadata(path) {
        return Err(Fault::failed(format!("{}: {error}", path.display())));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("npy") => Ok("npy"),
        Some("npz") => Ok("npz"),
        _ if name.contains("idx") || name.contains("ubyte") => Ok("idx"),
        _ => Err(Fault::usage(format!(
            "{}: what this is cannot be told from its name",
            path.display()
        ))
        .hint("name a folder of pictures, or an npy, npz or IDX file; --config takes any other")),
    }
}
