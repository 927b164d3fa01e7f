//! Runs in two stages: an autoencoder, and a prior of its latents.

use std::fs;

use ndarray::Array4;
use ndarray_npy::{read_npy, write_npy};
use serde_json::Value;

use crate::place::{Place, says};

const LATENT: &str = r#"
name = "latent"
[data]
kind = "npy"
path = "images.npy"
[autoencoder.network]
channels = 4
multipliers = [1, 2]
latent_channels = 2
[autoencoder.training]
steps = 6
batch_size = 8
log_every = 2
checkpoint_every = 2
sample_every = 0
[network]
kind = "mlp"
width = 8
blocks = 1
embedding = 8
[preconditioning]
sigma_data = 1.0
[training]
steps = 6
batch_size = 8
log_every = 2
checkpoint_every = 2
sample_every = 0
[sampling]
solver = "heun"
steps = 3
count = 4
"#;

/// A folder with a configuration and images of 8 x 8.
fn place() -> Place {
    let place = Place::new();
    let images =
        Array4::from_shape_fn(
            (24, 8, 8, 1),
            |(n, y, x, _)| {
                if (x + y + n) % 4 == 0 { 220_u8 } else { 0 }
            },
        );
    write_npy(place.path("images.npy"), &images).unwrap();
    place.write("latent.toml", LATENT);
    place
}

pub fn trained() -> Place {
    let place = place();
    let line = "train --config latent.toml --quiet --run run";
    place.run(line).success();
    place
}

fn json(place: &Place, name: &str) -> Value {
    serde_json::from_str(&place.text(name)).unwrap()
}

/// The weights of a run's last checkpoint.
fn weights(place: &Place, run: &str) -> Vec<u8> {
    place.read(&format!("{run}/checkpoints/step-00000006/ema.safetensors"))
}

#[test]
fn both_stages_leave_a_run_each_and_samples_are_decoded() {
    let place = place();
    let assert = place.run("train --config latent.toml --run run").success();
    let said = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    says(
        &said,
        &["latent-autoencoder", "reconstruction", "KL", "bits/dim"],
    );
    for name in [
        "autoencoder/config.toml",
        "autoencoder/samples/step-00000006.png",
        "autoencoder/loss.png",
        "samples/step-00000006.png",
        "loss.png",
    ] {
        assert!(place.path("run").join(name).is_file(), "{name}");
    }
    let record = json(&place, "run/latent.json");
    assert_eq!(record["shape"], serde_json::json!([2, 4, 4]));
    assert_eq!(record["step"], 6);
    let metrics = place.text("run/autoencoder/metrics.jsonl");
    let last: Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    let sum = last["reconstruction"].as_f64().unwrap() + last["kl"].as_f64().unwrap();
    assert!((last["loss"].as_f64().unwrap() / sum - 1.0).abs() < 1e-5);
    assert!(!place.text("run/metrics.jsonl").contains("reconstruction"));

    place
        .run("sample --run run --count 5 --format npy --out five.npy")
        .success();
    let five: Array4<f32> = read_npy(place.path("five.npy")).unwrap();
    assert_eq!(five.dim(), (5, 1, 8, 8));
    assert!(five.iter().all(|value| value.abs() <= 1.0));
}

#[test]
fn a_run_stopped_in_either_stage_or_between_ends_with_the_same_weights() {
    let place = trained();
    // In the first stage: only the steps differ from a run that was stopped.
    let cut = "train --config latent.toml --quiet --run cut --set autoencoder.training.steps=4 \
               --set training.steps=2";
    place.run(cut).success();
    // The prior was begun: its autoencoder may not go on.
    let refused = place.refused(
        "train --resume cut --set autoencoder.training.steps=6 --set training.steps=4",
        2,
    );
    says(
        &refused,
        &["step 6", "step 4", "leave autoencoder.training.steps"],
    );
    // As if it had been stopped before the second stage.
    for name in ["checkpoints", "samples", "latent.json", "metrics.jsonl"] {
        let path = place.path("cut").join(name);
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
    let on = "train --resume cut --quiet --set autoencoder.training.steps=6 --set training.steps=4";
    place.run(on).success();
    assert_eq!(
        weights(&place, "cut/autoencoder"),
        weights(&place, "run/autoencoder")
    );
    // In the second stage.
    place
        .run("train --resume cut --quiet --set training.steps=6")
        .success();
    assert_eq!(weights(&place, "cut"), weights(&place, "run"));
    assert_eq!(place.read("cut/latent.json"), place.read("run/latent.json"));
    let refused = place.refused("train --resume cut", 2);
    says(&refused, &["has done all of its 6 steps"]);
}

#[test]
fn the_likelihood_is_a_bound_whose_terms_add_up() {
    let place = trained();
    let line = "likelihood --run run --split train --count 3 --tolerance 1e-2 --no-check \
                --out bound.json";
    let assert = place.run(line).success();
    let said = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    says(
        &said,
        &["bits per dimension, at most", "reconstruction", "prior"],
    );
    let found = json(&place, "bound.json");
    let value = |part: &str, term: &str| found[part][term]["value"].as_f64().unwrap();
    let sum = value("bound", "reconstruction") + value("bound", "prior");
    assert!((value("bound", "total") - sum).abs() < 1e-9);
    let standard = value("bound", "reconstruction") + value("standard_normal_prior", "kl");
    assert!((value("standard_normal_prior", "total") - standard).abs() < 1e-9);
}

#[test]
fn an_autoencoder_that_does_not_fit_the_prior_is_named_with_what_would() {
    let place = trained();
    place
        .run("train --config latent.toml --quiet --run other --set autoencoder.training.seed=5")
        .success();
    let own = place.path("run/autoencoder");
    let away = place.path("away");
    fs::rename(&own, &away).unwrap();
    let digest = |run: &str| {
        let record = json(&place, &format!("{run}/latent.json"));
        record["autoencoder"].as_str().unwrap()[..12].to_owned()
    };
    for line in [
        "sample --run run",
        "likelihood --run run --split train --count 2",
        "train --resume run --set training.steps=8",
    ] {
        let missing = place.refused(line, 1);
        says(
            &missing,
            &["run/autoencoder: there is no autoencoder", "put back"],
        );
    }
    fs::rename(place.path("other/autoencoder"), &own).unwrap();
    let digests = [digest("run"), digest("other")];
    for line in [
        "sample --run run",
        "train --resume run --set training.steps=8",
    ] {
        let other = place.refused(line, 1);
        says(
            &other,
            &[&digests[0], &digests[1], "put back the autoencoder"],
        );
    }
    fs::remove_file(place.path("run/latent.json")).unwrap();
    let untold = place.refused("sample --run run", 1);
    says(&untold, &["latent.json", "it is missing"]);
    place.write("run/latent.json", "{\"shape\": [2, 4, 4]}");
    let torn = place.refused("sample --run run", 1);
    says(&torn, &["latent.json", "cannot be read"]);
}

#[test]
fn an_autoencoder_that_a_prior_knows_is_not_trained_any_further() {
    let place = trained();
    let line = "train --resume run/autoencoder --set training.steps=8";
    let text = place.refused(line, 2);
    says(
        &text,
        &[
            "run/autoencoder",
            "has to stay what it is",
            "resume the run",
        ],
    );
    place.run("sample --run run --count 2").success();
}

#[test]
fn what_cannot_be_is_refused_before_a_folder_is_left_behind() {
    let place = place();
    let refused = |sets: &str| {
        let line = format!("train --config latent.toml --run new {sets}");
        let text = place.refused(&line, 2);
        assert!(!place.path("new").exists());
        text
    };
    for (set, parts) in [
        (
            "autoencoder.network.latent_channels=0",
            "autoencoder.network.latent_channels = 0",
        ),
        (
            "autoencoder.training.steps=0",
            "autoencoder.training.steps = 0",
        ),
        (
            "autoencoder.training.objective.elbo.kl_weight=-1",
            "autoencoder.training.objective.elbo.kl_weight = -1",
        ),
        (
            "training.objective.elbo.kl_weight=1",
            "training.objective.elbo",
        ),
        (
            "network.kind=classifier",
            "network.kind = classifier is not possible beside a section [autoencoder]",
        ),
        (
            "autoencoder.network.chanels=3",
            "autoencoder.network.channels",
        ),
    ] {
        says(&refused(&format!("--set {set}")), &[parts]);
    }
    place.write(
        "points.toml",
        LATENT.replace(
            "kind = \"npy\"\npath = \"images.npy\"",
            "kind = \"toy\"\nname = \"two-moons\"\ncount = 50",
        ),
    );
    let points = place.refused("train --config points.toml --run new", 2);
    says(&points, &["it is of images, and the data are points"]);
}

#[test]
fn an_autoencoder_alone_draws_no_samples() {
    let place = trained();
    let refused = place.refused("sample --run run/autoencoder", 2);
    says(
        &refused,
        &["draws no samples by itself", "name the run that it lies in"],
    );
    let refused = place.refused("likelihood --run run/autoencoder --split train", 2);
    says(&refused, &["has no score"]);
    let refused = place.refused("sample --run run --trajectory", 2);
    says(&refused, &["--trajectory", "latents"]);
}
