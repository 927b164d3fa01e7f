//! Data of one's own, in colour: from files to a model, its samples and what is measured of them.

use std::io::Write;

use image::Rgb;
use ndarray::{Array1, Array4, s};
use ndarray_npy::read_npy;
use serde_json::Value;

use crate::colours::{array, experiment, folders, npy, npz, with_pictures, with_run};
use crate::place::{Place, says};

fn said(place: &Place, line: &str) -> String {
    let assert = place.run(line).success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

fn json(place: &Place, name: &str) -> Value {
    serde_json::from_str(&place.text(name)).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn a_folder_of_pictures_is_checked_before_it_is_trained_on() {
    let place = with_pictures();
    let line = "data check --config colours.toml";
    says(
        &said(&place, line),
        &["36 usable samples of 3 x 8 x 8", "b-green", "0 errors"],
    );
    let inspected = said(&place, "inspect --config colours.toml");
    says(&inspected, &["36 images of shape 3x8x8"]);
    // White, and a red picture's first tile, which has hardly any noise.
    let strip = image::open(place.path("inspect-colours.png"))
        .unwrap()
        .to_rgb8();
    let reddish = |pixel: &&Rgb<u8>| pixel.0[0] > 240 && pixel.0[1] < 60 && pixel.0[2] < 60;
    assert!(strip.pixels().filter(reddish).count() > 50);

    let whole = place.read("pictures/a-red/03.png");
    place.write("pictures/a-red/03.png", &whole[..whole.len() / 2]);
    place.write("pictures/c-blue/notes.txt", "no picture");
    let assert = place.run(line).failure().code(1);
    let output = assert.get_output();
    let (out, err) = (&output.stdout, &output.stderr);
    let report = String::from_utf8_lossy(out);
    says(&report, &["a-red/03.png", "1 error", "35 usable"]);
    says(&String::from_utf8_lossy(err), &["cannot be trained on"]);
    let assert = place.run(&format!("{line} --json")).failure().code(1);
    let found: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(found["samples"], 35);
    let finding = &found["findings"][0];
    assert_eq!(finding["severity"], "error");
    assert!(finding["place"].as_str().unwrap().ends_with("a-red/03.png"));
}

#[test]
fn a_model_of_pictures_draws_in_colour_and_a_run_cut_in_two_is_the_same() {
    let place = with_run();
    let grid = image::open(place.path("runs/colours/samples/step-00000004.png"))
        .unwrap()
        .to_rgb8();
    // Three by three pictures of 8 pixels, each enlarged tenfold, with gaps of 3.
    assert_eq!(grid.dimensions(), (3 * 83 + 3, 3 * 83 + 3));
    said(&place, "sample --format npy --out whole.npy");
    said(&place, "sample --out whole.png");
    let samples: Array4<f32> = read_npy(place.path("whole.npy")).unwrap();
    assert_eq!(samples.dim(), (9, 3, 8, 8));
    let grid = image::open(place.path("whole.png")).unwrap().to_rgb8();
    for channel in 0..3 {
        let byte = data::unit_to_pixel(samples[[4, channel, 5, 6]]);
        let (x, y) = (3 + 83 + 6 * 10 + 4, 3 + 83 + 5 * 10 + 4);
        assert_eq!(grid.get_pixel(x, y).0[channel], byte);
    }

    let half = "train --config colours.toml --quiet --run cut --set training.steps=2";
    place.run(half).success();
    place
        .run("train --resume cut --quiet --set training.steps=4")
        .success();
    said(&place, "sample --run cut --format npy --out cut.npy");
    assert_eq!(place.read("cut.npy"), place.read("whole.npy"));
    let way = "sample --run cut --count 2 --trajectory --out way.png";
    says(&said(&place, way), &["way-trajectory.gif"]);
    let colourful = |name: &str| {
        let picture = image::open(place.path(name)).unwrap().to_rgb8();
        let grey = |pixel: &&Rgb<u8>| pixel.0[0].abs_diff(pixel.0[1]) < 40;
        let pixels = (picture.width() * picture.height()) as usize;
        10 * (pixels - picture.pixels().filter(grey).count()) > pixels
    };
    assert!(colourful("way.png") && colourful("way-trajectory.png"));
}

#[test]
fn samples_in_colour_are_measured_with_real_pictures_beside_them() {
    let place = with_run();
    let line = "evaluate --samples 20 --replicates 20 --neighbours 3 --precision-recall --out";
    let text = said(&place, &format!("{line} a.json"));
    says(
        &text,
        &[
            "sliced Wasserstein distance (pixels)",
            "precision (pixels)",
            "says little",
            "copies (pixels)",
            "18 other training images",
            "the first 18 are compared",
            "--against PATH",
            "a-neighbours.png",
        ],
    );
    let found = json(&place, "a.json");
    let distance = &found["results"]["sliced_wasserstein"];
    let value = |of: &str| number(&distance[of]["value"]);
    assert!(value("samples") > 0.0 && value("data") > 0.0);
    let interval = &distance["samples"]["interval"];
    assert!(number(&interval[0]) <= value("samples") && value("samples") <= number(&interval[1]));
    assert!(found["results"]["precision_pixels"].is_object());
    assert!(found["results"]["precision"].is_null());
    let indices = found["neighbours"]["pixels"]["indices"].as_array().unwrap();
    assert_eq!(indices.len(), 20);
    let picture = image::open(place.path("a-neighbours.png"))
        .unwrap()
        .to_rgb8();
    assert!(picture.width() > 4 * 80);
    said(&place, &format!("{line} b.json"));
    assert_eq!(json(&place, "b.json")["results"], found["results"]);
}

#[test]
fn training_pictures_are_found_out_as_copies_and_lie_where_the_data_do() {
    let place = with_run();
    folders(&place, "kept", 12, 6);
    let measured = |images: &str, more: &str| {
        let line = format!(
            "evaluate --images {images} --replicates 20 --neighbours 2 --out o.json {more}"
        );
        (said(&place, &line), json(&place, "o.json"))
    };
    let value = |found: &Value, key: &str, of: &str| number(&found["results"][key][of]["value"]);
    let (text, found) = measured("pictures", "--against kept");
    says(&text, &["18 images of kept", "pictures: 36 samples"]);
    for key in ["copies_pixels", "nearer_pixels"] {
        assert_eq!(value(&found, key, "samples"), 1.0);
    }
    // Samples and the second column are the same pictures, in another order.
    let distance = ["samples", "data"].map(|of| value(&found, "sliced_wasserstein", of));
    assert!((distance[0] - distance[1]).abs() < 1e-9, "{distance:?}");
    let indices = found["neighbours"]["pixels"]["indices"].as_array().unwrap();
    assert!(indices.iter().enumerate().all(|(i, row)| row[0] == i));

    // The same pictures as other programs write them: bytes with channels last, and classes beside them.
    let bytes = array(0, 12);
    let classes = npy(&Array1::<i64>::zeros(36));
    place.write(
        "drawn.npz",
        npz(&[("arr_0", npy(&bytes)), ("arr_1", classes)]),
    );
    let (_, of_archive) = measured("drawn.npz", "--against kept");
    assert_eq!(of_archive["results"], found["results"]);
    let floats = bytes
        .mapv(data::pixel_to_unit)
        .permuted_axes([0, 3, 1, 2])
        .as_standard_layout()
        .into_owned();
    place.write("drawn.npy", npy(&floats));
    let (_, of_floats) = measured("drawn.npy", "--against drawn.npz");
    assert_eq!(value(&of_floats, "sliced_wasserstein", "samples"), 0.0);

    // Without held-out data, training pictures left out for themselves stand for them.
    let (text, found) = measured("pictures", "");
    says(&text, &["each beside all others"]);
    assert_eq!(value(&found, "nearer_pixels", "samples"), 1.0);
    assert!(value(&found, "nearer_pixels", "data") < 0.9);
}

#[cfg(feature = "onnx")]
#[test]
fn pictures_are_compared_in_the_features_of_a_network() {
    let place = with_run();
    folders(&place, "kept", 12, 6);
    let network = crate::place::of_repository("crates/evaluation/tests/onnx/colour.onnx");
    let line = format!(
        "evaluate --images pictures --against kept --replicates 20 --precision-recall --neighbours 2 \
         --features {} --out o.json",
        network.display()
    );
    let text = said(&place, &line);
    says(
        &text,
        &[
            "Fréchet distance (colour)",
            "in the features of colour.",
            "copies (features)",
        ],
    );
    let found = json(&place, "o.json");
    let figure = &found["results"]["frechet_squared_features"];
    let [samples, data] = ["samples", "data"].map(|of| number(&figure[of]["value"]));
    assert!((samples - data).abs() < 1e-9, "{figure}");
    assert_eq!(
        number(&found["results"]["copies_features"]["samples"]["value"]),
        1.0
    );
    let precision = &found["results"]["precision"];
    assert_eq!(precision["samples"]["value"], precision["data"]["value"]);
}

#[test]
fn solvers_are_compared_and_likelihoods_found_on_pictures() {
    let place = with_run();
    let text = said(
        &place,
        "evaluate nfe --solvers heun,ddim --nfe 5 --samples 12 --out nfe",
    );
    says(
        &text,
        &["colours (vp), 12 samples", "Wasserstein distance, pixels"],
    );
    let found = json(&place, "nfe/nfe.json");
    assert!(number(&found["measures"][0]["real_data"]) > 0.0);
    assert!(place.read("nfe/nfe.png").starts_with(b"\x89PNG"));

    let quick = "--count 3 --tolerance 1e-2 --no-check --no-bound";
    let train = said(
        &place,
        &format!("likelihood --split train {quick} --out a.json"),
    );
    says(&train, &["3 of the train images", "bits per dimension"]);
    said(
        &place,
        &format!("likelihood --images pictures {quick} --out b.json"),
    );
    // The first of the folder are the first of training.
    let [a, b] = ["a.json", "b.json"].map(|name| json(&place, name)["report"].clone());
    assert_eq!(a["bits_per_dim"], b["bits_per_dim"]);
    let text = place.refused(&format!("likelihood {quick}"), 2);
    says(&text, &["image-folder", "--split train", "--images"]);
}

#[test]
fn data_that_do_not_fit_the_run_are_refused_by_name() {
    let place = with_run();
    let small = Array4::<u8>::zeros((5, 7, 9, 3));
    place.write("small.npy", npy(&small));
    for line in [
        "evaluate --images small.npy",
        "evaluate --against small.npy",
    ] {
        let text = place.refused(line, 1);
        says(&text, &["small.npy", "[5, 3, 7, 9]", "[N, 3, 8, 8]"]);
    }
    says(
        &place.refused("evaluate --against nowhere", 1),
        &["nowhere"],
    );
    place.write("empty/notes.txt", "no picture");
    says(
        &place.refused("evaluate --images empty", 1),
        &["empty", "a folder of pictures"],
    );
    place.write("points.toml", crate::place::TINY);
    place
        .run("train --config points.toml --quiet --run points")
        .success();
    says(
        &place.refused("evaluate --run points --against pictures", 2),
        &["--against", "points"],
    );
}

#[test]
fn a_set_with_a_test_part_is_measured_against_it() {
    let place = Place::new();
    let mut names = Vec::new();
    for name in ["airplane", "automobile", "bird", "cat", "deer"] {
        writeln!(names, "{name}").unwrap();
    }
    for name in ["dog", "frog", "horse", "ship", "truck"] {
        writeln!(names, "{name}").unwrap();
    }
    place.write("cifar/batches.meta.txt", names);
    let record = |seed: usize| {
        let pixel = move |n: usize| ((n * n / 7 + 31 * seed * (1 + n / 1024)) % 256) as u8;
        let label = (seed % 10) as u8;
        std::iter::once(label).chain((0..3072).map(pixel))
    };
    for (part, name) in [
        "data_batch_1",
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
        "test_batch",
    ]
    .into_iter()
    .enumerate()
    {
        let bytes: Vec<u8> = (0..5).flat_map(|n| record(10 * part + n)).collect();
        place.write(&format!("cifar/{name}.bin"), bytes);
    }
    experiment(
        &place,
        "small",
        "kind = \"cifar10\"\npath = \"cifar\"\nflip = true",
    );
    says(
        &said(&place, "data check --config small.toml"),
        &["25 usable samples of 3 x 32 x 32"],
    );
    place
        .run("train --config small.toml --quiet --set sampling.count=4")
        .success();
    let text = said(
        &place,
        "evaluate --samples 6 --replicates 10 --neighbours 2",
    );
    says(
        &text,
        &["5 images of the test set", "6 training images", "2 others"],
    );
    let line = "likelihood --count 2 --tolerance 1e-1 --no-check --no-bound";
    says(&said(&place, line), &["2 of the test images"]);
}

#[test]
fn arrays_of_pictures_train_as_the_folder_of_them_does() {
    let place = with_pictures();
    let pictures = array(0, 12);
    place.write("pictures.npy", npy(&pictures));
    place.write("pictures.npz", npz(&[("x", npy(&pictures))]));
    experiment(
        &place,
        "npy",
        "kind = \"npy\"\npath = \"pictures.npy\"\nflip = true",
    );
    experiment(
        &place,
        "npz",
        "kind = \"npz\"\npath = \"pictures.npz\"\nflip = true",
    );
    for name in ["colours", "npy", "npz"] {
        let line = format!("train --config {name}.toml --quiet --run {name}");
        place.run(&line).success();
        let line = format!("sample --run {name} --format npy --out {name}-samples.npy");
        said(&place, &line);
    }
    for name in ["npy", "npz"] {
        assert_eq!(
            place.read(&format!("{name}-samples.npy")),
            place.read("colours-samples.npy")
        );
        let line = format!("evaluate --run {name} --samples 10 --replicates 10");
        says(&said(&place, &line), &["sliced Wasserstein"]);
    }
    // And grey ones.
    let grey = pictures.slice(s![.., .., .., 0]).to_owned();
    place.write("grey.npy", npy(&grey));
    experiment(&place, "grey", "kind = \"npy\"\npath = \"grey.npy\"");
    place.run("train --config grey.toml --quiet").success();
    let line = "evaluate --samples 10 --replicates 10 --neighbours 2 --out g.json";
    says(&said(&place, line), &["g-neighbours.png"]);
}
