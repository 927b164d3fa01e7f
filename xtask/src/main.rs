//! The developer's verbs: `cargo xtask VERB`. One file per verb.
//!
//! A verb that is not listed here belongs to the `tweedie` binary and is handed on to it, built with
//! the features that its `--backend` needs.

// A program for the terminal prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod arrows;
mod bench;
mod ci;
mod command;
mod cuda_check;
mod features;
mod forward;
mod fuzz;
mod graph;
mod lint;
mod peers;
mod profile;
mod soak;
mod table;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Train, sample and develop Tweedie",
    after_help = "Any other verb (train, sample, evaluate, inspect, devices, …) is handed on to the \
                  tweedie binary; --backend flex|wgpu|cuda decides what is compiled in. \
                  `cargo xtask train --help` shows that verb's own help."
)]
enum Verb {
    /// Run every test and documentation test on the CPU
    Test(test::Args),
    /// Check format, dependencies, clippy and documentation
    Lint,
    /// Check that no crate depends on one that is above it
    Arrows,
    /// Check that every command shares one build of third-party crates
    Features,
    /// Run the benchmarks and compare the backends in a table; --profile: where the time goes; or
    /// `peers`, and compare with PyTorch
    Bench(bench::Args),
    /// Type-check the CUDA build on a machine without LLVM or a GPU
    CudaCheck(cuda_check::Args),
    /// Feed everything that reads a file from outside with mutated inputs
    Fuzz(fuzz::Args),
    /// Kill a training run again and again, fill its disk, and compare it with one that nobody disturbed
    Soak(soak::Args),
    /// Do what CI does, step by step, with times
    Ci,
    #[command(external_subcommand)]
    Forward(Vec<OsString>),
}

fn main() -> ExitCode {
    let done = match Verb::parse() {
        Verb::Test(args) => test::run(&args),
        Verb::Lint => lint::run(),
        Verb::Arrows => arrows::run(),
        Verb::Features => features::run(),
        Verb::Bench(args) => bench::run(&args),
        Verb::CudaCheck(args) => cuda_check::run(&args),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Soak(args) => soak::run(&args),
        Verb::Ci => ci::run(),
        Verb::Forward(args) => return forward::run(&args).unwrap_or_else(complain),
    };
    done.map_or_else(complain, |()| ExitCode::SUCCESS)
}

fn complain(error: anyhow::Error) -> ExitCode {
    eprintln!("cargo xtask: {error:#}");
    ExitCode::FAILURE
}
