//! The products in between: for each frequency a matrix of tiles and channels against one of weights
//! or of gradients.

use pulp::{Simd, WithSimd};

use super::{FREQUENCIES, Planes};
use crate::tile::{self, Operand, Store, accumulate, put, tiles, with_size};

/// Transformed tiles against the transformed weights of one panel.
pub(super) struct Products<'a> {
    /// Planes of the input's channels.
    pub tiles: &'a [f32],
    pub planes: Planes,
    /// Channels summed over.
    pub channels: usize,
    /// `[frequency, channels, width]` of the panel.
    pub weights: &'a [f32],
    /// Planes of the panel's channels, whole vectors; written, not read.
    pub into: &'a mut [f32],
    pub panel: Planes,
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.panel.width;
        assert!(self.tiles.len() >= self.planes.len() && self.planes.width >= self.channels);
        assert!(self.into.len() >= self.panel.len());
        assert_eq!(self.panel.tiles, self.planes.tiles);
        assert_eq!(self.weights.len(), FREQUENCIES * self.channels * width);
        assert!(width.is_multiple_of(S::F32_LANES));
        for (start, rows) in tiles(self.planes.tiles, tile::most_rows::<S>()) {
            let place = Place {
                a: Operand {
                    start: self.tiles[start * self.planes.width..].as_ptr(),
                    block: 0,
                    line: 0,
                    row: self.planes.width,
                    step: 1,
                },
                b: Operand {
                    start: self.weights.as_ptr(),
                    block: 0,
                    line: 0,
                    row: S::F32_LANES,
                    step: width,
                },
                steps: self.channels,
                into: self.into[start * width..].as_mut_ptr(),
                row: width,
                strides: [self.planes.stride, self.channels * width, self.panel.stride],
                how: Store::Write,
            };
            // SAFETY: the assertions above hold every plane.
            unsafe { with_size!(rows, width / S::F32_LANES, S, every_frequency(simd, place)) };
        }
    }
}

/// Adds transformed inputs times transformed gradients, summed over tiles, to the transformed
/// gradient of the weights.
pub(super) struct Correlations<'a> {
    /// Planes of the input's channels.
    pub inputs: &'a [f32],
    pub planes: Planes,
    pub channels: usize,
    /// Planes of the output's channels, whole vectors.
    pub gradients: &'a [f32],
    pub columns: Planes,
    /// `[frequency, channels, width]`, added to.
    pub sum: &'a mut [f32],
}

impl WithSimd for Correlations<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.columns.width;
        assert!(self.inputs.len() >= self.planes.len() && self.planes.width >= self.channels);
        assert!(self.gradients.len() >= self.columns.len());
        assert_eq!(self.columns.tiles, self.planes.tiles);
        assert_eq!(self.sum.len(), FREQUENCIES * self.channels * width);
        assert!(width.is_multiple_of(S::F32_LANES));
        let step = tile::WIDEST * S::F32_LANES;
        for column in (0..width).step_by(step) {
            let vectors = (width - column).min(step) / S::F32_LANES;
            for (start, rows) in tiles(self.channels, tile::most_rows::<S>()) {
                let place = Place {
                    a: Operand {
                        start: self.inputs[start..].as_ptr(),
                        block: 0,
                        line: 0,
                        row: 1,
                        step: self.planes.width,
                    },
                    b: Operand {
                        start: self.gradients[column..].as_ptr(),
                        block: 0,
                        line: 0,
                        row: S::F32_LANES,
                        step: width,
                    },
                    steps: self.planes.tiles,
                    into: self.sum[start * width + column..].as_mut_ptr(),
                    row: width,
                    strides: [
                        self.planes.stride,
                        self.columns.stride,
                        self.channels * width,
                    ],
                    how: Store::Add,
                };
                // SAFETY: the assertions above hold every plane.
                unsafe { with_size!(rows, vectors, S, every_frequency(simd, place)) };
            }
        }
    }
}

/// Where a register tile reads and writes.
struct Place {
    a: Operand,
    b: Operand,
    /// Terms of a sum.
    steps: usize,
    into: *mut f32,
    /// From a row of the result to the next.
    row: usize,
    /// From a frequency to the next, in both operands and in the result.
    strides: [usize; 3],
    how: Store,
}

struct EveryFrequency<const R: usize, const V: usize>(Place);

/// # Safety
///
/// At every frequency the operands of `place` must be readable as [`accumulate`] asks, and R rows of V
/// vectors of the result must be writable, readable too if they are added to.
#[inline(always)]
unsafe fn every_frequency<S: Simd, const R: usize, const V: usize>(simd: S, place: Place) {
    // A function of its own for each size: in one with the others, registers run out.
    simd.vectorize(EveryFrequency::<R, V>(place));
}

impl<const R: usize, const V: usize> WithSimd for EveryFrequency<R, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Place {
            mut a,
            mut b,
            steps,
            mut into,
            row,
            strides,
            how,
        } = self.0;
        // Said again where it is a constant.
        b.row = S::F32_LANES;
        for _ in 0..FREQUENCIES {
            let mut acc = [[simd.splat_f32s(0.0); V]; R];
            // SAFETY: the promise made to `every_frequency`, which alone makes one of these.
            unsafe {
                accumulate(simd, &mut acc, a, b, [1, 1, steps]);
                put(simd, &acc, into, row, how);
            }
            a.start = a.start.wrapping_add(strides[0]);
            b.start = b.start.wrapping_add(strides[1]);
            into = into.wrapping_add(strides[2]);
        }
    }
}
