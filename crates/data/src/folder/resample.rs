//! Pillow's resampling (`Resample.c`), to the bit: along rows first, then along columns, with 8-bit pixels
//! between and weights in fixed point.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::Picture;

/// The filter of a resize, widened by the factor when it shrinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Lanczos with a support of 3, as EDM's tool.
    #[default]
    Lanczos,
    /// Cubic with a = −½.
    Bicubic,
    /// Triangle, as torchvision's default.
    Bilinear,
    /// The mean of what a pixel covers.
    Box,
}

impl Filter {
    /// Beyond this distance from its centre it is zero, in pixels.
    fn support(self) -> f64 {
        match self {
            Self::Lanczos => 3.0,
            Self::Bicubic => 2.0,
            Self::Bilinear => 1.0,
            Self::Box => 0.5,
        }
    }

    fn at(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            // ((a + 2) |x| − (a + 3)) x² + 1 and ((|x| − 5) |x| + 8) |x| a − 4a, with a = −½.
            Self::Bicubic if distance < 1.0 => (1.5 * distance - 2.5) * distance * distance + 1.0,
            Self::Bicubic if distance < 2.0 => {
                (((distance - 5.0) * distance + 8.0) * distance - 4.0) * -0.5
            }
            Self::Bilinear if distance < 1.0 => 1.0 - distance,
            Self::Box if x > -0.5 && x <= 0.5 => 1.0,
            _ => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else {
        (x * PI).sin() / (x * PI)
    }
}

/// Bits after the point: 8 of the pixel and 2 of the filter's overshoot are left of 32.
const PRECISION: u32 = 32 - 8 - 2;

/// What one pixel of the result is the weighted sum of: pixels from `first` on.
struct Weights {
    first: usize,
    weights: Vec<i32>,
}

/// The weights of each of `to` pixels that come from `from`.
fn weights(from: usize, to: usize, filter: Filter) -> Vec<Weights> {
    let scale = from as f64 / to as f64;
    let widened = scale.max(1.0);
    let support = filter.support() * widened;
    let of = |pixel: usize| {
        let centre = (pixel as f64 + 0.5) * scale;
        // The casts cut towards zero and saturate there.
        let first = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let at = |place: usize| filter.at((place as f64 - centre + 0.5) / widened);
        let weights: Vec<f64> = (first..end).map(at).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: &f64| {
            let fixed = weight / sum * f64::from(1 << PRECISION);
            (fixed + 0.5_f64.copysign(fixed)) as i32
        };
        Weights {
            first,
            weights: weights.iter().map(fixed).collect(),
        }
    };
    (0..to).map(of).collect()
}

/// The sum of pixels `stride` apart from `start` on, rounded and clipped.
fn weighted(pixels: &[u8], start: usize, stride: usize, weights: &[i32]) -> u8 {
    let pixels = pixels[start..].iter().step_by(stride);
    let products = pixels
        .zip(weights)
        .map(|(&pixel, &weight)| i32::from(pixel) * weight);
    let sum = products.fold(1 << (PRECISION - 1), i32::wrapping_add);
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// `picture` at `[height, width]`, neither of which is zero.
pub(super) fn resize(picture: Picture, [height, width]: [usize; 2], filter: Filter) -> Picture {
    let picture = if width == picture.width {
        picture
    } else {
        along_rows(&picture, width, filter)
    };
    if height == picture.height {
        picture
    } else {
        along_columns(&picture, height, filter)
    }
}

fn along_rows(picture: &Picture, width: usize, filter: Filter) -> Picture {
    let channels = picture.channels;
    let weights = weights(picture.width, width, filter);
    let mut pixels = Vec::with_capacity(picture.height * width * channels);
    for row in picture.pixels.chunks_exact(picture.width * channels) {
        for Weights { first, weights } in &weights {
            let sums = (0..channels)
                .map(|channel| weighted(row, first * channels + channel, channels, weights));
            pixels.extend(sums);
        }
    }
    Picture {
        width,
        pixels,
        ..*picture
    }
}

fn along_columns(picture: &Picture, height: usize, filter: Filter) -> Picture {
    let stride = picture.width * picture.channels;
    let mut pixels = Vec::with_capacity(height * stride);
    let mut sums = vec![0_i32; stride];
    for Weights { first, weights } in weights(picture.height, height, filter) {
        // Row by row, as they lie in memory.
        sums.fill(1 << (PRECISION - 1));
        let rows = picture.pixels[first * stride..].chunks_exact(stride);
        for (row, weight) in rows.zip(weights) {
            for (sum, &pixel) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(i32::from(pixel) * weight);
            }
        }
        pixels.extend(
            sums.iter()
                .map(|sum| (sum >> PRECISION).clamp(0, 255) as u8),
        );
    }
    Picture {
        height,
        pixels,
        ..*picture
    }
}
