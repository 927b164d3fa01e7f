//! The convolution on slices of f32: forward, and both gradients.
//!
//! A 3×3 kernel of stride 1 goes by [`winograd`] where there are channels enough, and what has [`few`]
//! channels to come out has a way of its own. Everything else is a direct convolution over a register
//! tile (see [`crate::tile`]): up to 14 windows, or elements of a window, by two vectors of output
//! channels, a strided one's gradient by [`phases`](mod@phases). With channels last a row of a window is contiguous, so that a 3×3 kernel is three runs of
//! products, and no matrix of windows is written.
//!
//! Every element of a result is summed in an order that the sizes and the machine's vectors decide, so
//! results do not depend on the number of threads.

// Bounds are asserted once a sample: checking every load would cost as much as the arithmetic.
#[allow(unsafe_code)]
mod correlate;
mod few;
mod geometry;
mod phases;
#[allow(unsafe_code)]
mod weight_gradient;
mod weights;
#[allow(unsafe_code)]
mod winograd;

use std::cell::Cell;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use self::correlate::Correlate;
use self::few::Few;
pub(crate) use self::geometry::Geometry;
use self::geometry::{Frame, Framed};
use self::phases::{Phase, phases};
use self::weight_gradient::WeightGradient;
pub(crate) use self::weights::Direction;
use self::weights::unpack;
use crate::buffer::written;
use crate::tile;

/// Samples whose share of the weights' gradient is summed up before it joins the others'. A fixed
/// number: with one part a thread the sum would depend on the number of threads. Each chunk holds a
/// gradient of the weights until all are summed.
pub(crate) const CHUNK: usize = 8;

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

/// The gradient of x from that of the output.
pub(crate) fn input_gradient(
    arch: Arch,
    gradient: &[f32],
    weight: &[f32],
    geometry: &Geometry,
) -> Vec<f32> {
    Correlation::new(arch, weight, geometry, Direction::Backward).run(
        gradient,
        Epilogue::default(),
        geometry.batch,
    )
}

/// Whether a layer's convolution takes a sample that was made for it alone as gladly as one in memory.
pub(crate) fn takes_samples(geometry: &Geometry) -> bool {
    winograd::suits(geometry)
}

/// What follows the sum of products: (sum + bias + residual)·gain.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue<'a> {
    /// One value a channel of the output, or none.
    pub bias: &'a [f32],
    /// The output's shape, or none.
    pub residual: &'a [f32],
    pub gain: f32,
}

impl Default for Epilogue<'_> {
    fn default() -> Self {
        Self {
            bias: &[],
            residual: &[],
            gain: 1.0,
        }
    }
}

impl Epilogue<'_> {
    /// That of one sample, whose output has so many elements.
    pub fn of_sample(self, sample: usize, len: usize) -> Self {
        let residual = match self.residual.is_empty() {
            true => self.residual,
            false => &self.residual[sample * len..][..len],
        };
        Self { residual, ..self }
    }
}

/// A convolution, or the gradient of its input, with the weights laid out for it.
pub(crate) struct Correlation {
    arch: Arch,
    geometry: Geometry,
    frame: Frame,
    /// Height and width of what comes out.
    size_out: [usize; 2],
    channels_out: usize,
    len_in: usize,
    len_out: usize,
    weights: Weights,
}

enum Weights {
    Direct(Vec<Phase>),
    /// By output channel: see [`few`].
    Few(Vec<f32>),
    /// Panel by panel, transformed.
    Winograd(Vec<f32>),
}

thread_local! {
    /// Framed samples, kept from call to call.
    static FRAMED: Cell<Framed> = Cell::default();
}

impl Correlation {
    pub fn new(arch: Arch, weight: &[f32], geometry: &Geometry, direction: Direction) -> Self {
        let geometry = geometry.in_one_row();
        let (size_out, [source, target], len_in, len_out) = match direction {
            Direction::Forward => (
                geometry.size_out(),
                [geometry.channels_in, geometry.channels_out],
                geometry.len_in(),
                geometry.len_out(),
            ),
            Direction::Backward => (
                geometry.size,
                [geometry.channels_out, geometry.channels_in],
                geometry.len_out(),
                geometry.len_in(),
            ),
        };
        let (lanes, widest) = (lanes(arch), tile::WIDEST);
        let alike = direction == Direction::Forward || geometry.stride == 1;
        let (frame, mut phases) = phases(weight, &geometry, direction, lanes, widest);
        let weights = if alike && few::suits(source, target, geometry.kernel, lanes) {
            Weights::Few(few::pack(weight, &geometry, direction))
        } else if winograd::suits(&geometry) {
            let phase = phases.remove(0);
            Weights::Winograd(arch.dispatch(winograd::RaiseAll {
                packed: &phase.weights,
                channels_out: target,
            }))
        } else {
            Weights::Direct(phases)
        };
        Self {
            arch,
            geometry,
            frame,
            size_out,
            channels_out: target,
            len_in,
            len_out,
            weights,
        }
    }

    /// The size of the weights as they are laid out.
    pub fn bytes(&self) -> usize {
        let floats = match &self.weights {
            Weights::Direct(phases) => phases.iter().map(|phase| phase.weights.values.len()).sum(),
            Weights::Few(weights) | Weights::Winograd(weights) => weights.len(),
        };
        floats * size_of::<f32>()
    }

    /// All samples, on as many threads as there are.
    pub fn run(&self, x: &[f32], epilogue: Epilogue<'_>, batch: usize) -> Vec<f32> {
        written(batch * self.len_out, |out| {
            if self.len_in == 0 || out.is_empty() {
                return out.fill(0.0);
            }
            (out.par_chunks_exact_mut(self.len_out))
                .zip(x.par_chunks_exact(self.len_in))
                .enumerate()
                .for_each(|(sample, (out, x))| {
                    let epilogue = epilogue.of_sample(sample, self.len_out);
                    self.run_one(x, epilogue, out, batch < rayon::current_num_threads());
                });
        })
    }

    /// One sample; `split` over threads, where the sizes allow it.
    pub fn run_one(&self, x: &[f32], epilogue: Epilogue<'_>, out: &mut [f32], split: bool) {
        let row = self.size_out[1] * self.channels_out;
        match &self.weights {
            Weights::Winograd(weights) => {
                let rows = winograd::rows_of_tiles(self.geometry.size);
                let band = |(band, out): (usize, &mut [f32])| {
                    self.arch.dispatch(winograd::Band {
                        sample: x,
                        size: self.geometry.size,
                        channels_in: self.frame.channels,
                        channels_out: self.channels_out,
                        weights,
                        epilogue,
                        out,
                        first: band * rows,
                    });
                };
                if split {
                    out.par_chunks_mut(2 * rows * row)
                        .enumerate()
                        .for_each(band);
                } else {
                    out.chunks_mut(2 * rows * row).enumerate().for_each(band);
                }
            }
            Weights::Direct(_) | Weights::Few(_) => {
                let mut scratch = FRAMED.take();
                self.run_direct(self.frame.fill(x, &mut scratch), epilogue.bias, out);
                FRAMED.set(scratch);
                if !epilogue.residual.is_empty() {
                    for (out, residual) in out.iter_mut().zip(epilogue.residual) {
                        *out += residual;
                    }
                }
                if epilogue.gain != 1.0 {
                    out.iter_mut().for_each(|out| *out *= epilogue.gain);
                }
            }
        }
    }
}

impl Correlation {
    /// One framed sample, without what follows the sum.
    fn run_direct(&self, framed: &[f32], bias: &[f32], out: &mut [f32]) {
        let (size, channels_out) = (self.size_out, self.channels_out);
        match &self.weights {
            Weights::Few(weights) => self.arch.dispatch(Few {
                framed,
                frame: self.frame,
                kernel: self.geometry.kernel,
                stride: self.geometry.stride,
                weights,
                bias,
                out,
                width: size[1],
                channels_out,
            }),
            Weights::Direct(phases) => {
                for phase in phases
                    .iter()
                    .filter(|phase| size[0] > phase.to[0] && size[1] > phase.to[1])
                {
                    self.arch.dispatch(Correlate {
                        framed,
                        frame: self.frame,
                        phase,
                        bias,
                        out: &mut *out,
                        size,
                        channels_out,
                    });
                }
            }
            Weights::Winograd(_) => unreachable!("samples are not framed for Winograd's tiles"),
        }
    }
}

/// The gradient of the weights, `[channels_out, channels_in, kernel, kernel]`.
pub(crate) fn weight_gradient(
    arch: Arch,
    x: &[f32],
    gradient: &[f32],
    geometry: &Geometry,
) -> Vec<f32> {
    if geometry.len_weight() == 0 || x.is_empty() || gradient.is_empty() {
        return vec![0.0; geometry.len_weight()];
    }
    let parts: Vec<WeightSum> = x
        .par_chunks(CHUNK * geometry.len_in())
        .zip(gradient.par_chunks(CHUNK * geometry.len_out()))
        .map(|(x, gradient)| {
            let mut sum = WeightSum::new(arch, geometry);
            sum.add(x, gradient);
            sum
        })
        .collect();
    WeightSum::total(parts).unwrap_or_else(|| vec![0.0; geometry.len_weight()])
}

/// The share of some samples in the gradient of the weights.
pub(crate) struct WeightSum {
    arch: Arch,
    geometry: Geometry,
    /// `[place or frequency, channels_in, columns]`.
    sum: Vec<f32>,
    /// Channels of the output, filled up to whole vectors.
    columns: usize,
    /// Whether inputs and gradients have changed places: an output of few channels, which would leave
    /// most of a vector empty, is then what the windows are taken from. The sum over all positions is
    /// the same, with the places of the kernel in reverse.
    exchanged: bool,
}

impl WeightSum {
    pub fn new(arch: Arch, geometry: &Geometry) -> Self {
        let lanes = lanes(arch);
        let steps = |rows: usize, columns: usize| rows * columns.div_ceil(lanes);
        let (channels_in, channels_out) = (geometry.channels_in, geometry.channels_out);
        let exchanged = geometry.stride == 1
            && !winograd::suits(geometry)
            && steps(channels_out, channels_in) < steps(channels_in, channels_out);
        let geometry = match exchanged {
            true => &Geometry {
                channels_in: channels_out,
                channels_out: channels_in,
                ..*geometry
            },
            false => geometry,
        };
        let geometry = &geometry.in_one_row();
        let columns = geometry.channels_out.next_multiple_of(lanes);
        let places = match winograd::suits(geometry) {
            true => winograd::FREQUENCIES,
            false => geometry.kernel * geometry.kernel,
        };
        Self {
            arch,
            geometry: *geometry,
            sum: vec![0.0; places * geometry.channels_in * columns],
            columns,
            exchanged,
        }
    }

    /// Adds samples `[n, height, width, channels_in]` and their outputs' gradients.
    pub fn add(&mut self, x: &[f32], gradient: &[f32]) {
        let geometry = &self.geometry;
        let (x, gradient) = match self.exchanged {
            true => (gradient, x),
            false => (x, gradient),
        };
        if winograd::suits(geometry) {
            self.arch.dispatch(winograd::Gradient {
                x,
                gradient,
                size: geometry.size,
                channels_in: geometry.channels_in,
                channels_out: geometry.channels_out,
                sum: &mut self.sum,
            });
            return;
        }
        let frame = Frame::of_input(geometry);
        let (mut scratch, mut filled) = (FRAMED.take(), Vec::new());
        let together = samples_in_cache(geometry);
        let samples = x.chunks(together * geometry.len_in());
        for (x, gradient) in samples.zip(gradient.chunks(together * geometry.len_out())) {
            self.arch.dispatch(WeightGradient {
                framed: frame.fill(x, &mut scratch),
                samples: x.len() / geometry.len_in(),
                row: frame.row(),
                channels: geometry.channels_in,
                kernel: geometry.kernel,
                stride: geometry.stride,
                gradient: fill_up(gradient, geometry.channels_out, self.columns, &mut filled),
                width: geometry.size_out()[1],
                columns: self.columns,
                sum: &mut self.sum,
            });
        }
        FRAMED.set(scratch);
    }

    /// The gradient of the weights from all shares, in their order; none from none.
    pub fn total(parts: Vec<Self>) -> Option<Vec<f32>> {
        let whole = parts.into_iter().reduce(|mut whole, part| {
            (whole.sum.iter_mut().zip(part.sum)).for_each(|(a, b)| *a += b);
            whole
        })?;
        let Self {
            arch,
            geometry,
            sum,
            columns,
            exchanged,
        } = whole;
        let sum = match winograd::suits(&geometry) {
            true => arch.dispatch(winograd::LowerAll(&sum)),
            false => sum,
        };
        let weight = unpack(&sum, columns, &geometry);
        Some(match exchanged {
            true => exchange(&weight, &geometry),
            false => weight,
        })
    }
}

/// Weights with inputs and outputs exchanged, and the kernel turned by half a turn.
fn exchange(weight: &[f32], geometry: &Geometry) -> Vec<f32> {
    let area = geometry.kernel * geometry.kernel;
    let (from, to) = (geometry.channels_in, geometry.channels_out);
    (0..from * to * area)
        .map(|at| {
            let (source, target, tap) = (at / (to * area), at / area % to, at % area);
            weight[(target * from + source) * area + area - 1 - tap]
        })
        .collect()
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

    fn forward(
        arch: Arch,
        x: &[f32],
        weight: &[f32],
        bias: &[f32],
        geometry: &Geometry,
    ) -> Vec<f32> {
        let epilogue = Epilogue {
            bias,
            ..Epilogue::default()
        };
        let correlation = Correlation::new(arch, weight, geometry, Direction::Forward);
        correlation.run(x, epilogue, geometry.batch)
    }

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

    /// Numbers of variance one, from a seed.
    fn random(seed: u64, len: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 12.0_f32.sqrt()
        };
        (0..len).map(|_| next()).collect()
    }

    /// Output, gradient of the input and gradient of the weights of one sample, by their definition.
    fn exact(x: &[f32], weight: &[f32], gradient: &[f32], geometry: &Geometry) -> [Vec<f64>; 3] {
        let &Geometry {
            size: [height, width],
            channels_in,
            channels_out,
            ..
        } = geometry;
        let mut results = [geometry.len_out(), geometry.len_in(), geometry.len_weight()]
            .map(|len| vec![0.0; len]);
        let [out, dx, dw] = &mut results;
        for (pixel, place) in (0..height * width).flat_map(|i| (0..9).map(move |j| (i, j))) {
            let (y, x_at) = (pixel / width + place / 3, pixel % width + place % 3);
            // The frame of zeros.
            if y == 0 || x_at == 0 || y > height || x_at > width {
                continue;
            }
            let seen = (y - 1) * width + x_at - 1;
            for to in 0..channels_out {
                for from in 0..channels_in {
                    let (i, o) = (seen * channels_in + from, pixel * channels_out + to);
                    let w = (to * channels_in + from) * 9 + place;
                    out[o] += f64::from(x[i]) * f64::from(weight[w]);
                    dx[i] += f64::from(gradient[o]) * f64::from(weight[w]);
                    dw[w] += f64::from(gradient[o]) * f64::from(x[i]);
                }
            }
        }
        results
    }

    /// Output and gradients without Winograd's transforms.
    fn direct(x: &[f32], weight: &[f32], gradient: &[f32], geometry: &Geometry) -> [Vec<f32>; 3] {
        let arch = Arch::new();
        let convolve = |x: &[f32], direction| {
            let mut correlation = Correlation::new(arch, weight, geometry, direction);
            let (_, phases) = phases(weight, geometry, direction, lanes(arch), tile::WIDEST);
            correlation.weights = Weights::Direct(phases);
            correlation.run(x, Epilogue::default(), 1)
        };
        let columns = geometry.channels_out.next_multiple_of(lanes(arch));
        let mut sum = vec![0.0; 9 * geometry.channels_in * columns];
        let frame = Frame::of_input(geometry);
        arch.dispatch(WeightGradient {
            framed: frame.fill(x, &mut Framed::default()),
            samples: 1,
            row: frame.row(),
            channels: geometry.channels_in,
            kernel: 3,
            stride: 1,
            gradient: fill_up(gradient, geometry.channels_out, columns, &mut Vec::new()),
            width: geometry.size[1],
            columns,
            sum: &mut sum,
        });
        [
            convolve(x, Direction::Forward),
            convolve(gradient, Direction::Backward),
            unpack(&sum, columns, geometry),
        ]
    }

    /// The root of the mean squared difference over that of the mean square.
    fn relative(found: &[f32], exact: &[f64]) -> f64 {
        assert_eq!(found.len(), exact.len());
        let squares = (found.iter().zip(exact)).map(|(a, b)| (f64::from(*a) - b).powi(2));
        (squares.sum::<f64>() / exact.iter().map(|b| b * b).sum::<f64>()).sqrt()
    }

    /// The README states what this prints; run it with `--nocapture`.
    #[test]
    #[allow(clippy::print_stdout)]
    fn winograd_is_as_accurate_as_the_direct_sum() {
        for channels in [16, 64, 256] {
            let geometry = Geometry {
                batch: 1,
                size: [14, 15],
                channels_in: channels,
                channels_out: channels,
                kernel: 3,
                stride: 1,
            };
            assert!(winograd::suits(&geometry));
            let x = random(1, geometry.len_in());
            let weight = random(2, geometry.len_weight());
            let gradient = random(3, geometry.len_out());
            let exact = exact(&x, &weight, &gradient, &geometry);
            let direct = direct(&x, &weight, &gradient, &geometry);
            let arch = Arch::new();
            let ours = [
                forward(arch, &x, &weight, &[], &geometry),
                input_gradient(arch, &gradient, &weight, &geometry),
                weight_gradient(arch, &x, &gradient, &geometry),
            ];
            for i in 0..3 {
                let [direct, ours] = [&direct, &ours].map(|found| relative(&found[i], &exact[i]));
                let name = ["output", "gradient of x", "gradient of the weight"][i];
                println!("{channels} channels, {name}: direct {direct:.1e}, Winograd {ours:.1e}");
                assert!(direct < 1e-6, "{channels} channels, {name}: {direct}");
                assert!(ours < 1.1 * direct, "{channels} channels, {name}: {ours}");
            }
        }
    }
}
