//! A variance that is learned, from a configuration to samples.

use ndarray::Array4;
use ndarray_npy::read_npy;

use crate::place::{Place, TINY, of_repository, says};

const USAGE: i32 = 2;

/// `tiny.toml` with a learned variance.
fn tiny() -> Place {
    let place = Place::new();
    let text = TINY.replace(
        "[preconditioning]",
        "[preconditioning]\nvariance = \"learned\"",
    );
    let text = text.replace("solver = \"heun\"\ngrid = \"karras\"\n", "");
    place.write(
        "tiny.toml",
        format!(
            "{text}\n[sampling.solver]\nname = \"ancestral\"\nvariance = \"learned\"\n\
             [sde]\nkind = \"ddpm\"\nsteps = 30\n[training.objective.hybrid]\n"
        ),
    );
    place
}

#[test]
fn the_experiment_with_a_learned_variance_trains_samples_and_tells_what_it_learns() {
    let place = Place::new();
    let config = of_repository("configs/mnist-learned-variance.toml");
    let data = of_repository("datasets/mnist");
    let small = "--set data.split=test --set network.channels=8 --set network.multipliers=[1] \
                 --set network.patch=4 --set training.steps=3 --set training.batch_size=4 \
                 --set sampling.steps=3 --set sampling.count=4";
    let (config, data) = (config.display(), data.display());
    let line = format!("train --quiet --config {config} --set data.path={data} {small}");
    place.run(&line).success();
    place.run("sample --format npy --out a.npy").success();
    let images: Array4<f32> = read_npy(place.path("a.npy")).unwrap();
    assert_eq!(images.dim(), (4, 1, 28, 28));
    assert!(images.iter().all(|value| (-1.0..=1.0).contains(value)));
    let assert = place
        .run("inspect --run runs/mnist-learned-variance")
        .success();
    let said = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    says(
        &said,
        &["answers with 2 channels", "and the variance", "ancestral"],
    );
}

#[test]
fn points_are_sampled_with_a_learned_variance_in_any_batches_and_measured() {
    let place = tiny();
    place.run("train --config tiny.toml --quiet").success();
    let sample = |options: &str, out: &str| {
        let line = format!("sample --format npy {options} --out {out}");
        place.run(&line).success();
        place.read(out)
    };
    let all = sample("--count 10", "a.npy");
    assert_eq!(sample("--count 10 --batch 3", "b.npy"), all);
    place.run("evaluate --samples 50").success();
    place
        .run("evaluate nfe --solvers ancestral,heun --nfe 5 --samples 20")
        .success();
    place
        .run("likelihood --count 4 --no-check --no-bound --tolerance 1e-2")
        .success();
    // The learned variance is not the chain's.
    let config = place.text("runs/tiny/config.toml");
    let solver = "name = \"ancestral\"\nvariance = \"learned\"";
    assert!(config.contains(solver), "{config}");
    let fixed = config.replace(solver, "name = \"ancestral\"\nvariance = \"small\"");
    place.write("runs/tiny/config.toml", fixed);
    assert_ne!(sample("--count 10", "c.npy"), all);
}

#[test]
fn a_run_with_a_learned_variance_goes_on_as_if_nothing_had_happened() {
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
fn parts_of_a_learned_variance_without_the_others_are_refused() {
    let place = tiny();
    let refused = |options: &str, parts: &[&str]| {
        let text = place.refused(&format!("train --config tiny.toml {options}"), USAGE);
        says(&text, parts);
        assert!(!place.path("runs").exists());
    };
    refused("--set sde.kind=vp --set sde.steps=3", &["sde"]);
    refused(
        "--set preconditioning.variance=fixed",
        &[
            "preconditioning.variance = fixed",
            "training.objective.hybrid",
        ],
    );
    refused(
        "--set preconditioning.variance=larned",
        &["preconditioning.variance", "larned", "fixed, learned"],
    );
    refused(
        "--set training.objective.hybrid.vlb_weight=0",
        &["training.objective.hybrid.vlb_weight = 0"],
    );
    refused(
        "--set training.objective.hybrid.vlb_wait=1",
        &["training.objective.hybrid.vlb_wait", "vlb_weight"],
    );
    let plain = Place::with_config();
    let hybrid = "train --config tiny.toml --set training.objective.hybrid.vlb_weight=0.1";
    says(
        &plain.refused(hybrid, USAGE),
        &["preconditioning.variance = fixed"],
    );
    let of_vp = format!("{hybrid} --set preconditioning.variance=learned");
    says(
        &plain.refused(&of_vp, USAGE),
        &["sde.kind = vp", "DDPM chain"],
    );
    let solver = "train --config tiny.toml --set sampling.solver=ancestral \
                  --set sampling.solver.variance=learned";
    says(
        &plain.refused(solver, USAGE),
        &[
            "sampling.solver.variance = learned",
            "preconditioning.variance",
        ],
    );
}
