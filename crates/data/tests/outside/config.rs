//! One configuration opens each kind of set.

use std::fs;

use data::{DataConfig, Source, Split, Toy};
use tempfile::TempDir;

use super::made_files::{gzip, idx_bytes, mnist_folder, write};
use super::{made_elsewhere, samples};

fn parse(text: &str) -> DataConfig {
    let config: DataConfig = toml::from_str(text).unwrap();
    let written = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<DataConfig>(&written).unwrap(), config);
    config
}

#[test]
fn the_defaults_of_mnist_and_of_toys_are_what_they_were() {
    let mnist = DataConfig::Mnist {
        path: "datasets/mnist".into(),
        split: Split::Train,
        colours: false,
    };
    assert_eq!(parse("kind = \"mnist\""), mnist);
    let toy = DataConfig::Toy {
        name: Toy::TwoMoons,
        count: 10_000,
        seed: 0,
    };
    assert_eq!(parse("kind = \"toy\"\nname = \"two-moons\""), toy);
}

#[test]
fn every_kind_is_opened() {
    let dir = TempDir::new().unwrap();
    let at = dir.path().display();
    write(dir.path(), "x", &idx_bytes(&[2, 3, 4], &[5; 24]));
    write(dir.path(), "y", &gzip(&idx_bytes(&[2], &[1, 6])));
    fs::write(dir.path().join("test_batch.bin"), [1; 3073 * 2]).unwrap();
    fs::write(dir.path().join("test.bin"), [1; 3074]).unwrap();
    let made = |name: &str| made_elsewhere(name).display().to_string();
    let npy = format!("kind = \"npy\"\npath = \"{}\"", made("nchw.npy"));
    let npz = format!(
        "kind = \"npz\"\npath = \"{}\"\nimages = \"arr_0\"\nlabels = \"arr_1\"\nflip = true",
        made("arrays.npz")
    );
    let pictures = format!("kind = \"image-folder\"\npath = \"{}\"\nsize = 6", made(""));
    let mnist = mnist_folder();
    for (text, len, shape, classes) in [
        (
            format!("kind = \"mnist\"\npath = {mnist:?}\nsplit = \"test\""),
            10_000,
            [1, 28, 28],
            10,
        ),
        (
            format!("kind = \"mnist\"\npath = {mnist:?}\nsplit = \"test\"\ncolours = true"),
            10_000,
            [3, 28, 28],
            10,
        ),
        (
            "kind = \"toy\"\nname = \"swiss-roll\"\ncount = 5".to_owned(),
            5,
            [2, 1, 1],
            0,
        ),
        (
            format!("kind = \"idx\"\nimages = \"{at}/x\"\nlabels = \"{at}/y\""),
            2,
            [1, 3, 4],
            7,
        ),
        (
            format!("kind = \"cifar10\"\npath = \"{at}\"\nsplit = \"test\""),
            2,
            [3, 32, 32],
            10,
        ),
        (
            format!("kind = \"cifar100\"\npath = \"{at}\"\nsplit = \"test\"\nlabels = \"coarse\""),
            1,
            [3, 32, 32],
            20,
        ),
        (npy, 1, [3, 8, 6], 0),
        (npz, 1, [3, 8, 6], 4),
        (pictures, 18, [3, 6, 6], 0),
    ] {
        let config = parse(&text);
        assert!(text.contains(&format!("kind = \"{}\"", config.kind())));
        let set = config.open().unwrap();
        assert_eq!(
            (set.len(), set.sample_shape(), set.class_count()),
            (len, shape, classes),
            "{text}"
        );
        let drawn = samples(&*set, &[set.len() - 1]);
        assert_eq!(drawn.len(), shape.iter().product::<usize>());
    }
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    for (text, word) in [
        ("kind = \"imagenet\"", "imagenet"),
        ("kind = \"mnist\"\nflip = true", "flip"),
        ("kind = \"image-folder\"\npath = \"x\"\nsise = 8", "sise"),
        (
            "kind = \"image-folder\"\npath = \"x\"\ncrop = \"center\"",
            "center",
        ),
        ("kind = \"npy\"\npath = \"x\"\nimages = \"y\"", "images"),
        (
            "kind = \"cifar10\"\npath = \"x\"\nlabels = \"fine\"",
            "labels",
        ),
        ("kind = \"image-folder\"", "path"),
    ] {
        let error = toml::from_str::<DataConfig>(text).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let nothing = parse("kind = \"toy\"\nname = \"swiss-roll\"\ncount = 0");
    let error = nothing.open().err().unwrap().to_string();
    assert!(error.starts_with("data.count = 0"), "{error}");
}
