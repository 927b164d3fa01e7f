//! Winograd's convolution F(2×2, 3×3) (Lavin & Gray 2015): 2×2 outputs at a time by 16 products
//! instead of 36, which is 2.25 times less arithmetic for a 3×3 kernel of stride 1.
//!
//! Both gradients are of the same form. That of the input is a convolution itself; that of the
//! weights is linear in the transformed kernel and so is the transpose of the same three steps.
//!
//! Coefficients are 0, ±1 and ±½, and the transforms add four numbers at a time. What they lose, shorter
//! sums probably make up for: the error is measured to be below that of the direct sum. Larger tiles, F(4×4, 3×3), would save another 1.8 times at most
//! and lose a digit.

mod multiply;
// Columns of small matrices of vectors, which an iterator over rows does not give.
#[allow(clippy::needless_range_loop)]
mod transform;

use std::cell::Cell;

use pulp::{Simd, WithSimd};

use self::multiply::{Correlations, Products};
use self::transform::{Analyse, Lower, Patch, Raise, Synthesise};
use super::Epilogue;
use super::geometry::Geometry;
use super::weights::{Packed, panels};
use crate::tile;

/// Elements of a transformed tile.
pub(super) const FREQUENCIES: usize = 16;

/// Tiles to transform at once in a convolution: two register tiles, in planes that stay in cache.
const TILES: usize = 28;

/// Floats of the planes of a gradient of weights, which want as many tiles as there is cache for:
/// every sum is read and written once for all of them.
const PLANES: usize = 96 * 1024;

/// Whether a convolution is done this way; decided by its layer alone, not by the batch, on which no
/// sample may depend. With fewer channels the transforms cost what the products save.
pub(super) fn suits(geometry: &Geometry) -> bool {
    geometry.kernel == 3
        && geometry.stride == 1
        && geometry.channels_in.min(geometry.channels_out) >= 8
}

/// How a sample is covered by tiles of 2×2 pixels, of which the last may hang over.
#[derive(Clone, Copy)]
struct Tiling {
    /// Height and width of the sample.
    size: [usize; 2],
    /// Tiles down and across.
    tiles: [usize; 2],
}

impl Tiling {
    fn of(size: [usize; 2]) -> Self {
        Self {
            size,
            tiles: size.map(|side| side.div_ceil(2)),
        }
    }

    fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn count(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    /// Row and column of a tile's first pixel.
    #[inline(always)]
    fn first_pixel(&self, tile: usize) -> [usize; 2] {
        [2 * (tile / self.tiles[1]), 2 * (tile % self.tiles[1])]
    }
}

/// Transformed tiles, `[frequency, tile, channel]`.
#[derive(Clone, Copy)]
struct Planes {
    tiles: usize,
    /// Channels, filled up to whole vectors.
    width: usize,
    /// From a frequency to the next: not a multiple of a power of two, which would put all
    /// frequencies of a tile into the same set of the cache.
    stride: usize,
}

impl Planes {
    fn new(tiles: usize, width: usize) -> Self {
        Self {
            tiles,
            width,
            stride: tiles * width + 16,
        }
    }

    fn len(&self) -> usize {
        FREQUENCIES * self.stride
    }
}

thread_local! {
    /// Memory for planes, kept from call to call.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Runs `work` with `len` floats of scratch, whatever they hold.
fn with_scratch<T>(len: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut scratch = SCRATCH.take();
    if scratch.len() < len {
        scratch.resize(len, 0.0);
    }
    let result = work(&mut scratch[..len]);
    SCRATCH.set(scratch);
    result
}

/// Rows of tiles that are worked on together.
pub(super) fn rows_of_tiles(size: [usize; 2]) -> usize {
    let across = Tiling::of(size).tiles[1];
    (TILES / across.max(1)).max(1)
}

/// Transforms packed weights, panel by panel: `[frequency, channels_in, width]` each.
pub(super) struct RaiseAll<'a> {
    pub packed: &'a Packed,
    pub channels_out: usize,
}

impl WithSimd for RaiseAll<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let len = self.packed.values.len() / 9 * FREQUENCIES;
        let mut raised = vec![0.0; len];
        for panel in panels(self.channels_out, S::F32_LANES, tile::WIDEST) {
            let width = panel.vectors * S::F32_LANES;
            let (start, len) = (panel.start * self.packed.terms, width * self.packed.terms);
            simd.vectorize(Raise {
                taps: &self.packed.values[start..start + len],
                into: &mut raised[start / 9 * FREQUENCIES..][..len / 9 * FREQUENCIES],
            });
        }
        raised
    }
}

/// Some rows of tiles of one sample: what they see, transformed, against the weights, and back.
pub(super) struct Band<'a> {
    /// `[height, width, channels_in]`, the whole sample.
    pub sample: &'a [f32],
    pub size: [usize; 2],
    pub channels_in: usize,
    pub channels_out: usize,
    /// Of [`RaiseAll`].
    pub weights: &'a [f32],
    /// For the whole sample.
    pub epilogue: Epilogue<'a>,
    /// The output's rows of the band.
    pub out: &'a mut [f32],
    /// The band's first row of tiles.
    pub first: usize,
}

impl WithSimd for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            channels_in,
            channels_out,
            ..
        } = self;
        let tiling = Tiling::of(self.size);
        let rows = self.out.len() / (self.size[1] * channels_out);
        let tiles = rows.div_ceil(2) * tiling.tiles[1];
        let first = self.first * tiling.tiles[1];
        let planes = Planes::new(tiles, channels_in.next_multiple_of(S::F32_LANES));
        let widest = Planes::new(tiles, tile::WIDEST * S::F32_LANES);
        let zeros = planes.width;
        with_scratch(planes.len() + widest.len() + zeros, |scratch| {
            let (zeros, scratch) = scratch.split_at_mut(zeros);
            let (seen, products) = scratch.split_at_mut(planes.len());
            zeros.fill(0.0);
            simd.vectorize(Analyse {
                sample: self.sample,
                tiling,
                patch: Patch::Seen,
                first,
                planes,
                into: seen,
                zeros,
                channels: channels_in,
            });
            for panel in panels(channels_out, S::F32_LANES, tile::WIDEST) {
                let width = panel.vectors * S::F32_LANES;
                let per_panel = Planes::new(tiles, width);
                let weights = FREQUENCIES * channels_in;
                Products {
                    tiles: seen,
                    planes,
                    channels: channels_in,
                    weights: &self.weights[panel.start * weights..][..width * weights],
                    into: products,
                    panel: per_panel,
                }
                .with_simd(simd);
                let of_panel = panel.start..panel.start + panel.channels;
                simd.vectorize(Synthesise {
                    from: products,
                    planes: per_panel,
                    tiling,
                    first,
                    bias: self.epilogue.bias.get(of_panel).unwrap_or(&[]),
                    residual: self.epilogue.residual,
                    gain: self.epilogue.gain,
                    out: self.out,
                    start: 2 * self.first * self.size[1],
                    channels: channels_out,
                    panel: [panel.start, panel.channels],
                });
            }
        });
    }
}

/// Adds the share of some samples to the transformed gradient of the weights.
pub(super) struct Gradient<'a> {
    /// `[samples, height, width, channels_in]`.
    pub x: &'a [f32],
    /// `[samples, height, width, channels_out]`.
    pub gradient: &'a [f32],
    pub size: [usize; 2],
    pub channels_in: usize,
    pub channels_out: usize,
    /// `[frequency, channels_in, columns]`, columns being channels_out filled up to whole vectors.
    pub sum: &'a mut [f32],
}

impl WithSimd for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            channels_in,
            channels_out,
            ..
        } = self;
        let tiling = Tiling::of(self.size);
        let widths = [channels_in, channels_out].map(|c| c.next_multiple_of(S::F32_LANES));
        let zeros = widths[0].max(widths[1]);
        let room = PLANES / (FREQUENCIES * (widths[0] + widths[1]));
        let most = room.clamp(TILES, tiling.count().max(TILES));
        let [room_in, room_out] = widths.map(|width| Planes::new(most, width).len());
        let samples = (self.x.chunks_exact(tiling.pixels() * channels_in))
            .zip(self.gradient.chunks_exact(tiling.pixels() * channels_out));
        with_scratch(room_in + room_out + zeros, |scratch| {
            let (zeros, scratch) = scratch.split_at_mut(zeros);
            let (seen, own) = scratch.split_at_mut(room_in);
            zeros.fill(0.0);
            for (x, gradient) in samples {
                for (first, tiles) in tile::tiles(tiling.count(), most) {
                    let planes = Planes::new(tiles, widths[0]);
                    let columns = Planes::new(tiles, widths[1]);
                    simd.vectorize(Analyse {
                        sample: x,
                        tiling,
                        patch: Patch::Seen,
                        first,
                        planes,
                        into: seen,
                        zeros,
                        channels: channels_in,
                    });
                    simd.vectorize(Analyse {
                        sample: gradient,
                        tiling,
                        patch: Patch::Own,
                        first,
                        planes: columns,
                        into: own,
                        zeros,
                        channels: channels_out,
                    });
                    Correlations {
                        inputs: seen,
                        planes,
                        channels: channels_in,
                        gradients: own,
                        columns,
                        sum: self.sum,
                    }
                    .with_simd(simd);
                }
            }
        });
    }
}

/// The gradient of the weights, `[place, channels_in, columns]`, from that of the transformed ones.
pub(super) struct LowerAll<'a>(pub &'a [f32]);

impl WithSimd for LowerAll<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let mut taps = vec![0.0; self.0.len() / FREQUENCIES * 9];
        simd.vectorize(Lower {
            from: self.0,
            taps: &mut taps,
        });
        taps
    }
}
