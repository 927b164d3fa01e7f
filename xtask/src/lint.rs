//! Format, dependencies, lints and documentation.

use anyhow::Result;

use crate::arrows;
use crate::command::Command;
use crate::features;

pub fn run() -> Result<()> {
    format().run()?;
    arrows::run()?;
    features::run()?;
    clippy().run()?;
    docs().run()
}

pub fn format() -> Command {
    Command::cargo(["fmt", "--all", "--", "--check"])
}

pub fn clippy() -> Command {
    Command::cargo(["clippy", "--workspace", "--all-targets", "--"]).args(["-D", "warnings"])
}

pub fn docs() -> Command {
    Command::cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings")
}
