//! λ(t): how much an error at each noise level counts.
//!
//! Whatever a network predicts, its error is the error of any other prediction times a number that
//! depends on the marginal alone. So a weighting is stated for one quantity, the one of its source, and
//! carried over to the network's own output, where the loss is computed.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ObjectiveError, require};
use crate::{AffineSde, Prediction, Time};

/// λ(t), the weight of an error at time t.
///
/// | weighting | as published, on | on ε | on x₀ |
/// |---|---|---|---|
/// | `simple` | 1, on the network's own output | 1 | 1 |
/// | `sigma-squared` | σ², on the score | 1 | SNR |
/// | `likelihood` | g², on the score | g²/σ² | −d SNR/dt |
/// | `edm` | (σ̃² + σ_d²)/(σ̃ σ_d)², on x₀ | σ̃²/σ_d² + 1 | 1/σ̃² + 1/σ_d² |
/// | `min-snr` | min(SNR, γ), on x₀ | min(SNR, γ)/SNR | min(SNR, γ) |
///
/// with σ̃ = σ/α and SNR = α²/σ². That g² on the score is −d SNR/dt on x₀ is the variational bound of
/// VDM (Kingma et al. 2021).
///
/// In configuration files it is a name, `weighting = "min-snr"`, or where it has a parameter that is not
/// the published one a table, `weighting = { kind = "min-snr", gamma = 1.0 }`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Weighting {
    /// 1 on the network's own output: for ε this is L_simple (Ho et al. 2020, eq. 14).
    #[default]
    Simple,
    /// σ² on the score, which makes every noise level count alike (Song & Ermon 2019; Song et al. 2021).
    SigmaSquared,
    /// g² on the score, the maximum-likelihood weighting (Song, Durkan, Murray & Ermon 2021).
    Likelihood,
    /// (σ̃² + σ_data²)/(σ̃ σ_data)² on the denoiser, σ̃ = σ/α (Karras et al. 2022, table 1).
    Edm,
    /// min(SNR, γ) on x₀, which keeps the cleanest levels from counting for all (Hang et al. 2023).
    MinSnr {
        /// γ, above 0; 5 as published.
        gamma: f64,
    },
}

/// γ as published.
const GAMMA: f64 = 5.0;

impl Weighting {
    /// The names, as written in configuration files.
    pub const KINDS: [&'static str; 5] =
        ["simple", "sigma-squared", "likelihood", "edm", "min-snr"];

    /// The weighting, its parameters checked.
    ///
    /// # Errors
    /// γ must be above 0 and finite.
    pub fn validated(self) -> Result<Self, ObjectiveError> {
        if let Self::MinSnr { gamma } = self {
            let holds = gamma > 0.0 && gamma.is_finite();
            require(holds, "weighting.gamma", gamma, "above 0 and finite")?;
        }
        Ok(self)
    }

    /// What multiplies the mean squared error of the output of a network that answers with
    /// `prediction`, at time `t` of `sde`, for data of standard deviation `sigma_data` (which only
    /// [`Weighting::Edm`] reads).
    #[must_use]
    pub fn weight(
        self,
        prediction: Prediction,
        sde: &dyn AffineSde,
        t: Time,
        sigma_data: f64,
    ) -> f64 {
        let marginal = sde.marginal(t);
        // |∂(target)/∂(output)|²: an error of the output times this is the target's.
        let square = |target: Prediction| prediction.conversion(target, marginal).p.powi(2);
        match self {
            Self::Simple => 1.0,
            Self::SigmaSquared => square(Prediction::Epsilon),
            Self::Likelihood => sde.diffusion(t).powi(2) * square(Prediction::Score),
            Self::Edm => {
                let sigma = marginal.sigma_ratio().0;
                let weight = (sigma.powi(2) + sigma_data.powi(2)) / (sigma * sigma_data).powi(2);
                weight * square(Prediction::X0)
            }
            Self::MinSnr { gamma } => {
                let snr = marginal.sigma_ratio().0.powi(-2);
                snr.min(gamma) * square(Prediction::X0)
            }
        }
    }

    /// The weighting of this name, its parameters as published.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "simple" => Self::Simple,
            "sigma-squared" => Self::SigmaSquared,
            "likelihood" => Self::Likelihood,
            "edm" => Self::Edm,
            "min-snr" => Self::MinSnr { gamma: GAMMA },
            _ => return None,
        })
    }
}

/// A weighting as a table, `kind` naming it. Variants in braces, so that unknown fields are refused.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Table {
    Simple {},
    SigmaSquared {},
    Likelihood {},
    Edm {},
    MinSnr {
        #[serde(default = "published_gamma")]
        gamma: f64,
    },
}

fn published_gamma() -> f64 {
    GAMMA
}

impl Serialize for Weighting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match *self {
            Self::Simple => "simple",
            Self::SigmaSquared => "sigma-squared",
            Self::Likelihood => "likelihood",
            Self::Edm => "edm",
            Self::MinSnr { gamma } => return Table::MinSnr { gamma }.serialize(serializer),
        };
        serializer.serialize_str(name)
    }
}

impl<'de> Deserialize<'de> for Weighting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrTable)
    }
}

struct NameOrTable;

impl<'de> Visitor<'de> for NameOrTable {
    type Value = Weighting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}, ", Weighting::KINDS.join(", "))?;
        write!(f, "or a table with one of them as its kind")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Weighting, E> {
        Weighting::named(name).ok_or_else(|| E::unknown_variant(name, &Weighting::KINDS))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Weighting, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(match table {
            Table::Simple {} => Weighting::Simple,
            Table::SigmaSquared {} => Weighting::SigmaSquared,
            Table::Likelihood {} => Weighting::Likelihood,
            Table::Edm {} => Weighting::Edm,
            Table::MinSnr { gamma } => Weighting::MinSnr { gamma },
        })
    }
}
