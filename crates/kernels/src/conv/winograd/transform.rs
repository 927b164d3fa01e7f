//! Winograd's transforms, tile by tile, on whole vectors of channels.
//!
//! With d a patch of 4×4 pixels, g a kernel of 3×3 and y the 2×2 outputs between them,
//! y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, the product ⊙ element by element (Lavin & Gray 2015, section 4.1).

use pulp::{Simd, WithSimd};

use super::{FREQUENCIES, Planes, Tiling};
use crate::vector::{load, load_some, store, write};

/// Bᵀ v.
#[inline(always)]
fn spread<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
    [
        simd.sub_f32s(a, c),
        simd.add_f32s(b, c),
        simd.sub_f32s(c, b),
        simd.sub_f32s(b, d),
    ]
}

/// Aᵀ v.
#[inline(always)]
fn gather<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 2] {
    [
        simd.add_f32s(simd.add_f32s(a, b), c),
        simd.sub_f32s(simd.sub_f32s(b, c), d),
    ]
}

/// A v, the transpose of [`gather`].
#[inline(always)]
fn scatter<S: Simd>(simd: S, [a, b]: [S::f32s; 2]) -> [S::f32s; 4] {
    [
        a,
        simd.add_f32s(a, b),
        simd.sub_f32s(a, b),
        simd.neg_f32s(b),
    ]
}

/// G v.
#[inline(always)]
fn raise<S: Simd>(simd: S, [a, b, c]: [S::f32s; 3]) -> [S::f32s; 4] {
    let half = simd.splat_f32s(0.5);
    let outer = simd.mul_f32s(half, simd.add_f32s(a, c));
    let inner = simd.mul_f32s(half, b);
    [
        a,
        simd.add_f32s(outer, inner),
        simd.sub_f32s(outer, inner),
        c,
    ]
}

/// Gᵀ v, the transpose of [`raise`].
#[inline(always)]
fn lower<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 3] {
    let half = simd.splat_f32s(0.5);
    let sum = simd.mul_f32s(half, simd.add_f32s(b, c));
    let difference = simd.mul_f32s(half, simd.sub_f32s(b, c));
    [simd.add_f32s(a, sum), difference, simd.add_f32s(d, sum)]
}

/// What is read of a tile: the pixels around it, or its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patch {
    /// The 4×4 pixels that its outputs see, as Bᵀ d B.
    Seen,
    /// The gradients of its 2×2 outputs, as A y Aᵀ.
    Own,
}

/// Transforms the tiles of a sample, from `first` on, into planes.
pub(super) struct Analyse<'a> {
    /// `[height, width, channels]`.
    pub sample: &'a [f32],
    pub tiling: Tiling,
    pub patch: Patch,
    pub first: usize,
    /// As many tiles as these have room for; the channels filled up to whole vectors.
    pub planes: Planes,
    pub into: &'a mut [f32],
    /// A vector of zeros for every vector of channels, which pixels outside the sample are read from.
    pub zeros: &'a [f32],
    pub channels: usize,
}

impl WithSimd for Analyse<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            planes, channels, ..
        } = self;
        assert!(self.zeros.len() >= channels && planes.width >= channels);
        assert!(planes.width.is_multiple_of(S::F32_LANES));
        assert!(self.into.len() >= planes.len());
        assert_eq!(self.sample.len(), self.tiling.pixels() * channels);
        let whole = channels / S::F32_LANES * S::F32_LANES;
        for tile in 0..planes.tiles {
            let into = self.into[tile * planes.width..].as_mut_ptr();
            // SAFETY: the pixels' addresses have all channels of one behind them, the planes room for
            // a vector at every frequency, tile and vector of channels.
            unsafe {
                match self.patch {
                    Patch::Seen => {
                        let at = self.addresses::<4>(tile, 1);
                        let mut channel = 0;
                        while channel < whole {
                            see(simd, &at, channel, S::F32_LANES, into, planes.stride);
                            channel += S::F32_LANES;
                        }
                        if channel < channels {
                            see(simd, &at, channel, channels - channel, into, planes.stride);
                        }
                    }
                    Patch::Own => {
                        let at = self.addresses::<2>(tile, 0);
                        let mut channel = 0;
                        while channel < whole {
                            own(simd, &at, channel, S::F32_LANES, into, planes.stride);
                            channel += S::F32_LANES;
                        }
                        if channel < channels {
                            own(simd, &at, channel, channels - channel, into, planes.stride);
                        }
                    }
                }
            }
        }
    }
}

impl Analyse<'_> {
    /// Addresses of a tile's N×N pixels from `before` its own first one on.
    #[inline(always)]
    fn addresses<const N: usize>(&self, tile: usize, before: usize) -> [[*const f32; N]; N] {
        let [height, width] = self.tiling.size;
        let [y0, x0] = self.tiling.first_pixel(self.first + tile);
        let mut at = [[self.zeros.as_ptr(); N]; N];
        for (y, at) in at.iter_mut().enumerate() {
            // What lies above or to the left of the first pixel wraps to beyond the last.
            let y = (y0 + y).wrapping_sub(before);
            if y < height {
                for (x, at) in at.iter_mut().enumerate() {
                    let x = (x0 + x).wrapping_sub(before);
                    if x < width {
                        *at = self.sample[(y * width + x) * self.channels..].as_ptr();
                    }
                }
            }
        }
        at
    }
}

/// `count` channels of a pixel, from `channel` on.
///
/// # Safety
///
/// So many must be readable.
#[inline(always)]
unsafe fn read<S: Simd>(simd: S, at: *const f32, channel: usize, count: usize) -> S::f32s {
    // SAFETY: the caller's promise.
    unsafe {
        if count == S::F32_LANES {
            load::<S>(at.add(channel))
        } else {
            simd.partial_load_f32s(std::slice::from_raw_parts(at.add(channel), count))
        }
    }
}

/// Bᵀ d B of one vector of channels of one tile.
///
/// Loops, not closures: a closure is compiled without the instructions of `S`.
///
/// # Safety
///
/// `count` channels from `channel` on must be readable at every address, and a vector writable at that
/// place of every frequency, which are `stride` apart.
#[inline(always)]
unsafe fn see<S: Simd>(
    simd: S,
    at: &[[*const f32; 4]; 4],
    channel: usize,
    count: usize,
    into: *mut f32,
    stride: usize,
) {
    let mut half = [[simd.splat_f32s(0.0); 4]; 4];
    for x in 0..4 {
        // SAFETY: the caller's promise.
        let column = unsafe {
            [
                read(simd, at[0][x], channel, count),
                read(simd, at[1][x], channel, count),
                read(simd, at[2][x], channel, count),
                read(simd, at[3][x], channel, count),
            ]
        };
        let column = spread(simd, column);
        for y in 0..4 {
            half[y][x] = column[y];
        }
    }
    for (y, row) in half.iter().enumerate() {
        let row = spread(simd, *row);
        for (x, vector) in row.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { write::<S>(into.add(channel + (4 * y + x) * stride), *vector) };
        }
    }
}

/// A y Aᵀ of one vector of channels of one tile.
///
/// # Safety
///
/// As [`see`].
#[inline(always)]
unsafe fn own<S: Simd>(
    simd: S,
    at: &[[*const f32; 2]; 2],
    channel: usize,
    count: usize,
    into: *mut f32,
    stride: usize,
) {
    let mut half = [[simd.splat_f32s(0.0); 2]; 4];
    for x in 0..2 {
        // SAFETY: the caller's promise.
        let column = unsafe {
            [
                read(simd, at[0][x], channel, count),
                read(simd, at[1][x], channel, count),
            ]
        };
        let column = scatter(simd, column);
        for y in 0..4 {
            half[y][x] = column[y];
        }
    }
    for (y, row) in half.iter().enumerate() {
        let row = scatter(simd, *row);
        for (x, vector) in row.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { write::<S>(into.add(channel + (4 * y + x) * stride), *vector) };
        }
    }
}

/// Transforms the products of a panel of output channels back, and writes the outputs.
pub(super) struct Synthesise<'a> {
    /// Sums of products: planes of the panel's channels, filled up to whole vectors.
    pub from: &'a [f32],
    pub planes: Planes,
    pub tiling: Tiling,
    pub first: usize,
    /// One value a channel of the panel, or none.
    pub bias: &'a [f32],
    /// The whole sample's, or none.
    pub residual: &'a [f32],
    pub gain: f32,
    /// The output from pixel `start` on, `[height, width, channels]`.
    pub out: &'a mut [f32],
    pub start: usize,
    pub channels: usize,
    /// Channels of the panel: its first and their number.
    pub panel: [usize; 2],
}

impl WithSimd for Synthesise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { planes, panel, .. } = self;
        let [begin, count] = panel;
        assert!(self.from.len() >= planes.len() && planes.width >= count);
        assert!(planes.width.is_multiple_of(S::F32_LANES));
        assert!(self.bias.is_empty() || self.bias.len() == count);
        let gain = simd.splat_f32s(self.gain);
        let mut channel = 0;
        while channel < count {
            let rest = (count - channel).min(S::F32_LANES);
            let mut bias = simd.splat_f32s(0.0);
            if !self.bias.is_empty() {
                bias = load_some(simd, &self.bias[channel..channel + rest]);
            }
            for tile in 0..planes.tiles {
                let from = self.from[tile * planes.width + channel..].as_ptr();
                let mut half = [[simd.splat_f32s(0.0); 4]; 2];
                for x in 0..4 {
                    // SAFETY: the planes hold a vector at every frequency, tile and vector of channels.
                    let column = unsafe {
                        [
                            load::<S>(from.add(x * planes.stride)),
                            load::<S>(from.add((4 + x) * planes.stride)),
                            load::<S>(from.add((8 + x) * planes.stride)),
                            load::<S>(from.add((12 + x) * planes.stride)),
                        ]
                    };
                    let column = gather(simd, column);
                    half[0][x] = column[0];
                    half[1][x] = column[1];
                }
                let [y0, x0] = self.tiling.first_pixel(self.first + tile);
                let [height, width] = self.tiling.size;
                for (y, row) in half.iter().enumerate() {
                    let row = gather(simd, *row);
                    for (x, vector) in row.iter().enumerate() {
                        if y0 + y < height && x0 + x < width {
                            let at = ((y0 + y) * width + x0 + x) * self.channels + begin + channel;
                            let mut sum = simd.add_f32s(*vector, bias);
                            if !self.residual.is_empty() {
                                let residual = load_some(simd, &self.residual[at..at + rest]);
                                sum = simd.mul_f32s(simd.add_f32s(sum, residual), gain);
                            }
                            let at = at - self.start * self.channels;
                            store(simd, &mut self.out[at..at + rest], sum);
                        }
                    }
                }
            }
            channel += S::F32_LANES;
        }
    }
}

/// Transforms weights of 3×3, `[place, channels_in, width]` of one panel, into
/// `[frequency, channels_in, width]`.
pub(super) struct Raise<'a> {
    pub taps: &'a [f32],
    pub into: &'a mut [f32],
}

impl WithSimd for Raise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let plane = self.taps.len() / 9;
        assert_eq!(self.into.len(), FREQUENCIES * plane);
        assert!(plane.is_multiple_of(S::F32_LANES));
        for at in (0..plane).step_by(S::F32_LANES) {
            let mut half = [[simd.splat_f32s(0.0); 3]; 4];
            for x in 0..3 {
                let mut column = [simd.splat_f32s(0.0); 3];
                for y in 0..3 {
                    column[y] =
                        load_some(simd, &self.taps[(3 * y + x) * plane + at..][..S::F32_LANES]);
                }
                let column = raise(simd, column);
                for y in 0..4 {
                    half[y][x] = column[y];
                }
            }
            for (y, row) in half.iter().enumerate() {
                for (x, vector) in raise(simd, *row).iter().enumerate() {
                    let into = &mut self.into[(4 * y + x) * plane + at..];
                    store(simd, &mut into[..S::F32_LANES], *vector);
                }
            }
        }
    }
}

/// The transpose of [`Raise`], for gradients: `[frequency, …]` to `[place, …]`.
pub(super) struct Lower<'a> {
    pub from: &'a [f32],
    pub taps: &'a mut [f32],
}

impl WithSimd for Lower<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let plane = self.from.len() / FREQUENCIES;
        assert_eq!(self.taps.len(), 9 * plane);
        assert!(plane.is_multiple_of(S::F32_LANES));
        for at in (0..plane).step_by(S::F32_LANES) {
            let mut half = [[simd.splat_f32s(0.0); 4]; 3];
            for x in 0..4 {
                let mut column = [simd.splat_f32s(0.0); 4];
                for y in 0..4 {
                    column[y] =
                        load_some(simd, &self.from[(4 * y + x) * plane + at..][..S::F32_LANES]);
                }
                let column = lower(simd, column);
                for y in 0..3 {
                    half[y][x] = column[y];
                }
            }
            for (y, row) in half.iter().enumerate() {
                for (x, vector) in lower(simd, *row).iter().enumerate() {
                    let into = &mut self.taps[(3 * y + x) * plane + at..];
                    store(simd, &mut into[..S::F32_LANES], *vector);
                }
            }
        }
    }
}
