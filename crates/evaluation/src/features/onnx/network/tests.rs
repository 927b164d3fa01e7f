use std::fs;
use std::path::PathBuf;

use ndarray::{Array4, s};

use super::*;
use crate::features::{PixelRange, Resize};
use crate::progress::unobserved;

/// A tensor that PyTorch wrote.
#[derive(serde::Deserialize)]
pub(in super::super) struct Reference {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// The one of that name, a path of keys.
pub(in super::super) fn reference(name: &str) -> Reference {
    let text = fs::read_to_string(file("reference.json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let found = name.split('/').fold(&all, |value, key| &value[key]);
    serde_json::from_value(found.clone()).unwrap()
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/onnx")
        .join(name)
}

fn images() -> Array4<f32> {
    Array4::from_shape_vec((5, 1, 12, 12), reference("images").values).unwrap()
}

fn load(name: &str, convention: InputConvention) -> OnnxFeatures {
    OnnxFeatures::load(&file(name), convention).unwrap()
}

fn of(range: PixelRange) -> InputConvention {
    InputConvention {
        range,
        ..InputConvention::default()
    }
}

fn assert_those_of_pytorch(network: &OnnxFeatures, name: &str) {
    let found = network.features(images().view(), &mut unobserved).unwrap();
    let expected = reference(name);
    assert_eq!(found.shape(), expected.shape);
    for (found, expected) in found.iter().zip(expected.values) {
        let expected = f64::from(expected);
        assert!(
            (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
            "{name}: {found} {expected}"
        );
    }
}

#[test]
fn features_are_those_of_pytorch() {
    let grey = |range| load("grey.onnx", of(range));
    assert_those_of_pytorch(&grey(PixelRange::Signed), "grey of [-1, 1]");
    assert_those_of_pytorch(&grey(PixelRange::Unit), "grey of [0, 1]");
}

#[test]
fn grey_images_are_resized_and_coloured_for_a_network_of_colours() {
    let convention = of(PixelRange::ImageNet);
    assert_eq!(convention.resize, Resize::Bilinear);
    assert_those_of_pytorch(
        &load("colour.onnx", convention),
        "colour, resized, ImageNet",
    );
}

#[test]
fn maps_of_one_pixel_are_features() {
    let network = load("spatial.onnx", InputConvention::default());
    assert_those_of_pytorch(&network, "spatial of [-1, 1]");
    assert_eq!(network.name(), "spatial");
}

#[test]
fn a_network_of_a_fixed_batch_gets_whole_batches() {
    // Of two: the fifth image comes with a blank one.
    let network = load("fixed.onnx", InputConvention::default());
    assert_those_of_pytorch(&network, "grey of [-1, 1]");
}

#[test]
fn images_in_many_batches_have_the_features_they_have_alone() {
    let network = load("grey.onnx", InputConvention::default());
    let values = |(n, _, y, x): (usize, usize, usize, usize)| ((n * 7 + y * x) as f32).sin();
    let many = Array4::from_shape_fn((BATCH + 3, 1, 12, 12), values);
    let mut told = Vec::new();
    let together = network
        .features(many.view(), &mut |stage| told.push(stage.done))
        .unwrap();
    assert_eq!(told, [0, BATCH, BATCH + 3]);
    for index in [0, BATCH - 1, BATCH + 2] {
        let alone = many.slice(s![index..=index, .., .., ..]);
        let alone = network.features(alone, &mut unobserved).unwrap();
        let gaps = &alone.row(0) - &together.row(index);
        assert!(gaps.iter().all(|gap| gap.abs() < 1e-5));
    }
    let none = network
        .features(many.slice(s![..0, .., .., ..]), &mut unobserved)
        .unwrap();
    assert_eq!(none.dim(), (0, 0));
}

fn refused(network: &OnnxFeatures, images: &Array4<f32>) -> String {
    network
        .features(images.view(), &mut unobserved)
        .unwrap_err()
        .to_string()
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

#[test]
fn images_that_do_not_fit_are_named_with_what_does_not() {
    let grey = load("grey.onnx", InputConvention::default());
    says(
        &refused(&grey, &Array4::zeros((2, 3, 12, 12))),
        &["[3, 12, 12]", "grey"],
    );
    says(
        &refused(&grey, &Array4::zeros((2, 2, 12, 12))),
        &["[2, 12, 12]", "1 or 3 channels"],
    );
    says(
        &refused(&grey, &Array4::zeros((2, 1, 0, 12))),
        &["[1, 0, 12]"],
    );
    let mut broken = images();
    broken[[3, 0, 1, 2]] = f32::NAN;
    says(
        &refused(&grey, &broken),
        &["sample 3, coordinate 14", "NaN"],
    );
    let image_net = load("grey.onnx", of(PixelRange::ImageNet));
    says(&refused(&image_net, &images()), &["3 channels", "takes 1"]);
    let size = Some([24, 12]);
    let sized = load(
        "grey.onnx",
        InputConvention {
            size,
            ..InputConvention::default()
        },
    );
    says(&refused(&sized, &images()), &["height to 24", "takes 12"]);
}

fn load_error(path: &Path, convention: InputConvention) -> String {
    match OnnxFeatures::load(path, convention) {
        Ok(_) => panic!("{} was loaded", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn files_that_are_no_network_are_named() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("it.onnx");
    says(
        &load_error(&path, InputConvention::default()),
        &["it.onnx", "could not be read"],
    );
    let whole = fs::read(file("grey.onnx")).unwrap();
    fs::write(&path, "").unwrap();
    says(
        &load_error(&path, InputConvention::default()),
        &["it.onnx", "0 inputs"],
    );
    for bytes in [&b"no network"[..], &whole[..whole.len() / 2]] {
        fs::write(&path, bytes).unwrap();
        says(
            &load_error(&path, InputConvention::default()),
            &["it.onnx", "cannot be used"],
        );
    }
    let output = Some("pool".to_owned());
    let convention = InputConvention {
        output,
        ..InputConvention::default()
    };
    says(
        &load_error(&file("grey.onnx"), convention),
        &["no output `pool`, only features"],
    );
}

/// A file with one text replaced by another of the same length.
fn altered(name: &str, from: &str, to: &str) -> Vec<u8> {
    let mut bytes = fs::read(file(name)).unwrap();
    let places: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|&place| bytes[place..].starts_with(from.as_bytes()))
        .collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn an_operator_that_is_not_known_is_named() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("it.onnx");
    fs::write(&path, altered("grey.onnx", "MaxPool", "MixPool")).unwrap();
    says(
        &load_error(&path, InputConvention::default()),
        &["it.onnx", "MixPool"],
    );
}

#[test]
fn damaged_files_are_errors_whatever_the_damage() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("it.onnx");
    let whole = fs::read(file("grey.onnx")).unwrap();
    let images = images();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    let mut loaded = 0;
    for _ in 0..150 {
        let mut bytes = whole.clone();
        match random(3) {
            0 => bytes.truncate(random(whole.len())),
            1 => {
                let place = random(whole.len());
                bytes[place] ^= 1 << random(8);
            }
            _ => (0..5).for_each(|_| {
                let place = random(whole.len());
                bytes[place] = random(256) as u8;
            }),
        }
        fs::write(&path, bytes).unwrap();
        if let Ok(network) = OnnxFeatures::load(&path, InputConvention::default()) {
            loaded += 1;
            // Features or an error.
            let _ = network.features(images.view(), &mut unobserved);
        }
    }
    assert!(loaded > 25, "{loaded} were loaded");
}
