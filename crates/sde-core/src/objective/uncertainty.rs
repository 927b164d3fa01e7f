//! A weight for each noise level that is learned: EDM2's uncertainty (Karras et al. 2024, eq. 21; Kendall
//! et al. 2018).
//!
//! Next to the denoiser, u(σ̃) is trained to predict the logarithm of the weighted error λ(σ̃) L(σ̃), in
//! the loss
//!
//! ```text
//! E [ λ(σ̃) L(σ̃) e^{−u(σ̃)} + u(σ̃) ].
//! ```
//!
//! At its optimum in u every noise level contributes 1 to the first term, so all count alike whatever
//! the weighting; and e^{u} reads off the loss level by level. u is a linear layer without bias on
//! [`FourierFeatures`] of c_noise = ¼ ln σ̃, thrown away after training.

use std::f64::consts::{SQRT_2, TAU};

use rand_distr::{Distribution, StandardNormal, StandardUniform};
use serde::{Deserialize, Serialize};

use super::{ObjectiveError, require};
use crate::Sigma;
use crate::noise::{Role, generator};

/// `error`·e^{−u} + u, of a weighted squared error and u, the logarithm of what it is expected to be.
#[must_use]
pub fn loss(error: f64, u: f64) -> f64 {
    error * (-u).exp() + u
}

/// The derivatives of [`loss`] by the error, e^{−u}, and by u, 1 − `error`·e^{−u}.
#[must_use]
pub fn gradient(error: f64, u: f64) -> (f64, f64) {
    let precision = (-u).exp();
    (precision, 1.0 - error * precision)
}

/// The u of smallest expected [`loss`], the logarithm of the mean error; there the loss is 1 + u.
#[must_use]
pub fn optimum(mean_error: f64) -> f64 {
    mean_error.ln()
}

/// Random Fourier features √2 cos(ω_j c + φ_j) of c = ¼ ln σ̃, with ω ~ 2π·`bandwidth`·N(0, 1) and
/// φ uniform on [0, 2π) (Karras et al. 2024, eq. 75): each of variance 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FourierFeatures {
    /// How many; 128 as published.
    pub channels: usize,
    /// What scales the frequencies; 1 as published.
    pub bandwidth: f64,
    /// The seed of the frequencies and phases, which are not trained.
    pub seed: u64,
}

impl Default for FourierFeatures {
    fn default() -> Self {
        Self {
            channels: 128,
            bandwidth: 1.0,
            seed: 0,
        }
    }
}

impl FourierFeatures {
    /// The features, their parameters checked.
    ///
    /// # Errors
    /// There must be a channel, and the bandwidth be above 0 and finite.
    pub fn validated(self) -> Result<Self, ObjectiveError> {
        let channels = self.channels as f64;
        let field = "uncertainty.channels";
        require(self.channels > 0, field, channels, "at least 1")?;
        let (field, width) = ("uncertainty.bandwidth", self.bandwidth);
        let holds = width > 0.0 && width.is_finite();
        require(holds, field, width, "above 0 and finite")?;
        Ok(self)
    }

    /// c_noise = ¼ ln σ̃, what the features are of (Karras et al. 2022, table 1).
    #[must_use]
    pub fn c_noise(Sigma(sigma): Sigma) -> f64 {
        0.25 * sigma.ln()
    }

    /// (ω_j, φ_j) of each channel, in radians per unit of c and in radians: two constant vectors of a
    /// network. Channel j is drawn from (seed, j) alone, so more channels leave the first as they are.
    #[must_use]
    pub fn frequencies_and_phases(&self) -> Vec<(f64, f64)> {
        (0..self.channels as u64)
            .map(|channel| {
                let mut generator = generator(self.seed, channel, 0, Role::Feature);
                let z: f64 = StandardNormal.sample(&mut generator);
                let share: f64 = StandardUniform.sample(&mut generator);
                (TAU * self.bandwidth * z, TAU * share)
            })
            .collect()
    }

    /// The features at σ̃, length `channels`.
    #[must_use]
    pub fn at(&self, sigma: Sigma) -> Vec<f64> {
        let c = Self::c_noise(sigma);
        self.frequencies_and_phases()
            .into_iter()
            .map(|(omega, phi)| SQRT_2 * (omega * c + phi).cos())
            .collect()
    }
}
