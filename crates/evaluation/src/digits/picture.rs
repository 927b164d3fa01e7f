//! A picture as ink on white paper, and what can be done to it before it is shown to a judge.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Height and width of MNIST's pictures.
pub(crate) const SIDE: usize = 28;

/// Values of one picture.
pub(crate) const PIXELS: usize = SIDE * SIDE;

/// Ink from 0 (none) to 1 (most), row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture(pub(crate) Box<[f32; PIXELS]>);

impl Picture {
    /// Paper without ink.
    pub(crate) fn blank() -> Self {
        Self(Box::new([0.0; PIXELS]))
    }

    /// The ink at each (row, column).
    pub(crate) fn from_fn(mut ink: impl FnMut(usize, usize) -> f32) -> Self {
        let mut picture = Self::blank();
        for (index, value) in picture.0.iter_mut().enumerate() {
            *value = ink(index / SIDE, index % SIDE);
        }
        picture
    }

    /// The ink at (row, column); none beyond the edges.
    pub(crate) fn at(&self, row: i32, column: i32) -> f32 {
        let inside = 0..SIDE as i32;
        if inside.contains(&row) && inside.contains(&column) {
            self.0[row as usize * SIDE + column as usize]
        } else {
            0.0
        }
    }

    /// The ink between the pixels, by bilinear interpolation.
    pub(crate) fn between(&self, row: f32, column: f32) -> f32 {
        let (top, left) = (row.floor(), column.floor());
        let (down, right) = (row - top, column - left);
        let (top, left) = (top as i32, left as i32);
        let upper = self.at(top, left) * (1.0 - right) + self.at(top, left + 1) * right;
        let lower = self.at(top + 1, left) * (1.0 - right) + self.at(top + 1, left + 1) * right;
        upper * (1.0 - down) + lower * down
    }

    /// The same ink `down` rows lower and `right` columns further right.
    pub(crate) fn moved(&self, down: i32, right: i32) -> Self {
        Self::from_fn(|row, column| self.at(row as i32 - down, column as i32 - right))
    }

    /// The mean ink a pixel.
    pub(crate) fn mean(&self) -> f32 {
        self.0.iter().sum::<f32>() / PIXELS as f32
    }

    /// The most ink on a pixel.
    pub(crate) fn most(&self) -> f32 {
        self.0.iter().fold(0.0, |most, ink| most.max(*ink))
    }

    /// Ink scaled until the darkest pixel is 1; a blank picture stays blank.
    pub(crate) fn stretched(mut self) -> Self {
        let most = self.most();
        if most > 0.0 {
            self.0.iter_mut().for_each(|ink| *ink /= most);
        }
        self
    }

    /// Ink smeared by a Gaussian of `deviation` pixels, along rows and then columns.
    pub(crate) fn blurred(&self, deviation: f32) -> Self {
        let reach = (3.0 * deviation).ceil() as i32;
        let weights: Vec<f32> = (-reach..=reach)
            .map(|d| (-0.5 * (d as f32 / deviation).powi(2)).exp())
            .collect();
        let total: f32 = weights.iter().sum();
        // Whole rows are added at a time, which is quick, so columns are rows for a moment.
        let down_the_columns = |picture: &Self| {
            let mut smeared = Self::blank();
            for (row, out) in smeared.0.chunks_exact_mut(SIDE).enumerate() {
                for (weight, d) in weights.iter().zip(-reach..) {
                    let from = row as i32 + d;
                    if (0..SIDE as i32).contains(&from) {
                        let from = from as usize * SIDE;
                        let ink = &picture.0[from..from + SIDE];
                        out.iter_mut()
                            .zip(ink)
                            .for_each(|(o, i)| *o += weight / total * i);
                    }
                }
            }
            smeared
        };
        down_the_columns(&down_the_columns(self).transposed()).transposed()
    }

    /// Rows for columns.
    fn transposed(&self) -> Self {
        Self::from_fn(|row, column| self.0[column * SIDE + row])
    }

    /// Full ink where there was more than `threshold`, with an edge about a pixel wide.
    pub(crate) fn hardened(mut self, threshold: f32) -> Self {
        let steepness = 6.0 / threshold.max(0.05);
        for ink in self.0.iter_mut() {
            *ink = (0.5 + steepness * (*ink - threshold)).clamp(0.0, 1.0);
        }
        self
    }

    /// Inks over each segment from the first to the last of `points` (row, column), with a pen of
    /// this `width` in pixels.
    pub(crate) fn stroked(mut self, points: &[(f32, f32)], width: f32) -> Self {
        for row in 0..SIDE {
            for column in 0..SIDE {
                let place = (row as f32, column as f32);
                let distance = points
                    .windows(2)
                    .map(|ends| distance_to_segment(place, ends[0], ends[1]))
                    .fold(f32::INFINITY, f32::min);
                let ink = (0.5 + 0.5 * width - distance).clamp(0.0, 1.0);
                let pixel = &mut self.0[row * SIDE + column];
                *pixel = pixel.max(ink);
            }
        }
        self
    }

    /// What a judge or a network reads: −1 where there is no ink, 1 where there is most, with
    /// Gaussian noise of `noise` on that scale, clamped.
    pub(crate) fn write(&self, noise: f32, random: &mut ChaCha8Rng, out: &mut Vec<f32>) {
        out.extend(self.0.iter().map(|ink| {
            let clean = 2.0 * ink - 1.0;
            if noise == 0.0 {
                clean
            } else {
                let normal: f32 = StandardNormal.sample(random);
                (clean + noise * normal).clamp(-1.0, 1.0)
            }
        }));
    }
}

/// A point drawn uniformly from the square that leaves `margin` pixels free at each edge.
pub(crate) fn place(random: &mut ChaCha8Rng, margin: f32) -> (f32, f32) {
    let inside = margin..SIDE as f32 - 1.0 - margin;
    (
        random.random_range(inside.clone()),
        random.random_range(inside),
    )
}

fn distance_to_segment(place: (f32, f32), from: (f32, f32), to: (f32, f32)) -> f32 {
    let along = (to.0 - from.0, to.1 - from.1);
    let offset = (place.0 - from.0, place.1 - from.1);
    let length = along.0 * along.0 + along.1 * along.1;
    let share = if length > 0.0 {
        ((offset.0 * along.0 + offset.1 * along.1) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (offset.0 - share * along.0).hypot(offset.1 - share * along.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn moving_there_and_back_loses_only_what_left_the_paper() {
        let picture = Picture::from_fn(|row, column| ((row * 31 + column * 17) % 23) as f32 / 23.0);
        let back = picture.moved(2, -3).moved(-2, 3);
        for row in 0..SIDE as i32 {
            for column in 0..SIDE as i32 {
                let kept = row < 26 && column >= 3;
                let expected = if kept { picture.at(row, column) } else { 0.0 };
                assert_eq!(back.at(row, column), expected);
            }
        }
    }

    #[test]
    fn blurring_keeps_the_ink_and_makes_its_variance_that_of_the_gaussian() {
        let dot = Picture::from_fn(|row, column| f32::from(row == 13 && column == 14));
        let blurred = dot.blurred(2.0);
        assert!((blurred.mean() - dot.mean()).abs() < 1e-6);
        let variance: f32 = (0..PIXELS)
            .map(|i| blurred.0[i] * ((i / SIDE) as f32 - 13.0).powi(2))
            .sum();
        // 3σ of reach cuts a little off 4.
        assert!((3.85..4.0).contains(&variance), "{variance}");
    }

    #[test]
    fn interpolation_is_exact_for_a_ramp_and_at_the_pixels() {
        let ramp = Picture::from_fn(|row, column| row as f32 * 0.02 + column as f32 * 0.01);
        assert!((ramp.between(3.25, 7.5) - (0.065 + 0.075)).abs() < 1e-6);
        assert_eq!(ramp.between(4.0, 5.0), ramp.at(4, 5));
    }

    #[test]
    fn a_stroke_inks_its_segment_and_nothing_a_width_away() {
        let line = Picture::blank().stroked(&[(5.0, 4.0), (5.0, 20.0)], 2.0);
        assert_eq!(line.at(5, 4), 1.0);
        assert_eq!(line.at(5, 20), 1.0);
        assert_eq!(line.at(6, 10), 0.5);
        assert_eq!(line.at(7, 10), 0.0);
        assert_eq!(line.at(5, 22), 0.0);
    }

    #[test]
    fn what_is_written_lies_between_minus_one_and_one() {
        let picture = Picture::from_fn(|row, _| row as f32 / 27.0);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut out = vec![5.0];
        picture.write(0.0, &mut random, &mut out);
        assert_eq!((out[0], out[1], out[PIXELS]), (5.0, -1.0, 1.0));
        picture.write(0.5, &mut random, &mut out);
        let noisy = &out[1 + PIXELS..];
        assert!(noisy.iter().all(|v| (-1.0..=1.0).contains(v)));
        let inner = |values: &[f32]| values[12 * SIDE..16 * SIDE].to_vec();
        let gaps: Vec<f32> = inner(noisy)
            .iter()
            .zip(inner(&out[1..]))
            .map(|(a, b)| (a - b).powi(2))
            .collect();
        let mean = gaps.iter().sum::<f32>() / gaps.len() as f32;
        // Grey pixels are rarely clamped; four standard errors of a variance from 112 draws.
        assert!((mean - 0.25).abs() < 0.14, "{mean}");
    }
}
