//! Each kind is what its documentation says.

use super::*;
use crate::digits::picture::{PIXELS, SIDE};
use crate::digits::test_digits::bars;
use rand::SeedableRng;

fn all() -> impl Iterator<Item = NonDigit> {
    NonDigit::SEEN.into_iter().chain(NonDigit::UNSEEN)
}

fn draws(kind: NonDigit, count: u64) -> Vec<Picture> {
    let set = bars(4);
    let pool = DigitPool::new(&set).unwrap();
    (0..count)
        .map(|seed| kind.draw(&pool, &mut ChaCha8Rng::seed_from_u64(seed)))
        .collect()
}

/// The sorted ink of a picture.
fn ink(picture: &Picture) -> Vec<f32> {
    let mut ink = picture.0.to_vec();
    ink.sort_unstable_by(f32::total_cmp);
    ink
}

#[test]
fn every_kind_stays_between_no_ink_and_most_and_is_rarely_the_same_twice() {
    for kind in all() {
        let pictures = draws(kind, 40);
        for picture in &pictures {
            assert!(
                picture.0.iter().all(|ink| (0.0..=1.0).contains(ink)),
                "{kind:?}"
            );
        }
        let repeated = pictures.windows(2).filter(|w| w[0] == w[1]).count();
        assert!(repeated < 8, "{kind:?}: {repeated}");
    }
}

#[test]
fn picture_i_depends_on_the_seed_and_on_i_alone() {
    let set = bars(4);
    let pool = DigitPool::new(&set).unwrap();
    for kind in all() {
        let few = kind.pictures(&pool, 3, 5);
        assert_eq!(few, kind.pictures(&pool, 6, 5)[..3 * PIXELS], "{kind:?}");
        if kind != NonDigit::Blank {
            assert_ne!(few, kind.pictures(&pool, 3, 6), "{kind:?}");
        }
    }
}

#[test]
fn seen_and_unseen_kinds_do_not_overlap_and_every_seen_kind_is_drawn() {
    let kinds: std::collections::HashSet<_> = all().collect();
    assert_eq!(kinds.len(), NonDigit::SEEN.len() + NonDigit::UNSEEN.len());
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let drawn: std::collections::HashSet<_> =
        (0..500).map(|_| NonDigit::any_seen(&mut random)).collect();
    assert_eq!(drawn, NonDigit::SEEN.into_iter().collect());
}

#[test]
fn shuffled_patches_keep_every_pixel_and_never_the_picture() {
    let set = bars(4);
    let pool = DigitPool::new(&set).unwrap();
    for shuffled in draws(NonDigit::ShuffledPatches, 40) {
        let original = (0..pool.len())
            .map(|i| pool.picture(i))
            .find(|digit| ink(digit) == ink(&shuffled));
        assert_ne!(original.expect("the pixels are those of a digit"), shuffled);
    }
}

#[test]
fn erased_digits_keep_less_than_half_of_a_digits_ink_and_add_none() {
    let set = bars(4);
    let pool = DigitPool::new(&set).unwrap();
    let most = (0..pool.len())
        .map(|i| pool.picture(i).mean())
        .fold(0.0, f32::max);
    for erased in draws(NonDigit::ErasedStrokes, 40) {
        assert!(erased.mean() <= 0.45 * most);
        // Nothing is added: what is inked was inked in some digit.
        let inked = |p: &Picture, i: usize| p.0[i] > 0.0;
        assert!((0..pool.len()).any(|d| {
            let digit = pool.picture(d);
            (0..PIXELS).all(|i| !inked(&erased, i) || inked(&digit, i))
        }));
    }
}

#[test]
fn added_strokes_cover_and_erase_nothing() {
    let set = bars(4);
    let pool = DigitPool::new(&set).unwrap();
    for struck in draws(NonDigit::AddedStrokes, 40) {
        let under = (0..pool.len())
            .map(|i| pool.picture(i))
            .find(|digit| (0..PIXELS).all(|i| digit.0[i] <= struck.0[i]))
            .expect("a digit lies under the strokes");
        assert!(struck.mean() > 1.2 * under.mean());
    }
}

#[test]
fn mirrored_digits_are_a_3_4_or_7_in_the_mirror() {
    let set = bars(4);
    let pool = DigitPool::new(&set).unwrap();
    let mut seen = std::collections::HashSet::new();
    for mirrored in draws(NonDigit::Mirrored, 40) {
        let back = Picture::from_fn(|row, column| mirrored.0[row * SIDE + SIDE - 1 - column]);
        let index = (0..pool.len()).find(|&i| pool.picture(i) == back).unwrap();
        seen.insert(pool.label(index));
    }
    assert_eq!(seen, [3, 4, 7].into());
}

#[test]
fn averages_are_the_mean_of_four_different_digits_stretched() {
    let set = bars(1);
    let pool = DigitPool::new(&set).unwrap();
    let digits: Vec<Picture> = (0..10).map(|i| pool.picture(i)).collect();
    let four_of_ten = || (0_u16..1 << 10).filter(|choice| choice.count_ones() == 4);
    for seed in 0..10 {
        let average = NonDigit::Average.draw(&pool, &mut ChaCha8Rng::seed_from_u64(seed));
        let matching = four_of_ten().filter(|choice| {
            let sum = Picture::from_fn(|row, column| {
                let chosen = (0..10).filter(|d| choice & (1 << d) != 0);
                chosen.map(|d| digits[d].0[row * SIDE + column]).sum()
            });
            let mean = sum.stretched();
            (0..PIXELS).all(|i| (mean.0[i] - average.0[i]).abs() < 1e-6)
        });
        assert_eq!(matching.count(), 1);
    }
}

#[test]
fn the_gaussian_fit_has_the_digits_mean_and_variance() {
    // A pixel inked in two of ten classes, with values p: mean 0.2 p and deviation 0.4 p. Clamping
    // at 0 and 1 moves the moments to those of a clamped normal variable, here found by quadrature.
    let pictures = draws(NonDigit::GaussianFit, 600);
    let set = bars(4);
    let pool = DigitPool::new(&set).unwrap();
    let pixel = 9 * SIDE + 6;
    let digits: Vec<f64> = (0..40)
        .map(|i| f64::from(pool.picture(i).0[pixel]))
        .collect();
    let mean = digits.iter().sum::<f64>() / 40.0;
    let deviation = (digits.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 40.0).sqrt();
    let (mut expected, mut mass) = (0.0, 0.0);
    for step in -4000..=4000 {
        let z = f64::from(step) / 500.0;
        let weight = (-0.5 * z * z).exp();
        expected += weight * (mean + deviation * z).clamp(0.0, 1.0);
        mass += weight;
    }
    let expected = expected / mass;
    let found = pictures.iter().map(|p| f64::from(p.0[pixel])).sum::<f64>() / 600.0;
    // Four standard errors, the clamped deviation being below the unclamped one.
    assert!(
        (found - expected).abs() < 4.0 * deviation / 600_f64.sqrt(),
        "{found} {expected}"
    );
}
