//! Benchmarks, and what they say about the backends.

use anyhow::{Context, Result, bail};
use clap::{Args as ClapArgs, Subcommand};

use crate::command::{Command, target_dir};
use crate::forward::Backend;
use crate::{peers, profile, table};

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    other: Option<Other>,
    /// The backends to compile in, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "flex")]
    backend: Vec<String>,
    /// Print the table of the last measurements and measure nothing
    #[arg(long)]
    table: bool,
    #[command(flatten)]
    profile: profile::Args,
    /// Handed on to criterion, such as a filter on names
    #[arg(last = true)]
    rest: Vec<String>,
}

/// What is measured other than the backends.
#[derive(Debug, Subcommand)]
enum Other {
    /// Train and evaluate on the CPU beside PyTorch, and compare
    Peers(peers::Args),
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(Other::Peers(args)) = &args.other {
        return peers::run(args);
    }
    if args.profile.profile {
        return profile::run(&args.profile);
    }
    if !args.table {
        command(&args.backend, &args.rest)?.run()?;
    }
    let folder = target_dir().join("criterion");
    let rows = table::read(&folder)
        .with_context(|| format!("could not read criterion's results in {}", folder.display()))?;
    if rows.is_empty() {
        bail!(
            "there are no results in {}: run `cargo xtask bench` without --table",
            folder.display()
        );
    }
    print!("{}", table::render(&rows));
    Ok(())
}

/// `cargo bench` in the profile `dev`, which is optimised in this workspace, so that Burn is not
/// built a second time.
fn command(backends: &[String], rest: &[String]) -> Result<Command> {
    let mut features: Vec<&str> = Vec::new();
    for name in backends {
        let feature = Backend::parse(name).context("--backend")?.feature();
        features.extend(feature.filter(|feature| !features.contains(feature)));
    }
    let mut command = Command::cargo(["bench", "--package", "benches", "--profile", "dev"]);
    if !features.is_empty() {
        command = command.args(["--features", &features.join(",")]);
    }
    if !rest.is_empty() {
        command = command.args(["--"]).args(rest);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Bench {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn peers_are_a_verb_of_their_own_and_the_rest_is_criterions() {
        let parse = |words: &[&str]| Bench::try_parse_from([&["bench"], words].concat());
        let criterion = parse(&["--backend", "flex,wgpu", "--", "unet"]).unwrap();
        assert!(criterion.args.other.is_none());
        assert_eq!(criterion.args.rest, ["unet"]);
        let peers = parse(&["peers", "--rows", "default/train/16"]).unwrap();
        assert!(peers.args.other.is_some());
        assert!(parse(&["--backend", "wgpu", "peers"]).is_err());
    }

    #[test]
    fn a_profile_is_a_benchmark_of_its_own() {
        let parse = |words: &[&str]| Bench::try_parse_from([&["bench"], words].concat());
        let words = [
            "--profile",
            "--steps",
            "9",
            "--batch",
            "8",
            "--threads",
            "1",
        ];
        assert!(parse(&words).unwrap().args.profile.profile);
        assert!(!parse(&[]).unwrap().args.profile.profile);
        for other in [
            &["--table"][..],
            &["--backend", "wgpu"],
            &["--", "unet"],
            &["peers"],
        ] {
            assert!(
                parse(&[&["--profile"], other].concat()).is_err(),
                "{other:?}"
            );
        }
        assert!(parse(&["--steps", "9"]).is_err());
        assert!(parse(&["--profile", "--threads", "0"]).is_err());
    }

    fn typed(backends: &[&str], rest: &[&str]) -> String {
        let owned = |words: &[&str]| {
            words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>()
        };
        command(&owned(backends), &owned(rest)).unwrap().to_string()
    }

    #[test]
    fn the_list_of_backends_becomes_the_list_of_features() {
        let head = "cargo bench --package benches --profile dev";
        assert_eq!(typed(&["flex"], &[]), head);
        assert_eq!(
            typed(&["flex", "wgpu", "cuda", "wgpu"], &[]),
            format!("{head} --features wgpu,cuda")
        );
        assert_eq!(
            typed(&["flex"], &["train_step", "--quick"]),
            format!("{head} -- train_step --quick")
        );
        assert!(command(&["gpu".to_owned()], &[]).is_err());
    }
}
