//! Which crate of the workspace depends on which.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command::Command;

/// The dependencies among the crates of a workspace, and their features.
#[derive(Debug, Default)]
pub struct Graph(pub BTreeMap<String, Dependencies>);

#[derive(Debug, Default)]
pub struct Dependencies {
    /// Normal, build and optional ones.
    pub normal: BTreeSet<String>,
    /// Those of tests, examples and benchmarks.
    pub dev: BTreeSet<String>,
    /// The features that the crate offers.
    pub features: BTreeSet<String>,
}

impl Graph {
    /// The graph of this workspace.
    pub fn here() -> Result<Self> {
        let command = Command::cargo(["metadata", "--format-version", "1", "--no-deps"]);
        let metadata =
            serde_json::from_str(&command.read()?).context("`cargo metadata` printed no JSON")?;
        Self::read(&metadata)
    }

    /// Reads what `cargo metadata` prints.
    fn read(metadata: &Value) -> Result<Self> {
        let packages = metadata["packages"]
            .as_array()
            .context("`cargo metadata` lists no packages")?;
        let members: BTreeSet<_> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
        let mut graph = Self::default();
        for package in packages {
            let name = package["name"].as_str().context("a package has no name")?;
            let dependencies = graph.0.entry(name.to_owned()).or_default();
            if let Some(features) = package["features"].as_object() {
                dependencies.features.extend(features.keys().cloned());
            }
            for dependency in package["dependencies"].as_array().into_iter().flatten() {
                let Some(on) = dependency["name"]
                    .as_str()
                    .filter(|on| members.contains(on))
                else {
                    continue;
                };
                match dependency["kind"].as_str() {
                    Some("dev") => dependencies.dev.insert(on.to_owned()),
                    _ => dependencies.normal.insert(on.to_owned()),
                };
            }
        }
        Ok(graph)
    }

    fn neighbours(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.0.get(name).into_iter();
        found.flat_map(|found| found.normal.union(&found.dev).map(String::as_str))
    }

    /// A path from `from` to `to`, both included.
    fn path<'a>(
        &'a self,
        from: &'a str,
        to: &str,
        seen: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<&'a str>> {
        if from == to {
            return Some(vec![from]);
        }
        if !seen.insert(from) {
            return None;
        }
        self.neighbours(from).find_map(|next| {
            let mut path = self.path(next, to, seen)?;
            path.insert(0, from);
            Some(path)
        })
    }

    /// Each circle once, from its first crate in the alphabet.
    pub fn circles(&self) -> BTreeSet<Vec<String>> {
        let mut circles = BTreeSet::new();
        for name in self.0.keys() {
            for next in self.neighbours(name) {
                let Some(mut path) = self.path(next, name, &mut BTreeSet::new()) else {
                    continue;
                };
                path.pop();
                path.insert(0, name);
                let first = (0..path.len()).min_by_key(|&i| path[i]).unwrap_or(0);
                path.rotate_left(first);
                circles.insert(path.into_iter().map(str::to_owned).collect());
            }
        }
        circles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_read_with_optional_build_and_dev_dependencies_apart() {
        let metadata = json!({"packages": [
            {"name": "theory", "dependencies": [{"name": "ndarray", "kind": null}]},
            {"name": "solver", "dependencies": [
                {"name": "theory", "kind": null, "optional": true},
                {"name": "app", "kind": "dev"},
            ]},
            {"name": "app", "dependencies": [{"name": "solver", "kind": "build"}],
             "features": {"default": [], "wgpu": ["solver/wgpu"]}},
        ]});
        let graph = Graph::read(&metadata).unwrap();
        assert_eq!(graph.0["theory"].normal, BTreeSet::new());
        assert_eq!(
            graph.0["solver"].normal,
            BTreeSet::from(["theory".to_owned()])
        );
        assert_eq!(graph.0["solver"].dev, BTreeSet::from(["app".to_owned()]));
        assert_eq!(graph.0["app"].normal, BTreeSet::from(["solver".to_owned()]));
        assert_eq!(
            graph.0["app"].features,
            BTreeSet::from(["default".to_owned(), "wgpu".to_owned()])
        );
        assert_eq!(graph.0["solver"].features, BTreeSet::new());
        assert!(Graph::read(&json!({})).is_err());
    }
}
