//! A framed sample against packed weights: the forward pass, and the gradient of the input.

use pulp::{Simd, WithSimd};

use super::geometry::Frame;
use super::phases::Phase;
use super::weights::panels;
use crate::tile::{self, Operand, accumulate, settle, tiles, with_size};
use crate::vector::store;

/// One sample's correlation with the weights, for the pixels of one phase.
pub(super) struct Correlate<'a> {
    pub framed: &'a [f32],
    pub frame: Frame,
    pub phase: &'a Phase,
    /// One value a channel of the output, or none.
    pub bias: &'a [f32],
    /// `[height, width, channels_out]`; the pixels of the phase are written, not read.
    pub out: &'a mut [f32],
    /// Height and width of the output.
    pub size: [usize; 2],
    pub channels_out: usize,
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Phase {
            weights,
            window: [window_rows, window_columns],
            from,
            step_in,
            to,
            step_out,
        } = self.phase;
        let (row, channels) = (self.frame.row(), self.frame.channels);
        // Pixels of the phase.
        let [height, width] = [0, 1].map(|axis| (self.size[axis] - to[axis]).div_ceil(*step_out));
        let run = window_columns * channels;
        // The reads below, from the last window's last element back.
        let last = from[0] + (height - 1) * step_in + window_rows.saturating_sub(1);
        let reach = (from[1] + (width - 1) * step_in) * channels + run;
        assert!(last * row + reach <= self.framed.len());
        assert_eq!(weights.terms, window_rows * run);
        assert!(self.bias.is_empty() || self.bias.len() == self.channels_out);

        for panel in panels(self.channels_out, S::F32_LANES, tile::WIDEST) {
            let lanes = panel.vectors * S::F32_LANES;
            let packed = &weights.values[panel.start * weights.terms..];
            assert!(packed.len() >= lanes * weights.terms);
            // Two vectors of the longest there are.
            let mut bias = [0.0; 64];
            let bias = &mut bias[..lanes];
            if !self.bias.is_empty() {
                bias[..panel.channels].copy_from_slice(&self.bias[panel.start..][..panel.channels]);
            }
            for y in 0..height {
                for (x, rows) in tiles(width, tile::most_rows::<S>()) {
                    let start = (from[0] + y * step_in) * row + (from[1] + x * step_in) * channels;
                    let place = Place {
                        from: self.framed[start..].as_ptr(),
                        row,
                        position: step_in * channels,
                        kernel: *window_rows,
                        run,
                        weights: packed.as_ptr(),
                        width: lanes,
                    };
                    let pixel = (to[0] + y * step_out) * self.size[1] + to[1] + x * step_out;
                    let out = Out {
                        values: &mut self.out[pixel * self.channels_out + panel.start..],
                        channels: panel.channels,
                        stride: step_out * self.channels_out,
                    };
                    // SAFETY: the assertions above hold every window and every panel.
                    unsafe {
                        with_size!(rows, panel.vectors, S, windows(simd, place, bias, out));
                    }
                }
            }
        }
    }
}

/// Where a tile of windows reads from.
struct Place {
    /// The first window's first element.
    from: *const f32,
    /// From a row of the frame to the next.
    row: usize,
    /// From a window to the next.
    position: usize,
    /// Rows of a window.
    kernel: usize,
    /// Elements of a window's row, which are contiguous.
    run: usize,
    weights: *const f32,
    /// Elements of a step of the weights.
    width: usize,
}

/// Where a tile of windows writes to.
struct Out<'a> {
    values: &'a mut [f32],
    /// Channels of the panel.
    channels: usize,
    /// Elements from one pixel to the next.
    stride: usize,
}

/// R windows against a panel of V vectors.
struct Windows<'a, const R: usize, const V: usize> {
    place: Place,
    bias: &'a [f32],
    out: Out<'a>,
}

/// # Safety
///
/// From each of the R positions of `place` a whole window must be readable, and V vectors at every
/// step of its weights.
#[inline(always)]
unsafe fn windows<S: Simd, const R: usize, const V: usize>(
    simd: S,
    place: Place,
    bias: &[f32],
    out: Out<'_>,
) {
    // A function of its own for each size: in one with the others, registers run out.
    simd.vectorize(Windows::<'_, R, V> { place, bias, out });
}

impl<const R: usize, const V: usize> WithSimd for Windows<'_, R, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { place, bias, out } = self;
        let mut start = [simd.splat_f32s(0.0); V];
        for (vector, bias) in start.iter_mut().zip(bias.chunks_exact(S::F32_LANES)) {
            *vector = simd.partial_load_f32s(bias);
        }
        let mut acc = [start; R];
        let a = Operand {
            start: place.from,
            block: 0,
            line: place.row,
            row: place.position,
            step: 1,
        };
        let b = Operand {
            start: place.weights,
            block: 0,
            line: place.run * place.width,
            row: S::F32_LANES,
            step: place.width,
        };
        // SAFETY: the promise made to `windows`, which alone makes one of these.
        unsafe { accumulate(simd, &mut acc, a, b, [1, place.kernel, place.run]) };
        for (r, row) in settle(&acc).iter().enumerate() {
            let mut rest = &mut out.values[r * out.stride..][..out.channels];
            for vector in row {
                let (now, later) = rest.split_at_mut(rest.len().min(S::F32_LANES));
                store(simd, now, *vector);
                rest = later;
            }
        }
    }
}
