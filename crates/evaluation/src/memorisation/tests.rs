use ndarray::{Array1, Array2, array, concatenate, s};
use proptest::prelude::*;
use sde_core::noise::{Role, fill_standard_normal};

use super::*;

fn normal(seed: u64, rows: usize, columns: usize) -> Array2<f64> {
    let mut values = Array2::zeros((rows, columns));
    fill_standard_normal(seed, 0, 0, Role::Data, values.as_slice_mut().unwrap());
    values
}

fn found(samples: &Array2<f64>, training: &Array2<f64>, held_out: &Array2<f64>) -> Memorisation {
    found_with(1, samples, training, held_out)
}

fn found_with(
    seed: u64,
    samples: &Array2<f64>,
    training: &Array2<f64>,
    held_out: &Array2<f64>,
) -> Memorisation {
    let bootstrap = Bootstrap {
        replicates: 200,
        seed,
    };
    let sets = [samples.view(), training.view(), held_out.view()];
    let [samples, training, held_out] = sets;
    memorisation(samples, training, held_out, 2, &bootstrap, &mut unobserved).unwrap()
}

const DIMENSION: usize = 12;

#[test]
fn copies_with_a_little_noise_are_all_found() {
    let training = normal(1, 300, DIMENSION);
    let samples = training.slice(s![..80, ..]).to_owned() + normal(2, 80, DIMENSION) * 0.05;
    let found = found(&samples, &training, &normal(3, 100, DIMENSION));
    assert_eq!(found.figures.copies.value, 1.0);
    assert_eq!(found.figures.nearer.value, 1.0);
    assert!(found.figures.z < -10.0);
    let nearest = found.neighbours.indices.column(0);
    assert!(nearest.iter().copied().eq(0..80));
    assert!((0..80).all(|index| found.is_copy(index)));
}

#[test]
fn new_draws_are_no_copies_and_as_near_as_held_out_ones() {
    let training = normal(4, 300, DIMENSION);
    let found = found(
        &normal(5, 200, DIMENSION),
        &training,
        &normal(6, 200, DIMENSION),
    );
    assert_eq!(found.figures.copies.value, 0.0);
    let [low, high] = found.figures.nearer.interval;
    assert!(low < 0.5 && 0.5 < high, "{:?}", found.figures.nearer);
    assert!(found.figures.z.abs() < 3.0);
}

#[test]
fn a_tenth_of_copies_is_a_tenth() {
    let training = normal(7, 300, DIMENSION);
    let copies = training.slice(s![..20, ..]).to_owned();
    let samples = concatenate![Axis(0), normal(8, 180, DIMENSION), copies];
    let found = found(&samples, &training, &normal(9, 200, DIMENSION));
    assert_eq!(found.figures.copies.value, 0.1);
    // The binomial standard error of 200.
    let expected = (0.09_f64 / 200.0).sqrt();
    assert!((found.figures.copies.standard_error / expected - 1.0).abs() < 0.3);
    // Those are the most suspicious.
    let mut head = found.most_suspicious()[..20].to_vec();
    head.sort_unstable();
    assert!(head.into_iter().eq(180..200));
}

#[test]
fn samples_far_from_the_data_are_not_near() {
    let training = normal(10, 100, DIMENSION);
    let found = found(
        &(normal(11, 50, DIMENSION) * 3.0),
        &training,
        &normal(12, 50, DIMENSION),
    );
    assert!(found.figures.nearer.value < 0.05);
    assert!(found.figures.z > 3.0);
}

#[test]
fn an_exact_copy_of_what_is_twice_in_the_training_set_is_one() {
    let training = array![[0.0], [0.0], [10.0], [20.0]];
    let found = found(&array![[0.0], [14.0]], &training, &array![[3.0], [16.0]]);
    assert!(found.is_copy(0) && !found.is_copy(1));
    assert_eq!(found.most_suspicious(), [0, 1]);
    // Distances 0 and 4 against 3 and 4: two pairs of four are nearer, and one is a tie.
    assert_eq!(found.figures.nearer.value, 2.5 / 4.0);
    assert_eq!(found.figures.held_out_distance, 3.5);
}

#[test]
fn under_equality_z_is_a_standard_score_and_intervals_hold_one_half() {
    let training = normal(20, 100, 3);
    let worlds = 150_u64;
    let figures: Vec<MemorisationFigures> = (0..worlds)
        .map(|seed| {
            let [samples, held_out] = [4000, 5000].map(|from| normal(from + seed, 40, 3));
            found_with(seed, &samples, &training, &held_out).figures
        })
        .collect();
    let z: Array1<f64> = figures.iter().map(|figures| figures.z).collect();
    let n = worlds as f64;
    assert!((z.mean().unwrap() * n.sqrt()).abs() < 4.0, "{z}");
    // Four relative errors of a deviation.
    assert!((z.std(1.0) - 1.0).abs() < 4.0 / (2.0 * n).sqrt(), "{z}");
    let held = figures
        .iter()
        .filter(|figures| figures.nearer.interval[0] <= 0.5 && 0.5 <= figures.nearer.interval[1])
        .count();
    // 142.5 ± 2.7.
    assert!((131..=150).contains(&held), "{held} of {worlds}");
}

#[test]
fn one_neighbour_and_no_held_out_points_are_refused() {
    let set = normal(1, 5, 2);
    let none = Array2::zeros((0, 2));
    let refused = |held_out: &Array2<f64>, k| {
        let bootstrap = Bootstrap::default();
        let (set, held_out) = (set.view(), held_out.view());
        memorisation(set, set, held_out, k, &bootstrap, &mut unobserved).unwrap_err()
    };
    assert!(refused(&set, 1).to_string().contains("neighbours = 1"));
    assert!(refused(&none, 2).to_string().contains("held-out"));
    assert!(
        refused(&set, 6)
            .to_string()
            .contains("5 samples where 6 are needed")
    );
}

#[test]
fn a_training_point_left_out_is_as_near_as_a_set_without_it_says() {
    let training = concatenate![Axis(0), normal(30, 40, 3), normal(30, 1, 3)];
    // The last point is the first again.
    let places = [3_usize, 0, 40, 17];
    let found = memorisation(
        Points::Training(&places),
        training.view(),
        Points::Training(&places[..1]),
        2,
        &Bootstrap::default(),
        &mut unobserved,
    )
    .unwrap();
    for (row, &place) in places.iter().enumerate() {
        let rest: Vec<usize> = (0..41).filter(|&other| other != place).collect();
        let without = training.select(Axis(0), &rest);
        let point = training.slice(s![place..=place, ..]);
        let expected = nearest_neighbours(point, without.view(), 2, &mut unobserved).unwrap();
        for rank in 0..2 {
            let index = rest[expected.indices[[0, rank]]];
            assert_eq!(found.neighbours.indices[[row, rank]], index);
            let distance = expected.distances[[0, rank]];
            assert_eq!(found.neighbours.distances[[row, rank]], distance);
        }
    }
    assert_eq!(
        found.figures.held_out_distance,
        found.neighbours.distances[[0, 0]]
    );
    assert!(found.is_copy(1) && found.is_copy(2) && !found.is_copy(0));
}

#[test]
fn training_points_that_there_are_none_of_are_refused() {
    let training = normal(1, 5, 2);
    let refused = |places: &[usize], k| {
        let bootstrap = Bootstrap::default();
        let (training, held_out) = (training.view(), Points::Training(places));
        memorisation(training, training, held_out, k, &bootstrap, &mut unobserved)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&[5], 2).contains("the training set has 5 samples where 6"));
    assert!(refused(&[], 2).contains("the held-out set has 0 samples"));
    let one = normal(1, 1, 2);
    let alone = memorisation(
        Points::Training(&[0]),
        one.view(),
        Points::Training(&[0]),
        2,
        &Bootstrap::default(),
        &mut unobserved,
    );
    assert!(alone.unwrap_err().to_string().contains("1 samples where 3"));
}

proptest! {
    #[test]
    fn the_share_of_nearer_ones_is_that_of_all_pairs(
        x in prop::collection::vec((0_u8..9, 0_u32..4), 1..12),
        y in prop::collection::vec((0_u8..9, 0_u32..4), 1..12),
    ) {
        // Small whole numbers tie often.
        let sorted = |mut pairs: Vec<(u8, u32)>| {
            pairs.sort_unstable();
            let (values, counts): (Vec<u8>, Vec<u32>) = pairs.into_iter().unzip();
            (values.into_iter().map(f64::from).collect::<Vec<_>>(), counts)
        };
        let ((x, mut a), (y, mut b)) = (sorted(x), sorted(y));
        (a[0], b[0]) = (a[0] + 1, b[0] + 1);
        let (mut nearer_ones, mut total) = (0.0, 0.0);
        for (x, &a) in x.iter().zip(&a) {
            for (y, &b) in y.iter().zip(&b) {
                let weight = f64::from(a) * f64::from(b);
                total += weight;
                nearer_ones += weight * if x < y { 1.0 } else if x == y { 0.5 } else { 0.0 };
            }
        }
        let found = nearer(&x, &y, &a, &b);
        prop_assert!((found - nearer_ones / total).abs() < 1e-12);
    }
}
