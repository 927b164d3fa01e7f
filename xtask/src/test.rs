//! The tests.

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::command::Command;

/// wgpu: its parity with flex, in the crate whose networks both must run alike, and its adapters, in
/// the crate that finds and opens them.
const WGPU: [&str; 11] = [
    "test",
    "--package",
    "score-net",
    "--package",
    "runtime",
    "--features",
    "wgpu",
    "--test",
    "parity",
    "--test",
    "wgpu",
];

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Test wgpu instead, and compare it with flex; needs a Vulkan driver (a software one will do)
    #[arg(long)]
    wgpu: bool,
    /// Handed on to the test programs, such as a part of a test's name
    #[arg(last = true)]
    rest: Vec<String>,
}

pub fn run(args: &Args) -> Result<()> {
    command(args).run()
}

fn command(args: &Args) -> Command {
    let command = if args.wgpu { wgpu() } else { workspace() };
    match args.rest.as_slice() {
        [] => command,
        rest => command.args(["--"]).args(rest),
    }
}

/// Unit, integration and documentation tests of every crate.
pub fn workspace() -> Command {
    Command::cargo(["test", "--workspace"])
}

/// The tests of wgpu.
pub fn wgpu() -> Command {
    // Autotune tries every kernel for every shape, which takes minutes on a software adapter; the
    // results do not depend on it.
    Command::cargo(WGPU).env("CUBECL_AUTOTUNE_LEVEL", "0")
}

/// Whether a line is libtest's last word on a test binary.
pub fn is_closing_line(line: &str) -> bool {
    line.starts_with("test result: ")
}

/// The passed and failed tests that libtest's closing lines add up to.
pub fn sum<'a>(closing_lines: impl IntoIterator<Item = &'a str>) -> (usize, usize) {
    let count = |line: &str, what: &str| -> usize {
        line.split([';', '.'])
            .filter_map(|part| part.trim().strip_suffix(what))
            .find_map(|number| number.trim().parse().ok())
            .unwrap_or(0)
    };
    closing_lines
        .into_iter()
        .fold((0, 0), |(passed, failed), line| {
            (
                passed + count(line, "passed"),
                failed + count(line, "failed"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_those_of_the_readme() {
        let typed = |wgpu, rest: &[&str]| {
            let rest = rest.iter().map(|&word| word.to_owned()).collect();
            command(&Args { wgpu, rest }).to_string()
        };
        assert_eq!(typed(false, &[]), "cargo test --workspace");
        assert_eq!(
            typed(false, &["heun", "--nocapture"]),
            "cargo test --workspace -- heun --nocapture"
        );
        assert_eq!(
            typed(true, &[]),
            "CUBECL_AUTOTUNE_LEVEL=0 cargo test --package score-net --package runtime \
             --features wgpu --test parity --test wgpu"
        );
    }

    #[test]
    fn closing_lines_add_up() {
        let output = "running 2 tests\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s\n";
        let closing: Vec<_> = output
            .lines()
            .filter(|line| is_closing_line(line))
            .collect();
        assert_eq!(closing.len(), 2);
        assert_eq!(sum(closing), (15, 2));
        assert_eq!(sum([]), (0, 0));
    }
}
