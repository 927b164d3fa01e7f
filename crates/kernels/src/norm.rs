//! Group normalisation with its affine part and SiLU, on slices of f32, each sample read while it
//! is in cache.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::activation::{silu, silu_and_slope};
use crate::buffer::written;
use crate::vector::{load_some, store};

/// The sizes of a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub positions: usize,
    pub channels: usize,
    pub groups: usize,
}

impl Geometry {
    /// Elements of one sample.
    pub fn len(&self) -> usize {
        self.positions * self.channels
    }
}

/// What follows the normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Options {
    pub epsilon: f32,
    /// Whether SiLU is applied.
    pub silu: bool,
}

/// The result, and what the backward pass needs of the way to it.
pub(crate) struct Forward {
    pub out: Vec<f32>,
    /// Mean of each sample and group.
    pub mean: Vec<f32>,
    /// One over the standard deviation of each sample and group.
    pub rate: Vec<f32>,
}

/// Normalises x `[batch, positions, channels]` and applies scale and shift, `[batch, channels]`.
pub(crate) fn forward(
    arch: Arch,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    geometry: Geometry,
    options: Options,
) -> Forward {
    let Geometry {
        channels, groups, ..
    } = geometry;
    let batch = x.len().checked_div(geometry.len()).unwrap_or(0);
    let (mut mean, mut rate) = (vec![0.0; batch * groups], vec![0.0; batch * groups]);
    let out = written(batch * geometry.len(), |out| {
        if out.is_empty() {
            return;
        }
        (out.par_chunks_exact_mut(geometry.len()))
            .zip(x.par_chunks_exact(geometry.len()))
            .zip(scale.par_chunks_exact(channels))
            .zip(shift.par_chunks_exact(channels))
            .zip(mean.par_chunks_exact_mut(groups))
            .zip(rate.par_chunks_exact_mut(groups))
            .for_each_init(
                || vec![0.0; 2 * channels],
                |scratch, (((((out, x), scale), shift), mean), rate)| {
                    arch.dispatch(SampleForward {
                        x,
                        scale,
                        shift,
                        out,
                        mean,
                        rate,
                        scratch,
                        geometry,
                        options,
                    });
                },
            );
    });
    Forward { out, mean, rate }
}

/// The forward pass of one sample.
pub(crate) struct SampleForward<'a> {
    pub x: &'a [f32],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    /// Written, not read.
    pub out: &'a mut [f32],
    pub mean: &'a mut [f32],
    pub rate: &'a mut [f32],
    /// Two values a channel.
    pub scratch: &'a mut [f32],
    pub geometry: Geometry,
    pub options: Options,
}

impl WithSimd for SampleForward<'_> {
    type Output = ();

    // A vector of channels at a time, down all pixels: what belongs to the channels stays in registers.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Geometry {
            channels, groups, ..
        } = self.geometry;
        let (slope, means) = self.scratch.split_at_mut(channels);
        let moments = Moments {
            mean: &mut *self.mean,
            rate: &mut *self.rate,
        };
        moments.take(
            simd,
            self.x,
            self.geometry,
            self.options.epsilon,
            slope,
            means,
        );
        for (c, (slope, scale)) in slope.iter_mut().zip(self.scale).enumerate() {
            *slope = scale * self.rate[c * groups / channels];
        }
        let mut start = 0;
        while start < channels {
            let end = (start + S::F32_LANES).min(channels);
            let slope = load_some(simd, &slope[start..end]);
            let mean = load_some(simd, &means[start..end]);
            let shift = load_some(simd, &self.shift[start..end]);
            for (out, x) in rows(self.out, self.x, channels) {
                let centred = simd.sub_f32s(load_some(simd, &x[start..end]), mean);
                let mut u = simd.mul_add_e_f32s(centred, slope, shift);
                if self.options.silu {
                    u = silu(simd, u);
                }
                store(simd, &mut out[start..end], u);
            }
            start = end;
        }
    }
}

/// The gradients of x, `[batch, positions, channels]`, and of scale and shift, `[batch, channels]`.
pub(crate) struct Backward {
    pub x: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// What the forward pass was given, and found.
#[derive(Clone, Copy)]
pub(crate) struct Passed<'a> {
    pub x: &'a [f32],
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub mean: &'a [f32],
    pub rate: &'a [f32],
}

/// The gradients from that of the output.
pub(crate) fn backward(
    arch: Arch,
    gradient: &[f32],
    passed: Passed<'_>,
    geometry: Geometry,
    options: Options,
) -> Backward {
    let channels = geometry.channels;
    let (mut scale, mut shift) = (vec![0.0; passed.scale.len()], vec![0.0; passed.scale.len()]);
    let x = written(gradient.len(), |dx| {
        if dx.is_empty() {
            return;
        }
        (dx.par_chunks_exact_mut(geometry.len()))
            .zip(scale.par_chunks_exact_mut(channels))
            .zip(shift.par_chunks_exact_mut(channels))
            .enumerate()
            .for_each_init(
                || vec![0.0; 4 * channels],
                |scratch, (sample, ((dx, dscale), dshift))| {
                    let len = geometry.len();
                    arch.dispatch(SampleBackward {
                        gradient: &gradient[sample * len..][..len],
                        slopes: &[],
                        passed: passed.sample(sample, geometry),
                        dx,
                        dscale,
                        dshift,
                        scratch,
                        geometry,
                        options,
                    });
                },
            );
    });
    Backward { x, scale, shift }
}

impl<'a> Passed<'a> {
    /// What belongs to one sample.
    pub fn sample(&self, sample: usize, geometry: Geometry) -> Self {
        let of = |values: &'a [f32], len: usize| &values[sample * len..][..len];
        Self {
            x: of(self.x, geometry.len()),
            scale: of(self.scale, geometry.channels),
            shift: of(self.shift, geometry.channels),
            mean: of(self.mean, geometry.groups),
            rate: of(self.rate, geometry.groups),
        }
    }
}

/// The forward pass of one sample again, from its statistics, and the activation's derivative.
pub(crate) struct SampleAgain<'a> {
    pub passed: Passed<'a>,
    /// Both written, not read.
    pub out: &'a mut [f32],
    pub slopes: &'a mut [f32],
    pub geometry: Geometry,
}

impl WithSimd for SampleAgain<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Geometry {
            channels, groups, ..
        } = self.geometry;
        let Passed {
            x,
            scale,
            shift,
            mean,
            rate,
        } = self.passed;
        let mut start = 0;
        while start < channels {
            let end = (start + S::F32_LANES).min(channels);
            // Two vectors' worth of the longest there are.
            let (mut means, mut slopes) = ([0.0; 64], [0.0; 64]);
            for (i, k) in (start..end).enumerate() {
                let group = k * groups / channels;
                means[i] = mean[group];
                slopes[i] = rate[group] * scale[k];
            }
            let mean = load_some(simd, &means[..S::F32_LANES]);
            let slope = load_some(simd, &slopes[..S::F32_LANES]);
            let shift = load_some(simd, &shift[start..end]);
            let derivatives = self.slopes.chunks_exact_mut(channels);
            for ((out, x), derivative) in rows(self.out, x, channels).zip(derivatives) {
                let centred = simd.sub_f32s(load_some(simd, &x[start..end]), mean);
                let u = simd.mul_add_e_f32s(centred, slope, shift);
                let [value, slope] = silu_and_slope(simd, u);
                store(simd, &mut out[start..end], value);
                store(simd, &mut derivative[start..end], slope);
            }
            start = end;
        }
    }
}

/// The backward pass of one sample.
pub(crate) struct SampleBackward<'a> {
    pub gradient: &'a [f32],
    /// The activation's derivative, or none, where it is computed.
    pub slopes: &'a [f32],
    pub passed: Passed<'a>,
    /// Written before it is read.
    pub dx: &'a mut [f32],
    pub dscale: &'a mut [f32],
    pub dshift: &'a mut [f32],
    /// Four values a channel.
    pub scratch: &'a mut [f32],
    pub geometry: Geometry,
    pub options: Options,
}

impl WithSimd for SampleBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Geometry {
            positions,
            channels,
            groups,
        } = self.geometry;
        let Passed {
            x,
            scale,
            shift,
            mean,
            rate,
        } = self.passed;
        let (dscale, dshift) = (&mut self.dscale[..channels], &mut self.dshift[..channels]);
        let (normal, affine) = self.scratch.split_at_mut(2 * channels);
        // The normalised x̂ = (x − m)·a, and u = (x − m)·c + shift, which SiLU is applied to.
        let (m, a) = normal.split_at_mut(channels);
        let (c, b) = affine.split_at_mut(channels);
        for k in 0..channels {
            let group = k * groups / channels;
            m[k] = mean[group];
            a[k] = rate[group];
            c[k] = rate[group] * scale[k];
        }

        let du = self.dx;
        let mut start = 0;
        while start < channels {
            let end = (start + S::F32_LANES).min(channels);
            let mean = load_some(simd, &m[start..end]);
            let rate = load_some(simd, &a[start..end]);
            let slope = load_some(simd, &c[start..end]);
            let shift = load_some(simd, &shift[start..end]);
            let mut sums = [simd.splat_f32s(0.0); 2];
            let gradients = self.gradient.chunks_exact(channels).enumerate();
            for ((du, x), (pixel, gradient)) in rows(du, x, channels).zip(gradients) {
                let centred = simd.sub_f32s(load_some(simd, &x[start..end]), mean);
                let mut gradient = load_some(simd, &gradient[start..end]);
                if !self.slopes.is_empty() {
                    let slopes = &self.slopes[pixel * channels..][start..end];
                    gradient = simd.mul_f32s(gradient, load_some(simd, slopes));
                } else if self.options.silu {
                    let u = simd.mul_add_e_f32s(centred, slope, shift);
                    let [_, slope] = silu_and_slope(simd, u);
                    gradient = simd.mul_f32s(gradient, slope);
                }
                store(simd, &mut du[start..end], gradient);
                sums[0] = simd.mul_add_e_f32s(gradient, simd.mul_f32s(centred, rate), sums[0]);
                sums[1] = simd.add_f32s(sums[1], gradient);
            }
            store(simd, &mut dscale[start..end], sums[0]);
            store(simd, &mut dshift[start..end], sums[1]);
            start = end;
        }

        // dx = rate·(dx̂ − mean(dx̂) − x̂·mean(dx̂·x̂)) with dx̂ = du·scale, as du·c + (x − m)·a + b.
        let size = channels / groups;
        let count = (size * positions) as f32;
        for group in 0..groups {
            let (mut plain, mut along) = (0.0, 0.0);
            for k in group * size..(group + 1) * size {
                plain += scale[k] * dshift[k];
                along += scale[k] * dscale[k];
            }
            let rate = rate[group];
            for k in group * size..(group + 1) * size {
                a[k] = -rate * rate * along / count;
                b[k] = -rate * plain / count;
            }
        }
        let mut start = 0;
        while start < channels {
            let end = (start + S::F32_LANES).min(channels);
            let mean = load_some(simd, &m[start..end]);
            let along = load_some(simd, &a[start..end]);
            let slope = load_some(simd, &c[start..end]);
            let rest = load_some(simd, &b[start..end]);
            for (dx, x) in rows(du, x, channels) {
                let centred = simd.sub_f32s(load_some(simd, &x[start..end]), mean);
                let du = load_some(simd, &dx[start..end]);
                let rest = simd.mul_add_e_f32s(centred, along, rest);
                store(
                    simd,
                    &mut dx[start..end],
                    simd.mul_add_e_f32s(du, slope, rest),
                );
            }
            start = end;
        }
    }
}

/// Pixels of two slices of the same shape.
#[inline(always)]
fn rows<'a>(
    out: &'a mut [f32],
    x: &'a [f32],
    channels: usize,
) -> impl Iterator<Item = (&'a mut [f32], &'a [f32])> {
    (out.chunks_exact_mut(channels)).zip(x.chunks_exact(channels))
}

/// Mean, and one over the standard deviation, of each group of one sample.
struct Moments<'a> {
    mean: &'a mut [f32],
    rate: &'a mut [f32],
}

impl Moments<'_> {
    /// Both sums are of differences, from the group's first value and then from the mean: what all
    /// values have in common, however large, is not summed up and leaves no error. `means` ends as
    /// each channel's mean; both scratches have a value a channel.
    #[inline(always)]
    fn take<S: Simd>(
        self,
        simd: S,
        x: &[f32],
        geometry: Geometry,
        epsilon: f32,
        sums: &mut [f32],
        means: &mut [f32],
    ) {
        let Geometry {
            channels, groups, ..
        } = geometry;
        let size = channels / groups;
        let count = (size * geometry.positions) as f32;
        for (group, first) in means.chunks_exact_mut(size).zip(x.chunks_exact(size)) {
            group.fill(first[0]);
        }
        per_channel::<S, false>(simd, x, means, sums);
        let of_groups = sums.chunks_exact(size).zip(means.chunks_exact_mut(size));
        for (mean, (sums, means)) in self.mean.iter_mut().zip(of_groups) {
            *mean = means[0] + sums.iter().sum::<f32>() / count;
            means.fill(*mean);
        }
        per_channel::<S, true>(simd, x, means, sums);
        for (rate, sums) in self.rate.iter_mut().zip(sums.chunks_exact(size)) {
            *rate = 1.0 / (sums.iter().sum::<f32>() / count + epsilon).sqrt();
        }
    }
}

/// For each channel the sum over pixels of the differences from `from`, or of their squares.
#[inline(always)]
fn per_channel<S: Simd, const SQUARE: bool>(simd: S, x: &[f32], from: &[f32], sums: &mut [f32]) {
    let channels = sums.len();
    let mut start = 0;
    while start < channels {
        let end = (start + S::F32_LANES).min(channels);
        let from = load_some(simd, &from[start..end]);
        // Four sums, so that an addition need not wait for the one before it.
        let mut acc = [simd.splat_f32s(0.0); 4];
        for pixels in x.chunks(4 * channels) {
            for (acc, pixel) in acc.iter_mut().zip(pixels.chunks_exact(channels)) {
                let d = simd.sub_f32s(load_some(simd, &pixel[start..end]), from);
                *acc = if SQUARE {
                    simd.mul_add_e_f32s(d, d, *acc)
                } else {
                    simd.add_f32s(*acc, d)
                };
            }
        }
        let sum = simd.add_f32s(simd.add_f32s(acc[0], acc[1]), simd.add_f32s(acc[2], acc[3]));
        store(simd, &mut sums[start..end], sum);
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction_sets;

    #[test]
    fn every_instruction_set_gives_the_same_up_to_rounding() {
        let geometry = Geometry {
            positions: 35,
            channels: 24,
            groups: 6,
        };
        let options = Options {
            epsilon: 1e-5,
            silu: true,
        };
        let numbers =
            |len: usize| -> Vec<f32> { (0..len).map(|i| (i as f32 * 0.7).sin()).collect() };
        let (x, gradient) = (numbers(2 * geometry.len()), numbers(2 * geometry.len()));
        let (scale, shift) = (
            numbers(2 * geometry.channels),
            numbers(2 * geometry.channels),
        );
        let run = |arch| {
            let there = forward(arch, &x, &scale, &shift, geometry, options);
            let passed = Passed {
                x: &x,
                scale: &scale,
                shift: &shift,
                mean: &there.mean,
                rate: &there.rate,
            };
            let back = backward(arch, &gradient, passed, geometry, options);
            [there.out, back.x, back.scale, back.shift].concat()
        };
        let scalar = run(Arch::Scalar);
        for (name, arch) in instruction_sets() {
            for (found, exact) in run(arch).iter().zip(&scalar) {
                assert!((found - exact).abs() < 2e-5, "{name}: {found} {exact}");
            }
        }
    }
}
