//! A check lists what is wrong and odd, each by its place, and counts the rest.

use std::fs;

use data::{DataConfig, Problem, Progress, Report, Severity, check};
use tempfile::TempDir;

use super::made_files::{idx_bytes, mnist_folder, write};
use super::{bytes_made_elsewhere, made_elsewhere, write_png};

fn run(text: &str) -> Report {
    let config: DataConfig = toml::from_str(text).unwrap();
    let report = check(&config, &mut |_| ());
    let written = toml::to_string(&report).unwrap();
    assert_eq!(toml::from_str::<Report>(&written).unwrap(), report);
    report
}

fn folder(dir: &TempDir, more: &str) -> Report {
    run(&format!(
        "kind = \"image-folder\"\npath = {:?}\n{more}",
        dir.path()
    ))
}

/// The problems and the last part of their places.
fn found(report: &Report) -> Vec<(Problem, &str)> {
    let findings = report.findings.iter();
    findings
        .map(|finding| {
            let place = finding.place.rsplit('/').next().unwrap();
            (finding.problem, place)
        })
        .collect()
}

#[test]
fn every_odd_file_of_a_folder_is_listed_with_its_reason() {
    let dir = TempDir::new().unwrap();
    let png = bytes_made_elsewhere("source.png");
    let jpg = bytes_made_elsewhere("source.jpg");
    let put = |name: &str, bytes: &[u8]| write(dir.path(), name, bytes);
    put("a-whole.png", &png);
    put("b-cut.png", &png[..4000]);
    put("c-cut.jpg", &jpg[..jpg.len() - 40]);
    put("d-empty.png", b"");
    put("e-page.png", b"<html>");
    put("f-jpeg.png", &jpg);
    put("g-alpha.png", &bytes_made_elsewhere("alpha.png"));
    put("h-animated.webp", &bytes_made_elsewhere("animated.webp"));
    put("i-grey.png", &bytes_made_elsewhere("grey.png"));
    put("j-turned.png", &bytes_made_elsewhere("turned.png"));
    put("k-again.png", &png);
    write_png(&dir.path().join("l-small.png"), 9, 50, |x, y| {
        [(x * y) as u8; 3]
    });
    write_png(&dir.path().join("m-blank.png"), 50, 50, |_, _| [3; 3]);
    put("n.gif", b"GIF89a");
    fs::create_dir(dir.path().join("o-folder.png")).unwrap();
    let mut flipped = png.clone();
    flipped[3000] ^= 4;
    put("p-flipped.png", &flipped);

    let report = folder(&dir, "size = 10");
    use Problem::*;
    assert_eq!(
        found(&report),
        [
            (Empty, "d-empty.png"),
            (Unrecognised, "e-page.png"),
            (Truncated, "b-cut.png"),
            (Truncated, "c-cut.jpg"),
            (Damaged, "p-flipped.png"),
            (Duplicate, "k-again.png"),
            (Blank, "m-blank.png"),
            (WrongEnding, "f-jpeg.png"),
            (Animated, "h-animated.webp"),
            (Enlarged, "l-small.png"),
            (Alpha, "g-alpha.png"),
            (Grey, "i-grey.png"),
            (Turned, "j-turned.png"),
        ]
    );
    assert_eq!(report.samples, 9);
    assert!(!report.is_usable());
    assert_eq!(
        [Severity::Error, Severity::Warning, Severity::Note].map(|s| report.count(s)),
        [5, 5, 3]
    );
    assert_eq!(report.ignored.get(".gif"), Some(&1));
    let sizes: Vec<_> = report
        .sizes
        .iter()
        .map(|s| (s.width, s.height, s.count))
        .collect();
    assert_eq!(sizes, [(70, 45, 6), (9, 50, 1), (45, 70, 1), (50, 50, 1)]);
    assert_eq!(report.shape, Some([3, 10, 10]));

    let text = report.to_string();
    assert!(text.contains("error: 2 cut short\n"), "{text}");
    assert!(text.contains("the same as "), "{text}");
    assert!(text.ends_with("5 errors, 5 warnings, 3 notes: training would stop; mend or take out what is an error\n"), "{text}");

    // Exactly those are what training stops at.
    for finding in &report.findings {
        let alone = TempDir::new().unwrap();
        let name = finding.place.rsplit('/').next().unwrap();
        fs::copy(&finding.place, alone.path().join(name)).unwrap();
        let config = format!(
            "kind = \"image-folder\"\npath = {:?}\nsize = 10",
            alone.path()
        );
        let config: DataConfig = toml::from_str(&config).unwrap();
        let set = config.open().unwrap();
        let outcome = set.write_samples(&[0], &mut Vec::new());
        assert_eq!(
            outcome.is_err(),
            finding.severity == Severity::Error,
            "{name}"
        );
    }
}

#[test]
fn classes_are_counted_and_small_ones_named() {
    let dir = TempDir::new().unwrap();
    for number in 0..30 {
        let class = if number < 28 { "cat" } else { "dog" };
        let path = dir.path().join(format!("{class}/{number}.png"));
        write_png(&path, 8, 8, |x, y| [x as u8, y as u8, number]);
    }
    fs::create_dir(dir.path().join("eel")).unwrap();
    let report = folder(&dir, "classes = true");
    let counts: Vec<_> = report
        .classes
        .iter()
        .map(|c| (c.label, &*c.name, c.count))
        .collect();
    assert_eq!(counts, [(0, "cat", 28), (1, "dog", 2), (2, "eel", 0)]);
    assert_eq!(
        found(&report),
        [
            (Problem::FewSamples, "class dog"),
            (Problem::FewSamples, "class eel")
        ]
    );
    assert!(report.is_usable());
    // Mean and spread of 0 to 7, scaled; and of the numbers 0 to 29.
    let scaled = |mean: f64, variance: f64| (mean / 127.5 - 1.0, variance.sqrt() / 127.5);
    for (channel, (mean, std)) in [
        scaled(3.5, 63.0 / 12.0),
        scaled(3.5, 63.0 / 12.0),
        scaled(14.5, 899.0 / 12.0),
    ]
    .into_iter()
    .enumerate()
    {
        let found = report.channels[channel];
        assert!((found.mean - mean).abs() < 1e-6, "{found:?} {mean}");
        assert!((found.std - std).abs() < 1e-6, "{found:?} {std}");
    }
}

#[test]
fn mnist_has_its_published_moments_and_nothing_wrong() {
    let text = format!(
        "kind = \"mnist\"\npath = {:?}\nsplit = \"test\"",
        mnist_folder()
    );
    let config: DataConfig = toml::from_str(&text).unwrap();
    let mut calls = Vec::new();
    let report = check(&config, &mut |progress| calls.push(progress));
    assert!(report.findings.is_empty(), "{report}");
    assert_eq!(report.samples, 10_000);
    let counts: Vec<_> = report.classes.iter().map(|class| class.count).collect();
    assert_eq!(
        counts,
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    );
    // The test part has 0.1325 and 0.3105 in [0, 1].
    let moments = report.channels[0];
    assert!(
        (moments.mean - (2.0 * 0.1325 - 1.0)).abs() < 2e-4,
        "{moments:?}"
    );
    assert!((moments.std - 2.0 * 0.3105).abs() < 2e-4, "{moments:?}");
    assert!(calls.is_sorted_by_key(|progress| progress.done));
    let last = Progress {
        done: 10_000,
        total: 10_000,
    };
    assert_eq!(calls.last(), Some(&last));
    let text = report.text();
    assert!(
        text.ends_with("0 errors, 0 warnings, 0 notes: training can go over all of it\n"),
        "{text}"
    );
}

#[test]
fn a_set_that_cannot_be_opened_is_one_error() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "x", &idx_bytes(&[2, 3, 4], &[5; 23]));
    for text in [
        format!("kind = \"idx\"\nimages = \"{}/x\"", dir.path().display()),
        format!(
            "kind = \"npy\"\npath = \"{}/none.npy\"",
            dir.path().display()
        ),
        format!("kind = \"image-folder\"\npath = {:?}", dir.path()),
        format!("kind = \"cifar10\"\npath = {:?}", dir.path()),
    ] {
        let report = run(&text);
        assert_eq!(report.count(Severity::Error), 1, "{text}: {report}");
        assert!(!report.is_usable());
        assert_eq!(report.shape, None);
        assert!(
            report.to_string().contains("training would stop"),
            "{report}"
        );
    }
}

#[test]
fn doubles_and_floats_from_zero_to_one_are_noticed_in_arrays() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.npy");
    let mut values =
        ndarray::Array3::from_shape_fn((3, 4, 5), |(n, h, w)| (n * 20 + h * 5 + w) as f32 / 60.0);
    let first = values.index_axis(ndarray::Axis(0), 0).to_owned();
    values.index_axis_mut(ndarray::Axis(0), 2).assign(&first);
    ndarray_npy::write_npy(&path, &values).unwrap();
    let report = run(&format!("kind = \"npy\"\npath = {path:?}"));
    assert_eq!(
        found(&report),
        [
            (Problem::Duplicate, "sample 2"),
            (Problem::Range, "all samples")
        ]
    );
    let floats = format!("kind = \"npy\"\npath = {:?}", made_elsewhere("floats.npy"));
    assert!(run(&floats).findings.is_empty());
}
