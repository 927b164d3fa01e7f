//! The same with images: a few steps on MNIST.

use ndarray::Array4;
use ndarray_npy::read_npy;

use crate::place::{Place, of_repository, says};

pub fn smoke() -> Place {
    let place = Place::new();
    let config = of_repository("configs/mnist-smoke.toml");
    let data = of_repository("datasets/mnist");
    let line = format!(
        "train --quiet --config {} --set data.path={}",
        config.display(),
        data.display()
    );
    place.run(&line).success();
    place
}

#[test]
fn the_smoke_experiment_ends_with_a_grid_and_the_same_samples_in_every_batch_size() {
    let place = smoke();
    let grid = image::open(place.path("runs/mnist-smoke/samples/step-00000006.png")).unwrap();
    assert_eq!((grid.width(), grid.height()), (3 * 87 + 3, 3 * 87 + 3));
    let sample = |options: &str, out: &str| {
        place
            .run(&format!("sample {options} --out {out}"))
            .success();
        place.read(out)
    };
    let png = sample("", "a.png");
    let npy = sample("--format npy", "a.npy");
    for batch in [1, 4] {
        assert_eq!(sample(&format!("--batch {batch}"), "b.png"), png);
        assert_eq!(
            sample(&format!("--batch {batch} --format npy"), "b.npy"),
            npy
        );
    }
    let images: Array4<f32> = read_npy(place.path("a.npy")).unwrap();
    assert_eq!(images.dim(), (9, 1, 28, 28));
    assert!(images.iter().all(|value| (-1.0..=1.0).contains(value)));
}

#[test]
fn an_image_experiment_is_inspected_before_it_is_run() {
    let place = Place::new();
    let data = of_repository("datasets/mnist");
    let line = format!("inspect --set data.path={}", data.display());
    let assert = place.run(&line).success();
    let said = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    says(
        &said,
        &[
            "60000 images",
            "1x28x28",
            "parameters",
            "log-SNR",
            "inspect-mnist.png",
        ],
    );
    assert!(
        image::open(place.path("inspect-mnist.png"))
            .unwrap()
            .width()
            > 900
    );
    assert!(!place.path("runs").exists());
}
