//! Help, and the verbs that train nothing.

use std::process::Stdio;

use crate::place::{Place, of_repository, says};

fn said(place: &Place, line: &str) -> String {
    let assert = place.run(line).success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

#[test]
fn every_verb_has_help_with_examples_and_the_program_its_version() {
    let place = Place::new();
    says(
        &said(&place, "--version"),
        &[concat!("tweedie ", env!("CARGO_PKG_VERSION"))],
    );
    let help = said(&place, "--help");
    says(
        &help,
        &[
            "train",
            "sample",
            "evaluate",
            "inspect",
            "devices",
            "TWEEDIE_BACKEND",
        ],
    );
    for verb in [
        "train",
        "sample",
        "edit",
        "evaluate",
        "inspect",
        "illustrate",
    ] {
        let help = said(&place, &format!("{verb} --help"));
        says(&help, &["Examples:", &format!("tweedie {verb}")]);
    }
    says(
        &said(&place, "sample --help"),
        &["heun", "karras", "png, npy"],
    );
}

#[test]
fn a_wrong_verb_is_a_matter_of_usage() {
    let text = Place::new().refused("trian", 2);
    says(&text, &["trian", "'train'"]);
}

#[test]
fn devices_lists_every_backend_and_the_way_to_the_missing_ones() {
    let text = said(&Place::new(), "devices");
    says(&text, &["flex", "wgpu", "cuda", "f32"]);
    if !cfg!(feature = "cuda") {
        says(&text, &["--features cuda"]);
    }
}

#[test]
fn devices_tries_the_backend_that_it_is_given() {
    let place = Place::new();
    says(
        &said(&place, "devices --backend flex"),
        &["Used with --backend flex", "flex: "],
    );
    if !cfg!(feature = "cuda") {
        let text = place.refused("devices --backend cuda", 2);
        says(&text, &["built without it", "--features cuda"]);
    }
}

#[test]
fn every_process_can_be_inspected() {
    let place = Place::with_config();
    for kind in ["vp", "ve", "sub-vp", "edm", "brownian"] {
        let line = format!("inspect --config tiny.toml --set sde.kind={kind} --out {kind}.png");
        let told = [kind, "MLP", "6 steps of 16, cut into", "log-SNR"];
        says(&said(&place, &line), &told);
        assert!(image::open(place.path(format!("{kind}.png"))).is_ok());
    }
}

#[test]
fn a_run_can_be_inspected() {
    let place = Place::with_run();
    says(
        &said(&place, "inspect --run runs/tiny"),
        &["200 points", "runs/tiny/inspect.png"],
    );
}

#[test]
fn every_experiment_of_the_repository_can_be_loaded() {
    let place = Place::new();
    let mut found = 0;
    for entry in std::fs::read_dir(of_repository("configs")).unwrap() {
        let path = entry.unwrap().path();
        // Data that is not there is noticed only after all of the configuration was read.
        let line = format!("inspect --config {} --out picture.png", path.display());
        let mut program = place.program();
        let output = program.args(line.split_whitespace()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_ne!(output.status.code(), Some(2), "{}: {text}", path.display());
        found += 1;
    }
    assert!(found >= 3);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::with_config();
    let mut program = place.program();
    program.args(["inspect", "--config", "tiny.toml"]);
    let mut child = program
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
