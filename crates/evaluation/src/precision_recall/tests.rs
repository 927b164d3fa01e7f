use ndarray::{Array1, Array2, ArrayView1, Axis, array};
use sde_core::noise::{Role, fill_standard_normal};

use super::*;
use crate::progress::unobserved;

fn normal(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
    let mut values = Array2::zeros((rows, columns));
    fill_standard_normal(seed, 0, 0, Role::Data, values.as_slice_mut().unwrap());
    values
}

fn found(samples: &Array2<f64>, real: &Array2<f64>, k: usize) -> PrecisionRecall {
    let options = ManifoldOptions {
        precision_recall_k: k,
        density_coverage_k: k,
    };
    let bootstrap = Bootstrap {
        replicates: 20,
        seed: 0,
    };
    let (samples, real) = (samples.view(), real.view());
    precision_recall(samples, real, &options, &bootstrap, &mut unobserved).unwrap()
}

fn values(found: &PrecisionRecall) -> [f64; 4] {
    [found.precision, found.recall, found.density, found.coverage].map(|figure| figure.value)
}

#[test]
fn the_figures_are_those_of_the_published_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/manifold/reference.json");
    let all: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let points = |value: &serde_json::Value| {
        let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    };
    for (name, world) in all.as_object().unwrap() {
        let (samples, real) = (points(&world["samples"]), points(&world["real"]));
        for (k, expected) in world["by k"].as_object().unwrap() {
            let found = values(&found(&samples, &real, k.parse().unwrap()));
            let keys = ["precision", "recall", "density", "coverage"];
            for (key, found) in keys.into_iter().zip(found) {
                let expected = expected[key].as_f64().unwrap();
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{name}, k = {k}: {key} {found} {expected}"
                );
            }
        }
    }
}

/// By the definitions, point by point.
fn by_definition(samples: &Array2<f64>, real: &Array2<f64>, k: usize) -> [f64; 4] {
    let distance = |x: ArrayView1<'_, f64>, y: ArrayView1<'_, f64>| {
        x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>()
    };
    let radii = |set: &Array2<f64>| -> Vec<f64> {
        let rows = 0..set.nrows();
        rows.map(|i| {
            let mut all: Vec<f64> = (0..set.nrows())
                .filter(|j| *j != i)
                .map(|j| distance(set.row(i), set.row(j)))
                .collect();
            all.sort_by(f64::total_cmp);
            all[k - 1]
        })
        .collect()
    };
    let inside = |x: ArrayView1<'_, f64>, set: &Array2<f64>, radii: &[f64]| {
        let balls = set.outer_iter().zip(radii);
        balls
            .filter(|(y, radius)| distance(x, *y) <= **radius)
            .count() as f64
    };
    let (of_real, of_samples) = (radii(real), radii(samples));
    let mean = |values: Vec<f64>| Array1::from(values).mean().unwrap();
    let in_real: Vec<f64> = samples
        .outer_iter()
        .map(|x| inside(x, real, &of_real))
        .collect();
    let in_samples = real
        .outer_iter()
        .map(|x| inside(x, samples, &of_samples).min(1.0));
    let covered = real.outer_iter().zip(&of_real).map(|(y, radius)| {
        let holds = samples.outer_iter().any(|x| distance(x, y) <= *radius);
        f64::from(u8::from(holds))
    });
    [
        mean(in_real.iter().map(|balls| balls.min(1.0)).collect()),
        mean(in_samples.collect()),
        mean(in_real.clone()) / k as f64,
        mean(covered.collect()),
    ]
}

#[test]
fn the_figures_are_those_of_the_definitions_in_any_number_of_blocks_and_with_ties() {
    // On a coarse lattice most distances are equal to others; more points than a block has.
    let lattice = |seed, rows| (normal(seed, rows, 3) * 2.0).mapv(f64::round);
    for (seed, sizes) in [(1, [200, 150]), (3, [30, 300])] {
        let (samples, real) = (lattice(seed, sizes[0]), lattice(seed + 1, sizes[1]) + 1.0);
        for k in [1, 4] {
            assert_eq!(
                values(&found(&samples, &real, k)),
                by_definition(&samples, &real, k)
            );
        }
    }
}

#[test]
fn a_set_has_everything_of_itself_and_nothing_of_a_distant_one() {
    let real = normal(5, 50, 4);
    let itself = values(&found(&real, &real, 3));
    assert_eq!([itself[0], itself[1], itself[3]], [1.0; 3]);
    assert_eq!(values(&found(&(&real + 100.0), &real, 3)), [0.0; 4]);
}

#[test]
fn samples_of_one_mode_of_two_are_precise_and_recall_half() {
    let mut real = normal(6, 400, 2);
    real.slice_mut(ndarray::s![200.., ..])
        .map_inplace(|value| *value += 50.0);
    let [precision, recall, density, coverage] = values(&found(&normal(7, 400, 2), &real, 5));
    assert!(
        precision > 0.9 && (recall - 0.5).abs() < 0.05,
        "{precision} {recall}"
    );
    assert!(
        density > 0.8 && (coverage - 0.5).abs() < 0.05,
        "{density} {coverage}"
    );
}

#[test]
fn an_outlier_among_the_samples_raises_recall_and_not_coverage() {
    // Naeem et al. 2020, figure 1: the outliers' balls hold all there is.
    let (real, mut samples) = (normal(8, 200, 2), normal(9, 200, 2) + 20.0);
    for index in 0..4 {
        let far = array![-300.0 - index as f64, -300.0];
        samples.row_mut(index).assign(&far);
    }
    let [_, recall, _, coverage] = values(&found(&samples, &real, 4));
    assert_eq!((recall, coverage), (1.0, 0.0));
}

#[test]
fn under_equality_density_is_one_and_coverage_that_of_the_lemma() {
    let (n, m, k, worlds) = (60, 80, 5, 40_u64);
    let all: Vec<[f64; 4]> = (0..worlds)
        .map(|seed| {
            let (samples, real) = (normal(2000 + seed, m, 3), normal(3000 + seed, n, 3));
            values(&found(&samples, &real, k))
        })
        .collect();
    let failing: f64 = (1..=k)
        .map(|i| (n - i) as f64 / (n + m - i) as f64)
        .product();
    for (index, expected) in [(2, 1.0), (3, 1.0 - failing)] {
        let figures: Array1<f64> = all.iter().map(|figures| figures[index]).collect();
        let error = figures.std(1.0) / (worlds as f64).sqrt();
        let gap = (figures.mean().unwrap() - expected) / error;
        assert!(gap.abs() < 4.0, "{index}: {gap} errors");
    }
}

/// Samples and real points of two Gaussians, one of them wider.
fn world(seed: u64) -> [Array2<f64>; 2] {
    [normal(2 * seed, 120, 2) * 1.4, normal(2 * seed + 1, 120, 2)]
}

#[test]
fn given_the_balls_intervals_of_precision_hold_its_mean() {
    let real = normal(77, 120, 2);
    // Precision of very many samples in the same balls.
    let truth = values(&found(&(normal(78, 3000, 2) * 1.4), &real, 3))[0];
    let held = (0..100)
        .filter(|&seed| {
            let options = ManifoldOptions::default();
            let bootstrap = Bootstrap {
                replicates: 200,
                seed,
            };
            let samples = world(seed)[0].clone();
            let (samples, real) = (samples.view(), real.view());
            let found = precision_recall(samples, real, &options, &bootstrap, &mut unobserved);
            let [low, high] = found.unwrap().precision.interval;
            low <= truth && truth <= high
        })
        .count();
    assert!((87..=100).contains(&held), "{held} of 100");
}

#[test]
fn sets_that_are_too_small_or_of_other_dimensions_are_refused() {
    let refused = |samples: &Array2<f64>, real: &Array2<f64>, options: ManifoldOptions| {
        let bootstrap = Bootstrap::default();
        let (samples, real) = (samples.view(), real.view());
        precision_recall(samples, real, &options, &bootstrap, &mut unobserved).unwrap_err()
    };
    let (five, six) = (normal(1, 5, 2), normal(2, 6, 2));
    let usual = ManifoldOptions::default();
    for (samples, real) in [(&six, &five), (&normal(3, 3, 2), &six)] {
        let error = refused(samples, real, usual);
        assert!(
            matches!(error, EvaluationError::TooFewSamples { .. }),
            "{error}"
        );
    }
    let none = ManifoldOptions {
        density_coverage_k: 0,
        ..usual
    };
    assert!(matches!(
        refused(&six, &six, none),
        EvaluationError::Option { option: "k", .. }
    ));
    let other = six.select(Axis(1), &[0]);
    assert!(matches!(
        refused(&six, &other, usual),
        EvaluationError::DimensionMismatch { .. }
    ));
}
