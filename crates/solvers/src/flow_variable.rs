//! In which variable the probability flow is integrated.

use sde_core::{AffineSde, Marginal, Sigma, State, Time};
use serde::{Deserialize, Serialize};

/// The independent variable u of the probability flow, and with it the scale c of the state y = c x that
/// is integrated.
///
/// With s = s(x, t), σ̃ = σ/α and ε = −σ s, all of them are dx/dt = f − ½ g² s (Song et al. 2021, eq. 13)
/// after a change of variables:
///
/// | | u | y | dy/du |
/// |---|---|---|---|
/// | `time` | t | x | a x − ½ g² s |
/// | `sigma` | σ̃ | x/α | ε (Karras et al. 2022, eq. 4) |
/// | `log-sigma` | ln σ̃ = −½ log-SNR | x/α | σ̃ ε |
/// | `angle` | φ = arctan σ̃ | x/√(α² + σ²) | v = cos φ ε − sin φ x₀ (Salimans & Ho 2022, appendix D) |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowVariable {
    /// The process's own t.
    Time,
    /// The noise level σ̃ = σ/α.
    Sigma,
    /// Its logarithm.
    LogSigma,
    /// Its angle, arctan σ̃.
    Angle,
}

/// The flow dy/du = drift · y + score · s(y/scale, time) at one u.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowPoint {
    /// t(u).
    pub time: Time,
    /// c of y = c x.
    pub scale: f64,
    /// What multiplies y.
    pub drift: f64,
    /// What multiplies the score.
    pub score: f64,
}

impl FlowVariable {
    /// Every variable.
    pub const ALL: [Self; 4] = [Self::Time, Self::Sigma, Self::LogSigma, Self::Angle];

    /// u at the time `t` of `sde`.
    #[must_use]
    pub fn value(self, sde: &dyn AffineSde, t: Time) -> f64 {
        let sigma = |t| sde.marginal(t).sigma_ratio().0;
        match self {
            Self::Time => t.0,
            Self::Sigma => sigma(t),
            Self::LogSigma => sigma(t).ln(),
            Self::Angle => sigma(t).atan(),
        }
    }

    /// The time of `sde` at u.
    #[must_use]
    pub fn time(self, sde: &dyn AffineSde, u: f64) -> Time {
        match self {
            Self::Time => Time(u),
            Self::Sigma => sde.time_at_sigma(Sigma(u)),
            Self::LogSigma => sde.time_at_sigma(Sigma(u.exp())),
            Self::Angle => sde.time_at_sigma(Sigma(u.tan())),
        }
    }

    /// The coefficients of the flow of `sde` at u.
    #[must_use]
    pub fn point(self, sde: &dyn AffineSde, u: f64) -> FlowPoint {
        let time = self.time(sde, u);
        let Marginal { alpha, sigma } = sde.marginal(time);
        let (scale, drift, score) = match self {
            Self::Time => {
                let (a, b) = crate::euler_ode::velocity(sde, time);
                (1.0, a, b)
            }
            Self::Sigma => (alpha.recip(), 0.0, -sigma),
            Self::LogSigma => (alpha.recip(), 0.0, -sigma * sigma / alpha),
            Self::Angle => {
                let norm = alpha.hypot(sigma);
                (norm.recip(), -sigma / alpha, -sigma * norm / alpha)
            }
        };
        FlowPoint {
            time,
            scale,
            drift,
            score,
        }
    }

    /// y = c x of each sample, or x = y/c if `back`, all at the time of u.
    pub(crate) fn rescaled<X: State>(self, sde: &dyn AffineSde, u: f64, x: X, back: bool) -> X {
        let scale = self.point(sde, u).scale;
        match self {
            Self::Time => x,
            _ if back => x.scale(scale.recip()),
            _ => x.scale(scale),
        }
    }
}

/// x = y/c of each sample, at a point of its own.
pub(crate) fn unscaled<X: State>(y: &X, points: &[FlowPoint]) -> X {
    if points.iter().all(|point| point.scale == 1.0) {
        return y.clone();
    }
    let factors: Vec<f64> = points.iter().map(|point| point.scale.recip()).collect();
    y.clone()
        .lincomb_per_sample(&factors, y, &vec![0.0; points.len()])
}

/// dy/du of each sample from its score, at a point of its own.
pub(crate) fn slope<X: State>(y: &X, score: X, points: &[FlowPoint]) -> X {
    let (of_score, of_y): (Vec<f64>, Vec<f64>) = points
        .iter()
        .map(|point| (point.score, point.drift))
        .unzip();
    score.lincomb_per_sample(&of_score, y, &of_y)
}
