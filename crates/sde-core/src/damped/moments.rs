//! The moments of the process in its own units, where it has no parameter left.
//!
//! With the clock τ = ω t, ω = β/√M, and u = v/√M, the process is
//!
//! ```text
//! dx = u dτ        du = −(x + 2u) dτ + 2 dW
//! ```
//!
//! of stationary law N(0, 1) in both, and with the double eigenvalue −1 of critical damping
//!
//! ```text
//! E(τ) = e^{−τ} (1 + τ     τ  )        Σ(τ) = I − E Eᵀ
//!               ( −τ    1 − τ )
//! ```
//!
//! (appendix B.1 of the paper, simplified). Every function here is accurate to rounding for any τ ≥ 0:
//! where a difference of near-equal numbers would stand, it takes the series of that difference.

use super::{PhaseCovariance, PhaseMatrix};

/// E(τ).
pub(super) fn propagator(tau: f64) -> PhaseMatrix {
    let decay = (-tau).exp();
    PhaseMatrix {
        xx: (1.0 + tau) * decay,
        xv: tau * decay,
        vx: -tau * decay,
        vv: (1.0 - tau) * decay,
    }
}

/// The covariance at τ from the variances `x0` and `u0` of x and u at 0, uncorrelated:
/// I + E (diag(x0, u0) − I) Eᵀ.
///
/// Its determinant is a sum of positive terms, det Σ + x0 q_x + u0 q_u + x0 u0 det(E)², where q_i is
/// the i-th diagonal element of Eᵀ adj(Σ) E.
pub(super) fn covariance(tau: f64, x0: f64, u0: f64) -> PhaseCovariance {
    let e = propagator(tau);
    let noise = noise(tau);
    PhaseCovariance {
        xx: noise.xx + x0 * e.xx * e.xx + u0 * e.xv * e.xv,
        xv: noise.xv + x0 * e.xx * e.vx + u0 * e.xv * e.vv,
        vv: noise.vv + x0 * e.vx * e.vx + u0 * e.vv * e.vv,
        determinant: noise.determinant
            + x0 * position_share(tau)
            + u0 * velocity_share(tau)
            + x0 * u0 * (-4.0 * tau).exp(),
    }
}

/// Σ(τ) and det Σ = (1 − e^{−2τ})² − 4τ² e^{−2τ}, as a product.
fn noise(tau: f64) -> PhaseCovariance {
    let (decay, fall) = ((-tau).exp(), -(-2.0 * tau).exp_m1());
    let scaled = tau * decay;
    PhaseCovariance {
        xx: gamma_three(2.0 * tau),
        xv: 2.0 * scaled * scaled,
        vv: fall + 2.0 * scaled * (1.0 - tau) * decay,
        determinant: fall_less_slope(tau) * (fall + 2.0 * scaled),
    }
}

/// q_x = e^{−2τ} (1 + 2τ + 2τ² − e^{−2τ}).
fn position_share(tau: f64) -> f64 {
    let decay = (-2.0 * tau).exp();
    decay * (-(-2.0 * tau).exp_m1() + 2.0 * tau * (1.0 + tau))
}

/// q_u = e^{−2τ} (1 − 2τ + 2τ² − e^{−2τ}), which is 4τ³/3 near 0.
fn velocity_share(tau: f64) -> f64 {
    let y = 2.0 * tau;
    let bracket = if y < 1.0 {
        // y³/3! − y⁴/4! + …
        series(y * y * y / 6.0, |k| -y / (k + 4.0))
    } else {
        1.0 - y + 0.5 * y * y - (-y).exp()
    };
    (-y).exp() * bracket
}

/// The regularised incomplete gamma function P(3, y) = 1 − e^{−y} (1 + y + y²/2).
fn gamma_three(y: f64) -> f64 {
    let decay = (-y).exp();
    if y < 4.0 {
        // e^{−y} (y³/3! + y⁴/4! + …)
        decay * series(y * y * y / 6.0, |k| y / (k + 4.0))
    } else {
        1.0 - decay * (1.0 + y) - 0.5 * (y * decay) * y
    }
}

/// 1 − e^{−2τ} − 2τ e^{−τ} = 2 e^{−τ} (sinh τ − τ).
fn fall_less_slope(tau: f64) -> f64 {
    let decay = (-tau).exp();
    if tau < 1.0 {
        // sinh τ − τ = τ³/3! + τ⁵/5! + …
        let square = tau * tau;
        let ratio = |k: f64| square / ((2.0 * k + 4.0) * (2.0 * k + 5.0));
        2.0 * decay * series(tau * square / 6.0, ratio)
    } else {
        -(-2.0 * tau).exp_m1() - 2.0 * tau * decay
    }
}

/// The sum of the terms that start with `first`, term k + 1 being term k times `ratio(k)`.
fn series(first: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut term, mut sum, mut k) = (first, first, 0.0);
    while term.abs() > 1e-18 * sum.abs() {
        term *= ratio(k);
        sum += term;
        k += 1.0;
    }
    sum
}
