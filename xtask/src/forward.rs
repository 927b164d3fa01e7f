//! Verbs of the `tweedie` binary: builds it with what `--backend` needs, and hands everything on.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::command::{Command, root, target_dir};

/// The variable that names a backend where no flag does; the binary reads it too.
const VARIABLE: &str = "TWEEDIE_BACKEND";

/// What a `--backend` means for the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Flex,
    Wgpu,
    Cuda,
}

impl Backend {
    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name.trim().to_ascii_lowercase().as_str() {
            "flex" => Backend::Flex,
            "wgpu" => Backend::Wgpu,
            "cuda" => Backend::Cuda,
            _ => bail!("`{name}` is no backend: write flex, wgpu or cuda"),
        })
    }

    pub fn feature(self) -> Option<&'static str> {
        match self {
            Backend::Flex => None,
            Backend::Wgpu => Some("wgpu"),
            Backend::Cuda => Some("cuda"),
        }
    }

    /// The library that is slow to build, as its file's name begins.
    fn library(self) -> &'static str {
        match self {
            Backend::Flex => "libburn_flex-",
            Backend::Wgpu => "libcubecl_wgpu-",
            Backend::Cuda => "libcubecl_cuda-",
        }
    }
}

/// Builds and runs the binary; the exit code is the binary's.
pub fn run(args: &[OsString]) -> Result<ExitCode> {
    let backend = backend(args, std::env::var(VARIABLE).ok().as_deref())?;
    let built = is_built(&target_dir().join("debug"), backend);
    if !built {
        eprintln!("{}", announcement(backend));
    }
    replace_by(&command(args, backend, built))
}

/// The backend that the arguments name, else the environment, else flex.
fn backend(args: &[OsString], variable: Option<&str>) -> Result<Backend> {
    let mut named = None;
    let mut args = args.iter().take_while(|&arg| arg != "--");
    while let Some(arg) = args.next() {
        if arg == "--backend" {
            // Without a value there is nothing to build for; the binary says what is missing.
            named = args.next().and_then(|value| value.to_str());
        } else if let Some(value) = arg.to_str().and_then(|arg| arg.strip_prefix("--backend=")) {
            named = Some(value);
        }
    }
    match (named, variable) {
        (Some(name), _) => Backend::parse(name).context("--backend"),
        (None, Some(name)) if !name.trim().is_empty() => Backend::parse(name).context(VARIABLE),
        (None, _) => Ok(Backend::Flex),
    }
}

/// `cargo run` with the features of a backend and all arguments, in the user's folder.
///
/// `quiet` leaves out Cargo's progress, which is worth seeing only while there is much to build.
fn command(args: &[OsString], backend: Backend, quiet: bool) -> Command {
    let mut command = Command::cargo(["run"]).here();
    if quiet {
        command = command.args(["--quiet"]);
    }
    let manifest = root().join("Cargo.toml");
    command = command
        .args([OsStr::new("--manifest-path"), manifest.as_os_str()])
        .args(["--package", "tweedie"]);
    if let Some(feature) = backend.feature() {
        command = command.args(["--features", feature]);
    }
    command.args(["--"]).args(args)
}

/// Whether the binary is there, and so is Burn for this backend: one binary's path serves every set
/// of features, so the binary alone says little.
fn is_built(folder: &Path, backend: Backend) -> bool {
    let binary = format!("tweedie{}", std::env::consts::EXE_SUFFIX);
    let library = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with(backend.library()) && name.ends_with(".rlib")
    };
    folder.join(binary).is_file()
        && std::fs::read_dir(folder.join("deps"))
            .is_ok_and(|files| files.flatten().any(|file| library(&file.file_name())))
}

fn announcement(backend: Backend) -> String {
    let (features, minutes) = match backend.feature() {
        None => ("for the CPU (flex)".to_owned(), 7),
        Some(feature) => (format!("with --features {feature}"), 20),
    };
    format!(
        "cargo xtask: building tweedie {features}; the first build takes some {minutes} minutes on \
         two cores, later ones seconds"
    )
}

/// Runs the command in place of this process, so that an interrupt reaches the binary alone and the
/// terminal waits until it has saved its checkpoint.
#[cfg(unix)]
fn replace_by(command: &Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;

    Err(command.native().exec()).with_context(|| format!("could not start `{command}`"))
}

#[cfg(not(unix))]
fn replace_by(command: &Command) -> Result<ExitCode> {
    let status = command
        .native()
        .status()
        .with_context(|| format!("could not start `{command}`"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn chosen(line: &str, variable: Option<&str>) -> Backend {
        backend(&words(line), variable).unwrap()
    }

    fn typed(line: &str) -> String {
        let args = words(line);
        let command = command(&args, backend(&args, None).unwrap(), false).to_string();
        command.replace(&root().display().to_string(), "ROOT")
    }

    #[test]
    fn every_argument_is_handed_on_and_backend_decides_the_features() {
        let head = "cargo run --manifest-path ROOT/Cargo.toml --package tweedie";
        for (line, features) in [
            ("train", ""),
            ("train --help", ""),
            ("sample --backend flex --count 4", ""),
            (
                "train --backend wgpu --set optimizer.lr=1e-3",
                " --features wgpu",
            ),
            ("evaluate --backend=cuda run-7", " --features cuda"),
            ("inspect --backend CUDA", " --features cuda"),
        ] {
            assert_eq!(typed(line), format!("{head}{features} -- {line}"));
        }
    }

    #[test]
    fn the_flag_goes_before_the_variable_and_the_last_flag_wins() {
        assert_eq!(chosen("train", Some("wgpu")), Backend::Wgpu);
        assert_eq!(chosen("train", Some("")), Backend::Flex);
        assert_eq!(chosen("train --backend flex", Some("wgpu")), Backend::Flex);
        assert_eq!(
            chosen("train --backend wgpu --backend=cuda", None),
            Backend::Cuda
        );
    }

    #[test]
    fn what_follows_two_dashes_is_no_flag() {
        assert_eq!(chosen("train -- --backend cuda", None), Backend::Flex);
    }

    #[test]
    fn a_missing_value_is_left_to_the_binary() {
        assert_eq!(chosen("train --backend", None), Backend::Flex);
    }

    #[test]
    fn an_unknown_backend_is_refused_before_anything_is_built() {
        let refused =
            |line, variable| format!("{:#}", backend(&words(line), variable).unwrap_err());
        assert_eq!(
            refused("train --backend gpu", None),
            "--backend: `gpu` is no backend: write flex, wgpu or cuda"
        );
        assert_eq!(
            refused("train", Some("tpu")),
            "TWEEDIE_BACKEND: `tpu` is no backend: write flex, wgpu or cuda"
        );
    }

    #[test]
    fn the_first_build_is_announced_with_its_length() {
        assert!(!is_built(Path::new("no/such/folder"), Backend::Flex));
        assert!(announcement(Backend::Flex).contains("7 minutes on two cores"));
        assert!(announcement(Backend::Wgpu).contains("--features wgpu"));
    }

    #[cfg(unix)]
    #[test]
    fn arguments_that_are_not_utf8_are_handed_on_as_they_are() {
        use std::os::unix::ffi::OsStringExt;

        let odd = OsString::from_vec(vec![b'a', 0xff]);
        let args = [OsString::from("inspect"), odd.clone()];
        let native = command(&args, Backend::Flex, true).native();
        assert_eq!(native.get_args().last(), Some(odd.as_os_str()));
    }
}
