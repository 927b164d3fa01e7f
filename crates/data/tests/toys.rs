//! The toys have the moments, the supports and the densities that their pages state.

use std::f64::consts::PI;

use data::toys::{checkerboard, eight_gaussians, swiss_roll, two_moons};
use data::{Source, Toy};
use proptest::prelude::*;

const COUNT: usize = 100_000;

fn points(toy: Toy) -> Vec<[f64; 2]> {
    let set = toy.sample(COUNT, 7);
    set.points
        .rows()
        .into_iter()
        .map(|row| [f64::from(row[0]), f64::from(row[1])])
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    sum / count
}

/// Whether the mean of `values` is `expected` within five of its standard errors.
#[track_caller]
fn assert_mean(what: &str, values: impl Iterator<Item = f64> + Clone, expected: f64) {
    let found = mean(values.clone());
    let count = values.clone().count() as f64;
    let variance = mean(values.map(|value| (value - found).powi(2)));
    let error = (variance / count).sqrt();
    assert!(
        (found - expected).abs() < 5.0 * error,
        "{what}: {found}, expected {expected}, standard error {error}"
    );
}

/// Whether counts are those of equally likely cells: the chi-square statistic within five of its
/// standard deviations.
#[track_caller]
fn assert_uniform(what: &str, counts: &[usize]) {
    let total: usize = counts.iter().sum();
    let expected = total as f64 / counts.len() as f64;
    let freedom = counts.len() as f64 - 1.0;
    let chi_square: f64 = counts
        .iter()
        .map(|&count| (count as f64 - expected).powi(2) / expected)
        .sum();
    assert!(
        chi_square < freedom + 5.0 * (2.0 * freedom).sqrt(),
        "{what}: {chi_square} with {freedom} degrees of freedom: {counts:?}"
    );
}

fn distance([x, y]: [f64; 2], [a, b]: [f64; 2]) -> f64 {
    (x - a).hypot(y - b)
}

#[test]
fn moments_are_those_stated() {
    let moons = (0.75 + 0.0025) * two_moons::scale().powi(2);
    let roll = swiss_roll::scale().powi(2);
    let roll = |variance: f64| (variance + 0.25) * roll;
    let expected = [
        (Toy::TwoMoons, [moons, 2.0 - moons]),
        (
            Toy::SwissRoll,
            [
                roll(39.0 * PI * PI / 8.0 - 4.25),
                roll(39.0 * PI * PI / 8.0 + 0.25 - 4.0 / (9.0 * PI * PI)),
            ],
        ),
        (Toy::Checkerboard, [1.0, 1.0]),
        (Toy::EightGaussians, [1.0, 1.0]),
    ];
    for (toy, variances) in expected {
        let points = points(toy);
        assert!((variances[0] + variances[1] - 2.0).abs() < 1e-12, "{toy}");
        for axis in [0, 1] {
            let values = points.iter().map(|point| point[axis]);
            assert_mean(&format!("{toy} mean"), values.clone(), 0.0);
            let squares = values.map(|value| value.powi(2));
            assert_mean(&format!("{toy} variance"), squares, variances[axis]);
        }
    }
}

#[test]
fn covariances_are_those_stated() {
    for (toy, covariance) in [(Toy::Checkerboard, 3.0 / 16.0), (Toy::EightGaussians, 0.0)] {
        let points = points(toy);
        let products = points.iter().map(|[x, y]| x * y);
        assert_mean(toy.name(), products, covariance);
    }
}

#[test]
fn moons_lie_along_their_arcs_within_the_noise() {
    let (radius, noise) = (two_moons::scale(), two_moons::noise());
    assert!((noise / radius - 0.05).abs() < 1e-15);
    let [upper, lower] = two_moons::centres();
    // Distance to an arc: to the circle on the arc's side, to the nearer end on the other.
    let to_arc = |point: [f64; 2], centre: [f64; 2], side: f64| {
        if (point[1] - centre[1]) * side >= 0.0 {
            (distance(point, centre) - radius).abs()
        } else {
            let end = |sign: f64| distance(point, [centre[0] + sign * radius, centre[1]]);
            end(1.0).min(end(-1.0))
        }
    };
    let points = points(Toy::TwoMoons);
    let distances: Vec<[f64; 2]> = points
        .iter()
        .map(|&point| [to_arc(point, upper, 1.0), to_arc(point, lower, -1.0)])
        .collect();
    let nearest = distances.iter().map(|[a, b]| a.min(*b) / noise);
    let beyond = nearest.clone().filter(|&d| d > 4.0).count();
    // A blur in the plane exceeds 4σ with probability e⁻⁸.
    assert!(beyond < 80, "{beyond}");
    // One of the blur's two coordinates points across the arc; the other only leads along it,
    // but for the ends and (σ²/4r² = 0.06 %) the arc's bend.
    let square = mean(nearest.map(|d| d * d));
    assert!((square - 1.0).abs() < 0.03, "{square}");

    let on_upper = distances.iter().map(|[a, b]| f64::from(u8::from(a < b)));
    assert_mean("upper moon", on_upper, 0.5);

    let mut counts = [0; 16];
    for (point, distances) in points.iter().zip(&distances) {
        let angle = (point[1] - upper[1]).atan2(point[0] - upper[0]);
        // Away from the ends, where the blur shifts points out of the range.
        if distances[0] < distances[1] && (0.2..PI - 0.2).contains(&angle) {
            counts[((angle - 0.2) / (PI - 0.4) * 16.0) as usize] += 1;
        }
    }
    assert_uniform("angles of the upper moon", &counts);
}

#[test]
fn the_roll_is_uniform_in_its_angle_and_blurred_across() {
    let (scale, noise) = (swiss_roll::scale(), swiss_roll::noise());
    assert!((noise / scale - 0.5).abs() < 1e-15);
    let centre = swiss_roll::centre();
    let [from, to] = swiss_roll::ANGLES;
    let mut angles = Vec::new();
    let mut across = Vec::new();
    for point in points(Toy::SwissRoll) {
        let radius = distance(point, centre) / scale;
        let direction = (point[1] - centre[1]).atan2(point[0] - centre[0]);
        // The turn whose radius fits best.
        let turn = ((radius - direction) / (2.0 * PI)).round();
        let angle = direction + 2.0 * PI * turn;
        // The turns' slope 1/t leans the spiral against the radius.
        across.push((radius - angle) / (1.0 + angle.powi(-2)).sqrt() * scale / noise);
        angles.push(angle);
    }
    // Blur b along the spiral lengthens the radius by b²/2t: in units of the noise σ, which is ½
    // before scaling, by σ/2 · E[1/t] on average.
    let lengthened = 0.5 / 2.0 * 3.0_f64.ln() / (3.0 * PI);
    assert_mean("blur", across.iter().copied(), lengthened);
    let square = mean(across.iter().map(|a| a * a));
    assert!((square - 1.0).abs() < 0.02, "{square}");

    assert_mean("angle", angles.iter().copied(), 3.0 * PI);
    let mut counts = [0; 32];
    let inner = [from + 0.5, to - 0.5];
    for angle in angles {
        assert!((from - 1.0..to + 1.0).contains(&angle), "{angle}");
        if (inner[0]..inner[1]).contains(&angle) {
            counts[((angle - inner[0]) / (inner[1] - inner[0]) * 32.0) as usize] += 1;
        }
    }
    assert_uniform("angles of the roll", &counts);
}

#[test]
fn the_checkerboard_is_uniform_on_its_dark_fields() {
    let side = checkerboard::field_side();
    let mut counts = std::collections::BTreeMap::new();
    for point in points(Toy::Checkerboard) {
        // Single precision may round a point onto the edge of the next field.
        let inward = point.map(|x| x * (1.0 - 1e-6));
        let outward = point.map(|x| x * (1.0 + 1e-6));
        let mixed = [[inward[0], outward[1]], [outward[0], inward[1]]];
        let near = [point, inward, outward, mixed[0], mixed[1]];
        assert!(
            near.iter().any(|&p| checkerboard::density(p) > 0.0),
            "{point:?}"
        );
        // Sixteen parts of each field.
        let part = point.map(|x| ((x / side + 2.0) * 4.0).floor() as i32);
        *counts.entry(part).or_insert(0) += 1;
    }
    let counts: Vec<usize> = counts.into_values().filter(|&count| count > 10).collect();
    assert_eq!(counts.len(), 8 * 16);
    assert_uniform("parts of fields", &counts);
}

#[test]
fn the_checkerboards_density_integrates_to_one() {
    let half = 2.0 * checkerboard::field_side();
    assert!((half - 3.0_f64.sqrt()).abs() < 1e-15);
    // Midpoints of a grid that the fields' edges are lines of, and reaching past the board.
    let step = checkerboard::field_side() / 8.0;
    let at = |i: i32| (f64::from(i) + 0.5) * step;
    let mut integral = 0.0;
    for i in -24..24 {
        for j in -24..24 {
            let density = checkerboard::density([at(i), at(j)]);
            assert!(density == 0.0 || (at(i).abs() < half && at(j).abs() < half));
            integral += density * step * step;
        }
    }
    assert!((integral - 1.0).abs() < 1e-12, "{integral}");
}

#[test]
fn eight_gaussians_have_equal_weights_and_the_stated_spread() {
    let means = eight_gaussians::means();
    let std = eight_gaussians::STD;
    assert!((std * std * 33.0 - 1.0).abs() < 1e-15);
    let mut counts = [0; 8];
    let mut distances = Vec::new();
    for point in points(Toy::EightGaussians) {
        let (nearest, to_mean) = means
            .iter()
            .map(|&mean| distance(point, mean) / std)
            .enumerate()
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap();
        counts[nearest] += 1;
        distances.push(to_mean);
    }
    assert_uniform("weights", &counts);
    // Within a radius of rσ lie 1 − exp(−r²/2) of a Gaussian in the plane; neighbours begin to
    // matter at 3.06σ.
    for radius in [0.5, 1.0, 1.5, 2.0_f64] {
        let within = distances.iter().map(|&d| f64::from(u8::from(d < radius)));
        assert_mean("spread", within, 1.0 - (-radius * radius / 2.0).exp());
    }
}

#[test]
fn neighbouring_samples_are_independent() {
    for toy in Toy::ALL {
        let points = points(toy);
        for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let products = points.windows(2).map(|pair| pair[0][a] * pair[1][b]);
            assert_mean(&format!("{toy} {a}{b}"), products, 0.0);
        }
    }
}

proptest! {
    #[test]
    fn a_longer_sample_begins_with_the_shorter(
        toy in prop::sample::select(Toy::ALL.to_vec()),
        seed: u64,
        short in 0_usize..60,
        more in 0_usize..60,
    ) {
        let long = toy.sample(short + more, seed);
        let short_set = toy.sample(short, seed);
        prop_assert_eq!(short_set.len(), short);
        prop_assert_eq!(short_set.points, long.points.slice(ndarray::s![..short, ..]));
    }

    #[test]
    fn seeds_make_different_samples(
        toy in prop::sample::select(Toy::ALL.to_vec()),
        seed: u64,
        bit in 0_u32..64,
    ) {
        prop_assert_ne!(toy.sample(3, seed), toy.sample(3, seed ^ (1 << bit)));
    }
}

/// Computed by a separate program in Python: ChaCha8 from its definition (checked against its
/// published vectors), keyed by (toy, seed), stream i.
#[test]
fn draws_are_those_of_another_implementation() {
    let board = Toy::Checkerboard.sample(4, 7);
    let expected = [
        [-1.269_182_620_724_160_3, 0.553_723_936_661_933_6],
        [-0.759_277_743_145_861_2, 1.169_791_419_695_353_6],
        [0.416_126_323_722_009_36, 0.077_837_955_977_560_17],
        [0.488_052_079_380_875_47, 0.420_962_483_971_871_76],
    ];
    for (row, expected) in board.points.rows().into_iter().zip(expected) {
        for axis in [0, 1] {
            let found = f64::from(row[axis]);
            assert!((found - expected[axis]).abs() < 1e-6, "{row} {expected:?}");
        }
    }

    let gaussians = Toy::EightGaussians.sample(16, 7);
    let means = eight_gaussians::means();
    let components: Vec<usize> = gaussians
        .points
        .rows()
        .into_iter()
        .map(|row| {
            let to = |k: &usize| distance([f64::from(row[0]), f64::from(row[1])], means[*k]);
            (0..8).min_by(|a, b| to(a).total_cmp(&to(b))).unwrap()
        })
        .collect();
    assert_eq!(components, [3, 7, 2, 5, 0, 6, 2, 1, 3, 3, 7, 6, 5, 5, 3, 3]);
}

#[test]
fn names_are_kebab_case_everywhere() {
    for toy in Toy::ALL {
        let json = serde_json::to_string(&toy).unwrap();
        assert_eq!(json, format!("\"{toy}\""));
        assert_eq!(serde_json::from_str::<Toy>(&json).unwrap(), toy);
        assert_eq!(toy.to_string().parse(), Ok(toy));
        assert!(
            toy.name()
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '-')
        );
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let error = "three-moons".parse::<Toy>().unwrap_err();
    let message = error.to_string();
    assert!(message.contains("`three-moons`"), "{message}");
    for toy in Toy::ALL {
        assert!(message.contains(toy.name()), "{message}");
    }
}
