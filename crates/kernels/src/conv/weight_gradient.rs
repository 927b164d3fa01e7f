//! The gradient of the weights: framed inputs against output gradients, summed over positions and
//! over several samples at once.

use pulp::{Simd, WithSimd};

use super::weights::panels;
use crate::tile::{self, Operand, accumulate, settle, tiles, with_size};
use crate::vector;

/// Adds the share of some samples to the gradient of the weights.
pub(super) struct WeightGradient<'a> {
    /// The framed samples, one after the other.
    pub framed: &'a [f32],
    pub samples: usize,
    /// Elements of a framed row.
    pub row: usize,
    /// Elements of a framed pixel.
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    /// The output's gradient, `[samples, height, width, columns]`.
    pub gradient: &'a [f32],
    pub width: usize,
    /// Channels of the output, filled up with zeros to whole vectors.
    pub columns: usize,
    /// `[kernel, kernel, channels, columns]`, added to.
    pub sum: &'a mut [f32],
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let row_out = self.width * self.columns;
        let sample = self.gradient.len() / self.samples;
        let height = sample / row_out;
        let framed = self.framed.len() / self.samples;
        // The reads below, from the last window's last element back.
        let last = (height - 1) * self.stride + self.kernel - 1;
        let reach = ((self.width - 1) * self.stride + self.kernel) * self.channels;
        assert!(last * self.row + reach <= framed);
        assert_eq!(self.samples * height * row_out, self.gradient.len());
        assert_eq!(self.columns % S::F32_LANES, 0);
        let run = self.kernel * self.channels;
        assert_eq!(self.sum.len(), self.kernel * run * self.columns);

        for panel in panels(self.columns, S::F32_LANES, tile::WIDEST) {
            for y in 0..self.kernel {
                for (m, rows) in tiles(run, tile::most_rows::<S>()) {
                    let place = Place {
                        from: self.framed[y * self.row + m..].as_ptr(),
                        row: self.stride * self.row,
                        position: self.stride * self.channels,
                        gradient: self.gradient[panel.start..].as_ptr(),
                        blocks: [framed, sample],
                        size: [self.samples, height, self.width],
                        line: row_out,
                        columns: self.columns,
                    };
                    let sum = &mut self.sum[(y * run + m) * self.columns + panel.start..];
                    // SAFETY: the assertions above hold every window and every position.
                    unsafe { with_size!(rows, panel.vectors, S, block(simd, place, sum)) };
                }
            }
        }
    }
}

/// Where a block of the gradient reads from.
struct Place {
    /// The block's first row at the first position.
    from: *const f32,
    /// From a row of positions to the next, in the frame.
    row: usize,
    /// From a position to the next, in the frame.
    position: usize,
    /// The block's first column at the first position.
    gradient: *const f32,
    /// From a sample to the next, in the frame and in the gradient.
    blocks: [usize; 2],
    /// Samples, height and width.
    size: [usize; 3],
    /// From a row of positions to the next, in the gradient.
    line: usize,
    columns: usize,
}

/// R neighbouring elements of the windows against V vectors of the output's gradient.
struct Block<'a, const R: usize, const V: usize> {
    place: Place,
    sum: &'a mut [f32],
}

/// # Safety
///
/// At every position of `place` R elements of the window and V vectors of the gradient must be
/// readable.
#[inline(always)]
unsafe fn block<S: Simd, const R: usize, const V: usize>(simd: S, place: Place, sum: &mut [f32]) {
    // A function of its own for each size: in one with the others, registers run out.
    simd.vectorize(Block::<'_, R, V> { place, sum });
}

impl<const R: usize, const V: usize> WithSimd for Block<'_, R, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { place, sum } = self;
        let mut acc = [[simd.splat_f32s(0.0); V]; R];
        let a = Operand {
            start: place.from,
            block: place.blocks[0],
            line: place.row,
            row: 1,
            step: place.position,
        };
        let b = Operand {
            start: place.gradient,
            block: place.blocks[1],
            line: place.line,
            row: S::F32_LANES,
            step: place.columns,
        };
        // SAFETY: the promise made to `block`, which alone makes one of these.
        unsafe { accumulate(simd, &mut acc, a, b, place.size) };
        for (r, row) in settle(&acc).iter().enumerate() {
            let into = &mut sum[r * place.columns..][..V * S::F32_LANES];
            for (into, vector) in into.chunks_exact_mut(S::F32_LANES).zip(row) {
                vector::add(simd, into, *vector);
            }
        }
    }
}
