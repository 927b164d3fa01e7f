//! Mutated inputs for everything that reads a file from outside.

use std::ffi::OsString;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::command::Command;

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Handed on to the program, such as --target png --seconds 60; --help shows what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

pub fn run(args: &Args) -> Result<()> {
    command(args).run()
}

fn command(args: &Args) -> Command {
    Command::cargo(["run", "--package", "fuzzing", "--"]).args(args.rest.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_handed_on() {
        let args = Args {
            rest: vec!["--runs".into(), "9".into()],
        };
        assert_eq!(
            command(&args).to_string(),
            "cargo run --package fuzzing -- --runs 9"
        );
    }
}
