//! The figures of the primer.

use crate::place::{Place, of_repository, says};

/// Every figure with its size.
const FIGURES: [(&str, (u32, u32)); 6] = [
    ("langevin", (960, 300)),
    ("annealed", (960, 716)),
    ("ddpm", (960, 484)),
    ("sde", (960, 444)),
    ("schedules", (960, 416)),
    ("likelihood", (960, 416)),
];

#[test]
fn every_figure_is_a_picture_of_its_size() {
    let place = Place::new();
    for (name, size) in FIGURES {
        let file = format!("illustrate-{name}.png");
        let assert = place.run(&format!("illustrate {name}")).success();
        let told = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
        says(&told, &[&file]);
        let picture = image::open(place.path(&file)).unwrap();
        assert_eq!((picture.width(), picture.height()), size, "{name}");
    }
}

#[test]
fn the_primer_shows_every_figure_with_its_command() {
    let primer = std::fs::read_to_string(of_repository("docs/primer.md")).unwrap();
    for (name, size) in FIGURES {
        says(
            &primer,
            &[
                &format!("primer/{name}.png"),
                &format!("`tweedie illustrate {name}`"),
            ],
        );
        let file = of_repository(&format!("docs/primer/{name}.png"));
        let picture = image::open(&file).unwrap();
        assert_eq!((picture.width(), picture.height()), size, "{name}");
        assert!(std::fs::metadata(&file).unwrap().len() < 300_000, "{name}");
    }
}

#[test]
fn a_figure_can_be_drawn_of_another_process_and_into_another_file() {
    let place = Place::new();
    for kind in ["ve", "edm"] {
        place
            .run(&format!("illustrate sde --sde {kind} --out a/{kind}.png"))
            .success();
        assert!(image::open(place.path(format!("a/{kind}.png"))).is_ok());
    }
}

#[test]
fn a_figure_or_a_process_that_does_not_exist_is_refused_with_those_that_do() {
    let place = Place::new();
    let text = place.refused("illustrate langvin", 2);
    says(&text, &FIGURES.map(|(name, _)| name));
    let text = place.refused("illustrate sde --sde vpp", 2);
    says(&text, &["vpp", "sub-vp", "brownian"]);
}

#[test]
fn a_process_that_a_figure_has_no_use_for_is_refused() {
    let place = Place::new();
    says(
        &place.refused("illustrate schedules --sde vp", 2),
        &["every process", "leave --sde out"],
    );
    says(
        &place.refused("illustrate ddpm --sde ve", 2),
        &["`ve` does not preserve variance", "vp or cosine"],
    );
}
