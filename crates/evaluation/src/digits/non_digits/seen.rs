//! The kinds of non-digits that judges are trained on.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::digits::picture::{Picture, SIDE, place};
use crate::digits::pool::DigitPool;

fn shift(random: &mut ChaCha8Rng, most: i32) -> i32 {
    random.random_range(-most..=most)
}

/// A displacement field of a few pixels, smooth over the picture: white noise, blurred (Simard,
/// Steinkraus & Platt 2003).
fn smooth_field(random: &mut ChaCha8Rng, deviation: f32) -> Picture {
    let white = Picture::from_fn(|_, _| StandardNormal.sample(random));
    let mut smooth = white.blurred(deviation);
    // Blurring white noise leaves 1/(4πσ²) of its variance.
    let scale = deviation * (4.0 * std::f32::consts::PI).sqrt();
    smooth.0.iter_mut().for_each(|value| *value *= scale);
    smooth
}

pub(super) fn blend(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    let [first, second] = pool.of_different_classes(random);
    let second = second.moved(shift(random, 3), shift(random, 3));
    let share = random.random_range(0.4..0.6);
    let in_full = random.random_bool(0.4);
    let mixed = Picture::from_fn(|row, column| {
        let (row, column) = (row as i32, column as i32);
        let (a, b) = (first.at(row, column), second.at(row, column));
        if in_full {
            a.max(b)
        } else {
            share * a + (1.0 - share) * b
        }
    });
    if random.random_bool(0.5) {
        mixed.stretched()
    } else {
        mixed
    }
}

pub(super) fn shuffled_patches(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    let digit = pool.picture(pool.any(random));
    let tile = if random.random_bool(0.5) { 7 } else { 14 };
    let across = SIDE / tile;
    let mut order: Vec<usize> = (0..across * across).collect();
    for top in (1..order.len()).rev() {
        order.swap(top, random.random_range(0..=top));
    }
    // An order that changes nothing would leave a digit.
    if order.is_sorted() {
        order.rotate_left(1);
    }
    let turned: Vec<bool> = order.iter().map(|_| random.random_bool(0.3)).collect();
    Picture::from_fn(|row, column| {
        let here = row / tile * across + column / tile;
        let from = order[here];
        let (mut down, mut right) = (row % tile, column % tile);
        if turned[here] {
            (down, right) = (right, tile - 1 - down);
        }
        let (row, column) = (from / across * tile + down, from % across * tile + right);
        digit.at(row as i32, column as i32)
    })
}

pub(super) fn glued_halves(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    let [first, second] = pool.of_different_classes(random);
    let beside = random.random_bool(0.5);
    // Out of line by enough to see the seam.
    let slip = random.random_range(3..=7) * if random.random_bool(0.5) { 1 } else { -1 };
    let second = if beside {
        second.moved(slip, 0)
    } else {
        second.moved(0, slip)
    };
    let seam = random.random_range(11..17);
    Picture::from_fn(|row, column| {
        let first_half = if beside { column < seam } else { row < seam };
        let half = if first_half { &first } else { &second };
        half.at(row as i32, column as i32)
    })
}

pub(super) fn turned(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    // The others can be read, or can be another digit, from the side or upside down.
    let digit = pool.any_of([2, 3, 4, 5, 7][random.random_range(0..5)], random);
    let quarter = std::f32::consts::FRAC_PI_2;
    let angle = random.random_range(quarter * 2.0 / 3.0..quarter * 4.0 / 3.0);
    let side = if random.random_bool(0.5) { 1.0 } else { -1.0 };
    let (sin, cos) = (side * angle).sin_cos();
    Picture::from_fn(|row, column| {
        let (down, right) = (row as f32 - 13.5, column as f32 - 13.5);
        digit.between(
            13.5 + down * cos + right * sin,
            13.5 + right * cos - down * sin,
        )
    })
}

pub(super) fn blurred_and_hardened(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    // Not 0 and 1: a thick ring and a thick bar can be read.
    let digit = pool.any_of(random.random_range(2..10), random);
    if random.random_bool(0.25) {
        // The smear itself, in any grey.
        let most = random.random_range(0.4..1.0);
        let mut smear = digit.blurred(random.random_range(3.2..4.5)).stretched();
        smear.0.iter_mut().for_each(|ink| *ink *= most);
        return smear;
    }
    let smear = digit.blurred(random.random_range(2.5..4.0)).stretched();
    smear.hardened(random.random_range(0.2..0.6))
}

pub(super) fn erased_strokes(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    let mut digit = pool.picture(pool.any(random));
    // Less than half of the ink is left: with more, many a digit can still be read.
    let left = digit.mean() * random.random_range(0.15..0.45);
    // Each round rubber takes something away somewhere, so this ends; the bound is for a blank one.
    for _ in 0..200 {
        if digit.mean() <= left {
            break;
        }
        let (row, column) = place(random, 3.0);
        let radius: f32 = random.random_range(2.0..5.0);
        for r in 0..SIDE {
            for c in 0..SIDE {
                let distance = (r as f32 - row).hypot(c as f32 - column);
                digit.0[r * SIDE + c] *= (distance - radius).clamp(0.0, 1.0);
            }
        }
    }
    digit
}

pub(super) fn added_strokes(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    let mut picture = pool.picture(pool.any(random));
    for _ in 0..random.random_range(3..=5) {
        let (mut from, mut to) = (place(random, 3.0), place(random, 3.0));
        // Short ones leave a digit readable.
        while (from.0 - to.0).hypot(from.1 - to.1) < 10.0 {
            (from, to) = (place(random, 3.0), place(random, 3.0));
        }
        picture = picture.stroked(&[from, to], random.random_range(1.5..3.0));
    }
    picture
}

pub(super) fn elastic_blobs(random: &mut ChaCha8Rng) -> Picture {
    let mut ink = Picture::blank();
    for _ in 0..random.random_range(1..=5) {
        let (row, column) = place(random, 5.0);
        let (long, short): (f32, f32) =
            (random.random_range(2.0..7.0), random.random_range(1.2..4.0));
        let (sin, cos) = random.random_range(0.0..std::f32::consts::PI).sin_cos();
        let blob = Picture::from_fn(|r, c| {
            let (down, right) = (r as f32 - row, c as f32 - column);
            let (along, across) = (down * cos + right * sin, right * cos - down * sin);
            (-0.5 * ((along / long).powi(2) + (across / short).powi(2))).exp()
        });
        let hollow = random.random_bool(0.3);
        for (ink, blob) in ink.0.iter_mut().zip(blob.0.iter()) {
            // A hollow blob is a ring: most ink half way down its flank.
            let blob = if hollow {
                4.0 * blob * (1.0 - blob)
            } else {
                *blob
            };
            *ink = ink.max(blob);
        }
    }
    let (down, right) = (smooth_field(random, 4.0), smooth_field(random, 4.0));
    let strength = random.random_range(1.0..5.0);
    let warped = Picture::from_fn(|r, c| {
        let at = |field: &Picture| strength * field.at(r as i32, c as i32);
        ink.between(r as f32 + at(&down), c as f32 + at(&right))
    });
    if random.random_bool(0.75) {
        warped.hardened(random.random_range(0.3..0.7))
    } else {
        warped
    }
}

pub(super) fn blank(random: &mut ChaCha8Rng) -> Picture {
    let (level, other): (f32, f32) = if random.random_bool(0.3) {
        (0.0, 0.0)
    } else {
        (random.random(), random.random())
    };
    if random.random_bool(0.5) {
        return Picture::from_fn(|_, _| level);
    }
    let (sin, cos) = random.random_range(0.0..std::f32::consts::TAU).sin_cos();
    Picture::from_fn(|row, column| {
        let (down, right) = (row as f32 / 27.0 - 0.5, column as f32 / 27.0 - 0.5);
        let share = (0.5 + 0.7 * (down * cos + right * sin)).clamp(0.0, 1.0);
        level * (1.0 - share) + other * share
    })
}

pub(super) fn noise(random: &mut ChaCha8Rng) -> Picture {
    let level: f32 = random.random();
    let strength = random.random_range(0.1..1.0);
    if random.random_bool(0.5) {
        return Picture::from_fn(|_, _| {
            let normal: f32 = StandardNormal.sample(random);
            (level + strength * normal).clamp(0.0, 1.0)
        });
    }
    let deviation = random.random_range(0.7..3.0);
    let threshold: f32 = random.random_range(0.0..1.0);
    let mut field = smooth_field(random, deviation);
    let steepness = random.random_range(0.5..4.0);
    for value in field.0.iter_mut() {
        *value = (steepness * (*value - threshold)).clamp(0.0, 1.0);
    }
    field
}
