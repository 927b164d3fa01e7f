//! How β rises along a DDPM chain.

use std::f64::consts::FRAC_PI_2;

use serde::de::value::MapDeserializer;
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::families::{SdeError, require};

/// β_1 … β_N of a chain of any N.
///
/// The ends of `linear`, `quadratic` and `sigmoid` are those of a chain of 1000 steps; for another N
/// they are multiplied by 1000/N, so that chains of every N have the same limit (Nichol & Dhariwal's
/// code). β(t) of that limit, as in the VP SDE, goes from 1000 `beta_start` to 1000 `beta_end`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BetaSchedule {
    /// β in equal steps (Ho et al. 2020, section 4).
    Linear {
        /// β_1; 1e-4 as published.
        #[serde(default = "ho_start")]
        beta_start: f64,
        /// β_N; 0.02 as published.
        #[serde(default = "ho_end")]
        beta_end: f64,
    },
    /// √β in equal steps: `quad` of the code of Ho et al. 2020, `scaled_linear` of diffusers, which Stable
    /// Diffusion uses with 0.00085 → 0.012 (Rombach et al. 2022).
    Quadratic {
        /// β_1; 1e-4 in the code of Ho et al.
        #[serde(default = "ho_start")]
        beta_start: f64,
        /// β_N; 0.02 in the code of Ho et al.
        #[serde(default = "ho_end")]
        beta_end: f64,
    },
    /// ᾱ(t) ∝ cos²((π/2) (t/N + s)/(1 + s)), with β held below `beta_max` (Nichol & Dhariwal 2021, eq. 17).
    Cosine {
        /// s; 0.008 as published.
        #[serde(default = "nichol_offset")]
        s: f64,
        /// The largest β, which only the last steps reach; 0.999 as published.
        #[serde(default = "nichol_largest")]
        beta_max: f64,
    },
    /// β along the logistic function from −6 to 6 (the code of DDIM, Song, Meng & Ermon 2021, and of
    /// GeoDiff, Xu et al. 2022; with the ends of Ho et al. 2020, as in diffusers).
    Sigmoid {
        /// What β rises from: β_1 is 0.25 % of the way above it. 1e-4.
        #[serde(default = "ho_start")]
        beta_start: f64,
        /// What β rises to; 0.02.
        #[serde(default = "ho_end")]
        beta_end: f64,
    },
}

fn ho_start() -> f64 {
    1e-4
}

fn ho_end() -> f64 {
    0.02
}

fn nichol_offset() -> f64 {
    0.008
}

fn nichol_largest() -> f64 {
    0.999
}

impl Default for BetaSchedule {
    /// DDPM's linear schedule.
    fn default() -> Self {
        Self::linear()
    }
}

impl BetaSchedule {
    /// The names, as written in configuration files.
    pub const NAMES: [&'static str; 4] = ["linear", "quadratic", "cosine", "sigmoid"];

    /// β from 1e-4 to 0.02 in equal steps.
    #[must_use]
    pub fn linear() -> Self {
        Self::Linear {
            beta_start: ho_start(),
            beta_end: ho_end(),
        }
    }

    /// √β from √1e-4 to √0.02 in equal steps.
    #[must_use]
    pub fn quadratic() -> Self {
        Self::Quadratic {
            beta_start: ho_start(),
            beta_end: ho_end(),
        }
    }

    /// The quadratic schedule of Stable Diffusion (Rombach et al. 2022), 0.00085 → 0.012.
    #[must_use]
    pub fn stable_diffusion() -> Self {
        Self::Quadratic {
            beta_start: 0.000_85,
            beta_end: 0.012,
        }
    }

    /// α a cosine, s = 0.008, β at most 0.999.
    #[must_use]
    pub fn cosine() -> Self {
        Self::Cosine {
            s: nichol_offset(),
            beta_max: nichol_largest(),
        }
    }

    /// β from 1e-4 to 0.02 along the logistic function.
    #[must_use]
    pub fn sigmoid() -> Self {
        Self::Sigmoid {
            beta_start: ho_start(),
            beta_end: ho_end(),
        }
    }

    /// Its name, one of [`BetaSchedule::NAMES`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear { .. } => "linear",
            Self::Quadratic { .. } => "quadratic",
            Self::Cosine { .. } => "cosine",
            Self::Sigmoid { .. } => "sigmoid",
        }
    }

    /// Whether the parameters give every β of a chain of `steps` steps a value between 0 and 1.
    pub(super) fn validate(self, steps: usize) -> Result<(), SdeError> {
        let check = |holds, field, value, reason| require(holds, "ddpm", field, value, reason);
        match self {
            Self::Cosine { s, beta_max } => {
                check(s >= 0.0, "s", s, "it must be at least 0")?;
                let within = beta_max > 0.0 && beta_max < 1.0;
                let reason = "it must be above 0 and below 1";
                check(within, "beta_max", beta_max, reason)
            }
            Self::Linear {
                beta_start: start,
                beta_end: end,
            }
            | Self::Quadratic {
                beta_start: start,
                beta_end: end,
            }
            | Self::Sigmoid {
                beta_start: start,
                beta_end: end,
            } => {
                check(start > 0.0, "beta_start", start, "it must be above 0")?;
                let reason = "it must be above beta_start";
                check(end > start, "beta_end", end, reason)?;
                let reason = "beta_end * 1000 / steps must be below 1: ask for more steps, or for the \
                              cosine schedule, which has no such limit";
                check(1000.0 * end < steps as f64, "steps", steps as f64, reason)
            }
        }
    }

    /// β_1 … β_N, at place i the one of `StepIndex(i)`, of parameters that were validated.
    pub(super) fn betas(self, steps: usize) -> Vec<f64> {
        let scale = 1000.0 / steps as f64;
        let beta = |i: usize| {
            // From 0 to 1 over the steps.
            let u = i as f64 / (steps - 1) as f64;
            match self {
                Self::Linear {
                    beta_start,
                    beta_end,
                } => scale * (beta_start + u * (beta_end - beta_start)),
                Self::Quadratic {
                    beta_start,
                    beta_end,
                } => {
                    let (start, end) = (beta_start.sqrt(), beta_end.sqrt());
                    scale * (start + u * (end - start)).powi(2)
                }
                Self::Sigmoid {
                    beta_start,
                    beta_end,
                } => {
                    let logistic = ((6.0 - 12.0 * u).exp() + 1.0).recip();
                    scale * (beta_start + logistic * (beta_end - beta_start))
                }
                Self::Cosine { s, beta_max } => cosine_beta(i, steps, s).min(beta_max),
            }
        };
        (0..steps).map(beta).collect()
    }
}

/// 1 − cos² b/cos² a for the angles a and b before and after the step, as sin(b − a) sin(b + a)/cos² a,
/// which does not cancel.
fn cosine_beta(i: usize, steps: usize, s: f64) -> f64 {
    let speed = FRAC_PI_2 / (1.0 + s);
    let a = speed * (i as f64 / steps as f64 + s);
    let step = speed / steps as f64;
    step.sin() * (2.0 * a + step).sin() / a.cos().powi(2)
}

/// Reads a schedule from its name alone, or from a table of its name and parameters.
pub(super) fn name_or_table<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BetaSchedule, D::Error> {
    struct NameOrTable;

    impl<'de> Visitor<'de> for NameOrTable {
        type Value = BetaSchedule;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the name of a schedule, or a table with its name and parameters")
        }

        fn visit_str<E: Error>(self, name: &str) -> Result<BetaSchedule, E> {
            let table = std::iter::once(("name", name.into_deserializer()));
            BetaSchedule::deserialize(MapDeserializer::<_, E>::new(table))
        }

        fn visit_map<M: MapAccess<'de>>(self, table: M) -> Result<BetaSchedule, M::Error> {
            BetaSchedule::deserialize(MapAccessDeserializer::new(table))
        }
    }

    deserializer.deserialize_any(NameOrTable)
}
