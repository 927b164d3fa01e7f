//! The direction of dependencies: theory knows no networks, solvers know no files.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::command::Command;
use crate::graph::Graph;

/// Which crates of the workspace each may depend on. This is the map of ARCHITECTURE.md; a change
/// here is a change of the architecture.
const MAP: Map<'static> = &[
    ("sde-core", &[]),
    ("runtime", &[]),
    ("data", &[]),
    ("kernels", &[]),
    ("solvers", &["sde-core"]),
    ("score-net", &["sde-core", "solvers", "kernels"]),
    ("evaluation", &["sde-core", "solvers", "score-net", "data"]),
    (
        "training",
        &["sde-core", "solvers", "kernels", "score-net", "data"],
    ),
    (
        "tweedie",
        &[
            "sde-core",
            "solvers",
            "kernels",
            "score-net",
            "runtime",
            "data",
            "training",
            "evaluation",
            "workspace-hack",
        ],
    ),
    (
        "benches",
        &[
            "sde-core",
            "solvers",
            "score-net",
            "kernels",
            "runtime",
            "data",
            "training",
            "evaluation",
            "workspace-hack",
        ],
    ),
    // The targets of whatever parses.
    (
        "fuzzing",
        &[
            "data",
            "sde-core",
            "solvers",
            "score-net",
            "training",
            "workspace-hack",
        ],
    ),
    // It runs the others as processes.
    ("xtask", &[]),
    // Features and no code: for the binaries, and for the tests of the libraries.
    ("workspace-hack", &[]),
];

/// Crates that must build without Burn unless a feature asks for it.
const WITHOUT_BURN: [&str; 2] = ["sde-core", "solvers"];

type Map<'a> = &'a [(&'a str, &'a [&'a str])];

pub fn run() -> Result<()> {
    let mut faults = faults(&Graph::here()?, MAP);
    for name in WITHOUT_BURN {
        let tree =
            Command::cargo(["tree", "-p", name, "-e", "normal", "--prefix", "none"]).read()?;
        faults.extend(burn_in(&tree).map(|found| {
            format!(
                "`{name}` with default features pulls in `{found}`: make the dependency optional, \
                 behind the feature `burn`"
            )
        }));
    }
    if !faults.is_empty() {
        bail!(
            "the map of dependencies does not hold:\n  {}",
            faults.join("\n  ")
        );
    }
    eprintln!("arrows: every dependency points the way the map does");
    Ok(())
}

/// Every way in which a workspace departs from the map.
fn faults(graph: &Graph, map: Map<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let allowed: BTreeMap<_, _> = map.iter().copied().collect();
    for (name, dependencies) in &graph.0 {
        let Some(allowed) = allowed.get(name.as_str()) else {
            faults.push(format!(
                "`{name}` is not in the map: say in xtask/src/arrows.rs what it may depend on"
            ));
            continue;
        };
        for on in &dependencies.normal {
            if !allowed.contains(&on.as_str()) {
                let may = match allowed {
                    [] => "no crate of the workspace".to_owned(),
                    some => some.join(", "),
                };
                faults.push(format!(
                    "`{name}` depends on `{on}`; it may depend on {may}"
                ));
            }
        }
    }
    for (name, _) in map {
        if !graph.0.contains_key(*name) {
            faults.push(format!(
                "the map in xtask/src/arrows.rs speaks of `{name}`, which is not in the workspace"
            ));
        }
    }
    // Cargo refuses circles of normal dependencies itself, but lets tests close one.
    for circle in graph.circles() {
        faults.push(format!(
            "a circle, tests and examples included: {} → {}",
            circle.join(" → "),
            circle[0]
        ));
    }
    faults
}

/// The crates of a `cargo tree --prefix none` that belong to Burn, each once.
fn burn_in(tree: &str) -> impl Iterator<Item = &str> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let found: BTreeSet<_> = names.filter(|name| name.starts_with("burn")).collect();
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dependencies;

    const SMALL: Map<'static> = &[
        ("theory", &[]),
        ("solver", &["theory"]),
        ("app", &["theory", "solver"]),
    ];

    /// A graph of `FROM -> TO` and, for dev-dependencies, `FROM ~> TO`.
    fn graph(edges: &[&str]) -> Graph {
        let mut graph = Graph::default();
        for name in ["theory", "solver", "app"] {
            graph.0.insert(name.to_owned(), Dependencies::default());
        }
        for edge in edges {
            let words: Vec<_> = edge.split(' ').collect();
            let from = graph.0.entry(words[0].to_owned()).or_default();
            let kind = if words[1] == "~>" {
                &mut from.dev
            } else {
                &mut from.normal
            };
            kind.insert(words[2].to_owned());
        }
        graph
    }

    #[test]
    fn arrows_that_point_the_way_of_the_map_pass() {
        let right = graph(&["solver -> theory", "app -> solver", "app -> theory"]);
        assert_eq!(faults(&right, SMALL), Vec::<String>::new());
    }

    #[test]
    fn a_reversed_arrow_is_found() {
        let reversed = graph(&["theory -> solver"]);
        assert_eq!(
            faults(&reversed, SMALL),
            ["`theory` depends on `solver`; it may depend on no crate of the workspace"]
        );
        let skipping = graph(&["solver -> app"]);
        assert_eq!(
            faults(&skipping, SMALL),
            ["`solver` depends on `app`; it may depend on theory"]
        );
    }

    #[test]
    fn a_test_may_look_up_but_not_close_a_circle() {
        assert_eq!(
            faults(&graph(&["theory ~> solver"]), SMALL),
            Vec::<String>::new()
        );
        assert_eq!(
            faults(
                &graph(&["theory ~> app", "app -> solver", "solver -> theory"]),
                SMALL
            ),
            ["a circle, tests and examples included: app → solver → theory → app"]
        );
    }

    #[test]
    fn a_crate_missing_from_the_map_or_from_the_workspace_is_found() {
        let new = graph(&["helper -> theory"]);
        assert_eq!(
            faults(&new, SMALL),
            ["`helper` is not in the map: say in xtask/src/arrows.rs what it may depend on"]
        );
        let mut gone = graph(&[]);
        gone.0.remove("app");
        assert_eq!(
            faults(&gone, SMALL),
            ["the map in xtask/src/arrows.rs speaks of `app`, which is not in the workspace"]
        );
    }

    #[test]
    fn the_map_itself_has_no_circle_and_no_unknown_crate() {
        let mut graph = Graph::default();
        for (name, allowed) in MAP {
            let normal = allowed.iter().map(|&on| on.to_owned()).collect();
            let dependencies = Dependencies {
                normal,
                ..Dependencies::default()
            };
            graph.0.insert((*name).to_owned(), dependencies);
        }
        assert_eq!(faults(&graph, MAP), Vec::<String>::new());
        let known = |name: &&str| graph.0.contains_key(*name);
        assert!(MAP.iter().all(|(_, allowed)| allowed.iter().all(&known)));
    }

    #[test]
    fn burn_is_found_in_a_tree_and_named_once() {
        let clean = "solvers v0.1.0 (/x)\nsde-core v0.1.0 (/x)\nndarray v0.17.0\n";
        assert_eq!(burn_in(clean).count(), 0);
        let burning = "solvers v0.1.0 (/x)\nburn v0.22.1\nburn-core v0.22.1\nburn v0.22.1 (*)\n";
        assert_eq!(burn_in(burning).collect::<Vec<_>>(), ["burn", "burn-core"]);
    }
}
