//! A framed sample against packed weights: the forward pass, and the gradient of the input.

use pulp::{Simd, WithSimd};

use super::tile::{self, Operand, accumulate, settle, tiles, with_size};
use super::weights::{Packed, panels};
use crate::vector::store;

/// One sample's correlation with the weights.
pub(super) struct Correlate<'a> {
    pub framed: &'a [f32],
    /// Elements of a framed row.
    pub row: usize,
    /// Elements of a framed pixel.
    pub channels: usize,
    pub kernel: usize,
    pub stride: usize,
    pub weights: &'a Packed,
    /// One value a channel of the output, or none.
    pub bias: &'a [f32],
    /// `[height, width, channels_out]`; written, not read.
    pub out: &'a mut [f32],
    pub width: usize,
    pub channels_out: usize,
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let row_out = self.width * self.channels_out;
        let height = self.out.len() / row_out;
        // The reads below, from the last window's last element back.
        let last = (height - 1) * self.stride + self.kernel - 1;
        let reach = ((self.width - 1) * self.stride + self.kernel) * self.channels;
        assert!(last * self.row + reach <= self.framed.len());
        assert_eq!(
            self.weights.terms,
            self.kernel * self.kernel * self.channels
        );
        assert!(self.bias.is_empty() || self.bias.len() == self.channels_out);

        for panel in panels(self.channels_out, S::F32_LANES, tile::WIDEST) {
            let width = panel.vectors * S::F32_LANES;
            let packed = &self.weights.values[panel.start * self.weights.terms..];
            assert!(packed.len() >= width * self.weights.terms);
            // Two vectors of the longest there are.
            let mut bias = [0.0; 64];
            let bias = &mut bias[..width];
            if !self.bias.is_empty() {
                bias[..panel.channels].copy_from_slice(&self.bias[panel.start..][..panel.channels]);
            }
            for y in 0..height {
                for (x, rows) in tiles(self.width, tile::most_rows::<S>()) {
                    let start = y * self.stride * self.row + x * self.stride * self.channels;
                    let place = Place {
                        from: self.framed[start..].as_ptr(),
                        row: self.row,
                        position: self.stride * self.channels,
                        kernel: self.kernel,
                        run: self.kernel * self.channels,
                        weights: packed.as_ptr(),
                        width,
                    };
                    let at = y * row_out + x * self.channels_out + panel.start;
                    let out = Out {
                        values: &mut self.out[at..],
                        channels: panel.channels,
                        stride: self.channels_out,
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
    /// Channels of a pixel.
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
            row: 0,
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
