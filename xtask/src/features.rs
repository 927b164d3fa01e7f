//! One build of Burn for every command.
//!
//! Cargo unifies features over the packages that a command selects. `workspace-hack` asks for the
//! union, so that `cargo run -p tweedie` finds what `cargo test --workspace` has built, and
//! `cargo run -p tweedie --features wgpu` what the comparison of wgpu with flex has. When a new
//! dependency switches one more feature on, they drift apart, and nobody notices but the clock.
//!
//! What is compared is Cargo's own plan, unit by unit. `cargo tree` would be stable, but it merges a
//! package for build scripts with the same package for the program, and so hides a difference between
//! their dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::Command;
use crate::graph::Graph;

/// The crate that lists the features.
const HACK: &str = "workspace-hack";

/// The features of the workspace that bring in a GPU backend: each makes a build of Burn of its own,
/// which every crate that offers the feature shares. `cuda-nvrtc` is left out, for it differs from
/// `cuda` by design and only the binary is built with it.
const BACKENDS: [&str; 2] = ["wgpu", "cuda"];

pub fn run() -> Result<()> {
    let graph = Graph::here()?;
    let mut faults = faults(&graph, None)?;
    for backend in BACKENDS {
        faults.extend(self::faults(&graph, Some(backend))?);
    }
    if !faults.is_empty() {
        bail!(
            "these packages are built otherwise than the whole workspace builds them; list the \
             missing features in {HACK}/Cargo.toml, under [build-dependencies] where a build script \
             or a procedural macro uses the package:\n  {}",
            faults.join("\n  ")
        );
    }
    eprintln!("features: every command shares one build of third-party crates for each backend");
    Ok(())
}

/// The packages that a selection builds otherwise than the whole workspace does, both with the
/// feature of a GPU backend or both without.
fn faults(graph: &Graph, backend: Option<&str>) -> Result<Vec<String>> {
    let with: Vec<_> = backend.map_or(vec![], |backend| vec!["--features", backend]);
    let plan = |selection: &[&str]| Plan::of(&[selection, &with].concat());
    let shared = plan(&["test", "--workspace"])?;
    let mut faults = Vec::new();
    for (name, verb) in selections(graph, backend) {
        let selection = [verb, "--package", &name];
        let own = plan(&selection)?;
        let command = [&selection[..], &with].concat().join(" ");
        let strange = own.strange_to(&shared).into_iter();
        faults.extend(strange.map(|unit| format!("{unit}, as `cargo {command}` builds it")));
    }
    Ok(faults)
}

/// The crates that promise to share the build: as they are run, and as they are tested. With a
/// backend, those that have a feature for it.
fn selections(graph: &Graph, backend: Option<&str>) -> Vec<(String, &'static str)> {
    let mut selections = Vec::new();
    for (name, dependencies) in &graph.0 {
        if backend.is_some_and(|backend| !dependencies.features.contains(backend)) {
            continue;
        }
        let runs = dependencies.normal.contains(HACK);
        if runs {
            selections.push((name.clone(), "build"));
        }
        if runs || dependencies.dev.contains(HACK) {
            selections.push((name.clone(), "test"));
        }
    }
    selections
}

/// What Cargo would compile for a command: the third-party units by a fingerprint of all that goes
/// into each, its dependencies included.
#[derive(Debug, Default)]
struct Plan(BTreeMap<u64, Unit>);

#[derive(Debug)]
struct Unit {
    /// The package with its version and features.
    label: String,
    /// A fingerprint of the unit alone.
    alone: u64,
    /// The fingerprints of what it depends on.
    dependencies: Vec<u64>,
}

impl Plan {
    /// Asks Cargo, which compiles nothing for it.
    fn of(command: &[&str]) -> Result<Self> {
        // The plan is printed by an option that is not stable yet. The variable unlocks it for this
        // question alone.
        let printed = Command::cargo(command.iter().copied())
            .args(["--unit-graph", "-Z", "unstable-options"])
            .env("RUSTC_BOOTSTRAP", "1")
            .read()?;
        let printed = serde_json::from_str(&printed)?;
        Self::read(&printed).context("`cargo --unit-graph` prints another format than it did")
    }

    fn read(printed: &Value) -> Option<Self> {
        let units = printed["units"].as_array()?;
        let mut plan = Self::default();
        let mut known = vec![None; units.len()];
        for index in 0..units.len() {
            plan.add(index, units, &mut known)?;
        }
        Some(plan)
    }

    /// Adds a unit and what it depends on; returns its fingerprint.
    fn add(&mut self, index: usize, units: &[Value], known: &mut [Option<u64>]) -> Option<u64> {
        if let Some(found) = known[index] {
            return Some(found);
        }
        let unit = &units[index];
        let mut dependencies = Vec::new();
        for dependency in unit["dependencies"].as_array()? {
            let on = usize::try_from(dependency["index"].as_u64()?).ok()?;
            dependencies.push(self.add(on, units, known)?);
        }
        dependencies.sort_unstable();
        let id = unit["pkg_id"].as_str()?;
        let mut profile = unit["profile"].clone();
        // `dev` and `test` are the same profile in this workspace, which gives them one build.
        profile.as_object_mut()?.remove("name");
        let alone = fingerprint(&[
            id,
            &unit["target"].to_string(),
            &unit["mode"].to_string(),
            &unit["platform"].to_string(),
            &profile.to_string(),
            &unit["features"].to_string(),
        ]);
        let whole = fingerprint(&(alone, &dependencies));
        known[index] = Some(whole);
        if !id.starts_with("path+") {
            let features = unit["features"].as_array()?.iter();
            let features: Vec<_> = features.filter_map(Value::as_str).collect();
            let package = id.rsplit('#').next()?;
            let label = format!("{package} [{}]", features.join(","));
            let unit = Unit {
                label,
                alone,
                dependencies,
            };
            self.0.insert(whole, unit);
        }
        Some(whole)
    }

    /// The units that `shared` does not have and that are the cause of it: they differ themselves, or
    /// nothing that they depend on does. Each package is named once.
    fn strange_to(&self, shared: &Self) -> BTreeSet<&str> {
        let alone: BTreeSet<_> = shared.0.values().map(|unit| unit.alone).collect();
        let strange = self.0.iter().filter(|(whole, unit)| {
            let is_shared = |whole: &u64| shared.0.contains_key(whole);
            !is_shared(whole)
                && (!alone.contains(&unit.alone) || unit.dependencies.iter().all(is_shared))
        });
        strange.map(|(_, unit)| unit.label.as_str()).collect()
    }
}

fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dependencies;
    use serde_json::json;

    fn unit(name: &str, profile: &str, features: &[&str], on: &[usize]) -> Value {
        let on: Vec<_> = on.iter().map(|index| json!({"index": index})).collect();
        let source = match name {
            "app" => "path+file:///w/app",
            _ => "registry+https://index",
        };
        json!({
            "pkg_id": format!("{source}#{name}@1.0.0"), "target": {"kind": ["lib"]}, "mode": "build",
            "platform": null, "profile": {"name": profile, "opt_level": "3"},
            "features": features, "dependencies": on,
        })
    }

    fn plan(units: &[Value]) -> Plan {
        Plan::read(&json!({"units": units})).unwrap()
    }

    #[test]
    fn plans_are_equal_whatever_the_order_and_the_name_of_the_profile() {
        let a = plan(&[
            unit("app", "dev", &[], &[1]),
            unit("burn", "dev", &["std"], &[2]),
            unit("memchr", "dev", &["std"], &[]),
        ]);
        let b = plan(&[
            unit("memchr", "test", &["std"], &[]),
            unit("burn", "test", &["std"], &[0]),
        ]);
        assert_eq!(a.0.len(), 2);
        assert!(a.strange_to(&b).is_empty() && b.strange_to(&a).is_empty());
    }

    #[test]
    fn what_drifts_is_named_and_not_what_depends_on_it() {
        let shared = plan(&[
            unit("burn", "dev", &["std"], &[1]),
            unit("memchr", "dev", &["default", "std"], &[]),
        ]);
        let own = plan(&[
            unit("burn", "dev", &["std"], &[1]),
            unit("memchr", "dev", &["std"], &[]),
        ]);
        assert_eq!(
            own.strange_to(&shared),
            BTreeSet::from(["memchr@1.0.0 [std]"])
        );
    }

    #[test]
    fn a_package_built_twice_is_no_excuse_for_the_one_that_uses_the_wrong_one() {
        let two = [
            unit("memchr", "dev", &["default", "std"], &[]),
            unit("memchr", "dev", &["std"], &[]),
        ];
        let with = |on| {
            plan(&[
                two[0].clone(),
                two[1].clone(),
                unit("burn", "dev", &[], &[on]),
            ])
        };
        assert_eq!(
            with(1).strange_to(&with(0)),
            BTreeSet::from(["burn@1.0.0 []"])
        );
    }

    #[test]
    fn another_format_is_an_error() {
        assert!(Plan::read(&json!({})).is_none());
        assert!(Plan::read(&json!({"units": [{"pkg_id": "a#b@1"}]})).is_none());
    }

    #[test]
    fn crates_that_use_the_hack_are_checked_as_they_are_run_and_tested() {
        let on = |name: &str| BTreeSet::from([name.to_owned()]);
        let mut graph = Graph::default();
        let app = Dependencies {
            normal: on(HACK),
            features: on("wgpu"),
            ..Dependencies::default()
        };
        let library = Dependencies {
            normal: on("theory"),
            dev: on(HACK),
            ..Dependencies::default()
        };
        graph.0.insert("app".to_owned(), app);
        graph.0.insert("library".to_owned(), library);
        graph.0.insert("theory".to_owned(), Dependencies::default());
        assert_eq!(
            selections(&graph, None),
            [
                ("app".to_owned(), "build"),
                ("app".to_owned(), "test"),
                ("library".to_owned(), "test"),
            ]
        );
        assert_eq!(
            selections(&graph, Some("wgpu")),
            [("app".to_owned(), "build"), ("app".to_owned(), "test")]
        );
        assert_eq!(selections(&graph, Some("cuda")), []);
    }
}
