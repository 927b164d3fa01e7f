//! The four clocks of the literature, as four types.
//!
//! | type | what it counts | who uses it |
//! |---|---|---|
//! | [`Time`] | the SDE's own t, 0 at the data | Song et al. 2021 |
//! | [`Sigma`] | the noise level σ/α of x/α = x₀ + (σ/α) ε | Karras et al. 2022 (EDM) |
//! | [`LogSnr`] | ln(α²/σ²) | Kingma et al. 2021 (VDM) |
//! | [`StepIndex`] | a step of a discrete chain or a time grid | Ho et al. 2020 (DDPM) |
//!
//! Between [`Time`] and the others stands a process: [`AffineSde::marginal`](crate::AffineSde::marginal)
//! and [`AffineSde::time_at_sigma`](crate::AffineSde::time_at_sigma). Between [`Sigma`] and
//! [`LogSnr`] stands only arithmetic.

use serde::{Deserialize, Serialize};

/// The time t of a forward process: 0 at the data, [`AffineSde::t_max`](crate::AffineSde::t_max) at the prior.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub f64);

/// The noise level σ̃ = σ_t / α_t, in units of the data: EDM's σ.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sigma(pub f64);

/// The logarithm of the signal-to-noise ratio, ln(α_t² / σ_t²) (natural logarithm).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogSnr(pub f64);

/// A step of a discrete chain or of a time grid, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepIndex(pub usize);

impl From<Sigma> for LogSnr {
    fn from(sigma: Sigma) -> Self {
        Self(-2.0 * sigma.0.ln())
    }
}

impl From<LogSnr> for Sigma {
    fn from(log_snr: LogSnr) -> Self {
        Self((-0.5 * log_snr.0).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigma_one_is_log_snr_zero_and_the_conversion_round_trips() {
        assert_eq!(LogSnr::from(Sigma(1.0)), LogSnr(0.0));
        for sigma in [0.002, 0.5, 1.0, 80.0] {
            let back = Sigma::from(LogSnr::from(Sigma(sigma)));
            assert!((back.0 / sigma - 1.0).abs() < 1e-14);
        }
    }
}
