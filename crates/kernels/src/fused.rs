//! Group normalisation, SiLU and a convolution in one, a sample at a time: between the two the
//! activation is in cache and nowhere else.
//!
//! The backward pass computes it again, from the statistics of the forward pass.

use std::cell::Cell;

use pulp::Arch;
use rayon::prelude::*;

use crate::buffer::written;
use crate::conv::{self, CHUNK, Correlation, Direction, Epilogue, WeightSum};
use crate::norm::{self, Passed, SampleAgain, SampleBackward, SampleForward};

/// The sizes of both halves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub norm: norm::Geometry,
    pub options: norm::Options,
    pub conv: conv::Geometry,
}

thread_local! {
    /// Memory for a sample's activation, its derivative and its gradient, kept from call to call.
    static SCRATCH: Cell<[Vec<f32>; 4]> = const { Cell::new([const { Vec::new() }; 4]) };
}

/// Runs `work` with three parts of `len` floats, and one of four values a channel, whatever they hold.
fn with_scratch(len: usize, channels: usize, work: impl FnOnce([&mut [f32]; 4])) {
    let mut scratch = SCRATCH.take();
    let [a, b, c, d] = &mut scratch;
    let lens = [len, len, len, 4 * channels];
    for (part, len) in [&mut *a, &mut *b, &mut *c, &mut *d].into_iter().zip(lens) {
        if part.len() < len {
            part.resize(len, 0.0);
        }
    }
    work([
        &mut a[..len],
        &mut b[..len],
        &mut c[..len],
        &mut d[..lens[3]],
    ]);
    SCRATCH.set(scratch);
}

/// (conv(silu(norm(x)·scale + shift)) + bias + residual)·gain, and the normalisation's statistics.
pub(crate) fn forward(
    arch: Arch,
    x: &[f32],
    [scale, shift]: [&[f32]; 2],
    correlation: &Correlation,
    epilogue: Epilogue<'_>,
    geometry: Geometry,
) -> norm::Forward {
    let Geometry {
        norm: sizes,
        options,
        conv,
    } = geometry;
    let (channels, groups, batch) = (sizes.channels, sizes.groups, conv.batch);
    let split = batch < rayon::current_num_threads();
    let (mut mean, mut rate) = (vec![0.0; batch * groups], vec![0.0; batch * groups]);
    let out = written(batch * conv.len_out(), |out| {
        if out.is_empty() {
            return;
        }
        (out.par_chunks_exact_mut(conv.len_out()))
            .zip(mean.par_chunks_exact_mut(groups))
            .zip(rate.par_chunks_exact_mut(groups))
            .enumerate()
            .for_each(|(sample, ((out, mean), rate))| {
                with_scratch(sizes.len(), channels, |[activation, _, _, scratch]| {
                    arch.dispatch(SampleForward {
                        x: &x[sample * sizes.len()..][..sizes.len()],
                        scale: &scale[sample * channels..][..channels],
                        shift: &shift[sample * channels..][..channels],
                        out: activation,
                        mean,
                        rate,
                        scratch: &mut scratch[..2 * channels],
                        geometry: sizes,
                        options,
                    });
                    let epilogue = epilogue.of_sample(sample, conv.len_out());
                    correlation.run_one(activation, epilogue, out, split);
                });
            });
    });
    norm::Forward { out, mean, rate }
}

/// The gradients of everything but the residual.
pub(crate) struct Backward {
    pub norm: norm::Backward,
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
}

/// The gradients from that of the sum that the gain has not yet multiplied.
pub(crate) fn backward(
    arch: Arch,
    gradient: &[f32],
    passed: Passed<'_>,
    weight: &[f32],
    geometry: Geometry,
) -> Backward {
    let Geometry {
        norm: sizes,
        options,
        conv,
    } = geometry;
    let (len, len_out, channels) = (sizes.len(), conv.len_out(), sizes.channels);
    let correlation = Correlation::new(arch, weight, &conv, Direction::Backward);
    let mut scale = vec![0.0; passed.scale.len()];
    let mut shift = vec![0.0; passed.scale.len()];
    let mut weights = None;
    let x = written(conv.batch * len, |x| {
        if x.is_empty() {
            return;
        }
        let parts: Vec<WeightSum> = (x.par_chunks_mut(CHUNK * len))
            .zip(scale.par_chunks_mut(CHUNK * channels))
            .zip(shift.par_chunks_mut(CHUNK * channels))
            .enumerate()
            .map(|(chunk, ((x, scale), shift))| {
                let mut sum = WeightSum::new(arch, &conv);
                let parts = (x.chunks_exact_mut(len))
                    .zip(scale.chunks_exact_mut(channels))
                    .zip(shift.chunks_exact_mut(channels));
                for (i, ((dx, dscale), dshift)) in parts.enumerate() {
                    let sample = chunk * CHUNK + i;
                    let passed = passed.sample(sample, sizes);
                    let gradient = &gradient[sample * len_out..][..len_out];
                    with_scratch(len, channels, |[activation, slopes, inner, scratch]| {
                        arch.dispatch(SampleAgain {
                            passed,
                            out: activation,
                            slopes,
                            geometry: sizes,
                        });
                        sum.add(activation, gradient);
                        correlation.run_one(gradient, Epilogue::default(), inner, false);
                        arch.dispatch(SampleBackward {
                            gradient: inner,
                            slopes,
                            passed,
                            dx,
                            dscale,
                            dshift,
                            scratch,
                            geometry: sizes,
                            options,
                        });
                    });
                }
                sum
            })
            .collect();
        weights = WeightSum::total(parts);
    });
    Backward {
        norm: norm::Backward { x, scale, shift },
        weight: weights.unwrap_or_else(|| vec![0.0; conv.len_weight()]),
        bias: conv::bias_gradient(gradient, conv.channels_out),
    }
}
