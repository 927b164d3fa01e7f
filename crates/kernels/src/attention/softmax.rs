//! Softmax of rows of whole vectors, and its gradient.

use pulp::Simd;

/// Takes scores to exp(score − largest), of which only the first `len` are there: the rest comes out
/// zero. Returns the sum.
#[inline(always)]
pub(super) fn exponentials<S: Simd>(simd: S, row: &mut [f32], len: usize) -> f32 {
    row[len..].fill(f32::NEG_INFINITY);
    let (vectors, rest) = S::as_mut_simd_f32s(row);
    assert!(rest.is_empty());
    let mut most = [simd.splat_f32s(f32::NEG_INFINITY); 2];
    for pair in vectors.chunks(2) {
        for (most, x) in most.iter_mut().zip(pair) {
            *most = simd.max_f32s(*most, *x);
        }
    }
    let largest = simd.splat_f32s(simd.reduce_max_f32s(simd.max_f32s(most[0], most[1])));
    for x in vectors {
        *x = exp(simd, simd.sub_f32s(*x, largest));
    }
    row[len..].fill(0.0);
    sum(simd, row)
}

/// From exponentials, their sum and the gradient of the softmax: the softmax in place of the first,
/// and in place of the second the gradient of what the scores were `scale` times of,
/// p·(g − Σ p·g)·scale.
#[inline(always)]
pub(super) fn gradient<S: Simd>(
    simd: S,
    exponentials: &mut [f32],
    sum: f32,
    gradient: &mut [f32],
    scale: f32,
) {
    let (e, _) = S::as_mut_simd_f32s(exponentials);
    let (g, _) = S::as_mut_simd_f32s(gradient);
    let mut along = simd.splat_f32s(0.0);
    for (e, g) in e.iter().zip(&*g) {
        along = simd.mul_add_e_f32s(*e, *g, along);
    }
    let mean = simd.splat_f32s(simd.reduce_sum_f32s(along) / sum);
    let (rate, scale) = (simd.splat_f32s(1.0 / sum), simd.splat_f32s(scale));
    for (e, g) in e.iter_mut().zip(g) {
        let p = simd.mul_f32s(*e, rate);
        *e = p;
        *g = simd.mul_f32s(simd.mul_f32s(p, scale), simd.sub_f32s(*g, mean));
    }
}

#[inline(always)]
fn sum<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let (vectors, _) = S::as_simd_f32s(row);
    let mut sums = [simd.splat_f32s(0.0); 2];
    for pair in vectors.chunks(2) {
        for (sum, x) in sums.iter_mut().zip(pair) {
            *sum = simd.add_f32s(*sum, *x);
        }
    }
    simd.reduce_sum_f32s(simd.add_f32s(sums[0], sums[1]))
}

/// Lower differences than this are taken for it: e^−80 = 2·10⁻³⁵ is nothing beside the largest
/// score's 1, and leaves room above the subnormal numbers, which are slow.
const LEAST: f32 = -80.0;

/// e^x for x ≤ 0, to a relative 2.4·10⁻⁷.
///
/// x = n·ln 2 + r with |r| ≤ ½·ln 2, the power of two by the exponent's bits, e^r by its Taylor
/// series to r⁷/7!, whose rest is below 6·10⁻⁹.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it leaves an integer in the last bits.
    const HIGH: f32 = 0.693_359_4; // ln 2 in 9 bits, whose product with n is exact.
    const LOW: f32 = -2.121_944_4e-4;
    let splat = |x: f32| simd.splat_f32s(x);
    // Not a maximum, which could take a NaN for the bound.
    let x = simd.select_f32s(simd.less_than_f32s(x, splat(LEAST)), splat(LEAST), x);
    let shifted = simd.mul_add_e_f32s(x, splat(std::f32::consts::LOG2_E), splat(ROUND));
    let n = simd.sub_f32s(shifted, splat(ROUND));
    let r = simd.mul_add_e_f32s(n, splat(-HIGH), x);
    let r = simd.mul_add_e_f32s(n, splat(-LOW), r);
    let mut series = splat(1.0 / 5040.0);
    for factor in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = simd.mul_add_e_f32s(series, r, splat(factor));
    }
    // The shift leaves only n's bits: those of ROUND end above them.
    let bits = simd.transmute_u32s_f32s(shifted);
    let power = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(series), power))
}
