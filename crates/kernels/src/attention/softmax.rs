//! Softmax of rows of whole vectors, and its gradient.

use pulp::Simd;

/// How scores become weights: 2^(factor·(score − largest)), over their sum.
#[derive(Clone, Copy)]
pub(super) struct Softmax<S: Simd> {
    simd: S,
    /// log₂ e over the root of the channels.
    factor: f32,
    /// Added to the last vector of a row: −∞ where there is no pixel.
    end: S::f32s,
}

impl<S: Simd> Softmax<S> {
    /// For rows of `pixels`, and scores to be taken times `scale`.
    #[inline(always)]
    pub(super) fn new(simd: S, pixels: usize, scale: f32) -> Self {
        // As many as the longest vector has.
        let mut end = [f32::NEG_INFINITY; 32];
        end[..(pixels - 1) % S::F32_LANES + 1].fill(0.0);
        Self {
            simd,
            factor: scale * std::f32::consts::LOG2_E,
            end: simd.partial_load_f32s(&end[..S::F32_LANES]),
        }
    }

    /// Takes scores to their exponentials, the largest's being 1. Returns the sum.
    ///
    /// Where there is no pixel, it is next to nothing.
    #[inline(always)]
    pub(super) fn exponentials(self, row: &mut [f32]) -> f32 {
        let simd = self.simd;
        let (scores, _) = S::as_mut_simd_f32s(row);
        let [before @ .., last] = &mut *scores else {
            return 0.0;
        };
        *last = simd.add_f32s(*last, self.end);
        let largest = (before.iter()).fold(*last, |largest, x| simd.max_f32s(largest, *x));
        let factor = simd.splat_f32s(self.factor);
        let largest = simd.splat_f32s(simd.reduce_max_f32s(largest));
        let mut sum = simd.splat_f32s(0.0);
        for x in scores {
            *x = exp2(simd, simd.mul_f32s(simd.sub_f32s(*x, largest), factor));
            sum = simd.add_f32s(sum, *x);
        }
        simd.reduce_sum_f32s(sum)
    }

    /// From exponentials, their sum and the gradient g of the weights p: the weights in place of the
    /// first, and in place of g the scores' own, p·(g − Σ p·g)·scale.
    #[inline(always)]
    pub(super) fn gradient(
        self,
        exponentials: &mut [f32],
        sum: f32,
        gradient: &mut [f32],
        scale: f32,
    ) {
        let simd = self.simd;
        let (e, _) = S::as_mut_simd_f32s(exponentials);
        let (g, _) = S::as_mut_simd_f32s(gradient);
        let mut along = simd.splat_f32s(0.0);
        for (e, g) in e.iter().zip(&*g) {
            along = simd.mul_add_e_f32s(*e, *g, along);
        }
        let mean = simd.splat_f32s(simd.reduce_sum_f32s(along) / sum);
        let (rate, scale) = (simd.splat_f32s(1.0 / sum), simd.splat_f32s(scale));
        for (e, g) in e.iter_mut().zip(g) {
            *e = simd.mul_f32s(*e, rate);
            let slope = simd.mul_f32s(*e, scale);
            *g = simd.mul_f32s(slope, simd.sub_f32s(*g, mean));
        }
    }
}

/// Exponents below this are taken for it: 2^−115 is nothing beside the largest score's 1, and leaves
/// room above the subnormal numbers, which are slow.
const LEAST: f32 = -115.0;

/// 2^x for x ≤ 0, to a relative 2·10⁻⁷.
///
/// x = n + r with |r| ≤ ½, the power of n by the exponent's bits, that of r by the polynomial of
/// exp2f in Moshier's Cephes library.
#[inline(always)]
fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it leaves an integer in the last bits.
    let splat = |x: f32| simd.splat_f32s(x);
    // Not a maximum, which could take a NaN for the bound.
    let x = simd.select_f32s(simd.less_than_f32s(x, splat(LEAST)), splat(LEAST), x);
    let shifted = simd.add_f32s(x, splat(ROUND));
    let r = simd.sub_f32s(x, simd.sub_f32s(shifted, splat(ROUND)));
    let mut series = splat(1.535_336_2e-4);
    for factor in [
        1.339_887_4e-3,
        9.618_437e-3,
        5.550_332_5e-2,
        2.402_264_8e-1,
        6.931_472e-1,
        1.0,
    ] {
        series = simd.mul_add_e_f32s(series, r, splat(factor));
    }
    // The shift leaves only n's bits: those of ROUND end above them.
    let bits = simd.transmute_u32s_f32s(shifted);
    let power = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(series), power))
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, WithSimd};

    use super::*;
    use crate::instruction_sets;

    /// Scores of a row, and how many of them are there; of the rest, what fills up the last vector is
    /// read too.
    struct Row<'a>(&'a mut [f32], usize);

    impl WithSimd for Row<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            let whole = self.1.next_multiple_of(S::F32_LANES);
            Softmax::new(simd, self.1, 1.0).exponentials(&mut self.0[..whole])
        }
    }

    fn every_set() -> Vec<(&'static str, Arch)> {
        [instruction_sets(), vec![("scalar", Arch::Scalar)]].concat()
    }

    #[test]
    fn exponentials_are_right_down_to_the_least() {
        for (name, arch) in every_set() {
            for largest in [0.0_f32, 3.3, -1e3] {
                let scores: Vec<f32> = (0..1600).map(|i| largest - i as f32 * 0.049).collect();
                let mut row = scores.clone();
                let sum = arch.dispatch(Row(&mut row, 1600));
                let mut exact_sum = 0.0;
                for (score, found) in scores.iter().zip(&row) {
                    let x = f64::from(*score) - f64::from(largest);
                    // The polynomial's error, and that of the exponent, which is rounded.
                    let bound = 2e-7 + 1.5e-7 * x.abs();
                    let error = (f64::from(*found) - x.exp()).abs() / x.exp();
                    assert!(error < bound, "{name}: e^{x} is off by {error}");
                    exact_sum += x.exp();
                }
                assert!((f64::from(sum) - exact_sum).abs() < 1e-5 * exact_sum);
            }
        }
    }

    #[test]
    fn what_is_no_pixel_counts_for_nothing() {
        for (name, arch) in every_set() {
            // What is not there is larger than what is.
            let mut row = [9.0_f32; 64];
            row[..49].fill(-5.0);
            let sum = arch.dispatch(Row(&mut row, 49));
            assert_eq!(sum, 49.0, "{name}");
            assert!(row[..49].iter().all(|e| *e == 1.0), "{name}");
        }
    }

    #[test]
    fn a_score_far_below_the_largest_is_no_subnormal_number_and_a_nan_stays() {
        for (name, arch) in every_set() {
            let mut row = [f32::NEG_INFINITY; 16];
            row[3] = 2.0;
            row[4] = -1e30;
            assert_eq!(arch.dispatch(Row(&mut row, 16)), 1.0, "{name}");
            assert!(row.iter().all(|e| e.is_normal()), "{name}");
            row[5] = f32::NAN;
            assert!(arch.dispatch(Row(&mut row, 16)).is_nan(), "{name}");
        }
    }
}
