//! The convolution on slices of f32: forward, and both gradients.
//!
//! Everything is a direct convolution over a register tile (see [`tile`]): up to 14 windows, or
//! elements of a window, by two vectors of output channels. With channels last a row of a window is
//! contiguous, so that a 3×3 kernel is three runs of products, and no matrix of windows is written.
//!
//! Every element of a result is summed in an order that the sizes and the machine's vectors decide, so
//! results do not depend on the number of threads.

// Bounds are asserted once a sample: checking every load would cost as much as the arithmetic.
#[allow(unsafe_code)]
mod correlate;
mod geometry;
#[allow(unsafe_code)]
mod tile;
#[allow(unsafe_code)]
mod weight_gradient;
mod weights;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use self::correlate::Correlate;
use self::geometry::Frame;
pub(crate) use self::geometry::Geometry;
use self::weight_gradient::WeightGradient;
use self::weights::{Direction, pack, unpack};

/// Samples whose share of the weights' gradient is summed up before it joins the others'. A fixed
/// number: with one part a thread the sum would depend on the number of threads. Each chunk holds a
/// gradient of the weights until all are summed.
const CHUNK: usize = 8;

/// Floats that stay in a core's cache beside everything else: a quarter of 512 KiB.
const CACHE: usize = 32 * 1024;

/// Lanes of a vector on this machine.
fn lanes(arch: Arch) -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    arch.dispatch(Lanes)
}

/// The output `[batch, height, width, channels_out]` for x `[batch, height, width, channels_in]`
/// and weights `[channels_out, channels_in, kernel, kernel]`.
pub(crate) fn forward(
    arch: Arch,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    geometry: &Geometry,
) -> Vec<f32> {
    correlate(arch, x, weight, bias, geometry, Direction::Forward)
}

/// The gradient of x from that of the output.
pub(crate) fn input_gradient(
    arch: Arch,
    gradient: &[f32],
    weight: &[f32],
    geometry: &Geometry,
) -> Vec<f32> {
    correlate(arch, gradient, weight, &[], geometry, Direction::Backward)
}

fn correlate(
    arch: Arch,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    geometry: &Geometry,
    direction: Direction,
) -> Vec<f32> {
    let (frame, stride, width, channels_out, len_in, len_out) = match direction {
        Direction::Forward => (
            Frame::of_input(geometry),
            geometry.stride,
            geometry.size_out()[1],
            geometry.channels_out,
            geometry.len_in(),
            geometry.len_out(),
        ),
        Direction::Backward => (
            Frame::of_gradient(geometry),
            1,
            geometry.size[1],
            geometry.channels_in,
            geometry.len_out(),
            geometry.len_in(),
        ),
    };
    let mut out = vec![0.0; geometry.batch * len_out];
    if out.is_empty() || len_in == 0 {
        return out;
    }
    let packed = pack(weight, geometry, direction, lanes(arch), tile::WIDEST);
    (out.par_chunks_exact_mut(len_out))
        .zip(x.par_chunks_exact(len_in))
        .for_each_init(Vec::new, |scratch, (out, sample)| {
            arch.dispatch(Correlate {
                framed: frame.fill(sample, scratch),
                row: frame.row(),
                channels: frame.channels,
                kernel: geometry.kernel,
                stride,
                weights: &packed,
                bias,
                out,
                width,
                channels_out,
            });
        });
    out
}

/// The gradient of the weights, `[channels_out, channels_in, kernel, kernel]`.
pub(crate) fn weight_gradient(
    arch: Arch,
    x: &[f32],
    gradient: &[f32],
    geometry: &Geometry,
) -> Vec<f32> {
    let &Geometry {
        channels_in,
        channels_out,
        kernel,
        ..
    } = geometry;
    if geometry.len_weight() == 0 || x.is_empty() {
        return vec![0.0; geometry.len_weight()];
    }
    let columns = channels_out.next_multiple_of(lanes(arch));
    let frame = Frame::of_input(geometry);
    let parts: Vec<Vec<f32>> = x
        .par_chunks(CHUNK * geometry.len_in())
        .zip(gradient.par_chunks(CHUNK * geometry.len_out()))
        .map(|(x, gradient)| {
            let (mut scratch, mut filled) = (Vec::new(), Vec::new());
            let mut sum = vec![0.0; kernel * kernel * channels_in * columns];
            let together = samples_in_cache(geometry);
            let samples = x.chunks(together * geometry.len_in());
            for (x, gradient) in samples.zip(gradient.chunks(together * geometry.len_out())) {
                arch.dispatch(WeightGradient {
                    framed: frame.fill(x, &mut scratch),
                    samples: x.len() / geometry.len_in(),
                    row: frame.row(),
                    channels: channels_in,
                    kernel,
                    stride: geometry.stride,
                    gradient: fill_up(gradient, channels_out, columns, &mut filled),
                    width: geometry.size_out()[1],
                    columns,
                    sum: &mut sum,
                });
            }
            sum
        })
        .collect();
    let sum = parts
        .into_iter()
        .reduce(|mut sum, part| {
            sum.iter_mut().zip(part).for_each(|(a, b)| *a += b);
            sum
        })
        .expect("a part for every chunk");
    unpack(&sum, columns, geometry)
}

/// How many samples' gradients to take at once: the sums of a tile are written once for all of them,
/// but every tile reads them again.
fn samples_in_cache(geometry: &Geometry) -> usize {
    let floats = geometry.len_in() + geometry.len_out();
    (CACHE / floats.max(1)).clamp(1, CHUNK)
}

/// The gradient of the bias: the sum over samples and positions, in f64.
pub(crate) fn bias_gradient(gradient: &[f32], channels: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f64; channels];
    // Rows are summed in f32 first, few enough of them to lose little.
    let mut block = vec![0.0_f32; channels];
    for rows in gradient.chunks(64 * channels.max(1)) {
        block.fill(0.0);
        for row in rows.chunks_exact(channels) {
            block.iter_mut().zip(row).for_each(|(a, b)| *a += b);
        }
        sum.iter_mut()
            .zip(&block)
            .for_each(|(a, b)| *a += f64::from(*b));
    }
    sum.into_iter().map(|x| x as f32).collect()
}

/// Pixels of `channels`, each filled up with zeros to `columns`.
fn fill_up<'a>(
    pixels: &'a [f32],
    channels: usize,
    columns: usize,
    scratch: &'a mut Vec<f32>,
) -> &'a [f32] {
    if channels == columns {
        return pixels;
    }
    scratch.resize(pixels.len() / channels * columns, 0.0);
    for (from, to) in (pixels.chunks_exact(channels)).zip(scratch.chunks_exact_mut(columns)) {
        to[..channels].copy_from_slice(from);
    }
    scratch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction_sets;

    fn numbers(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * 0.7).sin()).collect()
    }

    fn close(a: &[f32], b: &[f32], what: &str) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            // Sums of some hundred terms of size one.
            assert!((a - b).abs() < 1e-4, "{what}: {a} {b}");
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_up_to_rounding() {
        for (size, channels_in, channels_out, kernel, stride) in [
            ([9, 15], 5, 37, 3, 1),
            ([8, 8], 16, 16, 3, 2),
            ([3, 20], 7, 3, 1, 1),
        ] {
            let geometry = Geometry {
                batch: 3,
                size,
                channels_in,
                channels_out,
                kernel,
                stride,
            };
            let x = numbers(geometry.batch * geometry.len_in());
            let weight = numbers(geometry.len_weight());
            let bias = numbers(channels_out);
            let gradient = numbers(geometry.batch * geometry.len_out());
            let run = |arch| {
                [
                    forward(arch, &x, &weight, &bias, &geometry),
                    input_gradient(arch, &gradient, &weight, &geometry),
                    weight_gradient(arch, &x, &gradient, &geometry),
                ]
            };
            let scalar = run(Arch::Scalar);
            for (name, arch) in instruction_sets() {
                for (found, exact) in run(arch).iter().zip(&scalar) {
                    close(found, exact, name);
                }
            }
        }
    }
}
