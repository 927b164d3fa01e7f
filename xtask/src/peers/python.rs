//! A Python that has PyTorch.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::{Command, root};

/// Leaves a copy of the list of packages in the environment when it is complete.
const LIST: &str = "requirements.txt";

/// `given`, if it can do the work; else that of an environment in `folder`, made when it is not there
/// or was made for other versions.
pub fn interpreter(given: Option<&Path>, folder: &Path) -> Result<PathBuf> {
    if let Some(python) = given {
        let python = runnable(python)?;
        check(&python).read().with_context(|| {
            format!(
                "--python {}: it needs the packages of {}",
                python.display(),
                wanted().display()
            )
        })?;
        return Ok(python);
    }
    let environment = folder.join("venv");
    if !fits(&environment) {
        let help = "or name a Python that has the packages with --python PATH";
        make(&environment)
            .run()
            .with_context(|| format!("install Python 3 with its module venv, {help}"))?;
        install(&environment)
            .run()
            .with_context(|| format!("pip could not install the packages: see above, {help}"))?;
        std::fs::copy(wanted(), environment.join(LIST))
            .with_context(|| format!("could not write to {}", environment.display()))?;
    }
    Ok(python_of(&environment))
}

fn wanted() -> PathBuf {
    root().join("benches/peers").join(LIST)
}

/// Commands run in the workspace's folder; a path on the command line is meant from where one stands.
fn runnable(python: &Path) -> Result<PathBuf> {
    if python.components().count() == 1 {
        return Ok(python.to_owned());
    }
    Ok(std::path::absolute(python)?)
}

/// Whether the environment was completed for the versions that are wanted now.
fn fits(environment: &Path) -> bool {
    let list = |path: &Path| std::fs::read(path).ok();
    let installed = list(&environment.join(LIST));
    installed.is_some() && installed == list(&wanted())
}

fn python_of(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    })
}

fn make(environment: &Path) -> Command {
    Command::new("python3", ["-m", "venv"]).args([environment])
}

fn install(environment: &Path) -> Command {
    Command::new(
        python_of(environment),
        ["-m", "pip", "install", "--disable-pip-version-check"],
    )
    .args(["--requirement"])
    .args([wanted()])
}

fn check(python: &Path) -> Command {
    Command::new(python, ["-c", "import numpy, safetensors, torch"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_made_and_filled_by_its_own_pip() {
        let environment = Path::new("target/peers/venv");
        assert_eq!(
            make(environment).to_string(),
            "python3 -m venv target/peers/venv"
        );
        let install = install(environment).to_string();
        assert!(install.contains("-m pip install"), "{install}");
        assert!(
            install.ends_with("benches/peers/requirements.txt"),
            "{install}"
        );
    }

    #[test]
    fn an_environment_fits_only_the_versions_that_it_was_made_for() {
        let folder = std::env::temp_dir().join(format!("xtask-venv-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(!fits(&folder));
        std::fs::copy(wanted(), folder.join(LIST)).unwrap();
        assert!(fits(&folder));
        std::fs::write(folder.join(LIST), "torch==1.0").unwrap();
        assert!(!fits(&folder));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_python_that_is_missing_is_named_with_what_it_needs() {
        let missing = Path::new("no-such-python-of-ours");
        let error = interpreter(Some(missing), Path::new("unused")).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains("--python no-such-python-of-ours"), "{error}");
        assert!(error.contains("requirements.txt"), "{error}");
    }

    #[test]
    fn versions_are_pinned() {
        let list = std::fs::read_to_string(wanted()).unwrap();
        assert!(list.lines().all(|line| line.contains("==")), "{list}");
        assert!(list.contains("torch=="));
    }
}
