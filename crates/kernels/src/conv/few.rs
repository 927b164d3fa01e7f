//! A convolution to a few channels, such as to an image's: vectors run along the window, whose rows are
//! contiguous, and not along the channels that come out, which would fill a small part of one.

use pulp::{Simd, WithSimd};

use super::geometry::{Frame, Geometry};
use super::weights::Direction;
use crate::tile::tiles;
use crate::vector::load_some;

/// Windows to sum at once, for independent sums.
const WINDOWS: usize = 8;

/// Steps that the sum over a vector's lanes takes, about.
const REDUCTION: usize = 8;

/// Whether this takes fewer steps than a register tile, whose vectors hold channels that come out.
pub(super) fn suits(channels_in: usize, channels_out: usize, kernel: usize, lanes: usize) -> bool {
    let terms = kernel * kernel * channels_in;
    let along = channels_out * (kernel * (kernel * channels_in).div_ceil(lanes) + REDUCTION);
    along < channels_out.div_ceil(lanes) * terms
}

/// Weights by output channel, then place in the kernel, then input channel: `[channels_out, kernel,
/// kernel·channels_in]`.
pub(super) fn pack(weight: &[f32], geometry: &Geometry, direction: Direction) -> Vec<f32> {
    let area = geometry.kernel * geometry.kernel;
    let (channels_in, channels_out) = (geometry.channels_in, geometry.channels_out);
    let (sources, targets) = match direction {
        Direction::Forward => (channels_in, channels_out),
        Direction::Backward => (channels_out, channels_in),
    };
    let mut packed = Vec::with_capacity(weight.len());
    for target in 0..targets {
        for tap in 0..area {
            packed.extend((0..sources).map(|source| match direction {
                Direction::Forward => weight[(target * channels_in + source) * area + tap],
                Direction::Backward => {
                    weight[(source * channels_in + target) * area + area - 1 - tap]
                }
            }));
        }
    }
    packed
}

/// One sample.
pub(super) struct Few<'a> {
    pub framed: &'a [f32],
    pub frame: Frame,
    pub kernel: usize,
    pub stride: usize,
    /// Of [`pack`].
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    /// `[height, width, channels_out]`; written, not read.
    pub out: &'a mut [f32],
    pub width: usize,
    pub channels_out: usize,
}

impl WithSimd for Few<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let run = self.kernel * self.frame.channels;
        let step = self.stride * self.frame.channels;
        for (y, out) in (self.out.chunks_exact_mut(self.width * self.channels_out)).enumerate() {
            let rows = &self.framed[y * self.stride * self.frame.row()..];
            for (channel, weights) in self.weights.chunks_exact(self.kernel * run).enumerate() {
                let bias = self.bias.get(channel).copied().unwrap_or(0.0);
                for (x, count) in tiles(self.width, WINDOWS) {
                    let mut acc = [simd.splat_f32s(0.0); WINDOWS];
                    for (line, weights) in weights.chunks_exact(run).enumerate() {
                        let row = &rows[line * self.frame.row() + x * step..];
                        let mut start = 0;
                        while start < run {
                            let end = (start + S::F32_LANES).min(run);
                            let weight = load_some(simd, &weights[start..end]);
                            for (i, acc) in acc[..count].iter_mut().enumerate() {
                                let values = load_some(simd, &row[i * step..][start..end]);
                                *acc = simd.mul_add_e_f32s(values, weight, *acc);
                            }
                            start = end;
                        }
                    }
                    for (i, acc) in acc[..count].iter().enumerate() {
                        out[(x + i) * self.channels_out + channel] =
                            simd.reduce_sum_f32s(*acc) + bias;
                    }
                }
            }
        }
    }
}
