//! Pictures made of pictures: what is known stays, and what cannot be asked is refused.

use std::io::Cursor;

use data::{Mnist, Source, Split};
use image::{GrayImage, ImageFormat, Luma};
use ndarray::{Array4, s};
use ndarray_npy::read_npy;

use crate::colours;
use crate::images::smoke;
use crate::latent;
use crate::place::{Place, TINY, of_repository, says};

const USAGE: i32 = 2;
const FAILED: i32 = 1;

/// Test digit `index`, `[1, 1, 28, 28]`.
fn digit(index: usize) -> Array4<f32> {
    let set = Mnist::load(&of_repository("datasets/mnist"), Split::Test).unwrap();
    let mut values = Vec::new();
    set.write_samples(&[index], &mut values).unwrap();
    Array4::from_shape_vec((1, 1, 28, 28), values).unwrap()
}

/// A grey PNG file.
fn grey(place: &Place, name: &str, size: (u32, u32), level: impl Fn(u32, u32) -> u8) {
    let picture = GrayImage::from_fn(size.0, size.1, |x, y| Luma([level(x, y)]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    place.write(name, bytes.into_inner());
}

/// A digit as a file.
fn digit_file(place: &Place, name: &str, index: usize) {
    let digit = digit(index);
    grey(place, name, (28, 28), |x, y| {
        data::unit_to_pixel(digit[[0, 0, y as usize, x as usize]])
    });
}

/// The array that `edit WORDS` writes.
fn made(place: &Place, words: &str) -> Array4<f32> {
    let line = format!("edit {words} --format npy --out made.npy");
    place.run(&line).success();
    read_npy(place.path("made.npy")).unwrap()
}

/// Whether a pixel is in the box 7..21,9..19.
fn in_box(row: usize, column: usize) -> bool {
    (7..21).contains(&row) && (9..19).contains(&column)
}

#[test]
fn inpainting_keeps_what_is_known_to_the_bit_by_every_method() {
    let place = smoke();
    let digit = digit(3);
    for method in [
        "replace",
        "repaint --jump-length 1 --resamples 2",
        "reconstruct",
    ] {
        let words = format!("inpaint --sample 3 --box 7..21,9..19 --count 3 --method {method}");
        let variants = made(&place, &words);
        assert_eq!(variants.dim(), (3, 1, 28, 28));
        for ((_, _, row, column), value) in variants.indexed_iter() {
            if !in_box(row, column) {
                assert_eq!(*value, digit[[0, 0, row, column]], "{method}");
            }
        }
        let inside = |n: usize| variants.slice(s![n, 0, 7..21, 9..19]);
        assert_ne!(inside(0), inside(1), "{method}");
        assert_ne!(inside(0), digit.slice(s![0, 0, 7..21, 9..19]), "{method}");
    }
}

#[test]
fn a_seed_draws_the_same_again_in_batches_of_any_size_and_beside_what_was_known() {
    let place = smoke();
    let draw = |options: &str, out: &str| {
        let words = format!("edit inpaint --sample 3 --box 7..21,9..19 --count 5 {options}");
        place.run(&format!("{words} --out {out}")).success();
        place.read(out)
    };
    let picture = draw("--seed 4", "a.png");
    assert_eq!(draw("--seed 4", "b.png"), picture);
    assert_eq!(draw("--seed 4 --batch 2", "b.png"), picture);
    assert_ne!(draw("--seed 5", "b.png"), picture);
    // Two pictures before, five after.
    let picture = image::open(place.path("a.png")).unwrap();
    let width = 20 + 2 * 118 - 6 + 30 + 5 * 118 - 6 + 20;
    assert_eq!((picture.width(), picture.height()), (width, 68 + 112 + 20));
    place
        .run("edit inpaint --sample 3 --box 7..21,9..19 --count 1")
        .success();
    let name = "inpaint-test-3-reconstruct-step-00000006-edm-3-seed0-n1.png";
    assert!(place.path("runs/mnist-smoke/samples").join(name).is_file());
}

#[test]
fn files_are_edited_as_the_same_pictures_of_the_data_are() {
    let place = smoke();
    digit_file(&place, "digit.png", 3);
    let level = |inside: u8, outside: u8| {
        move |x: u32, y: u32| match in_box(y as usize, x as usize) {
            true => inside,
            false => outside,
        }
    };
    grey(&place, "white.png", (28, 28), level(255, 0));
    grey(&place, "soft.png", (28, 28), level(140, 100));
    grey(&place, "reverse.png", (28, 28), level(0, 255));
    let by_box = made(&place, "inpaint --sample 3 --box 7..21,9..19 --count 2");
    for words in [
        "inpaint --image digit.png --mask white.png",
        "inpaint --image digit.png --mask soft.png --threshold 128",
        "outpaint --image digit.png --mask reverse.png",
    ] {
        assert_eq!(
            made(&place, &format!("{words} --count 2")),
            by_box,
            "{words}"
        );
    }
    // A piece of the box's size is put into the box.
    let digit = digit(3);
    grey(&place, "piece.png", (10, 14), |x, y| {
        data::unit_to_pixel(digit[[0, 0, 7 + y as usize, 9 + x as usize]])
    });
    let around = "--box 7..21,9..19 --count 2";
    let of_piece = made(&place, &format!("outpaint --image piece.png {around}"));
    assert_eq!(
        made(&place, &format!("outpaint --image digit.png {around}")),
        of_piece
    );
    let kept = s![0, 0, 7..21, 9..19];
    assert_eq!(of_piece.slice(kept), digit.slice(kept));
}

#[test]
fn a_small_file_is_enlarged_as_the_means_of_a_large_one_are() {
    let place = smoke();
    // Squares of one level each, so that the small picture has them exactly.
    let of_square = |x: u32, y: u32| (20 + 13 * (x + 3 * y) % 200) as u8;
    grey(&place, "small.png", (7, 7), of_square);
    grey(&place, "large.png", (28, 28), |x, y| {
        of_square(x / 4, y / 4)
    });
    let small = made(&place, "upscale --image small.png --factor 4 --count 2");
    assert_eq!(small.dim(), (2, 1, 28, 28));
    let large = made(&place, "upscale --image large.png --factor 4 --count 2");
    assert_eq!(small, large);
}

#[test]
fn colours_are_drawn_for_the_grey_values_that_are_known() {
    let place = colours::with_run();
    grey(&place, "grey.png", (8, 8), |x, y| {
        (90 + 9 * x + 2 * y) as u8
    });
    for method in ["replace", "reconstruct"] {
        let words = format!("colourise --image grey.png --count 4 --method {method}");
        let variants = made(&place, &words);
        assert_eq!(variants.dim(), (4, 3, 8, 8));
        let mut whole = 0;
        for (n, row, column) in ndarray::indices((4, 8, 8)) {
            let pixel = variants.slice(s![n, .., row, column]);
            if pixel.iter().all(|value| value.abs() < 1.0) {
                let expected = data::pixel_to_unit((90 + 9 * column + 2 * row) as u8);
                assert!((pixel.mean().unwrap() - expected).abs() < 1e-5, "{method}");
                whole += 1;
            }
        }
        assert!(whole > 0, "{method}");
    }
    place
        .run("edit colourise --sample 5 --count 2 --out coloured.png")
        .success();
    assert!(image::open(place.path("coloured.png")).is_ok());
}

#[test]
fn a_picture_is_varied_the_more_the_stronger() {
    let place = smoke();
    let original = digit(3);
    let mut before = 0.0;
    for strength in [0.01, 0.1, 1.0] {
        let varied = made(
            &place,
            &format!("vary --sample 3 --strength {strength} --count 4"),
        );
        let square = (&varied - &original).mapv(|d| d * d).mean().unwrap();
        assert!(square > before, "{strength}: {square}");
        before = square;
    }
}

#[test]
fn the_ends_of_an_interpolation_are_the_pictures_themselves() {
    let place = smoke();
    let between = made(
        &place,
        "interpolate --samples 3,7 --count 3 --tolerance 1e-4",
    );
    assert_eq!(between.dim(), (3, 1, 28, 28));
    for (end, index) in [(0, 3), (2, 7)] {
        let found = between.slice(s![end..=end, .., .., ..]);
        let worst = (&found - &digit(index))
            .iter()
            .fold(0.0_f32, |a, d| a.max(d.abs()));
        assert!(worst < 0.05, "{end}: {worst}");
    }
    digit_file(&place, "a.png", 3);
    digit_file(&place, "b.png", 7);
    let files = "interpolate --from a.png --to b.png --count 3 --tolerance 1e-4";
    assert_eq!(made(&place, files), between);
    let assert = place
        .run("edit interpolate --samples 3,7 --count 3 --tolerance 1e-3 --out strip.png")
        .success();
    let said = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    says(&said, &["3 pictures by rk45", "NFE", "strip.png"]);
    assert!(image::open(place.path("strip.png")).unwrap().width() > 500);
}

#[test]
fn what_does_not_fit_is_refused_with_what_would() {
    let place = smoke();
    digit_file(&place, "digit.png", 3);
    grey(&place, "wide.png", (30, 20), |x, _| x as u8);
    grey(&place, "mask.png", (14, 28), |_, _| 255);
    grey(&place, "soft.png", (28, 28), |x, _| 9 * x as u8);
    grey(&place, "black.png", (28, 28), |_, _| 0);
    grey(&place, "white.png", (28, 28), |_, _| 255);
    place.write("words.png", "no picture at all");
    let cases: &[(&str, &[&str])] = &[
        (
            "inpaint --image digit.png --mask mask.png",
            &["mask.png", "14x28", "28x28"],
        ),
        (
            "inpaint --image wide.png --box 7..21,7..21",
            &["wide.png", "30x20", "28x28"],
        ),
        (
            "upscale --image wide.png --factor 4",
            &["wide.png", "30x20", "7x7", "28x28"],
        ),
        (
            "outpaint --image wide.png --box 0..10,0..12",
            &["wide.png", "30x20", "28x28", "12x10"],
        ),
        (
            "inpaint --image digit.png --mask soft.png",
            &[
                "soft.png",
                "black and white",
                "of its 784 pixels",
                "--threshold 128",
            ],
        ),
        (
            "inpaint --image digit.png --mask black.png",
            &["nothing to do", "white is what is made anew"],
        ),
        (
            "inpaint --image digit.png --mask white.png",
            &["nothing of the picture is kept", "tweedie sample"],
        ),
        (
            "inpaint --sample 3 --box 7..29,7..21",
            &["--box 7..29,7..21", "28 rows", "28 columns"],
        ),
        ("inpaint --sample 3 --box 7-21", &["7-21", "7..21,7..21"]),
        ("inpaint --sample 3", &["--mask", "--box"]),
        ("inpaint --box 7..21,7..21", &["--image", "--sample"]),
        (
            "inpaint --sample 10000 --box 7..21,7..21",
            &["no sample 10000", "10000 pictures", "9999"],
        ),
        (
            "colourise --image digit.png",
            &["one channel", "configs/mnist-colours.toml"],
        ),
        (
            "inpaint --sample 3 --box 7..21,7..21 --solver rk45 --method replace",
            &[
                "rk45",
                "chooses its own steps",
                "heun",
                "edm",
                "--method reconstruct",
            ],
        ),
        (
            "upscale --sample 3 --factor 3",
            &["--factor 3", "28x28", "2, 4, 7, 14, 28"],
        ),
        ("vary --sample 3 --strength 0", &["--strength 0", "above 0"]),
        (
            "vary --sample 3 --strength 1.5",
            &["--strength 1.5", "1 at most"],
        ),
        (
            "vary --sample 3 --strength NaN",
            &["--strength NaN", "above 0"],
        ),
        (
            "vary --sample 3 --strength 1e-6",
            &["--strength 0.000001", "where this run ends"],
        ),
        ("interpolate --from digit.png", &["--to"]),
        ("interpolate", &["--from", "--samples"]),
        ("interpolate --samples 3", &["3,7"]),
        (
            "interpolate --from digit.png --to wide.png",
            &["wide.png", "30x20", "28x28"],
        ),
        (
            "interpolate --samples 3,7 --tolerance 0",
            &["--tolerance 0", "above 0"],
        ),
        (
            "inpaint --sample 3 --box 7..21,7..21 --count 0",
            &["--count"],
        ),
    ];
    for (words, parts) in cases {
        says(&place.refused(&format!("edit {words}"), USAGE), parts);
    }
    for (words, parts) in [
        (
            "vary --image words.png",
            ["words.png", "neither PNG nor JPEG"],
        ),
        ("vary --image nowhere.png", ["nowhere.png", "no such file"]),
    ] {
        says(&place.refused(&format!("edit {words}"), FAILED), &parts);
    }
}

#[test]
fn solvers_of_their_own_steps_take_reconstruction() {
    let place = smoke();
    let words = "inpaint --sample 3 --box 7..21,9..19 --count 1 --solver rk45 --tolerance 1e-1";
    assert_eq!(made(&place, words).dim(), (1, 1, 28, 28));
}

#[test]
fn points_and_velocities_are_refused() {
    let points = Place::with_run();
    for words in ["vary --sample 0", "interpolate --samples 0,1"] {
        let text = points.refused(&format!("edit {words}"), USAGE);
        says(&text, &["points", "for pictures", "--run"]);
    }
    let damped = Place::new();
    let text = TINY.replace(
        "[preconditioning]",
        "[preconditioning]\nvelocity = \"mixed\"",
    );
    let text = text.replace("solver = \"heun\"\ngrid = \"karras\"\n", "");
    let text = format!("{text}\n[sde]\nkind = \"damped-langevin\"\n");
    damped.write("tiny.toml", text);
    damped.run("train --config tiny.toml --quiet").success();
    let text = damped.refused("edit vary --sample 0", USAGE);
    says(&text, &["damped-langevin", "velocity", "sub-vp"]);
}

#[test]
fn latents_and_autoencoders_are_refused() {
    let place = latent::trained();
    for (run, parts) in [
        ("run", ["draws latents", "--run"]),
        ("run/autoencoder", ["of an autoencoder", "--run"]),
    ] {
        let text = place.refused(&format!("edit vary --run {run} --sample 0"), USAGE);
        says(&text, &parts);
    }
}

#[test]
fn a_class_is_told_if_it_is_asked_for_and_guides() {
    let place = Place::new();
    let (config, data) = ("configs/mnist-smoke.toml", "datasets/mnist");
    let (config, data) = (of_repository(config), of_repository(data));
    let (config, data) = (config.display(), data.display());
    let line = format!("train --quiet --config {config} --set data.path={data}");
    place
        .run(&format!("{line} --set model.classes=10"))
        .success();
    let draw = |options: &str| {
        let words = "inpaint --sample 3 --box 7..21,9..19 --count 2";
        made(&place, &format!("{words} {options}"))
    };
    let untold = draw("");
    assert_eq!(draw("--class none"), untold);
    let seven = draw("--class 7");
    assert_ne!(seven, untold);
    assert_ne!(draw("--class 3"), seven);
    assert_ne!(draw("--class 7 --guidance 3"), seven);
    // The class is told to one sample after the other where all are asked for.
    assert_ne!(draw("--class all"), seven);
    let text = place.refused(
        "edit inpaint --sample 3 --box 7..21,9..19 --guidance 3",
        USAGE,
    );
    says(&text, &["towards no class", "--class N"]);
    let text = place.refused("edit interpolate --samples 3,7 --class all", USAGE);
    says(&text, &["--class all", "--class N"]);

    let plain = smoke();
    let text = plain.refused("edit vary --sample 3 --class 7", USAGE);
    says(&text, &["--class"]);
}
