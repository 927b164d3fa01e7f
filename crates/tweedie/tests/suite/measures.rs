//! Solvers compared, likelihoods, and the way from noise.

use ndarray::{Array4, array};
use ndarray_npy::WriteNpyExt;

use crate::place::{Place, says};

fn said(place: &Place, line: &str) -> String {
    let assert = place.run(line).success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn json(place: &Place, name: &str) -> serde_json::Value {
    serde_json::from_str(&place.text(name)).unwrap()
}

fn npy(place: &Place, name: &str, values: &Array4<f32>) {
    let mut bytes = Vec::new();
    values.write_npy(&mut bytes).unwrap();
    place.write(name, bytes);
}

#[test]
fn solvers_come_nearer_to_the_exact_flow_the_more_evaluations_they_have() {
    let place = Place::new();
    let text = said(
        &place,
        "evaluate nfe --world gaussian --sde vp --solvers euler-ode,heun,euler-maruyama --nfe 10,40 \
         --samples 50 --out out",
    );
    says(
        &text,
        &["gaussian under vp", "RMS distance", "heun", "out/nfe.png"],
    );
    assert!(place.read("out/nfe.png").starts_with(b"\x89PNG"));
    let csv = place.text("out/nfe.csv");
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(
        lines[0],
        [
            "solver",
            "stochastic",
            "grid",
            "budget",
            "steps",
            "tolerance",
            "nfe",
            "flow_error",
            "sliced_wasserstein"
        ]
    );
    for solver in ["euler-ode", "heun"] {
        let error = |budget: &str| -> f64 {
            let line = lines
                .iter()
                .find(|line| line[0] == solver && line[3] == budget);
            line.unwrap()[7].parse().unwrap()
        };
        assert!(error("40") < 0.5 * error("10"), "{csv}");
    }
    // A solver that draws noise has no flow to follow.
    let stochastic = lines.iter().find(|line| line[0] == "euler-maruyama");
    assert_eq!(stochastic.unwrap()[7], "");
}

#[test]
fn the_solvers_of_a_run_are_compared_on_its_data() {
    let place = Place::with_run();
    let text = said(&place, "evaluate nfe --solvers heun --nfe 5,9 --samples 30");
    says(
        &text,
        &["tiny (vp), 30 samples", "sliced Wasserstein", "real data"],
    );
    let found = json(
        &place,
        "runs/tiny/evaluations/nfe-step-00000006-n30/nfe.json",
    );
    let points = &found["solvers"][0]["points"];
    assert_eq!(
        (&points[0]["nfe"], &points[1]["nfe"]),
        (&5.into(), &9.into())
    );
}

#[test]
fn comparisons_that_cannot_be_are_refused() {
    let place = Place::new();
    let few = "evaluate nfe --world gaussian --solvers annealed-langevin --nfe 5";
    says(
        &place.refused(few, 2),
        &["annealed-langevin", "larger budgets"],
    );
    let unknown = "evaluate nfe --world gaussian --solvers heune";
    says(&place.refused(unknown, 2), &["heune"]);
    let both = "evaluate nfe --world gaussian --run runs/tiny";
    says(&place.refused(both, 2), &["--world", "--run"]);
}

#[test]
fn the_likelihood_of_points_is_the_same_in_any_batches_and_tells_its_error() {
    let place = Place::with_run();
    let text = said(
        &place,
        "likelihood --count 20 --batch 7 --tolerance 1e-4 --out a.json",
    );
    says(
        &text,
        &[
            "20 of the test points",
            "log-likelihood, nats",
            "variational bound, nats",
            "exact divergence",
        ],
    );
    said(
        &place,
        "likelihood --count 20 --tolerance 1e-4 --out b.json",
    );
    let [a, b] = ["a.json", "b.json"].map(|name| json(&place, name));
    let values = |found: &serde_json::Value| -> Vec<f64> {
        let all = found["report"]["nats_per_point"].as_array().unwrap();
        all.iter().map(|value| value.as_f64().unwrap()).collect()
    };
    assert_eq!(values(&a).len(), 20);
    for (a, b) in values(&a).into_iter().zip(values(&b)) {
        assert!((a - b).abs() < 1e-3, "{a} {b}");
    }
    // A rotation of the points' order changes nothing of a mean and its error.
    let nats = &a["report"]["nats"];
    let n = 20.0;
    let mean = values(&a).iter().sum::<f64>() / n;
    let variance = values(&a).iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    assert!((nats["value"].as_f64().unwrap() - mean).abs() < 1e-9);
    assert!((nats["standard_error"].as_f64().unwrap() - (variance / n).sqrt()).abs() < 1e-9);
    assert!(a["report"]["budget"]["solver"]["largest"].as_f64().unwrap() < 0.1);
}

#[test]
fn likelihoods_that_cannot_be_are_refused() {
    let place = Place::with_run();
    for (line, words) in [
        ("likelihood --tolerance 0", "--tolerance 0"),
        ("likelihood --tolerance nan", "--tolerance"),
        ("likelihood --sigma-min 1e9", "--sigma-min"),
        ("likelihood --sigma-min=-1", "--sigma-min"),
    ] {
        says(&place.refused(line, 2), &[words]);
    }
    npy(&place, "flat.npy", &Array4::zeros((2, 1, 4, 4)));
    let text = place.refused("likelihood --images flat.npy", 1);
    says(&text, &["flat.npy", "[2, 1, 4, 4]", "[N, 2, 1, 1]"]);
    place.write("no.npy", "not an array");
    says(
        &place.refused("likelihood --images no.npy", 1),
        &["no.npy", "float32"],
    );
    says(
        &place.refused("likelihood --images none.npy", 1),
        &["none.npy"],
    );
}

#[test]
fn samples_of_another_program_are_measured_against_the_data_of_a_run() {
    let place = Place::with_run();
    let points = Array4::from_shape_fn((40, 2, 1, 1), |(i, c, ..)| {
        (i as f32 * 0.3 + c as f32).sin()
    });
    npy(&place, "others.npy", &points);
    let text = said(&place, "evaluate --images others.npy --out found.json");
    says(&text, &["others.npy: 40 samples", "sliced Wasserstein"]);
    assert_eq!(json(&place, "found.json")["samples"], 40);
    npy(&place, "other.npy", &array![[[[0.0f32]], [[1.0]], [[2.0]]]]);
    let text = place.refused("evaluate --images other.npy", 1);
    says(&text, &["[1, 3, 1, 1]", "[N, 2, 1, 1]"]);
}

#[test]
fn the_way_from_noise_is_a_strip_and_an_animation() {
    let place = Place::with_run();
    let text = said(&place, "sample --trajectory --count 5 --out s.png");
    says(&text, &["s.png", "s-trajectory.png", "s-trajectory.gif"]);
    assert!(place.read("s-trajectory.png").starts_with(b"\x89PNG"));
    let animation = place.read("s-trajectory.gif");
    assert!(animation.starts_with(b"GIF89a"));
    // Its four steps, and the start: a picture each.
    // A graphic control extension before each frame.
    let frames = animation
        .windows(3)
        .filter(|bytes| *bytes == b"\x21\xf9\x04");
    assert!(frames.count() >= 5);
}
