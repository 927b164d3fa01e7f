//! Commands as values: they can be compared in tests, printed, and run.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// The workspace's folder.
pub fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where Cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program with its arguments, to run in the workspace's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(&'static str, String)>,
    here: bool,
}

impl Command {
    pub fn new<S: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            here: false,
        }
    }

    pub fn cargo<S: Into<OsString>>(args: impl IntoIterator<Item = S>) -> Self {
        Self::new("cargo", args)
    }

    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// The same, started by another program that takes a command as its last arguments.
    pub fn within<S: Into<OsString>>(
        mut self,
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        let inner = std::mem::replace(&mut self.program, program.into());
        let outer = args.into_iter().map(Into::into);
        self.args = outer.chain([inner]).chain(self.args).collect();
        self
    }

    /// Runs in the folder where the user stands, so that paths among the arguments mean what they
    /// say there.
    pub fn here(mut self) -> Self {
        self.here = true;
        self
    }

    /// The command as the operating system takes it.
    pub fn native(&self) -> std::process::Command {
        // Cargo names itself to the programs it runs; a PATH may hold another.
        let program = match std::env::var_os("CARGO") {
            Some(cargo) if self.program == OsStr::new("cargo") => cargo,
            _ => self.program.clone(),
        };
        let mut native = std::process::Command::new(program);
        native
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        if !self.here {
            native.current_dir(root());
        }
        native
    }

    /// Prints the command and runs it.
    pub fn run(&self) -> Result<()> {
        eprintln!("$ {self}");
        let status = self.native().status();
        self.judge(status)
    }

    /// Prints the command, runs it, prints its standard output as it comes, and returns the lines of
    /// it that `keep` wants.
    pub fn run_keeping(&self, keep: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        eprintln!("$ {self}");
        let mut child = self
            .native()
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start `{self}`"))?;
        let mut kept = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).split(b'\n') {
                let line = line.with_context(|| format!("could not read from `{self}`"))?;
                let line = String::from_utf8_lossy(&line).into_owned();
                println!("{line}");
                if keep(&line) {
                    kept.push(line);
                }
            }
        }
        self.judge(child.wait())?;
        Ok(kept)
    }

    /// Runs the command silently and returns its standard output.
    pub fn read(&self) -> Result<String> {
        let output = self
            .native()
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("could not start `{self}`"))?;
        self.judge(Ok(output.status))?;
        String::from_utf8(output.stdout)
            .with_context(|| format!("`{self}` printed something other than UTF-8"))
    }

    fn judge(&self, status: std::io::Result<ExitStatus>) -> Result<()> {
        let status = status.with_context(|| format!("could not start `{self}`"))?;
        if !status.success() {
            bail!("`{self}` failed ({status})");
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    /// As one would type it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quoted(value))?;
        }
        write!(f, "{}", quoted(&self.program.to_string_lossy()))?;
        for arg in &self.args {
            write!(f, " {}", quoted(&arg.to_string_lossy()))?;
        }
        Ok(())
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=,:@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_printed_as_one_would_type_it() {
        let command = Command::cargo(["doc", "--no-deps"])
            .args(["it's"])
            .env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            command.to_string(),
            r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'"
        );
    }

    #[cfg(unix)]
    #[test]
    fn wanted_lines_are_kept_and_a_failure_is_an_error() {
        let say = |script: &str| {
            Command::new("sh", ["-c", script]).run_keeping(|line| line.starts_with("keep"))
        };
        assert_eq!(
            say("echo keep 1; echo not; echo keep 2").unwrap(),
            ["keep 1", "keep 2"]
        );
        let error = say("echo keep; exit 3").unwrap_err().to_string();
        assert!(error.contains("failed (exit status: 3)"), "{error}");
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = Command::new("no-such-program-of-ours", ["x"])
            .read()
            .unwrap_err();
        assert!(
            error.to_string().contains("no-such-program-of-ours x"),
            "{error}"
        );
    }

    #[test]
    fn the_root_is_the_folder_of_the_workspace() {
        assert!(root().join("xtask/Cargo.toml").is_file());
    }
}
