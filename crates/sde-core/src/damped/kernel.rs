//! Gaussian transition laws of pairs (x, v).

use super::{PhaseCovariance, PhaseMatrix, PhaseState};
use crate::State;

/// p(z_t | z₀) = N(E z₀, Σ) in every coordinate: z_t = E z₀ + L ε with L Lᵀ = Σ.
///
/// With [`DampedLangevin::marginal`](super::DampedLangevin::marginal) it is the law given the position
/// alone, whose initial velocity has mean 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseKernel {
    /// E, the mean's coefficients.
    pub mean: PhaseMatrix,
    /// Σ.
    pub covariance: PhaseCovariance,
}

impl PhaseKernel {
    /// E z₀ + L ε.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn sample<X: State>(&self, z0: &PhaseState<X>, epsilon: &PhaseState<X>) -> PhaseState<X> {
        z0.mapped(self.mean)
            .noised(self.covariance.factor(), epsilon)
    }

    /// ℓ_t = √(Σ_xx / (Σ_xx Σ_vv − Σ_xv²)) = 1/L_vv, with which ∇_v log p(z_t | z₀) = −ℓ_t ε_v
    /// (section 3.2).
    ///
    /// The score asks for L⁻ᵀ, which is upper triangular, so ε_x has no part in its velocity.
    #[must_use]
    pub fn ell(&self) -> f64 {
        self.covariance.factor().vv.recip()
    }

    /// Tweedie's E[x₀ | z_t] from the score of the velocity alone; for a kernel given the position,
    /// [`DampedLangevin::marginal`](super::DampedLangevin::marginal).
    ///
    /// s = −E[(Σ⁻¹ (z_t − E (x₀, 0)))_v | z_t] is one equation for one unknown:
    ///
    /// ```text
    /// E[x₀ | z_t] = (s + P_vx x_t + P_vv v_t) / (P_vx E_xx + P_vv E_vx)        P = Σ⁻¹
    /// ```
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn posterior_mean<X: State>(&self, z: &PhaseState<X>, score: X) -> X {
        let PhaseCovariance {
            xx,
            xv,
            determinant,
            ..
        } = self.covariance;
        // det Σ times P_vx and P_vv.
        let (p_vx, p_vv) = (-xv, xx);
        let share = p_vx * self.mean.xx + p_vv * self.mean.vx;
        score
            .lincomb(determinant / share, &z.position, p_vx / share)
            .axpy(p_vv / share, &z.velocity)
    }
}
