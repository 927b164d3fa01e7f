//! Where the time of a training step and of an evaluation goes: starts the program `profile` of
//! `benches`.

use std::num::NonZeroUsize;

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::command::{Command, target_dir};
use crate::peers::pinned;

// Flattened into another `Args`.
#[derive(Debug, ClapArgs)]
#[group(id = "profile_args")]
pub struct Args {
    /// Say where the time of a training step and of an evaluation goes, by operation and by layer, and
    /// write a time line for Perfetto to target/profile/trace.json
    #[arg(long, conflicts_with_all = ["table", "backend", "rest"])]
    pub profile: bool,
    /// Repetitions that the profile averages; without it, 30
    #[arg(long, requires = "profile")]
    steps: Option<NonZeroUsize>,
    /// Images of a profile's batch; without it, 32 to train on and 64 to evaluate
    #[arg(long, requires = "profile")]
    batch: Option<NonZeroUsize>,
    /// Threads of the profile, on as many cores; without it, as many as there are cores
    #[arg(long, requires = "profile")]
    threads: Option<NonZeroUsize>,
    /// What the profile computes with: own (this workspace's kernels) or plain (Burn's operations)
    #[arg(long, requires = "profile")]
    kernels: Option<String>,
}

pub fn run(args: &Args) -> Result<()> {
    // The profile `dev` is optimised in this workspace.
    Command::cargo(["build", "--package", "benches", "--bin", "profile"]).run()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or(cores, usize::from);
    pinned(program(args), threads, cores).run()
}

fn program(args: &Args) -> Command {
    let name = format!("profile{}", std::env::consts::EXE_SUFFIX);
    let trace = target_dir().join("profile/trace.json");
    let program = Command::new(target_dir().join("debug").join(name), [""; 0])
        .args(["--trace".into(), trace.into_os_string()]);
    let number = |value: Option<NonZeroUsize>| value.map(|value| value.to_string());
    [
        ("--steps", number(args.steps)),
        ("--batch", number(args.batch)),
        ("--threads", number(args.threads)),
        ("--kernels", args.kernels.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .fold(program, |program, (name, value)| {
        program.args([name, &value])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(steps: usize, batch: usize, threads: usize) -> String {
        let args = Args {
            profile: true,
            steps: NonZeroUsize::new(steps),
            batch: NonZeroUsize::new(batch),
            threads: NonZeroUsize::new(threads),
            kernels: (threads > 0).then(|| "plain".to_owned()),
        };
        program(&args).to_string()
    }

    #[test]
    fn what_is_asked_for_is_handed_on_and_the_rest_left_to_the_program() {
        let plain = typed(0, 0, 0);
        assert!(plain.ends_with("trace.json"), "{plain}");
        let full = format!("{plain} --steps 9 --batch 8 --threads 1 --kernels plain");
        assert_eq!(typed(9, 8, 1), full);
    }
}
