//! What stands between a bare network and a process: the scaling of its input, the noise level that
//! it is told, and the meaning of its output.
//!
//! After Karras et al. 2022 (table 1, column "Ours"), for any affine process: the network sees x
//! scaled to unit variance and ¼ ln(σ/α), nothing of the process itself. So weights trained under one
//! family can be sampled under any other that visits the same noise levels.

use sde_core::damped::VelocityPrediction;
use sde_core::{Marginal, Prediction};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The preconditioning of a network, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreconditioningConfig {
    /// What the network's output means.
    pub prediction: PredictionKind,
    /// The standard deviation of the data, per coordinate; 0.5 as published for images in [−1, 1].
    pub sigma_data: f64,
    /// Whether the network answers with a variance too; a checkpoint that does not say so has none.
    pub variance: VarianceKind,
    /// What the network's output means for the velocity of a process that has one, in place of `prediction`;
    /// without it the model is one of positions alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub velocity: Option<VelocityPrediction>,
}

impl Default for PreconditioningConfig {
    fn default() -> Self {
        Self {
            prediction: PredictionKind::Edm,
            sigma_data: 0.5,
            variance: VarianceKind::Fixed,
            velocity: None,
        }
    }
}

/// Where the variance of the reverse steps of a DDPM chain comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VarianceKind {
    /// From the chain.
    #[default]
    Fixed,
    /// From the network, in as many channels again as its prediction has (Nichol & Dhariwal 2021, section
    /// 3.1): its output o = 2v − 1 says where each element's log variance lies between ln β̃ and ln β.
    Learned,
}

/// The name of a prediction in a configuration file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PredictionKind {
    /// The noise ε.
    Epsilon,
    /// The data x₀.
    X0,
    /// v = α ε − σ x₀.
    V,
    /// The score.
    Score,
    /// EDM's F.
    #[default]
    Edm,
}

/// A preconditioning that no network can work with.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error(
    "sigma_data = {0} is not possible: it is the standard deviation of the data, above 0 and finite"
)]
pub struct PreconditioningError(pub f64);

impl PreconditioningConfig {
    /// The preconditioning, its parameters checked.
    ///
    /// # Errors
    /// `sigma_data` must be positive and finite.
    pub fn build(self) -> Result<Preconditioning, PreconditioningError> {
        let sigma_data = self.sigma_data;
        if !(sigma_data > 0.0 && sigma_data.is_finite()) {
            return Err(PreconditioningError(sigma_data));
        }
        let prediction = match self.prediction {
            PredictionKind::Epsilon => Prediction::Epsilon,
            PredictionKind::X0 => Prediction::X0,
            PredictionKind::V => Prediction::V,
            PredictionKind::Score => Prediction::Score,
            PredictionKind::Edm => Prediction::Edm { sigma_data },
        };
        Ok(Preconditioning {
            prediction,
            sigma_data,
            variance: self.variance,
            velocity: self.velocity,
        })
    }
}

/// The coefficients around a network at each noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preconditioning {
    prediction: Prediction,
    sigma_data: f64,
    variance: VarianceKind,
    velocity: Option<VelocityPrediction>,
}

impl Preconditioning {
    /// What the network's output means.
    #[must_use]
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// The standard deviation of the data, per coordinate.
    #[must_use]
    pub fn sigma_data(&self) -> f64 {
        self.sigma_data
    }

    /// Whether the network answers with a variance too.
    #[must_use]
    pub fn variance(&self) -> VarianceKind {
        self.variance
    }

    /// What the network's output means for the velocity, if the model is one of pairs.
    #[must_use]
    pub fn velocity(&self) -> Option<VelocityPrediction> {
        self.velocity
    }

    /// 1/√(α² σ_data² + σ²): x = α x₀ + σ ε times this has unit variance.
    #[must_use]
    pub fn c_in(&self, Marginal { alpha, sigma }: Marginal) -> f64 {
        (alpha * self.sigma_data).hypot(sigma).recip()
    }

    /// ¼ ln(σ/α), EDM's c_noise; −⅛ of the log-SNR.
    #[must_use]
    pub fn c_noise(&self, marginal: Marginal) -> f64 {
        -0.125 * marginal.log_snr().0
    }
}

#[cfg(test)]
mod tests {
    use sde_core::{
        AffineSde, Sigma,
        families::{Edm, VariancePreserving},
        prediction::EdmPreconditioning,
    };

    use super::*;

    #[test]
    fn coefficients_are_those_of_karras_table_1_under_the_edm_process() {
        let preconditioning = PreconditioningConfig::default().build().unwrap();
        for sigma in [0.002, 0.5, 1.0, 80.0] {
            let marginal = Edm::default().marginal(Edm::default().time_at_sigma(Sigma(sigma)));
            let published = EdmPreconditioning::new(sigma, 0.5);
            assert!((preconditioning.c_in(marginal) / published.c_in - 1.0).abs() < 1e-14);
            assert!((preconditioning.c_noise(marginal) - sigma.ln() / 4.0).abs() < 1e-14);
        }
    }

    #[test]
    fn the_network_sees_the_same_input_under_vp_and_edm_at_one_noise_level() {
        let preconditioning = PreconditioningConfig::default().build().unwrap();
        let (vp, edm) = (VariancePreserving::default(), Edm::default());
        let sigma = Sigma(3.0);
        let [m, n] = [
            vp.marginal(vp.time_at_sigma(sigma)),
            edm.marginal(edm.time_at_sigma(sigma)),
        ];
        // x_vp / α = x_edm, so c_in · α must agree.
        let ratio = preconditioning.c_in(m) * m.alpha / preconditioning.c_in(n);
        assert!((ratio - 1.0).abs() < 1e-12);
        assert!((preconditioning.c_noise(m) - preconditioning.c_noise(n)).abs() < 1e-12);
    }

    #[test]
    fn a_sigma_data_that_is_not_positive_is_refused() {
        for sigma_data in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let config = PreconditioningConfig {
                sigma_data,
                ..Default::default()
            };
            assert!(
                config
                    .build()
                    .unwrap_err()
                    .to_string()
                    .contains("sigma_data")
            );
        }
    }
}
