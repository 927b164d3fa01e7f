//! One step of a chain and its reversal given the data.

use crate::prediction::Conversion;
use crate::{Marginal, Prediction, State};

/// q(x_t | x_s) = N(scale · x_s, variance · I) for s before t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transition {
    /// What is left of x_s: √(1 − β_t) for DDPM, 1 for SMLD.
    pub scale: f64,
    /// The variance that the step adds: β_t for DDPM, σ_t² − σ_{t−1}² for SMLD.
    pub variance: f64,
}

impl Transition {
    /// The transition of any affine process between two of its marginals: scale α_t/α_s and variance
    /// σ_t² − (α_t/α_s)² σ_s² (Kingma et al. 2021, appendix A.1), the latter as a difference of noise
    /// levels σ/α, which cancels least.
    #[must_use]
    pub fn between(earlier: Marginal, later: Marginal) -> Self {
        let (from, to) = (earlier.sigma_ratio().0, later.sigma_ratio().0);
        Self {
            scale: later.alpha / earlier.alpha,
            variance: later.alpha * later.alpha * (to - from) * (to + from),
        }
    }

    /// q(x_s | x_t, x₀), where this transition leads from the marginal `earlier` to `later`.
    ///
    /// By Bayes' rule the mean is (scale · σ_s² x_t + variance · α_s x₀)/σ_t² and the variance
    /// σ_s² · variance/σ_t² (Ho et al. 2020, eq. 7; Song et al. 2021, appendix F).
    #[must_use]
    pub fn posterior(self, earlier: Marginal, later: Marginal) -> Posterior {
        if earlier.sigma == 0.0 {
            return Posterior {
                x0: earlier.alpha,
                x: 0.0,
                variance: 0.0,
            };
        }
        let remains = (earlier.sigma / later.sigma).powi(2);
        Posterior {
            x0: earlier.alpha * self.variance / (later.sigma * later.sigma),
            x: self.scale * remains,
            variance: remains * self.variance,
        }
    }
}

/// q(x_s | x_t, x₀) = N(x0 · x₀ + x · x_t, variance · I).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Posterior {
    /// What multiplies x₀ in the mean.
    pub x0: f64,
    /// What multiplies x_t in the mean.
    pub x: f64,
    /// The variance of each element; β̃_t for DDPM.
    pub variance: f64,
}

impl Posterior {
    /// The mean μ̃(x_t, x₀), of x's shape.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn mean<X: State>(self, x0: X, x: &X) -> X {
        Conversion {
            x: self.x,
            p: self.x0,
        }
        .apply(x, x0)
    }

    /// The mean as a function of x_t and a prediction made there, at the marginal `later` of x_t.
    #[must_use]
    pub fn mean_of(self, prediction: Prediction, later: Marginal) -> Conversion {
        let x0 = prediction.conversion(Prediction::X0, later);
        Conversion {
            x: self.x + self.x0 * x0.x,
            p: self.x0 * x0.p,
        }
    }
}
