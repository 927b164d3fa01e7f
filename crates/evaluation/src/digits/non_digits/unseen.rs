//! The kinds of non-digits that judges are never trained on.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::digits::picture::{PIXELS, Picture, place};
use crate::digits::pool::DigitPool;

pub(super) fn average(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    let digits: [Picture; 4] = pool.of_different_classes(random);
    Picture::from_fn(|row, column| {
        let (row, column) = (row as i32, column as i32);
        digits.iter().map(|d| d.at(row, column)).sum::<f32>() / 4.0
    })
    .stretched()
}

/// m + Σᵢ zᵢ (xᵢ − m)/√n over n real digits with zᵢ standard normal has their mean and their
/// covariance exactly.
pub(super) fn gaussian_fit(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    let count = 400;
    let mut mean = [0.0; PIXELS];
    let mut drawn = [0.0; PIXELS];
    let mut normal_sum = 0.0;
    let scale = 1.0 / (count as f32).sqrt();
    for _ in 0..count {
        let digit = pool.picture(pool.any(random));
        let normal: f32 = StandardNormal.sample(random);
        normal_sum += normal;
        for ((mean, drawn), ink) in mean.iter_mut().zip(&mut drawn).zip(digit.0.iter()) {
            *mean += ink / count as f32;
            *drawn += scale * normal * ink;
        }
    }
    let mut picture = Picture::blank();
    for ((ink, mean), drawn) in picture.0.iter_mut().zip(mean).zip(drawn) {
        *ink = (mean + drawn - scale * normal_sum * mean).clamp(0.0, 1.0);
    }
    picture
}

/// Outlines (down, right) in a square from −1 to 1.
const OUTLINES: [&[(f32, f32)]; 5] = [
    // A shirt.
    &[
        (-0.8, -0.35),
        (-0.65, 0.0),
        (-0.8, 0.35),
        (-0.6, 0.9),
        (-0.2, 0.85),
        (-0.3, 0.5),
        (0.85, 0.5),
        (0.85, -0.5),
        (-0.3, -0.5),
        (-0.2, -0.85),
        (-0.6, -0.9),
    ],
    // Trousers.
    &[
        (-0.9, -0.45),
        (-0.9, 0.45),
        (0.9, 0.55),
        (0.9, 0.12),
        (-0.2, 0.0),
        (0.9, -0.12),
        (0.9, -0.55),
    ],
    // A boot.
    &[
        (-0.7, -0.5),
        (-0.7, 0.1),
        (0.1, 0.15),
        (0.35, 0.85),
        (0.65, 0.85),
        (0.65, -0.6),
        (0.2, -0.5),
    ],
    // A bag.
    &[
        (-0.3, -0.8),
        (-0.35, -0.35),
        (-0.8, -0.2),
        (-0.8, 0.2),
        (-0.35, 0.35),
        (-0.3, 0.8),
        (0.7, 0.75),
        (0.7, -0.75),
    ],
    // A star.
    &[
        (-0.9, 0.0),
        (-0.25, 0.22),
        (-0.28, 0.86),
        (0.1, 0.35),
        (0.73, 0.53),
        (0.35, 0.0),
        (0.73, -0.53),
        (0.1, -0.35),
        (-0.28, -0.86),
        (-0.25, -0.22),
    ],
];

pub(super) fn silhouette(random: &mut ChaCha8Rng) -> Picture {
    let outline = OUTLINES[random.random_range(0..OUTLINES.len())];
    let (sin, cos) = random.random_range(0.0..std::f32::consts::TAU).sin_cos();
    let (tall, wide): (f32, f32) = (
        random.random_range(7.0..12.0),
        random.random_range(7.0..12.0),
    );
    let ink = random.random_range(0.6..1.0);
    // Four by four points a pixel, for a smooth edge.
    Picture::from_fn(|row, column| {
        let inside = (0..16).filter(|k| {
            let down = row as f32 - 13.5 + ((k / 4) as f32 - 1.5) / 4.0;
            let right = column as f32 - 13.5 + ((k % 4) as f32 - 1.5) / 4.0;
            let (down, right) = (down * cos + right * sin, right * cos - down * sin);
            is_inside(outline, (down / tall, right / wide))
        });
        ink * inside.count() as f32 / 16.0
    })
}

/// Whether a ray from the point crosses the outline an odd number of times.
fn is_inside(outline: &[(f32, f32)], point: (f32, f32)) -> bool {
    let next = outline.iter().cycle().skip(1);
    let crossed = outline.iter().zip(next).filter(|(from, to)| {
        (from.0 > point.0) != (to.0 > point.0)
            && point.1 < from.1 + (point.0 - from.0) / (to.0 - from.0) * (to.1 - from.1)
    });
    crossed.count() % 2 == 1
}

pub(super) fn scribble(random: &mut ChaCha8Rng) -> Picture {
    let corners: Vec<(f32, f32)> = (0..random.random_range(5..=8))
        .map(|_| place(random, 5.0))
        .collect();
    // A Catmull-Rom spline goes through all but the first and the last.
    let mut line = Vec::new();
    for c in corners.windows(4) {
        for step in 0..8 {
            let t = step as f32 / 8.0;
            let along = |k: fn(&(f32, f32)) -> f32| {
                let [a, b, c, d] = [k(&c[0]), k(&c[1]), k(&c[2]), k(&c[3])];
                let (square, cube) = (t * t, t * t * t);
                0.5 * (2.0 * b
                    + (c - a) * t
                    + (2.0 * a - 5.0 * b + 4.0 * c - d) * square
                    + (3.0 * b - a - 3.0 * c + d) * cube)
            };
            line.push((along(|p| p.0), along(|p| p.1)));
        }
    }
    Picture::blank().stroked(&line, random.random_range(1.5..3.0))
}

pub(super) fn mirrored(pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
    let wanted = [3, 4, 7][random.random_range(0..3)];
    let digit = pool.any_of(wanted, random);
    Picture::from_fn(|row, column| digit.at(row as i32, 27 - column as i32))
}
