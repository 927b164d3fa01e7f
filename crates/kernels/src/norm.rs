//! Group normalisation with its affine part and SiLU, on slices of f32, each sample read while it
//! is in cache.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// The sizes of a normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub positions: usize,
    pub channels: usize,
    pub groups: usize,
}

impl Geometry {
    fn len(&self) -> usize {
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
    let mut result = Forward {
        out: vec![0.0; x.len()],
        mean: vec![0.0; batch * groups],
        rate: vec![0.0; batch * groups],
    };
    if x.is_empty() {
        return result;
    }
    (result.out.par_chunks_exact_mut(geometry.len()))
        .zip(x.par_chunks_exact(geometry.len()))
        .zip(scale.par_chunks_exact(channels))
        .zip(shift.par_chunks_exact(channels))
        .zip(result.mean.par_chunks_exact_mut(groups))
        .zip(result.rate.par_chunks_exact_mut(groups))
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
    result
}

/// The forward pass of one sample.
struct SampleForward<'a> {
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    out: &'a mut [f32],
    mean: &'a mut [f32],
    rate: &'a mut [f32],
    /// Two values a channel.
    scratch: &'a mut [f32],
    geometry: Geometry,
    options: Options,
}

impl WithSimd for SampleForward<'_> {
    type Output = ();

    // Plain loops, which the compiler turns into vectors: inlined here, into those of `S`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Geometry {
            channels, groups, ..
        } = self.geometry;
        let (slope, means) = self.scratch.split_at_mut(channels);
        let moments = Moments {
            mean: &mut *self.mean,
            rate: &mut *self.rate,
        };
        moments.take(self.x, self.geometry, self.options.epsilon, slope, means);
        for (c, (slope, scale)) in slope.iter_mut().zip(self.scale).enumerate() {
            *slope = scale * self.rate[c * groups / channels];
        }
        for (out, x) in rows(self.out, self.x, channels) {
            let per_channel = slope.iter().zip(&*means).zip(self.shift);
            for ((out, x), ((slope, mean), shift)) in out.iter_mut().zip(x).zip(per_channel) {
                *out = (x - mean) * slope + shift;
            }
        }
        if self.options.silu {
            for u in self.out {
                *u *= logistic(*u);
            }
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
    let Geometry {
        channels, groups, ..
    } = geometry;
    let mut result = Backward {
        x: vec![0.0; gradient.len()],
        scale: vec![0.0; passed.scale.len()],
        shift: vec![0.0; passed.scale.len()],
    };
    if gradient.is_empty() {
        return result;
    }
    let sizes = [geometry.len(), channels, channels];
    let [dx, dscale, dshift] = [&mut result.x, &mut result.scale, &mut result.shift];
    (dx.par_chunks_exact_mut(sizes[0]))
        .zip(dscale.par_chunks_exact_mut(sizes[1]))
        .zip(dshift.par_chunks_exact_mut(sizes[2]))
        .enumerate()
        .for_each_init(
            || vec![0.0; 4 * channels],
            |scratch, (sample, ((dx, dscale), dshift))| {
                let of = |len: usize| sample * len..(sample + 1) * len;
                arch.dispatch(SampleBackward {
                    gradient: &gradient[of(geometry.len())],
                    passed: Passed {
                        x: &passed.x[of(geometry.len())],
                        scale: &passed.scale[of(channels)],
                        shift: &passed.shift[of(channels)],
                        mean: &passed.mean[of(groups)],
                        rate: &passed.rate[of(groups)],
                    },
                    dx,
                    dscale,
                    dshift,
                    scratch,
                    geometry,
                    options,
                });
            },
        );
    result
}

/// The backward pass of one sample.
struct SampleBackward<'a> {
    gradient: &'a [f32],
    passed: Passed<'a>,
    dx: &'a mut [f32],
    dscale: &'a mut [f32],
    dshift: &'a mut [f32],
    /// Four values a channel.
    scratch: &'a mut [f32],
    geometry: Geometry,
    options: Options,
}

impl WithSimd for SampleBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
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
        if self.options.silu {
            for (u, x) in rows(du, x, channels) {
                let per_channel = m.iter().zip(&*c).zip(shift);
                for ((u, x), ((m, c), shift)) in u.iter_mut().zip(x).zip(per_channel) {
                    *u = (x - m) * c + shift;
                }
            }
            for (u, gradient) in du.iter_mut().zip(self.gradient) {
                let s = logistic(*u);
                *u = gradient * (s * (1.0 + *u * (1.0 - s)));
            }
        } else {
            du.copy_from_slice(self.gradient);
        }
        for (du, x) in rows(du, x, channels) {
            for (sum, du) in dshift.iter_mut().zip(&*du) {
                *sum += du;
            }
            let per_channel = m.iter().zip(&*a);
            for (((sum, du), x), (m, a)) in dscale.iter_mut().zip(&*du).zip(x).zip(per_channel) {
                *sum += du * ((x - m) * a);
            }
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
        for (dx, x) in rows(du, x, channels) {
            let per_channel = (m.iter().zip(&*a)).zip(c.iter().zip(&*b));
            for ((dx, x), ((m, a), (c, b))) in dx.iter_mut().zip(x).zip(per_channel) {
                *dx = *dx * c + ((x - m) * a + b);
            }
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
    fn take(
        self,
        x: &[f32],
        geometry: Geometry,
        epsilon: f32,
        sums: &mut [f32],
        means: &mut [f32],
    ) {
        let size = geometry.channels / geometry.groups;
        let count = (size * geometry.positions) as f32;
        for (group, first) in means.chunks_exact_mut(size).zip(x.chunks_exact(size)) {
            group.fill(first[0]);
        }
        sums.fill(0.0);
        for pixel in x.chunks_exact(geometry.channels) {
            for ((sum, x), first) in sums.iter_mut().zip(pixel).zip(&*means) {
                *sum += x - first;
            }
        }
        let groups = sums.chunks_exact(size).zip(means.chunks_exact_mut(size));
        for (mean, (sums, means)) in self.mean.iter_mut().zip(groups) {
            *mean = means[0] + sums.iter().sum::<f32>() / count;
            means.fill(*mean);
        }
        sums.fill(0.0);
        for pixel in x.chunks_exact(geometry.channels) {
            for ((sum, x), mean) in sums.iter_mut().zip(pixel).zip(&*means) {
                *sum += (x - mean) * (x - mean);
            }
        }
        for (rate, sums) in self.rate.iter_mut().zip(sums.chunks_exact(size)) {
            *rate = 1.0 / (sums.iter().sum::<f32>() / count + epsilon).sqrt();
        }
    }
}

/// 1/(1 + e^(−u)), and at least 1.6·10⁻³⁸: −∞·logistic(−∞) is not finite, and neither is what comes
/// of a NaN.
#[inline(always)]
fn logistic(u: f32) -> f32 {
    1.0 / (1.0 + exp(-u))
}

/// e^x to a relative 2.4·10⁻⁷, without branches, so that loops over it become vectors.
///
/// x = n·ln 2 + r with |r| ≤ ½·ln 2, the power of two by the exponent's bits, e^r by its Taylor
/// series to r⁷/7!, whose rest is below 6·10⁻⁹. Beyond ±87, a little short of where f32's own range
/// ends, x is held there.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it leaves an integer in the last bits.
    const HIGH: f32 = 0.693_359_4; // ln 2 in 9 bits, whose product with n is exact.
    const LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * HIGH) - n * LOW;
    let mut series = 1.0 / 5040.0;
    for factor in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = series * r + factor;
    }
    let power = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32) << 23;
    f32::from_bits((series.to_bits() as i32).wrapping_add(power) as u32)
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

    #[test]
    fn exponential_is_right_to_a_relative_2_4e_7() {
        let mut x = -86.5_f32;
        while x < 86.5 {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.4e-7, "e^{x}: {error}");
            x += 0.003_7;
        }
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn logistic_goes_to_its_limits() {
        for (u, limit) in [
            (f32::INFINITY, 1.0),
            (1e30, 1.0),
            (-1e30, 0.0),
            (f32::NEG_INFINITY, 0.0),
        ] {
            assert!((logistic(u) - limit).abs() < 1e-37, "{u}");
        }
        assert!((f32::NAN * logistic(f32::NAN)).is_nan());
    }
}
