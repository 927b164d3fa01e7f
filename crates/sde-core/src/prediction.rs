//! What a network predicts, and every conversion between predictions.
//!
//! At a point x = α x₀ + σ ε all of them are affine in each other, with coefficients that depend on
//! the [`Marginal`] only. So each is stored as its relation to x₀, and a conversion is two of those:
//!
//! | prediction p | x₀ as a function of x and p | source |
//! |---|---|---|
//! | ε | (x − σ ε) / α | Ho et al. 2020, eq. 15 |
//! | x₀ | p | |
//! | v = α ε − σ x₀ | (α x − σ v) / (α² + σ²) | Salimans & Ho 2022, appendix D |
//! | score | (x + σ² s) / α | Tweedie; Robbins 1956, Efron 2011 |
//! | F | c_skip x/α + c_out F, at σ̃ = σ/α | Karras et al. 2022, table 1 and eq. 7 |
//!
//! For every one of them the minimiser of the squared error is the conversion of E[x₀ | x].

use serde::{Deserialize, Serialize};

use crate::{Marginal, State};

/// What a network's output means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prediction {
    /// The noise ε of x = α x₀ + σ ε.
    Epsilon,
    /// The data x₀: a denoiser D(x, σ).
    X0,
    /// v = α ε − σ x₀.
    V,
    /// The score ∇ₓ log pₜ(x).
    Score,
    /// EDM's F, of unit variance at every noise level if the data's standard deviation is `sigma_data`.
    Edm {
        /// The standard deviation of the data, per coordinate.
        sigma_data: f64,
    },
}

/// An affine relation y = x_coefficient · x + p_coefficient · p, at one marginal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    /// What multiplies the state x.
    pub x: f64,
    /// What multiplies the prediction p.
    pub p: f64,
}

impl Conversion {
    /// y from the state and the prediction.
    #[must_use]
    pub fn apply<X: State>(self, x: &X, p: X) -> X {
        if self.x == 0.0 {
            p.scale(self.p)
        } else {
            p.lincomb(self.p, x, self.x)
        }
    }
}

/// EDM's preconditioning at noise level σ̃ = σ/α (Karras et al. 2022, table 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EdmPreconditioning {
    /// σ_d² / (σ̃² + σ_d²).
    pub c_skip: f64,
    /// σ̃ σ_d / √(σ̃² + σ_d²).
    pub c_out: f64,
    /// 1 / √(σ̃² + σ_d²), which multiplies x/α.
    pub c_in: f64,
}

impl EdmPreconditioning {
    /// The coefficients at σ̃ for data of standard deviation `sigma_data`.
    #[must_use]
    pub fn new(sigma: f64, sigma_data: f64) -> Self {
        let norm = sigma.hypot(sigma_data);
        Self {
            c_skip: (sigma_data / norm).powi(2),
            c_out: sigma * sigma_data / norm,
            c_in: norm.recip(),
        }
    }
}

impl Prediction {
    /// x₀ as a function of x and this prediction.
    fn to_x0(self, Marginal { alpha, sigma }: Marginal) -> Conversion {
        match self {
            Self::Epsilon => Conversion {
                x: alpha.recip(),
                p: -sigma / alpha,
            },
            Self::X0 => Conversion { x: 0.0, p: 1.0 },
            Self::V => {
                let square = alpha * alpha + sigma * sigma;
                Conversion {
                    x: alpha / square,
                    p: -sigma / square,
                }
            }
            Self::Score => Conversion {
                x: alpha.recip(),
                p: sigma * sigma / alpha,
            },
            Self::Edm { sigma_data } => {
                let c = EdmPreconditioning::new(sigma / alpha, sigma_data);
                Conversion {
                    x: c.c_skip / alpha,
                    p: c.c_out,
                }
            }
        }
    }

    /// The r for which x counts α / (α² + r σ²) towards x₀: 0 for ε and the score, 1 for v, 1/σ_d² for
    /// EDM's F (so v is −F at σ_d = 1 where α² + σ² = 1); none for x₀ itself, to which x adds nothing.
    fn damping(self) -> Option<f64> {
        match self {
            Self::Epsilon | Self::Score => Some(0.0),
            Self::V => Some(1.0),
            Self::Edm { sigma_data } => Some((sigma_data * sigma_data).recip()),
            Self::X0 => None,
        }
    }

    /// The conversion of this prediction into `target`, at σ > 0.
    ///
    /// The coefficients keep their relative accuracy at every σ/α: the one of x is a difference that
    /// would cancel, and is taken in closed form.
    #[must_use]
    pub fn conversion(self, target: Self, marginal: Marginal) -> Conversion {
        use Prediction::{Epsilon, Score};

        let Marginal { alpha, sigma } = marginal;
        match (self, target) {
            (from, to) if from == to => Conversion { x: 0.0, p: 1.0 },
            (Epsilon, Score) => Conversion {
                x: 0.0,
                p: -sigma.recip(),
            },
            (Score, Epsilon) => Conversion { x: 0.0, p: -sigma },
            (from, to) => {
                // x₀ = a x + b p and x₀ = c x + d q give q = ((a − c) x + b p) / d.
                let (a, c) = (from.to_x0(marginal), to.to_x0(marginal));
                let difference = match (from.damping(), to.damping()) {
                    (Some(r), Some(q)) => {
                        let square = |r: f64| alpha * alpha + r * sigma * sigma;
                        alpha * sigma * sigma * (q - r) / (square(r) * square(q))
                    }
                    _ => a.x - c.x,
                };
                Conversion {
                    x: difference / c.p,
                    p: a.p / c.p,
                }
            }
        }
    }

    /// `target` from the state x and this prediction p, every sample at the same marginal.
    #[must_use]
    pub fn convert<X: State>(self, target: Self, marginal: Marginal, x: &X, p: X) -> X {
        self.conversion(target, marginal).apply(x, p)
    }

    /// This prediction's exact value for known x₀ and ε: the regression target
    /// `x0_coefficient · x₀ + epsilon_coefficient · ε`, as that pair.
    #[must_use]
    pub fn target(self, marginal: Marginal) -> (f64, f64) {
        let Marginal { alpha, sigma } = marginal;
        match self {
            Self::Epsilon => (0.0, 1.0),
            Self::X0 => (1.0, 0.0),
            Self::V => (-sigma, alpha),
            Self::Score => (0.0, -sigma.recip()),
            Self::Edm { sigma_data } => {
                // F = (x₀ − c_skip (x₀ + σ̃ ε)) / c_out; 1 − c_skip = (c_in σ̃)².
                let ratio = sigma / alpha;
                let c = EdmPreconditioning::new(ratio, sigma_data);
                (c.c_in * ratio / sigma_data, -c.c_in * sigma_data)
            }
        }
    }
}
