//! Classes, classifiers and guidance from the outside.

use ndarray::{Array4, Axis};
use ndarray_npy::read_npy;

use crate::colours;
use crate::place::{Place, says};

const USAGE: i32 = 2;

/// Runs `told`, which knows three classes, `untold`, which knows none, and `classifier`.
fn with_runs() -> Place {
    let place = colours::with_pictures();
    for (name, set) in [
        ("told", "--set model.classes=3"),
        ("untold", ""),
        (
            "classifier",
            "--set model.classes=3 --set network.kind=classifier --set network.channels=8 \
             --set network.multipliers=[1] --set network.embedding=16 --set training.objective.weighting=simple",
        ),
    ] {
        let line = format!("train --config colours.toml --quiet --run runs/{name} {set}");
        place.run(&line).success();
    }
    place
}

/// What `sample` draws with these options, as an array.
fn drawn(place: &Place, options: &str) -> Array4<f32> {
    let line = format!("sample --format npy --out drawn.npy {options}");
    place.run(&line).success();
    read_npy(place.path("drawn.npy")).unwrap()
}

#[test]
fn samples_of_a_class_do_not_depend_on_the_batch_and_all_are_drawn_class_by_class() {
    let place = with_runs();
    let one = drawn(&place, "--run runs/told --class 1 --count 6");
    assert_eq!(
        one,
        drawn(&place, "--run runs/told --class 1 --count 6 --batch 4")
    );
    assert_ne!(one, drawn(&place, "--run runs/told --class 2 --count 6"));
    assert_ne!(one, drawn(&place, "--run runs/told --class none --count 6"));
    // Six of three classes are two of each, in order; the noise is the same.
    let all = drawn(&place, "--run runs/told --count 6");
    for class in 0..3 {
        let of_class = drawn(
            &place,
            &format!("--run runs/told --class {class} --count 6"),
        );
        for i in [2 * class, 2 * class + 1] {
            assert_eq!(all.index_axis(Axis(0), i), of_class.index_axis(Axis(0), i));
        }
    }
    // The scale 1 is the conditional score, and 0 the unconditional one.
    let at = |scale: &str| {
        drawn(
            &place,
            &format!("--run runs/told --class 1 --count 6 --guidance {scale}"),
        )
    };
    assert_eq!(one, at("1"));
    let none = drawn(&place, "--run runs/told --class none --count 6");
    let zero = at("0");
    let largest = (&none - &zero).iter().fold(0.0f32, |m, x| m.max(x.abs()));
    assert!(largest < 1e-4, "{largest}");
    assert_ne!(one, at("-2"));
    // Outside of every level that is walked.
    assert_eq!(one, at("3 --guidance-interval 500,600"));
    let assert = place
        .run("sample --run runs/told --class 1 --guidance 2 --solver heun --steps 3 --count 4")
        .success();
    let said = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    says(&said, &["class-1-guided2"]);
    place.run("evaluate --run runs/told --samples 6").success();
    place.run("sample --run runs/told").success();
}

#[test]
fn a_classifier_and_a_worse_model_guide() {
    let place = with_runs();
    let untold = "--run runs/untold --count 4";
    let plain = drawn(&place, untold);
    let guided = format!("{untold} --class 2 --classifier runs/classifier");
    assert_ne!(plain, drawn(&place, &format!("{guided} --guidance 40")));
    assert_eq!(plain, drawn(&place, &format!("{guided} --guidance 0")));
    // All classes are then the classifier's.
    drawn(
        &place,
        "--run runs/untold --count 6 --classifier runs/classifier",
    );
    let weak = "runs/untold/checkpoints/step-00000002";
    let auto = format!("{untold} --autoguide {weak}");
    assert_ne!(plain, drawn(&place, &auto));
    assert_eq!(plain, drawn(&place, &format!("{auto} --guidance 1")));

    let assert = place
        .run("evaluate --run runs/classifier --samples 20")
        .success();
    let said = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    says(&said, &["20 noised images", "accuracy", "0.01", "nats"]);
    assert!(
        place
            .path("runs/classifier/samples/step-00000004.png")
            .exists()
    );
    place.run("inspect --run runs/classifier").success();
}

#[test]
fn what_cannot_be_asked_for_is_refused_with_what_to_do() {
    let place = with_runs();
    for (line, words) in [
        (
            "sample --run runs/told --class 3",
            &["no class 3", "has 3, from 0 to 2"][..],
        ),
        (
            "sample --run runs/untold --class 1",
            &["knows no classes", "class 1", "--classifier"],
        ),
        (
            "sample --run runs/untold --guidance 2",
            &["guidance needs a model that knows classes", "model.classes"],
        ),
        (
            "sample --run runs/told --class none --guidance 2",
            &["guidance towards no class", "--class N"],
        ),
        (
            "sample --run runs/told --class seven",
            &["seven", "`all`, or `none`"],
        ),
        (
            "sample --run runs/told --guidance-interval 0.3,5",
            &["nothing guides here", "--guidance W"],
        ),
        (
            "sample --run runs/told --guidance 2 --guidance-interval 5,0.3",
            &["5,0.3", "the second above the first"],
        ),
        (
            "sample --run runs/told --guidance nan",
            &["scale = NaN", "finite"],
        ),
        (
            "sample --run runs/untold --class 1 --classifier runs/told",
            &["--classifier runs/told", "of a score, not of a classifier"],
        ),
        (
            "sample --run runs/told --autoguide runs/classifier",
            &["--autoguide runs/classifier", "has no score"],
        ),
        (
            "evaluate --run runs/told --images x.npy --guidance 2",
            &["--images", "--guidance"],
        ),
        (
            "sample --run runs/untold --class 3 --classifier runs/classifier",
            &["no class 3"],
        ),
        (
            "sample --run runs/classifier",
            &["a classifier, which draws no samples", "--classifier THIS"],
        ),
        (
            "evaluate guidance --run runs/told",
            &["MNIST's digits alone"],
        ),
        (
            "train --config colours.toml --set model.classes=2 --run runs/few",
            &[
                "model.classes = 2",
                "the number of the data's classes at least",
            ],
        ),
        (
            "train --config colours.toml --set data.classes=false --set model.classes=3 --run runs/none",
            &["model.classes = 3", "the data have no classes"],
        ),
        (
            "train --config colours.toml --set sampling.class=3 --run runs/c",
            &["sampling.class = 3", "model.classes = 0"],
        ),
        (
            "train --config colours.toml --set training.objective.class_dropout=0.2 --run runs/d",
            &["class_dropout = 0.2", "left out, where model.classes is 0"],
        ),
        (
            "train --config colours.toml --set network.kind=classifier --set training.objective.weighting=simple \
             --run runs/e",
            &["model.classes = 0", "at least 2 classes"],
        ),
    ] {
        says(&place.refused(line, USAGE), words);
    }
    for name in ["few", "none", "c", "d", "e"] {
        assert!(!place.path(format!("runs/{name}")).exists(), "{name}");
    }
}
