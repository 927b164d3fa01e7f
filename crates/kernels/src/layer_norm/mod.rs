//! Layer normalisation with a scale and a shift for each sample, on slices of f32, a token while it is in
//! the nearest cache.

pub(crate) mod ops;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::buffer::written;
use crate::vector::{load_some, store};

/// The sizes of a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub tokens: usize,
    pub channels: usize,
}

impl Geometry {
    /// Elements of one sample.
    fn len(&self) -> usize {
        self.tokens * self.channels
    }
}

/// The result, and what the backward pass needs of the way to it.
pub(crate) struct Forward {
    pub out: Vec<f32>,
    /// Mean of each token, and one over its standard deviation.
    pub moments: Vec<[f32; 2]>,
}

/// Normalises x `[batch, tokens, channels]` and applies scale and shift, `[batch, channels]`.
pub(crate) fn forward(
    arch: Arch,
    x: &[f32],
    [scale, shift]: [&[f32]; 2],
    epsilon: f32,
    geometry: Geometry,
) -> Forward {
    let channels = geometry.channels;
    let mut moments = vec![[0.0; 2]; geometry.batch * geometry.tokens];
    let out = written(geometry.batch * geometry.len(), |out| {
        if out.is_empty() {
            return;
        }
        (out.par_chunks_exact_mut(geometry.len()))
            .zip(x.par_chunks_exact(geometry.len()))
            .zip(scale.par_chunks_exact(channels))
            .zip(shift.par_chunks_exact(channels))
            .zip(moments.par_chunks_exact_mut(geometry.tokens))
            .for_each(|((((out, x), scale), shift), moments)| {
                arch.dispatch(SampleForward {
                    x,
                    scale,
                    shift,
                    out,
                    moments,
                    epsilon,
                });
            });
    });
    Forward { out, moments }
}

/// The forward pass of one sample.
struct SampleForward<'a> {
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    /// Written, not read.
    out: &'a mut [f32],
    moments: &'a mut [[f32; 2]],
    epsilon: f32,
}

impl WithSimd for SampleForward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (channels, lanes) = (self.scale.len(), S::F32_LANES);
        let tokens = (self.out.chunks_exact_mut(channels)).zip(self.x.chunks_exact(channels));
        for ((out, x), moments) in tokens.zip(self.moments) {
            *moments = taken(simd, x, self.epsilon);
            let [mean, rate] = moments.map(|value| simd.splat_f32s(value));
            let affine = self.scale.chunks(lanes).zip(self.shift.chunks(lanes));
            let values = out.chunks_mut(lanes).zip(x.chunks(lanes));
            for ((out, x), (scale, shift)) in values.zip(affine) {
                let slope = simd.mul_f32s(load_some(simd, scale), rate);
                let centred = simd.sub_f32s(load_some(simd, x), mean);
                let shift = load_some(simd, shift);
                store(simd, out, simd.mul_add_e_f32s(centred, slope, shift));
            }
        }
    }
}

/// Mean and one over the standard deviation of one token: both sums are of differences, from the first
/// value and then from the mean, so that what all values have in common leaves no error.
#[inline(always)]
fn taken<S: Simd>(simd: S, x: &[f32], epsilon: f32) -> [f32; 2] {
    let (first, count) = (x[0], x.len() as f32);
    let from = simd.splat_f32s(first);
    let mut sum = simd.splat_f32s(0.0);
    for x in x.chunks(S::F32_LANES) {
        sum = simd.add_f32s(sum, difference(simd, x, from));
    }
    let mean = first + simd.reduce_sum_f32s(sum) / count;
    let from = simd.splat_f32s(mean);
    let mut sum = simd.splat_f32s(0.0);
    for x in x.chunks(S::F32_LANES) {
        let centred = difference(simd, x, from);
        sum = simd.mul_add_e_f32s(centred, centred, sum);
    }
    let variance = simd.reduce_sum_f32s(sum) / count;
    [mean, (variance + epsilon).sqrt().recip()]
}

/// x − from, and zeros in the places of a vector that x does not fill.
#[inline(always)]
fn difference<S: Simd>(simd: S, x: &[f32], from: S::f32s) -> S::f32s {
    const ONES: [f32; 64] = [1.0; 64];
    let difference = simd.sub_f32s(load_some(simd, x), from);
    if x.len() < S::F32_LANES {
        let there = simd.partial_load_f32s(&ONES[..x.len()]);
        return simd.mul_f32s(difference, there);
    }
    difference
}

/// The gradients of x, `[batch, tokens, channels]`, and of scale and shift, `[batch, channels]`.
pub(crate) struct Backward {
    pub x: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// The gradients from that of the output.
pub(crate) fn backward(
    arch: Arch,
    gradient: &[f32],
    x: &[f32],
    scale: &[f32],
    moments: &[[f32; 2]],
    geometry: Geometry,
) -> Backward {
    let (channels, len) = (geometry.channels, geometry.len());
    let [mut dscale, mut dshift] = [0; 2].map(|_| vec![0.0; geometry.batch * channels]);
    let dx = written(geometry.batch * len, |dx| {
        if dx.is_empty() {
            return;
        }
        (dx.par_chunks_exact_mut(len))
            .zip(dscale.par_chunks_exact_mut(channels))
            .zip(dshift.par_chunks_exact_mut(channels))
            .enumerate()
            .for_each(|(sample, ((dx, dscale), dshift))| {
                arch.dispatch(SampleBackward {
                    gradient: &gradient[sample * len..][..len],
                    x: &x[sample * len..][..len],
                    scale: &scale[sample * channels..][..channels],
                    moments: &moments[sample * geometry.tokens..][..geometry.tokens],
                    dx,
                    dscale,
                    dshift,
                });
            });
    });
    Backward {
        x: dx,
        scale: dscale,
        shift: dshift,
    }
}

/// The backward pass of one sample.
struct SampleBackward<'a> {
    gradient: &'a [f32],
    x: &'a [f32],
    scale: &'a [f32],
    moments: &'a [[f32; 2]],
    /// Written, not read.
    dx: &'a mut [f32],
    /// Both added to.
    dscale: &'a mut [f32],
    dshift: &'a mut [f32],
}

impl WithSimd for SampleBackward<'_> {
    type Output = ();

    // With x̂ = (x − mean)·rate and h = gradient·scale: dx = rate·(h − mean(h) − x̂·mean(h·x̂)).
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (channels, lanes) = (self.scale.len(), S::F32_LANES);
        let tokens = (self.dx.chunks_exact_mut(channels))
            .zip(self.x.chunks_exact(channels))
            .zip(self.gradient.chunks_exact(channels));
        for (((dx, x), gradient), &[mean, rate]) in tokens.zip(self.moments) {
            let [m, r] = [mean, rate].map(|value| simd.splat_f32s(value));
            let mut sums = [simd.splat_f32s(0.0); 2];
            let affine = (self.scale.chunks(lanes))
                .zip(self.dscale.chunks_mut(lanes))
                .zip(self.dshift.chunks_mut(lanes));
            let values = x.chunks(lanes).zip(gradient.chunks(lanes));
            for ((x, gradient), ((scale, dscale), dshift)) in values.zip(affine) {
                let normal = simd.mul_f32s(difference(simd, x, m), r);
                let gradient = load_some(simd, gradient);
                let along = simd.mul_f32s(gradient, normal);
                let scale = load_some(simd, scale);
                sums[0] = simd.mul_add_e_f32s(gradient, scale, sums[0]);
                sums[1] = simd.mul_add_e_f32s(along, scale, sums[1]);
                let sum = simd.add_f32s(load_some(simd, dscale), along);
                store(simd, dscale, sum);
                let sum = simd.add_f32s(load_some(simd, dshift), gradient);
                store(simd, dshift, sum);
            }
            let [plain, along] = sums.map(|sum| simd.reduce_sum_f32s(sum) / channels as f32);
            let plain = simd.splat_f32s(-rate * plain);
            let along = simd.splat_f32s(-rate * rate * along);
            let inputs =
                (x.chunks(lanes).zip(gradient.chunks(lanes))).zip(self.scale.chunks(lanes));
            for (dx, ((x, gradient), scale)) in dx.chunks_mut(lanes).zip(inputs) {
                let centred = simd.sub_f32s(load_some(simd, x), m);
                let rest = simd.mul_add_e_f32s(centred, along, plain);
                let slope = simd.mul_f32s(load_some(simd, scale), r);
                let gradient = load_some(simd, gradient);
                store(simd, dx, simd.mul_add_e_f32s(gradient, slope, rest));
            }
        }
    }
}
