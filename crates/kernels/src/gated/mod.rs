//! x + gate·y on slices of f32, with a gate for each sample and channel.

pub(crate) mod ops;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::buffer::written;
use crate::vector::{load_some, store};

/// The sum, of samples of `len` elements.
pub(crate) fn forward(arch: Arch, x: &[f32], gate: &[f32], y: &[f32], channels: usize) -> Vec<f32> {
    let len = sample(x, gate, channels);
    written(x.len(), |out| {
        if out.is_empty() {
            return;
        }
        (out.par_chunks_exact_mut(len))
            .zip(x.par_chunks_exact(len))
            .zip(y.par_chunks_exact(len))
            .zip(gate.par_chunks_exact(channels))
            .for_each(|(((out, x), y), gate)| arch.dispatch(Sum { x, gate, y, out }));
    })
}

/// The gradients of the gate and of y, from that of the sum, which is that of x.
pub(crate) fn backward(
    arch: Arch,
    gradient: &[f32],
    gate: &[f32],
    y: &[f32],
    channels: usize,
) -> [Vec<f32>; 2] {
    let len = sample(y, gate, channels);
    let mut dgate = vec![0.0; gate.len()];
    let dy = written(y.len(), |dy| {
        if dy.is_empty() {
            return;
        }
        (dy.par_chunks_exact_mut(len))
            .zip(dgate.par_chunks_exact_mut(channels))
            .zip(gradient.par_chunks_exact(len))
            .zip(y.par_chunks_exact(len))
            .zip(gate.par_chunks_exact(channels))
            .for_each(|((((dy, dgate), gradient), y), gate)| {
                arch.dispatch(Slopes {
                    gradient,
                    gate,
                    y,
                    dgate,
                    dy,
                });
            });
    });
    [dgate, dy]
}

/// Elements of one sample.
fn sample(x: &[f32], gate: &[f32], channels: usize) -> usize {
    let batch = gate.len() / channels;
    x.len().checked_div(batch).unwrap_or(0)
}

/// One sample's sum.
struct Sum<'a> {
    x: &'a [f32],
    gate: &'a [f32],
    y: &'a [f32],
    /// Written, not read.
    out: &'a mut [f32],
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (channels, lanes) = (self.gate.len(), S::F32_LANES);
        let tokens = (self.out.chunks_exact_mut(channels)).zip(
            self.x
                .chunks_exact(channels)
                .zip(self.y.chunks_exact(channels)),
        );
        for (out, (x, y)) in tokens {
            let inputs = (x.chunks(lanes).zip(y.chunks(lanes))).zip(self.gate.chunks(lanes));
            for (out, ((x, y), gate)) in out.chunks_mut(lanes).zip(inputs) {
                let [x, y, gate] = [x, y, gate].map(|values| load_some(simd, values));
                store(simd, out, simd.mul_add_e_f32s(gate, y, x));
            }
        }
    }
}

/// One sample's gradients.
struct Slopes<'a> {
    gradient: &'a [f32],
    gate: &'a [f32],
    y: &'a [f32],
    /// Added to.
    dgate: &'a mut [f32],
    /// Written, not read.
    dy: &'a mut [f32],
}

impl WithSimd for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (channels, lanes) = (self.gate.len(), S::F32_LANES);
        let inputs = (self.gradient.chunks_exact(channels)).zip(self.y.chunks_exact(channels));
        for (dy, (gradient, y)) in self.dy.chunks_exact_mut(channels).zip(inputs) {
            let of_gate = self.gate.chunks(lanes).zip(self.dgate.chunks_mut(lanes));
            let inputs = (gradient.chunks(lanes).zip(y.chunks(lanes))).zip(of_gate);
            for (dy, ((gradient, y), (gate, dgate))) in dy.chunks_mut(lanes).zip(inputs) {
                let [gradient, y, gate] = [gradient, y, gate].map(|v| load_some(simd, v));
                store(simd, dy, simd.mul_f32s(gradient, gate));
                let sum = simd.mul_add_e_f32s(gradient, y, load_some(simd, dgate));
                store(simd, dgate, sum);
            }
        }
    }
}
