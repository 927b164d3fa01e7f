//! Train and sample score-based diffusion models from the command line.
//!
//! Glue, and nothing else: the theory is in `sde-core`, the samplers in `solvers`, networks in
//! `score-net`, the loop in `training`. Here are the command line, the configuration files, the run
//! folders and the pictures.

mod allocator;
mod commands;
mod config;
mod dataset;
mod editing;
mod failure;
mod files;
mod guidance;
mod interrupt;
mod latents;
mod noisy_accuracy;
mod pictures;
mod portrait;
mod reconstructions;
mod runs;
mod sampling;
mod terminal;
mod trajectory;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::commands::{
    data, devices, edit, evaluate, illustrate, inspect, likelihood, sample, train,
};

/// Train and sample score-based diffusion models, on whatever device is at hand.
#[derive(Debug, Parser)]
#[command(
    name = "tweedie",
    version,
    max_term_width = 100,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    disable_help_subcommand = true,
    after_help = "\
Start with `tweedie train`, then `tweedie sample`. `tweedie VERB --help` tells more.

Environment:
  TWEEDIE_BACKEND  flex, wgpu or cuda, where --backend is not given
  RUST_LOG         what is logged, such as `info` [default: warn]"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// How flex computes: by this project's kernels (own) or by Burn's operations (plain)
    #[arg(long, value_name = "KERNELS", global = true, default_value_t)]
    kernels: kernels::Kernels,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train a model, or go on training one
    Train(train::TrainArgs),
    /// Draw samples from a trained model
    Sample(sample::SampleArgs),
    /// Fill in, enlarge, colour, vary or interpolate pictures with a trained model
    Edit(edit::EditArgs),
    /// Measure how good a model's samples are
    Evaluate(Box<evaluate::EvaluateArgs>),
    /// Say how probable a model finds data, in bits per dimension
    Likelihood(likelihood::LikelihoodArgs),
    /// Show an experiment's process, model and noised data before it is run
    Inspect(inspect::InspectArgs),
    /// Draw a figure of the theory primer, from worlds whose score is exact
    Illustrate(illustrate::IllustrateArgs),
    /// Look at a data set before it is trained on
    Data(data::DataArgs),
    /// List what this program can run on, and how to get what is missing
    Devices(devices::DevicesArgs),
}

#[allow(unsafe_code)]
fn main() -> ExitCode {
    // SAFETY: no thread has been started yet.
    unsafe { runtime::pin_burn_default() };
    allocator::keep_freed_memory();
    terminal::start_logging();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            terminal::print_clap(&error);
            return code(u8::try_from(error.exit_code()).unwrap_or(failure::USAGE));
        }
    };
    match guarded(|| run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(failure::text(&error));
            code(failure::exit_code(&error))
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    kernels::choose(cli.kernels);
    match &cli.verb {
        Verb::Train(args) => train::run(args),
        Verb::Sample(args) => sample::run(args),
        Verb::Edit(args) => edit::run(args),
        Verb::Evaluate(args) => evaluate::run(args),
        Verb::Likelihood(args) => likelihood::run(args),
        Verb::Inspect(args) => inspect::run(args),
        Verb::Illustrate(args) => illustrate::run(args),
        Verb::Data(args) => data::run(args),
        Verb::Devices(args) => devices::run(args),
    }
}

fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}

/// The last panic's words and place.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Turns a panic, which would be a mistake of this program or of a driver, into an error.
fn guarded(work: impl FnOnce() -> Result<()>) -> Result<()> {
    panic::set_hook(Box::new(|info| {
        // Kept for whoever catches it: `runtime` catches those of drivers, and words them itself.
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
        tracing::debug!("{info}");
    }));
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let words = PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        Err(
            failure::Fault::failed(format!("this should not have happened: {words}"))
                .hint("please report it, with the command and the configuration")
                .into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_panic_becomes_an_error_with_its_words() {
        let error = guarded(|| panic!("no such luck")).unwrap_err();
        assert!(failure::text(&error).contains("no such luck"));
        assert_eq!(failure::exit_code(&error), failure::FAILED);
    }
}
