//! SiLU or GELU of every value of a slice of f32, and its gradient.

pub(crate) mod ops;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::activation::{gelu, gelu_slope, silu, silu_and_slope};
use crate::buffer::{worth_a_thread, written};
use crate::vector::{load_some, store};

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Silu,
    Gelu,
}

/// The output for x.
pub(crate) fn forward(arch: Arch, function: Function, x: &[f32]) -> Vec<f32> {
    let chunk = worth_a_thread(1);
    written(x.len(), |out| {
        (out.par_chunks_mut(chunk))
            .zip(x.par_chunks(chunk))
            .for_each(|(out, x)| arch.dispatch(Value { function, out, x }));
    })
}

/// The gradient of x, from that of the output.
///
/// The derivative is computed again: that is cheaper than to have kept it in memory.
pub(crate) fn backward(arch: Arch, function: Function, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let chunk = worth_a_thread(1);
    written(x.len(), |dx| {
        (dx.par_chunks_mut(chunk))
            .zip(x.par_chunks(chunk).zip(gradient.par_chunks(chunk)))
            .for_each(|(dx, (x, gradient))| {
                arch.dispatch(Slope {
                    function,
                    dx,
                    x,
                    gradient,
                });
            });
    })
}

struct Value<'a> {
    function: Function,
    /// Written before it is read.
    out: &'a mut [f32],
    x: &'a [f32],
}

impl WithSimd for Value<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        for (out, x) in self.out.chunks_mut(lanes).zip(self.x.chunks(lanes)) {
            let x = load_some(simd, x);
            let value = match self.function {
                Function::Silu => silu(simd, x),
                Function::Gelu => gelu(simd, x),
            };
            store(simd, out, value);
        }
    }
}

struct Slope<'a> {
    function: Function,
    /// Written before it is read.
    dx: &'a mut [f32],
    x: &'a [f32],
    gradient: &'a [f32],
}

impl WithSimd for Slope<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let inputs = self.x.chunks(lanes).zip(self.gradient.chunks(lanes));
        for (dx, (x, gradient)) in self.dx.chunks_mut(lanes).zip(inputs) {
            let x = load_some(simd, x);
            let slope = match self.function {
                Function::Silu => silu_and_slope(simd, x)[1],
                Function::Gelu => gelu_slope(simd, x),
            };
            store(simd, dx, simd.mul_f32s(slope, load_some(simd, gradient)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction_sets;

    #[test]
    fn every_value_has_its_own_whatever_the_length_and_the_instructions() {
        let mut sets = instruction_sets();
        sets.push(("none", Arch::Scalar));
        let longest = 2 * worth_a_thread(1) + 3;
        for (name, arch) in sets {
            for len in [0, 1, 7, 16, 33, longest] {
                let x: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin() * 9.0).collect();
                let gradient: Vec<f32> = (0..len).map(|i| (i as f32 * 0.11).cos()).collect();
                let out = forward(arch, Function::Silu, &x);
                let dx = backward(arch, Function::Silu, &x, &gradient);
                assert_eq!([out.len(), dx.len()], [len; 2]);
                for i in 0..len {
                    let [u, g] = [x[i], gradient[i]].map(f64::from);
                    let s = 1.0 / (1.0 + (-u).exp());
                    for (found, exact) in [(out[i], u * s), (dx[i], g * s * (1.0 + u * (1.0 - s)))]
                    {
                        let error = (f64::from(found) - exact).abs();
                        assert!(
                            error < 1e-6 * (1.0 + exact.abs()),
                            "{name}, {i} of {len}: {found} {exact}"
                        );
                    }
                }
            }
        }
    }
}
