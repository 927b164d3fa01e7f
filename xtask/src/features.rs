//! One build of Burn for every command.
//!
//! Cargo unifies features over the packages that a command selects. `workspace-hack` asks for the
//! union, so that `cargo run -p tweedie` finds what `cargo test --workspace` has built. When a new
//! dependency switches one more feature on, they drift apart, and nobody notices but the clock.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::command::{Command, root};
use crate::graph::Graph;

/// The crate that lists the features.
const HACK: &str = "workspace-hack";

pub fn run() -> Result<()> {
    let shared = tree(&["--workspace", "--edges", "normal,build,dev"])?;
    let mut faults = Vec::new();
    for (name, edges) in selections(&Graph::here()?) {
        let own = tree(&["--package", &name, "--edges", edges])?;
        faults.extend(own.difference(&shared).map(|package| {
            format!("{package}, as `--package {name}` with {edges} dependencies builds it")
        }));
    }
    if !faults.is_empty() {
        bail!(
            "these packages are built with other features than `--workspace` asks for; list the \
             missing features in {HACK}/Cargo.toml:\n  {}",
            faults.join("\n  ")
        );
    }
    eprintln!("features: every command shares one build of third-party crates");
    Ok(())
}

/// The crates that promise to share the build: as they are run, and as they are tested.
fn selections(graph: &Graph) -> Vec<(String, &'static str)> {
    let mut selections = Vec::new();
    for (name, dependencies) in &graph.0 {
        let runs = dependencies.normal.contains(HACK);
        if runs {
            selections.push((name.clone(), "normal,build"));
        }
        if runs || dependencies.dev.contains(HACK) {
            selections.push((name.clone(), "normal,build,dev"));
        }
    }
    selections
}

/// The third-party packages of a selection, each with its version and features.
fn tree(selection: &[&str]) -> Result<BTreeSet<String>> {
    let format = ["tree", "--prefix", "none", "--format", "{p} [{f}]"];
    let printed = Command::cargo(format).args(selection).read()?;
    Ok(third_party(&printed, &root().display().to_string()))
}

fn third_party(printed: &str, root: &str) -> BTreeSet<String> {
    let own = format!("({root}");
    printed
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty() && !line.contains(&own))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dependencies;

    #[test]
    fn a_package_is_known_by_its_features_and_counted_once() {
        let printed = "tweedie v0.1.0 (/w/crates/tweedie) [default]\n\
                       libc v0.2.0 [default,std]\n\
                       libc v0.2.0 [default,std] (*)\n\
                       \n\
                       libc v0.2.0 [std]\n";
        let found = third_party(printed, "/w");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["libc v0.2.0 [default,std]", "libc v0.2.0 [std]"]
        );
    }

    #[test]
    fn crates_that_use_the_hack_are_checked_as_they_are_run_and_tested() {
        let on = |name: &str| BTreeSet::from([name.to_owned()]);
        let mut graph = Graph::default();
        let app = Dependencies {
            normal: on(HACK),
            ..Dependencies::default()
        };
        let library = Dependencies {
            normal: on("theory"),
            dev: on(HACK),
        };
        graph.0.insert("app".to_owned(), app);
        graph.0.insert("library".to_owned(), library);
        graph.0.insert("theory".to_owned(), Dependencies::default());
        assert_eq!(
            selections(&graph),
            [
                ("app".to_owned(), "normal,build"),
                ("app".to_owned(), "normal,build,dev"),
                ("library".to_owned(), "normal,build,dev"),
            ]
        );
    }
}
