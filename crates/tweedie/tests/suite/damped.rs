//! Positions and velocities, from a configuration to samples and what cannot be said of them.

use ndarray::Array4;
use ndarray_npy::read_npy;

use crate::place::{Place, TINY, of_repository, says};

const USAGE: i32 = 2;

/// `tiny.toml` under critically damped Langevin diffusion, by its default solver.
fn tiny() -> Place {
    let place = Place::new();
    let text = TINY
        .replace(
            "[preconditioning]",
            "[preconditioning]\nvelocity = \"mixed\"",
        )
        .replace("solver = \"heun\"\ngrid = \"karras\"\n", "");
    let text = format!("{text}\n[sde]\nkind = \"damped-langevin\"\n");
    place.write("tiny.toml", text);
    place
}

fn said(place: &Place, line: &str) -> String {
    let assert = place.run(line).success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

#[test]
fn the_experiment_with_velocities_trains_and_draws_its_picture() {
    let place = Place::new();
    let config = of_repository("configs/two-moons-damped.toml");
    let small = "--set data.count=100 --set network.width=8 --set training.steps=2 \
                 --set training.batch_size=8 --set sampling.steps=3 --set sampling.count=10";
    let line = format!("train --quiet --config {} {small}", config.display());
    place.run(&line).success();
    let run = "runs/two-moons-damped";
    let picture = image::open(place.path(run).join("samples/step-00000002.png")).unwrap();
    assert!(picture.width() > 900);
    let text = said(&place, &format!("inspect --run {run}"));
    says(
        &text,
        &[
            "damped-langevin",
            "the score of the velocity",
            "sscs",
            "of the position",
        ],
    );
    assert!(image::open(place.path(run).join("inspect.png")).is_ok());
}

#[test]
fn points_are_sampled_by_every_solver_of_pairs_in_any_batches_and_measured() {
    let place = tiny();
    place.run("train --config tiny.toml --quiet").success();
    says(&place.text("runs/tiny/config.toml"), &["name = \"sscs\""]);
    let mut drawn = Vec::new();
    for (solver, nfe) in [
        ("sscs", 6),
        ("damped-euler-maruyama", 6),
        ("damped-heun", 11),
    ] {
        let sample = |options: &str, out: &str| {
            let line = format!(
                "sample --solver {solver} --steps 6 --count 10 --format npy {options} --out {out}"
            );
            says(&said(&place, &line), &[&format!("NFE {nfe}")]);
            read_npy::<_, Array4<f32>>(place.path(out)).unwrap()
        };
        let all = sample("", "a.npy");
        assert_eq!(all.dim(), (10, 2, 1, 1));
        assert!(all.iter().all(|value| value.is_finite()));
        assert_eq!(sample("--batch 3", "b.npy"), all);
        drawn.push(all);
    }
    assert!(drawn[0] != drawn[1] && drawn[1] != drawn[2]);
    let text = said(&place, "evaluate --samples 50");
    says(&text, &["sscs in 4 steps", "sliced Wasserstein distance"]);
    let text = said(&place, "sample --trajectory --count 5 --out s.png");
    says(&text, &["s.png", "s-trajectory.png", "s-trajectory.gif"]);
    // Out of its run a checkpoint is sampled by what suits its process.
    std::fs::rename(
        place.path("runs/tiny/checkpoints/step-00000006"),
        place.path("moved"),
    )
    .unwrap();
    says(
        &said(
            &place,
            "sample --checkpoint moved --steps 3 --out moved.png",
        ),
        &["sscs in 3 steps"],
    );
}

#[test]
fn a_run_with_velocities_goes_on_as_if_nothing_had_happened() {
    let place = tiny();
    place
        .run("train --config tiny.toml --quiet --run whole")
        .success();
    place
        .run("train --config tiny.toml --quiet --run cut --set training.steps=3")
        .success();
    place
        .run("train --resume cut --quiet --set training.steps=6")
        .success();
    for run in ["cut", "whole"] {
        let line = format!("sample --run {run} --format npy --out {run}.npy");
        place.run(&line).success();
    }
    assert_eq!(place.read("cut.npy"), place.read("whole.npy"));
}

#[test]
fn solvers_grids_and_verbs_of_the_other_kind_of_process_are_refused_with_the_reason() {
    let place = tiny();
    place.run("train --config tiny.toml --quiet").success();
    for (line, parts) in [
        (
            "sample --solver heun",
            ["`heun`", "velocity", "damped-heun"],
        ),
        ("evaluate --solver edm", ["`edm`", "velocity", "sscs"]),
        (
            "sample --grid karras",
            ["karras", "damped-langevin", "quadratic"],
        ),
        ("sample --tolerance 1e-3", ["--tolerance", "sscs", "rk45"]),
        ("likelihood", ["damped-langevin", "velocity", "sub-vp"]),
        (
            "evaluate nfe --nfe 5",
            ["damped-langevin", "velocity", "sub-vp"],
        ),
        (
            "train --config tiny.toml --set sampling.solver=heun",
            ["`heun`", "velocity", "damped-heun"],
        ),
        (
            "train --config tiny.toml --set sampling.solver.score_stop=euler",
            ["sampling.solver.score_stop", "no key", "score"],
        ),
        (
            "train --config tiny.toml --set sde.gamma=2",
            ["--set sde.gamma=2", "gamma = 2", "0 to 1"],
        ),
        (
            "train --config tiny.toml --set preconditioning.velocity=mixt",
            ["preconditioning.velocity", "mixt", "mixed"],
        ),
    ] {
        says(&place.refused(line, USAGE), &parts);
    }
    let text = place
        .text("tiny.toml")
        .replace("velocity = \"mixed\"\n", "");
    place.write("tiny.toml", text);
    let text = place.refused("train --config tiny.toml", USAGE);
    says(
        &text,
        &["preconditioning.velocity", "mixed, epsilon or score"],
    );

    let plain = Place::with_run();
    let text = plain.refused("sample --solver sscs", USAGE);
    says(&text, &["`sscs`", "damped-langevin", "`vp`", "heun"]);
    let text = plain.refused("sample --solver sscz", USAGE);
    says(&text, &["sscz", "sscs"]);
    let line = "train --config tiny.toml --set sampling.solver=sscs --set sampling.grid=uniform";
    says(&plain.refused(line, USAGE), &["`sscs`", "damped-langevin"]);
    let line = "train --config tiny.toml --set sde.kind=damped-langevin --set sampling.solver=sscs";
    says(&plain.refused(line, USAGE), &["preconditioning.velocity"]);
}
