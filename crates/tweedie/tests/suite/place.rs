//! A folder to work in, and the program in it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use tempfile::TempDir;

/// A model of points that trains in a moment.
pub const TINY: &str = r#"
name = "tiny"
[data]
kind = "toy"
name = "two-moons"
count = 200
[network]
kind = "mlp"
width = 16
blocks = 1
embedding = 8
[preconditioning]
sigma_data = 1.0
[training]
steps = 6
batch_size = 16
log_every = 2
sample_every = 3
checkpoint_every = 3
[sampling]
solver = "heun"
grid = "karras"
steps = 4
count = 20
"#;

/// An empty folder.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with `tiny.toml` in it.
    pub fn with_config() -> Self {
        let place = Self::new();
        place.write("tiny.toml", TINY);
        place
    }

    /// One with a trained run in `runs/tiny`.
    pub fn with_run() -> Self {
        let place = Self::with_config();
        place.run("train --config tiny.toml --quiet").success();
        place
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Runs the program with the words of `line`, on the CPU unless they say otherwise.
    pub fn run(&self, line: &str) -> Assert {
        let mut command = Command::from(self.program());
        command.args(line.split_whitespace()).assert()
    }

    /// The program, in this folder and untouched by the caller's environment.
    pub fn program(&self) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tweedie"));
        command
            .current_dir(self.0.path())
            .env("TWEEDIE_BACKEND", "flex")
            .env_remove("RUST_LOG")
            .env_remove("BURN_DEVICE");
        command
    }

    /// Runs a line that must be refused, and returns what it says.
    pub fn refused(&self, line: &str, code: i32) -> String {
        let assert = self.run(line).failure().code(code);
        let output = assert.get_output();
        let text = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(
            text.lines().any(|line| line.starts_with("error: ")),
            "{text}"
        );
        assert!(!text.contains("panicked"), "{text}");
        text
    }
}

/// Asserts that a text has every one of some parts.
#[track_caller]
pub fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

/// A file of the repository.
pub fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}
