//! Nearest-neighbour enlargement on slices of f32, and its gradient.

pub(crate) mod ops;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::buffer::{worth_a_thread, written};

/// The sizes of an enlargement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub batch: usize,
    /// Height and width before.
    pub from: [usize; 2],
    /// Height and width after: twice as much, or one less.
    pub to: [usize; 2],
    pub channels: usize,
}

impl Geometry {
    /// Elements of a row before.
    fn row(&self) -> usize {
        self.from[1] * self.channels
    }

    /// Elements of the row, or the two, that a row becomes.
    fn rows(&self) -> usize {
        2 * self.row_after()
    }

    fn row_after(&self) -> usize {
        self.to[1] * self.channels
    }

    /// Elements of a sample, before and after.
    fn samples(&self) -> [usize; 2] {
        [self.from, self.to].map(|[height, width]| height * width * self.channels)
    }
}

/// The output `[batch, to, channels]` for x `[batch, from, channels]`.
pub(crate) fn forward(x: &[f32], geometry: Geometry) -> Vec<f32> {
    let [before, after] = geometry.samples();
    if geometry.batch * after == 0 {
        return Vec::new();
    }
    written(geometry.batch * after, |out| {
        (out.par_chunks_exact_mut(after))
            .zip(x.par_chunks_exact(before))
            .with_min_len(worth_a_thread(after))
            .for_each(|(out, x)| {
                (out.par_chunks_mut(geometry.rows()))
                    .zip(x.par_chunks_exact(geometry.row()))
                    .with_min_len(worth_a_thread(geometry.rows()))
                    .for_each(|(out, x)| double_row(out, x, geometry));
            });
    })
}

/// Writes the row, or the two, that a row becomes.
fn double_row(out: &mut [f32], x: &[f32], geometry: Geometry) {
    let (first, second) = out.split_at_mut(geometry.row_after());
    let channels = geometry.channels;
    for (pair, x) in (first.chunks_mut(2 * channels)).zip(x.chunks_exact(channels)) {
        for out in pair.chunks_exact_mut(channels) {
            out.copy_from_slice(x);
        }
    }
    if !second.is_empty() {
        second.copy_from_slice(first);
    }
}

/// The gradient of x from that of the output: for each pixel the sum over those it was copied to.
pub(crate) fn backward(arch: Arch, gradient: &[f32], geometry: Geometry) -> Vec<f32> {
    let [before, after] = geometry.samples();
    // For copies that were cut off.
    let none = vec![0.0; geometry.row_after()];
    if geometry.batch * after == 0 {
        return Vec::new();
    }
    written(geometry.batch * before, |dx| {
        (dx.par_chunks_exact_mut(before))
            .zip(gradient.par_chunks_exact(after))
            .with_min_len(worth_a_thread(after))
            .for_each(|(dx, gradient)| {
                (dx.par_chunks_exact_mut(geometry.row()))
                    .zip(gradient.par_chunks(geometry.rows()))
                    .with_min_len(worth_a_thread(geometry.rows()))
                    .for_each(|(dx, gradient)| {
                        let (first, second) = gradient.split_at(geometry.row_after());
                        arch.dispatch(SumOfCopies {
                            dx,
                            first,
                            second: if second.is_empty() { &none } else { second },
                            none: &none,
                            channels: geometry.channels,
                        });
                    });
            });
    })
}

/// The gradient of a row.
struct SumOfCopies<'a> {
    dx: &'a mut [f32],
    /// Both rows that it was copied to.
    first: &'a [f32],
    second: &'a [f32],
    /// Zeros, a pixel of them at least.
    none: &'a [f32],
    channels: usize,
}

impl WithSimd for SumOfCopies<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.channels;
        let none = &self.none[..channels];
        let pairs = (self.first.chunks(2 * channels)).zip(self.second.chunks(2 * channels));
        for (dx, (above, below)) in self.dx.chunks_exact_mut(channels).zip(pairs) {
            let (a, b) = above.split_at(channels);
            let (c, d) = below.split_at(channels);
            let [b, d] = [b, d].map(|right| if right.is_empty() { none } else { right });
            let copies = (a.iter().zip(b)).zip(c.iter().zip(d));
            for (dx, ((a, b), (c, d))) in dx.iter_mut().zip(copies) {
                *dx = (a + b) + (c + d);
            }
        }
    }
}
