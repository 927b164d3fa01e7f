//! SiLU, GELU and their derivatives on vectors.

use pulp::Simd;

/// 1 + e^(−u), whose reciprocal is the logistic function; at most 6·10³⁷, so that what is divided by it
/// does not vanish before −87: −∞ times the logistic of −∞ is not finite, and neither is what comes of
/// a NaN.
#[inline(always)]
fn one_and_exp_of_minus<S: Simd>(simd: S, u: S::f32s) -> S::f32s {
    simd.add_f32s(simd.splat_f32s(1.0), exp(simd, simd.neg_f32s(u)))
}

/// u·s(u), with s(u) = 1/(1 + e^(−u)) the logistic function (Elfwing et al. 2017).
#[inline(always)]
pub(crate) fn silu<S: Simd>(simd: S, u: S::f32s) -> S::f32s {
    simd.div_f32s(u, one_and_exp_of_minus(simd, u))
}

/// [`silu`] and its derivative, s·(1 + u·(1 − s)) = s + f·(1 − s) with f = u·s.
#[inline(always)]
pub(crate) fn silu_and_slope<S: Simd>(simd: S, u: S::f32s) -> [S::f32s; 2] {
    let one = simd.splat_f32s(1.0);
    let s = simd.div_f32s(one, one_and_exp_of_minus(simd, u));
    let value = simd.mul_f32s(u, s);
    [value, simd.mul_add_e_f32s(value, simd.sub_f32s(one, s), s)]
}

/// √(8/π), and the factor of x³ in it: the tanh of GELU's approximation, ½(1 + tanh(z/2)), is the logistic
/// function of z = √(8/π)·(x + 0.044715·x³).
const GELU: [f32; 2] = [1.595_769_2, 0.071_354_814];

/// GELU as a tanh approximates it (Hendrycks & Gimpel 2016), x·s(z).
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let [first, third] = GELU.map(|factor| simd.splat_f32s(factor));
    let square = simd.mul_f32s(x, x);
    let z = simd.mul_f32s(x, simd.mul_add_e_f32s(third, square, first));
    simd.div_f32s(x, one_and_exp_of_minus(simd, z))
}

/// The derivative of [`gelu`], s + x·s·(1 − s)·z′.
///
/// Beyond ±10, where it is 0 or 1 to f32's precision, x is held there, lest z′ overflow.
#[inline(always)]
pub(crate) fn gelu_slope<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let [first, third] = GELU.map(|factor| simd.splat_f32s(factor));
    let set = |value: f32| simd.splat_f32s(value);
    let x = simd.min_f32s(simd.max_f32s(x, set(-10.0)), set(10.0));
    let cubic = simd.mul_f32s(third, simd.mul_f32s(x, x));
    let z = simd.mul_f32s(x, simd.add_f32s(first, cubic));
    let s = simd.div_f32s(set(1.0), one_and_exp_of_minus(simd, z));
    // x·z′ = √(8/π)·(x + 3·0.044715·x³)
    let along = simd.mul_f32s(x, simd.mul_add_e_f32s(set(3.0), cubic, first));
    let rest = simd.mul_f32s(s, simd.sub_f32s(set(1.0), s));
    simd.mul_add_e_f32s(rest, along, s)
}

/// e^x to a relative 2.4·10⁻⁷, without branches.
///
/// x = n·ln 2 + r with |r| ≤ ½·ln 2, the power of two by the exponent's bits, e^r by 1 + r + r²·q(r),
/// with q the cubic whose greatest relative error there is least, 1.05·10⁻⁷. Beyond ±87, a little short
/// of where f32's own range ends, x is held there.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it leaves an integer in the last bits.
    const HIGH: f32 = -0.693_359_4; // −ln 2 in 9 bits, whose product with n is exact.
    const LOW: f32 = 2.121_944_4e-4;
    let set = |value: f32| simd.splat_f32s(value);
    let x = simd.min_f32s(simd.max_f32s(x, set(-87.0)), set(87.0));
    let shifted = simd.mul_add_e_f32s(x, set(std::f32::consts::LOG2_E), set(ROUND));
    let n = simd.sub_f32s(shifted, set(ROUND));
    let r = simd.mul_add_e_f32s(n, set(LOW), simd.mul_add_e_f32s(n, set(HIGH), x));
    let mut q = simd.mul_add_e_f32s(set(8.312_5e-3), r, set(4.189_033e-2));
    q = simd.mul_add_e_f32s(q, r, set(0.166_671_15));
    q = simd.mul_add_e_f32s(q, r, set(0.499_992_3));
    let power = simd.mul_add_e_f32s(simd.mul_f32s(r, r), q, r);
    let series = simd.add_f32s(power, set(1.0));
    // The integer in the last bits of `shifted`, moved to the exponent; what is above it falls out.
    let bits = simd.transmute_u32s_f32s(shifted);
    let exponent = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(series), exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction_sets;
    use pulp::{Arch, WithSimd};

    /// e^x, SiLU in both ways and its derivative at x.
    struct All(f32);

    impl WithSimd for All {
        type Output = [f32; 4];
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [f32; 4] {
            let x = simd.splat_f32s(self.0);
            let mut first = [[0.0_f32; 1]; 4];
            let [value, slope] = silu_and_slope(simd, x);
            let results = [exp(simd, x), silu(simd, x), value, slope];
            for (first, vector) in first.iter_mut().zip(results) {
                simd.partial_store_f32s(first, vector);
            }
            first.map(|[x]| x)
        }
    }

    fn sets() -> Vec<(&'static str, Arch)> {
        let mut sets = instruction_sets();
        sets.push(("none", Arch::Scalar));
        sets
    }

    #[test]
    fn exponential_is_right_to_a_relative_2_4e_7() {
        for (name, arch) in sets() {
            let mut x = -86.5_f32;
            while x < 86.5 {
                let exact = f64::from(x).exp();
                let [found, ..] = arch.dispatch(All(x));
                let error = (f64::from(found) - exact).abs() / exact;
                assert!(error < 2.4e-7, "{name}: e^{x}: {error}");
                x += 0.003_7;
            }
            assert_eq!(arch.dispatch(All(0.0))[0], 1.0);
        }
    }

    #[test]
    fn silu_and_its_slope_are_those_of_the_definition() {
        for (name, arch) in sets() {
            let mut u = -30.0_f32;
            while u < 30.0 {
                let s = 1.0 / (1.0 + (-f64::from(u)).exp());
                let exact = [f64::from(u) * s, s * (1.0 + f64::from(u) * (1.0 - s))];
                let [_, alone, value, slope] = arch.dispatch(All(u));
                let pairs = [(alone, exact[0]), (value, exact[0]), (slope, exact[1])];
                for (found, exact) in pairs {
                    let error = (f64::from(found) - exact).abs();
                    assert!(
                        error < 1e-6 * (1.0 + exact.abs()),
                        "{name}: {u}: {found} {exact}"
                    );
                }
                u += 0.037;
            }
        }
    }

    /// GELU and its derivative at x.
    struct Gelu(f32);

    impl WithSimd for Gelu {
        type Output = [f32; 2];
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [f32; 2] {
            let x = simd.splat_f32s(self.0);
            [gelu(simd, x), gelu_slope(simd, x)].map(|vector| {
                let mut first = [0.0_f32; 1];
                simd.partial_store_f32s(&mut first, vector);
                first[0]
            })
        }
    }

    #[test]
    fn gelu_and_its_slope_are_those_of_the_definition() {
        for (name, arch) in sets() {
            let mut x = -30.0_f32;
            while x < 30.0 {
                let y = f64::from(x);
                let root = (2.0 / std::f64::consts::PI).sqrt();
                let tanh = (root * (y + 0.044_715 * y.powi(3))).tanh();
                let along = root * (1.0 + 3.0 * 0.044_715 * y * y);
                let exact = [
                    0.5 * y * (1.0 + tanh),
                    0.5 * (1.0 + tanh) + 0.5 * y * (1.0 - tanh * tanh) * along,
                ];
                for (found, exact) in arch.dispatch(Gelu(x)).into_iter().zip(exact) {
                    let error = (f64::from(found) - exact).abs();
                    assert!(
                        error < 1e-6 * (1.0 + exact.abs()),
                        "{name}: {x}: {found} {exact}"
                    );
                }
                x += 0.037;
            }
            for (x, limits) in [(1e4, [1e4, 1.0]), (1e30, [1e30, 1.0])] {
                assert_eq!(arch.dispatch(Gelu(x)), limits, "{name}");
            }
            for x in [-1e4, -1e30] {
                assert!(
                    arch.dispatch(Gelu(x)).iter().all(|x| x.abs() < 1e-6),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn silu_goes_to_its_limits() {
        for (name, arch) in sets() {
            for u in [1e4, 1e30, f32::MAX] {
                assert_eq!(arch.dispatch(All(u))[1..], [u, u, 1.0], "{name}");
            }
            for u in [-100.0, -1e4] {
                let [_, rest @ ..] = arch.dispatch(All(u));
                assert!(rest.iter().all(|x| x.abs() < 1e-30), "{name}: {rest:?}");
            }
            let [_, rest @ ..] = arch.dispatch(All(f32::NAN));
            assert!(rest.iter().all(|x| x.is_nan()), "{name}: {rest:?}");
        }
    }
}
