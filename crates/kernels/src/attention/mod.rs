//! Multi-head attention on slices of f32: forward, and the gradient.
//!
//! Queries are taken a block at a time, with all keys: a block's scores fit the cache, and the whole
//! matrix of them is never in memory. As in FlashAttention (Dao et al. 2022) the backward pass
//! computes them again. Its running softmax is for rows that do not fit, which those of an image at
//! the resolutions where networks attend do; so nothing is kept from the forward pass, not even the
//! rows' sums.
//!
//! Sample and head decide a result alone, in an order that the sizes and the machine's vectors
//! decide, so results do not depend on the number of threads.

pub(crate) mod ops;
// Bounds are asserted once a product: checking every load would cost as much as the arithmetic.
#[allow(unsafe_code)]
mod product;
mod softmax;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use self::product::{Left, Right, Size, multiply};
use self::softmax::Softmax;
use crate::buffer::{Columns, written};
use crate::tile::{MOST_ROWS, Store, most_rows, tiles};

/// The sizes of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub pixels: usize,
    pub heads: usize,
    /// Channels of a head.
    pub width: usize,
}

impl Geometry {
    /// Channels of all heads.
    pub fn channels(&self) -> usize {
        self.heads * self.width
    }

    /// What the scores are of the products of queries and keys.
    fn scale(&self) -> f32 {
        1.0 / (self.width as f32).sqrt()
    }

    /// How many samples' heads are worth a thread of their own.
    fn worth_a_thread(&self) -> usize {
        // Some ten microseconds.
        const PRODUCTS: usize = 1 << 18;
        (PRODUCTS / (self.pixels * self.pixels * self.width)).max(1)
    }
}

/// Floats that stay in a core's cache beside everything else: a quarter of 512 KiB.
const CACHE: usize = 32 * 1024;

/// The most queries of a block of the backward pass.
const BLOCK: usize = 56;

/// The output `[batch, pixels, heads·width]` from queries, keys and values, which are the thirds of
/// the channels of qkv, `[batch, pixels, 3·heads·width]`.
pub(crate) fn forward(arch: Arch, qkv: &[f32], geometry: Geometry) -> Vec<f32> {
    let Geometry {
        batch,
        pixels,
        heads,
        width,
    } = geometry;
    let channels = geometry.channels();
    if qkv.is_empty() {
        return Vec::new();
    }
    written(batch * pixels * channels, |out| {
        let out = Columns::new(out, channels);
        (0..batch * heads)
            .into_par_iter()
            .with_min_len(geometry.worth_a_thread())
            .for_each_init(Vec::new, |scratch, task| {
                let (sample, head) = (task / heads, task % heads);
                let [query, key, value] = thirds(qkv, sample, head, geometry);
                arch.dispatch(HeadForward {
                    query,
                    key,
                    value,
                    out: Strip {
                        columns: out,
                        first: sample * pixels,
                        start: head * width,
                        width,
                    },
                    scratch,
                    geometry,
                });
            });
    })
}

/// The gradient of qkv from that of the output.
pub(crate) fn backward(arch: Arch, qkv: &[f32], gradient: &[f32], geometry: Geometry) -> Vec<f32> {
    let Geometry {
        batch,
        pixels,
        heads,
        width,
    } = geometry;
    let channels = geometry.channels();
    if qkv.is_empty() {
        return Vec::new();
    }
    written(qkv.len(), |out| {
        let out = Columns::new(out, 3 * channels);
        (0..batch * heads)
            .into_par_iter()
            .with_min_len(geometry.worth_a_thread())
            .for_each_init(Vec::new, |scratch, task| {
                let (sample, head) = (task / heads, task % heads);
                arch.dispatch(HeadBackward {
                    inputs: thirds(qkv, sample, head, geometry),
                    gradient: Rows {
                        values: &gradient[sample * pixels * channels + head * width..],
                        stride: channels,
                    },
                    outputs: [0, 1, 2].map(|third| Strip {
                        columns: out,
                        first: sample * pixels,
                        start: third * channels + head * width,
                        width,
                    }),
                    scratch,
                    geometry,
                });
            });
    })
}

/// Queries, keys and values of one sample and head.
fn thirds(qkv: &[f32], sample: usize, head: usize, geometry: Geometry) -> [Rows<'_>; 3] {
    let channels = geometry.channels();
    let sample = &qkv[sample * geometry.pixels * 3 * channels..];
    [0, 1, 2].map(|third| Rows {
        values: &sample[third * channels + head * geometry.width..],
        stride: 3 * channels,
    })
}

/// One head's part of each pixel.
#[derive(Clone, Copy)]
struct Rows<'a> {
    /// From the first pixel's first channel on.
    values: &'a [f32],
    /// From one pixel to the next, in elements.
    stride: usize,
}

impl<'a> Rows<'a> {
    fn from(self, row: usize) -> Self {
        Self {
            values: &self.values[row * self.stride..],
            ..self
        }
    }

    /// The left factor of a product that sums over channels.
    fn left(self) -> Left<'a> {
        Left {
            values: self.values,
            row: self.stride,
            step: 1,
        }
    }

    /// The right factor of a product that sums over pixels.
    fn right(self, lanes: usize) -> Right<'a> {
        Right {
            values: self.values,
            vector: lanes,
            step: self.stride,
        }
    }

    /// The same with `columns` channels, the ones that are not there zero.
    #[inline(always)]
    fn filled_up<'b>(self, sizes: &Sizes, scratch: &mut Carver<'b>) -> Rows<'b>
    where
        'a: 'b,
    {
        if sizes.width == sizes.columns {
            return self;
        }
        let filled = scratch.take(sizes.pixels * sizes.columns);
        let rows = self.values.chunks(self.stride);
        for (to, from) in filled.chunks_exact_mut(sizes.columns).zip(rows) {
            to[..sizes.width].copy_from_slice(&from[..sizes.width]);
            to[sizes.width..].fill(0.0);
        }
        Rows {
            values: filled,
            stride: sizes.columns,
        }
    }

    /// The right factor of a product that sums over channels: for each vector of pixels, and each
    /// channel, the values, those of pixels that are not there zero.
    #[inline(always)]
    fn transposed<'b>(self, sizes: &Sizes, scratch: &mut Carver<'b>) -> Right<'b> {
        let &Sizes {
            lanes,
            pixels,
            width,
            ..
        } = sizes;
        let packed = scratch.take(sizes.keys * width);
        for (block, packed) in packed.chunks_exact_mut(lanes * width).enumerate() {
            let first = block * lanes;
            let there = lanes.min(pixels - first);
            if there < lanes {
                packed.fill(0.0);
            }
            transpose(self.from(first), [there, width], packed, lanes);
        }
        Right {
            values: packed,
            vector: lanes * width,
            step: lanes,
        }
    }
}

/// Writes `size[0]` rows of `size[1]` values as columns, into rows of `stride`.
// Not inlined, and so compiled for any processor: where there is an instruction that scatters a
// vector over memory it would be used, and is slower.
#[inline(never)]
fn transpose(from: Rows<'_>, [rows, width]: [usize; 2], into: &mut [f32], stride: usize) {
    let row = |r: usize| &from.values[r * from.stride..][..width];
    let fours = rows / 4 * 4;
    for r in (0..fours).step_by(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| row(r + i));
        for ((((into, a), b), c), d) in into.chunks_mut(stride).zip(a).zip(b).zip(c).zip(d) {
            into[r..r + 4].copy_from_slice(&[*a, *b, *c, *d]);
        }
    }
    for r in fours..rows {
        for (into, value) in into.chunks_mut(stride).zip(row(r)) {
            into[r] = *value;
        }
    }
}

/// The rows of a result that belong to one sample, and the columns to one head.
struct Strip<'a> {
    columns: Columns<'a>,
    first: usize,
    start: usize,
    width: usize,
}

impl Strip<'_> {
    /// Writes `factor` times the values to a row.
    #[inline(always)]
    fn write(&mut self, row: usize, values: &[f32], factor: f32) {
        // SAFETY: a strip is made once for each sample, head and third, and none overlap.
        #[allow(unsafe_code)]
        let out = unsafe { (self.columns).row(self.first + row, self.start, self.width) };
        for (out, value) in out.iter_mut().zip(values) {
            *out = value * factor;
        }
    }
}

/// Sizes in memory.
struct Sizes {
    lanes: usize,
    pixels: usize,
    /// Pixels, filled up to whole vectors.
    keys: usize,
    /// Channels of the head.
    width: usize,
    /// The same, filled up to whole vectors.
    columns: usize,
}

impl Sizes {
    fn new<S: Simd>(geometry: Geometry) -> Self {
        let lanes = S::F32_LANES;
        Self {
            lanes,
            pixels: geometry.pixels,
            keys: geometry.pixels.next_multiple_of(lanes),
            width: geometry.width,
            columns: geometry.width.next_multiple_of(lanes),
        }
    }

    /// Queries against keys.
    fn scores(&self, queries: usize) -> Size {
        Size {
            rows: queries,
            vectors: self.keys / self.lanes,
            steps: self.width,
        }
    }

    /// Weights against pixels, of which `rows` come out and `steps` go in.
    fn mixed(&self, rows: usize, steps: usize) -> Size {
        Size {
            rows,
            vectors: self.columns / self.lanes,
            steps,
        }
    }
}

/// Hands out the parts of a scratch memory.
struct Carver<'a>(&'a mut [f32]);

impl<'a> Carver<'a> {
    fn new(memory: &'a mut Vec<f32>, len: usize) -> Self {
        if memory.len() < len {
            memory.resize(len, 0.0);
        }
        Self(memory)
    }

    /// The next `len` values, which may be anything.
    fn take(&mut self, len: usize) -> &'a mut [f32] {
        let (taken, rest) = std::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        taken
    }
}

/// The forward pass of one sample's head.
struct HeadForward<'a> {
    query: Rows<'a>,
    key: Rows<'a>,
    value: Rows<'a>,
    out: Strip<'a>,
    scratch: &'a mut Vec<f32>,
    geometry: Geometry,
}

impl WithSimd for HeadForward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let sizes = Sizes::new::<S>(self.geometry);
        let &Sizes {
            lanes,
            pixels,
            keys,
            width,
            columns,
        } = &sizes;
        let block = most_rows::<S>();
        let len = keys * width + pixels * columns + block * (keys + columns);
        let scratch = &mut Carver::new(self.scratch, len);
        let key = self.key.transposed(&sizes, scratch);
        let value = self.value.filled_up(&sizes, scratch);
        let [scores, mixed] = [keys, columns].map(|row| scratch.take(block * row));
        let softmax = Softmax::new(simd, pixels, self.geometry.scale());
        let mut sums = [0.0; MOST_ROWS];
        for (start, rows) in tiles(pixels, block) {
            let query = self.query.from(start).left();
            multiply(simd, query, key, scores, Store::Write, sizes.scores(rows));
            for (row, sum) in scores.chunks_exact_mut(keys).zip(&mut sums[..rows]) {
                *sum = softmax.exponentials(row);
            }
            let weights = Left {
                values: scores,
                row: keys,
                step: 1,
            };
            let size = sizes.mixed(rows, pixels);
            multiply(simd, weights, value.right(lanes), mixed, Store::Write, size);
            for (r, sum) in sums[..rows].iter().enumerate() {
                self.out
                    .write(start + r, &mixed[r * columns..][..width], 1.0 / sum);
            }
        }
    }
}

/// The backward pass of one sample's head.
struct HeadBackward<'a> {
    /// Queries, keys and values.
    inputs: [Rows<'a>; 3],
    gradient: Rows<'a>,
    /// The gradients of queries, keys and values.
    outputs: [Strip<'a>; 3],
    scratch: &'a mut Vec<f32>,
    geometry: Geometry,
}

impl WithSimd for HeadBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let sizes = Sizes::new::<S>(self.geometry);
        let &Sizes {
            lanes,
            pixels,
            keys,
            width,
            columns,
        } = &sizes;
        let scale = self.geometry.scale();
        let block = (CACHE / keys).clamp(most_rows::<S>(), BLOCK).min(pixels);
        let len = 2 * keys * width + 5 * pixels * columns + block * (2 * keys + columns);
        let scratch = &mut Carver::new(self.scratch, len);
        let [query, key, value] = self.inputs;
        let keys_across = key.transposed(&sizes, scratch);
        let values_across = value.transposed(&sizes, scratch);
        let [queries_along, keys_along, gradient_along] =
            [query, key, self.gradient].map(|rows| rows.filled_up(&sizes, scratch));
        let softmax = Softmax::new(simd, pixels, scale);
        let [scores, slopes] = [(); 2].map(|()| scratch.take(block * keys));
        let dquery = scratch.take(block * columns);
        let [dkey, dvalue] = [(); 2].map(|()| scratch.take(pixels * columns));

        for (start, rows) in tiles(pixels, block) {
            let size = sizes.scores(rows);
            let query = query.from(start).left();
            multiply(simd, query, keys_across, scores, Store::Write, size);
            let gradient = self.gradient.from(start).left();
            multiply(simd, gradient, values_across, slopes, Store::Write, size);
            let pairs = scores
                .chunks_exact_mut(keys)
                .zip(slopes.chunks_exact_mut(keys));
            for (scores, slopes) in pairs.take(rows) {
                let sum = softmax.exponentials(scores);
                softmax.gradient(scores, sum, slopes, scale);
            }

            let along_keys = |values| Left {
                values,
                row: keys,
                step: 1,
            };
            let along_queries = |values| Left {
                values,
                row: 1,
                step: keys,
            };
            let right = keys_along.right(lanes);
            let size = sizes.mixed(rows, pixels);
            multiply(simd, along_keys(slopes), right, dquery, Store::Write, size);
            for (r, row) in dquery.chunks_exact(columns).take(rows).enumerate() {
                self.outputs[0].write(start + r, row, 1.0);
            }
            let into = if start == 0 { Store::Write } else { Store::Add };
            let size = sizes.mixed(pixels, rows);
            let right = queries_along.from(start).right(lanes);
            multiply(simd, along_queries(slopes), right, dkey, into, size);
            let right = gradient_along.from(start).right(lanes);
            multiply(simd, along_queries(scores), right, dvalue, into, size);
        }
        for (strip, values) in self.outputs[1..].iter_mut().zip([dkey, dvalue]) {
            for (r, row) in values.chunks_exact(columns).enumerate() {
                strip.write(r, row, 1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction_sets;

    #[test]
    fn every_instruction_set_gives_the_same_up_to_rounding() {
        for (pixels, heads, width) in [(49, 2, 16), (70, 3, 5), (3, 1, 1)] {
            let geometry = Geometry {
                batch: 2,
                pixels,
                heads,
                width,
            };
            let numbers =
                |len: usize| -> Vec<f32> { (0..len).map(|i| (i as f32 * 0.7).sin()).collect() };
            let len = 2 * pixels * geometry.channels();
            let (qkv, gradient) = (numbers(3 * len), numbers(len));
            let run = |arch| {
                [
                    forward(arch, &qkv, geometry),
                    backward(arch, &qkv, &gradient, geometry),
                ]
                .concat()
            };
            let scalar = run(Arch::Scalar);
            for (name, arch) in instruction_sets() {
                let found = run(arch);
                assert_eq!(found.len(), scalar.len());
                for (found, exact) in found.iter().zip(&scalar) {
                    assert!((found - exact).abs() < 1e-5, "{name}: {found} {exact}");
                }
            }
        }
    }
}
