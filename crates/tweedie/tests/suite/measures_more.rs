//! What an evaluation measures when it is asked for more: intervals, precision and recall, neighbours, and
//! features of other networks.

use data::Toy;
use ndarray::Array4;
use ndarray_npy::WriteNpyExt;
use serde_json::Value;

use crate::place::{Place, says};

fn said(place: &Place, line: &str) -> String {
    let assert = place.run(line).success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn json(place: &Place, name: &str) -> Value {
    serde_json::from_str(&place.text(name)).unwrap()
}

fn npy(place: &Place, name: &str, values: &Array4<f32>) {
    let mut bytes = Vec::new();
    values.write_npy(&mut bytes).unwrap();
    place.write(name, bytes);
}

/// Asserts that a figure lies in its interval, and returns it.
#[track_caller]
fn within(figure: &Value) -> f64 {
    let number = |value: &Value| value.as_f64().unwrap();
    let (value, interval) = (number(&figure["value"]), &figure["interval"]);
    assert!(
        number(&interval[0]) <= value && value <= number(&interval[1]),
        "{figure}"
    );
    value
}

#[test]
fn points_are_measured_with_intervals_and_with_what_is_asked_for() {
    let place = Place::with_run();
    let line =
        "evaluate --samples 60 --precision-recall --neighbours 3 --replicates 50 --out a.json";
    let text = said(&place, line);
    says(
        &text,
        &[
            "sliced Wasserstein distance",
            "precision",
            "recall",
            "density",
            "coverage",
            "copies (points)",
            "nearer than held-out (points)",
            "a.json",
        ],
    );
    let found = json(&place, "a.json");
    for key in [
        "sliced_wasserstein",
        "precision",
        "recall",
        "density",
        "coverage",
        "nearer_points",
    ] {
        within(&found["results"][key]["samples"]);
    }
    let neighbours = &found["neighbours"]["points"];
    let indices = neighbours["indices"].as_array().unwrap();
    assert_eq!(
        (indices.len(), indices[0].as_array().unwrap().len()),
        (60, 3)
    );
    // Indices of the run's 200 training points, in the order of their distances.
    assert!(indices[7][2].as_u64().unwrap() < 200);
    let distance = |rank: usize| neighbours["distances"][7][rank].as_f64().unwrap();
    assert!(distance(0) <= distance(1) && distance(1) <= distance(2));
    // The same again.
    said(&place, &line.replace("a.json", "b.json"));
    assert_eq!(json(&place, "b.json")["results"], found["results"]);
}

#[test]
fn training_points_are_told_from_new_ones() {
    let place = Place::with_run();
    let training = Toy::TwoMoons.sample(200, 0).points;
    let copies = Array4::from_shape_fn((20, 2, 1, 1), |(i, c, ..)| training[[i, c]]);
    npy(&place, "copies.npy", &copies);
    let text = said(
        &place,
        "evaluate --images copies.npy --neighbours 2 --out found.json",
    );
    says(&text, &["100.0 % [100.0, 100.0]"]);
    let found = json(&place, "found.json");
    let of = |key: &str, whose: &str| found["results"][key][whose]["value"].as_f64().unwrap();
    assert_eq!(
        (
            of("copies_points", "samples"),
            of("nearer_points", "samples")
        ),
        (1.0, 1.0)
    );
    assert!(of("nearer_points", "data") < 0.9);
    let indices = found["neighbours"]["points"]["indices"].as_array().unwrap();
    assert!((0..20).all(|i| indices[i][0] == i && indices[i][1] != i));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = Place::with_run();
    says(
        &place.refused("evaluate --neighbours 1", 2),
        &["--neighbours", "1"],
    );
    says(
        &place.refused("evaluate --replicates 1", 2),
        &["--replicates", "1"],
    );
    says(
        &place.refused("evaluate --features-input a.toml", 2),
        &["--features"],
    );
    let many = "evaluate --samples 20 --neighbours 201";
    says(
        &place.refused(many, 1),
        &["200 samples where 201 are needed"],
    );
}

#[cfg(not(feature = "onnx"))]
#[test]
fn a_network_is_refused_with_the_way_to_build_what_takes_it() {
    let place = Place::with_run();
    let text = place.refused("evaluate --features it.onnx", 2);
    says(&text, &["it.onnx", "--features onnx"]);
}

#[cfg(feature = "onnx")]
mod onnx {
    use super::*;
    use crate::place::of_repository;

    fn network() -> String {
        of_repository("crates/evaluation/tests/onnx/grey.onnx")
            .display()
            .to_string()
    }

    #[test]
    fn networks_that_are_none_and_conventions_that_cannot_be_are_refused() {
        let place = Place::with_run();
        place.write("it.onnx", "no network");
        let text = place.refused("evaluate --features it.onnx", 1);
        says(&text, &["it.onnx", "cannot be used as an ONNX network"]);
        let line = format!("evaluate --features {}", network());
        says(
            &place.refused(&line, 2),
            &["the samples of this run are points"],
        );
        place.write("in.toml", "sizes = [12, 12]");
        let line = format!("{line} --features-input in.toml");
        says(&place.refused(&line, 2), &["in.toml", "sizes"]);
        place.write("in.toml", "size = [0, 12]");
        says(&place.refused(&line, 1), &["size = [0, 12]"]);
    }
}
