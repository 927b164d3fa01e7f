//! The φ-functions of exponential integrators.

/// φ₁(z), φ₂(z), φ₃(z), where φ_k(z) = ∫₀¹ e^{(1−u)z} u^{k−1}/(k−1)! du = Σ_j z^j/(j+k)!
/// (Hochbruck & Ostermann 2010, eq. 2.10), to rounding for every z.
pub(crate) fn phi(z: f64) -> [f64; 3] {
    if z.abs() < 1.0 {
        // φ_k = 1/k! + z φ_{k+1} adds what the other direction would cancel.
        let three = phi3_series(z);
        let two = 0.5 + z * three;
        [1.0 + z * two, two, three]
    } else {
        let one = z.exp_m1() / z;
        let two = (one - 1.0) / z;
        [one, two, (two - 0.5) / z]
    }
}

/// Σ_j z^j/(j+3)! for |z| < 1, where 18 terms are enough.
fn phi3_series(z: f64) -> f64 {
    let (mut term, mut sum) = (1.0 / 6.0, 0.0);
    for j in 4..22 {
        sum += term;
        term *= z / f64::from(j);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::phi;

    /// By mpmath 1.3.0 with 90 digits, from (e^z − Σ_{j<k} z^j/j!)/z^k.
    #[test]
    fn they_agree_with_ninety_digit_arithmetic() {
        for (z, expected) in EXPECTED {
            for (found, expected) in phi(z).into_iter().zip(expected) {
                assert!((found / expected - 1.0).abs() < 1e-14, "φ({z}) = {found}");
            }
        }
    }

    const EXPECTED: [(f64, [f64; 3]); 6] = [
        (-1e-9, [0.9999999995, 0.4999999998333333, 0.166666666625]),
        (
            -0.03125,
            [0.9845364967569894, 0.4948321037763398, 0.165372679157126],
        ),
        (
            -0.999,
            [0.6323848802666037, 0.36798310283623253, 0.13214904620997742],
        ),
        (
            -1.0,
            [0.6321205588285577, 0.36787944117144233, 0.1321205588285577],
        ),
        (
            -4.5,
            [0.21975355632483504, 0.1733880985944811, 0.07258042253455975],
        ),
        (-40.0, [0.025, 0.024375, 0.011890625]),
    ];
}
