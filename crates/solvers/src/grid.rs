//! When a solver steps: decreasing times, spaced in t, √t, log-SNR or EDM's ρ.

use sde_core::{AffineSde, Sigma, Time};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::LastStep;
use crate::last_step::can_end_at;

/// In which quantity a grid's times are equally spaced.
///
/// Variants without parameters have braces, because serde lets a unit variant take any field in silence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum GridConfig {
    /// In t, as score_sde samples all its processes (Song et al. 2021).
    Uniform {},
    /// In √t, DDIM's quadratic spacing (Song, Meng & Ermon 2021, appendix D.2).
    Quadratic {},
    /// In ln(α²/σ²), so σ/α is a geometric ladder: NCSN's levels (Song & Ermon 2019), and the
    /// spacing of DPM-Solver (Lu et al. 2022).
    LogSnr {},
    /// In (σ/α)^{1/ρ} (Karras et al. 2022, eq. 5).
    Karras {
        /// ρ; 7 as published, and towards infinity the same as `log-snr`.
        #[serde(default = "published_rho")]
        rho: f64,
    },
}

/// ρ = 7 (Karras et al. 2022, table 1).
fn published_rho() -> f64 {
    7.0
}

impl GridConfig {
    /// The names, as written in configuration files.
    pub const NAMES: [&'static str; 4] = ["uniform", "quadratic", "log-snr", "karras"];

    /// EDM's spacing with the published ρ = 7.
    #[must_use]
    pub fn karras() -> Self {
        Self::Karras {
            rho: published_rho(),
        }
    }

    /// The spacing with which a family was published, by [`AffineSde::name`]: uniform in t for `vp`,
    /// `sub-vp` and `ve` (Song et al. 2021), and for the chains `ddpm` and `smld`, whose nodes are N such
    /// steps, the last of which denoises; in log-SNR for `cosine` (Lu et al. 2022), whose β is too
    /// steep at the end for equal steps of t, ρ = 7 for `edm` (Karras et al. 2022) and for any other.
    #[must_use]
    pub fn published(family: &str) -> Self {
        match family {
            "vp" | "sub-vp" | "ve" | "ddpm" | "smld" => Self::Uniform {},
            "cosine" => Self::LogSnr {},
            _ => Self::karras(),
        }
    }

    /// Its name, one of [`GridConfig::NAMES`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform {} => "uniform",
            Self::Quadratic {} => "quadratic",
            Self::LogSnr {} => "log-snr",
            Self::Karras { .. } => "karras",
        }
    }

    /// The time that is the fraction `u` in (0, 1) of the way from `start` to `end`.
    fn between(self, sde: &dyn AffineSde, start: Time, end: Time, u: f64) -> Time {
        let sigma = |t| sde.marginal(t).sigma_ratio();
        let lerp = |from: f64, to: f64| from + u * (to - from);
        match self {
            Self::Uniform {} => Time(lerp(start.0, end.0)),
            Self::Quadratic {} => Time(lerp(start.0.sqrt(), end.0.sqrt()).powi(2)),
            Self::LogSnr {} => {
                let log_sigma = lerp(sigma(start).0.ln(), sigma(end).0.ln());
                sde.time_at_sigma(Sigma(log_sigma.exp()))
            }
            Self::Karras { rho } => {
                let root = |Sigma(sigma)| sigma.powf(rho.recip());
                let sigma = lerp(root(sigma(start)), root(sigma(end))).powf(rho);
                sde.time_at_sigma(Sigma(sigma))
            }
        }
    }
}

impl std::str::FromStr for GridConfig {
    type Err = GridError;

    /// The grid of that name, with its published parameters.
    fn from_str(name: &str) -> Result<Self, GridError> {
        match name {
            "uniform" => Ok(Self::Uniform {}),
            "quadratic" => Ok(Self::Quadratic {}),
            "log-snr" => Ok(Self::LogSnr {}),
            "karras" => Ok(Self::karras()),
            _ => Err(GridError::UnknownName { name: name.into() }),
        }
    }
}

/// Everything that makes a grid, except the process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GridSpec {
    /// How its times are spaced.
    pub spacing: GridConfig,
    /// N, the number of steps, the last step included.
    pub steps: usize,
    /// How the run ends.
    pub last_step: LastStep,
    /// The first time t_0; [`AffineSde::t_max`] if none.
    pub start: Option<Time>,
    /// The last time t_min; [`AffineSde::t_min_sampling`] if none.
    pub end: Option<Time>,
}

impl GridSpec {
    /// N steps over the whole process, the last of which denoises.
    #[must_use]
    pub fn new(spacing: GridConfig, steps: usize) -> Self {
        Self {
            spacing,
            steps,
            last_step: LastStep::default(),
            start: None,
            end: None,
        }
    }

    /// The same with another last step.
    #[must_use]
    pub fn ending_with(self, last_step: LastStep) -> Self {
        Self { last_step, ..self }
    }

    /// The same from `start` down to `end`, in t.
    #[must_use]
    pub fn between(self, start: Time, end: Time) -> Self {
        Self {
            start: Some(start),
            end: Some(end),
            ..self
        }
    }

    /// The times of `sde`.
    ///
    /// # Errors
    /// At least one step, t_max ≥ start > end, noise left at the end, ρ above 0, and fewer steps than
    /// there are numbers between.
    pub fn build(self, sde: &dyn AffineSde) -> Result<TimeGrid, GridError> {
        let start = self.start.unwrap_or(sde.t_max());
        let end = self.end.unwrap_or(sde.t_min_sampling());
        self.check(sde, start, end)?;
        let intervals = self.last_step.times(self.steps) - 1;
        let times = (0..=intervals)
            .map(|i| match i {
                0 => start,
                // Exactly, not up to the rounding of a change of variables.
                i if i == intervals => end,
                i => {
                    let u = i as f64 / intervals as f64;
                    self.spacing.between(sde, start, end, u)
                }
            })
            .collect();
        TimeGrid::from_times(times, self.last_step)
    }

    fn check(&self, sde: &dyn AffineSde, start: Time, end: Time) -> Result<(), GridError> {
        if self.steps == 0 {
            return Err(GridError::NoSteps);
        }
        if let GridConfig::Karras { rho } = self.spacing
            && !(rho > 0.0 && rho.is_finite())
        {
            return Err(GridError::Rho { rho });
        }
        let (family, t_max) = (sde.name(), sde.t_max());
        let within = end.0 >= 0.0 && end < start && start <= t_max;
        if !within {
            return Err(GridError::Span {
                family,
                start,
                end,
                t_max,
            });
        }
        if !can_end_at(sde, end) {
            return Err(GridError::NoNoise { family, end });
        }
        Ok(())
    }
}

/// The times t_0 > t_1 > … > t_M at which a solver evaluates its score, in the process's own t, and
/// how the run ends.
///
/// A grid of N steps has N times with [`LastStep::Denoise`], whose N-th step leads from t_{N−1} to the
/// data, and N + 1 with [`LastStep::Plain`]. With 18 steps and ρ = 7 on the EDM family it is the
/// published grid 80, 57.6, 40.8, …, 0.002, whose final 0 is the last step.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeGrid {
    times: Vec<Time>,
    last_step: LastStep,
}

impl TimeGrid {
    /// A grid of these times, noisiest first.
    ///
    /// # Errors
    /// Times must be finite and fall strictly; [`LastStep::Denoise`] needs one at least,
    /// [`LastStep::Plain`] two.
    pub fn from_times(times: Vec<Time>, last_step: LastStep) -> Result<Self, GridError> {
        if last_step.steps(times.len()) == 0 {
            return Err(GridError::NoSteps);
        }
        if let Some(index) = times.iter().position(|t| !t.0.is_finite()) {
            let time = times[index];
            return Err(GridError::NotFinite { index, time });
        }
        if let Some(index) = times.windows(2).position(|pair| pair[1] >= pair[0]) {
            return Err(GridError::NotFalling {
                index: index + 1,
                time: times[index + 1],
                previous: times[index],
            });
        }
        Ok(Self { times, last_step })
    }

    /// `steps` steps equally spaced in t over the whole of `sde`, the last of which denoises.
    ///
    /// # Errors
    /// As [`GridSpec::build`].
    pub fn uniform(sde: &dyn AffineSde, steps: usize) -> Result<Self, GridError> {
        GridSpec::new(GridConfig::Uniform {}, steps).build(sde)
    }

    /// The same, equally spaced in √t.
    ///
    /// # Errors
    /// As [`GridSpec::build`].
    pub fn quadratic(sde: &dyn AffineSde, steps: usize) -> Result<Self, GridError> {
        GridSpec::new(GridConfig::Quadratic {}, steps).build(sde)
    }

    /// The same, equally spaced in the logarithm of the signal-to-noise ratio.
    ///
    /// # Errors
    /// As [`GridSpec::build`].
    pub fn log_snr(sde: &dyn AffineSde, steps: usize) -> Result<Self, GridError> {
        GridSpec::new(GridConfig::LogSnr {}, steps).build(sde)
    }

    /// The same, equally spaced in (σ/α)^{1/ρ}.
    ///
    /// # Errors
    /// As [`GridSpec::build`].
    pub fn karras(sde: &dyn AffineSde, steps: usize, rho: f64) -> Result<Self, GridError> {
        GridSpec::new(GridConfig::Karras { rho }, steps).build(sde)
    }

    /// The times, noisiest first.
    #[must_use]
    pub fn times(&self) -> &[Time] {
        &self.times
    }

    /// t_0, the noisiest.
    #[must_use]
    pub fn start(&self) -> Time {
        self.times[0]
    }

    /// t_min, the least noisy.
    #[must_use]
    pub fn end(&self) -> Time {
        self.times[self.times.len() - 1]
    }

    /// How the run ends.
    #[must_use]
    pub fn last_step(&self) -> LastStep {
        self.last_step
    }

    /// N, the number of steps, the last step included.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.last_step.steps(self.times.len())
    }
}

/// A grid that cannot be.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum GridError {
    /// Nothing to walk.
    #[error("a time grid without steps: ask for at least 1")]
    NoSteps,
    /// The span is empty or leaves the process.
    #[error(
        "a time grid from t = {} to {} is not possible for `{family}`: it needs {} >= start > end >= 0",
        .start.0, .end.0, .t_max.0
    )]
    Span {
        /// The process.
        family: &'static str,
        /// t_0.
        start: Time,
        /// t_min.
        end: Time,
        /// T.
        t_max: Time,
    },
    /// The score diverges at the end.
    #[error(
        "a time grid of `{family}` cannot end at t = {}, where no noise is left and the score \
         diverges: end it above, `denoise` takes the step to 0", .end.0
    )]
    NoNoise {
        /// The process.
        family: &'static str,
        /// t_min.
        end: Time,
    },
    /// The process has no one noise level.
    #[error(
        "a `{spacing}` grid is spaced in σ/α, which `{family}` does not have, its marginals having a \
         covariance of position and velocity: use `uniform` or `quadratic`"
    )]
    NoSigma {
        /// The process.
        family: &'static str,
        /// The spacing.
        spacing: &'static str,
    },
    /// EDM's exponent.
    #[error("rho = {rho} is not possible for a karras grid: it must be above 0")]
    Rho {
        /// ρ.
        rho: f64,
    },
    /// A time is NaN or infinite.
    #[error("time {index} of the grid is {}: times must be finite", .time.0)]
    NotFinite {
        /// Its place.
        index: usize,
        /// The time.
        time: Time,
    },
    /// Two neighbours are equal or out of order.
    #[error(
        "time {index} of the grid is {}, not below {} before it: order times from noise to data, or \
         ask for fewer steps", .time.0, .previous.0
    )]
    NotFalling {
        /// The place of the second.
        index: usize,
        /// The second.
        time: Time,
        /// The first.
        previous: Time,
    },
    /// A name that no grid has.
    #[error("there is no time grid `{name}`: it is one of {}", GridConfig::NAMES.join(", "))]
    UnknownName {
        /// What was asked for.
        name: String,
    },
}
