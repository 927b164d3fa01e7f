//! The 2 × 2 algebra of one coordinate's position and velocity.

/// A linear map of (x, v), the same for every coordinate: x′ = xx·x + xv·v, v′ = vx·x + vv·v.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseMatrix {
    /// From position to position.
    pub xx: f64,
    /// From velocity to position.
    pub xv: f64,
    /// From position to velocity.
    pub vx: f64,
    /// From velocity to velocity.
    pub vv: f64,
}

/// The covariance of one coordinate's position and velocity.
///
/// Its determinant is kept, because xx·vv − xv² cancels near the data, where position and velocity are
/// almost proportional to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseCovariance {
    /// Var x.
    pub xx: f64,
    /// Cov(x, v).
    pub xv: f64,
    /// Var v.
    pub vv: f64,
    /// xx·vv − xv², accurate.
    pub determinant: f64,
}

impl PhaseCovariance {
    /// L of the Cholesky decomposition L Lᵀ, position first (appendix B.1).
    ///
    /// With a position of variance 0 it is diag(0, √vv).
    #[must_use]
    pub fn factor(self) -> CholeskyFactor {
        if self.xx == 0.0 {
            let vv = self.vv.sqrt();
            return CholeskyFactor {
                xx: 0.0,
                vx: 0.0,
                vv,
            };
        }
        let xx = self.xx.sqrt();
        CholeskyFactor {
            xx,
            vx: self.xv / xx,
            vv: (self.determinant / self.xx).sqrt(),
        }
    }

    /// The same coordinate seen with its velocity turned round.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            xv: -self.xv,
            ..self
        }
    }
}

/// The lower triangular L with which (L ε)_x = xx·ε_x and (L ε)_v = vx·ε_x + vv·ε_v.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CholeskyFactor {
    /// The standard deviation of the position.
    pub xx: f64,
    /// From the position's noise to the velocity.
    pub vx: f64,
    /// The standard deviation of the velocity given the position.
    pub vv: f64,
}
