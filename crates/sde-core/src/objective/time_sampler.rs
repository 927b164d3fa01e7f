//! How t is drawn, and with which density.

use rand_distr::{Distribution, StandardNormal, StandardUniform};
use serde::{Deserialize, Serialize};

use super::{ObjectiveError, require};
use crate::noise::{Role, generator};
use crate::{AffineSde, LogSnr, Sigma, Time};

/// How t is drawn.
///
/// Any sampler goes with any weighting λ. With L(t) the loss at t, the mean of λ(t) L(t) over the drawn
/// times estimates, without bias,
///
/// | sampler | with λ as it is | with λ times [`TimeDistribution::correction`] |
/// |---|---|---|
/// | uniform, stratified | ∫ λ L dt / (t_max − t_min) | the same |
/// | importance | ∫ λ L p dt, p ∝ g²/σ² | ∫ λ L dt / (t_max − t_min) |
/// | log-normal | ∫ λ L p dt, and the ends' shares | ∫ λ L dt / (t_max − t_min) |
///
/// Importance sampling is a way to compute the same integral with less variance, so its loss is the
/// corrected one; log-normal times are themselves a weighting (Karras et al. 2022, §5), so theirs is
/// not. [`TimeDistribution::loss_factor`] says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", from = "Table")]
pub enum TimeSampler {
    /// Uniform on [t_min, t_max].
    #[default]
    Uniform,
    /// Uniform, and evenly spread over the batch: (u₀ + i/B) mod 1 for sample i of B, with one u₀ a step
    /// (Kingma et al. 2021, appendix I.1). Each t alone is uniform; the mean over a batch has less
    /// variance.
    Stratified,
    /// p(t) ∝ g²/σ², which leaves the likelihood weighting's loss a mean of unweighted errors of ε (Song,
    /// Durkan, Murray & Ermon 2021).
    ///
    /// As d ln SNR/dt = −g²/σ² for every affine process, it is ln SNR that is uniform, and its inverse
    /// distribution function is [`AffineSde::time_at_sigma`]: in closed form for every family.
    Importance,
    /// ln σ̃ ~ N(`mean`, `std`²), σ̃ = σ/α (Karras et al. 2022, table 1: −1.2 and 1.2); what falls
    /// outside [t_min, t_max] is moved to its ends.
    LogNormal {
        /// P_mean.
        mean: f64,
        /// P_std.
        std: f64,
    },
}

/// The same with every variant in braces, so that unknown fields are refused.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Table {
    Uniform {},
    Stratified {},
    Importance {},
    LogNormal { mean: f64, std: f64 },
}

impl From<Table> for TimeSampler {
    fn from(table: Table) -> Self {
        match table {
            Table::Uniform {} => Self::Uniform,
            Table::Stratified {} => Self::Stratified,
            Table::Importance {} => Self::Importance,
            Table::LogNormal { mean, std } => Self::LogNormal { mean, std },
        }
    }
}

impl TimeSampler {
    /// The sampler, its parameters checked.
    ///
    /// # Errors
    /// `mean` must be finite, and `std` above 0 and finite.
    pub fn validated(self) -> Result<Self, ObjectiveError> {
        if let Self::LogNormal { mean, std } = self {
            require(mean.is_finite(), "time.mean", mean, "finite")?;
            let holds = std > 0.0 && std.is_finite();
            require(holds, "time.std", std, "above 0 and finite")?;
        }
        Ok(self)
    }

    /// The share u of [0, 1] at which the time of sample `sample` of the `batch` samples of step `step` lies,
    /// if it is drawn without regard to a noise level: uniform or stratified, as
    /// [`TimeDistribution::time`] has it.
    #[must_use]
    pub fn share(self, seed: u64, step: u64, sample: u64, batch: u64) -> Option<f64> {
        let uniform = |sample: u64| -> f64 {
            StandardUniform.sample(&mut generator(seed, sample, step, Role::Time))
        };
        match self {
            Self::Uniform => Some(uniform(sample)),
            Self::Stratified => {
                let batch = batch.max(1);
                let place = (sample % batch) as f64 / batch as f64;
                Some((uniform(u64::MAX) + place) % 1.0)
            }
            Self::Importance | Self::LogNormal { .. } => None,
        }
    }

    /// The times of `sde` from `t_min` to its end, drawn in this way; it costs nothing to make.
    ///
    /// # Errors
    /// `t_min` must be at least 0 and before the process's end, and above 0 for
    /// [`TimeSampler::Importance`] under a process whose noise starts at 0, where g²/σ² has no integral.
    pub fn over<'a>(
        self,
        sde: &'a dyn AffineSde,
        t_min: Time,
    ) -> Result<TimeDistribution<'a>, ObjectiveError> {
        let (sampler, t_max) = (self.validated()?, sde.t_max());
        let refuse = |holds, must| require(holds, "t_min", t_min.0, must);
        refuse(t_min.0 >= 0.0, "at least 0")?;
        refuse(t_min < t_max, "before the end of the process")?;
        let log_snr = [t_min, t_max].map(|t| sde.marginal(t).log_snr().0);
        if sampler == Self::Importance {
            let must = "above 0, as g²/σ² has no integral from there";
            refuse(log_snr[0].is_finite(), must)?;
        }
        Ok(TimeDistribution {
            sampler,
            sde,
            t_min: t_min.0,
            t_max: t_max.0,
            log_snr,
        })
    }
}

/// The law of t on [t_min, t_max] that a [`TimeSampler`] has under one process.
#[derive(Clone, Copy)]
pub struct TimeDistribution<'a> {
    sampler: TimeSampler,
    sde: &'a dyn AffineSde,
    t_min: f64,
    t_max: f64,
    /// At t_min and t_max.
    log_snr: [f64; 2],
}

impl TimeDistribution<'_> {
    /// The time of sample `sample` of the `batch` samples of step `step`: a function of its arguments.
    ///
    /// It is drawn for [`Role::Time`] from (`seed`, `sample`, `step`). A stratified time is drawn from
    /// (`seed`, [`u64::MAX`], `step`) instead, a place no sample has, so that the whole step shares it;
    /// it alone depends on `batch`, for which 0 counts as 1.
    #[must_use]
    pub fn time(&self, seed: u64, step: u64, sample: u64, batch: u64) -> Time {
        let uniform = |sample: u64| -> f64 {
            StandardUniform.sample(&mut generator(seed, sample, step, Role::Time))
        };
        let t = match self.sampler {
            TimeSampler::Uniform | TimeSampler::Stratified => {
                let share = self.sampler.share(seed, step, sample, batch);
                self.at_share(share.expect("these are drawn without regard to a noise level"))
            }
            TimeSampler::Importance => {
                let [most, least] = self.log_snr;
                let log_snr = LogSnr(most + uniform(sample) * (least - most));
                self.sde.time_at_sigma(log_snr.into()).0
            }
            TimeSampler::LogNormal { mean, std } => {
                let mut generator = generator(seed, sample, step, Role::Time);
                let z: f64 = StandardNormal.sample(&mut generator);
                self.sde.time_at_sigma(Sigma((mean + std * z).exp())).0
            }
        };
        Time(t.clamp(self.t_min, self.t_max))
    }

    fn at_share(&self, share: f64) -> f64 {
        self.t_min + share * (self.t_max - self.t_min)
    }

    /// p(t), per unit of t; 0 outside [t_min, t_max].
    ///
    /// Log-normal times that were moved to an end share that one t: there the density is infinite, and
    /// inside it is less than 1 in all.
    #[must_use]
    pub fn density(&self, t: Time) -> f64 {
        if !(self.t_min..=self.t_max).contains(&t.0) {
            return 0.0;
        }
        // −d ln SNR/dt = g²/σ².
        let speed = || (self.sde.diffusion(t) / self.sde.marginal(t).sigma).powi(2);
        match self.sampler {
            TimeSampler::Uniform | TimeSampler::Stratified => (self.t_max - self.t_min).recip(),
            TimeSampler::Importance => speed() / (self.log_snr[0] - self.log_snr[1]),
            TimeSampler::LogNormal { .. } if t.0 == self.t_min || t.0 == self.t_max => {
                f64::INFINITY
            }
            TimeSampler::LogNormal { mean, std } => {
                let z = (self.sde.marginal(t).sigma_ratio().0.ln() - mean) / std;
                let normal = (-0.5 * z * z).exp() / (std * std::f64::consts::TAU.sqrt());
                // ln σ̃ = −½ ln SNR.
                normal * 0.5 * speed()
            }
        }
    }

    /// The uniform density over p(t): the factor with which a mean over these times is the mean over
    /// uniform ones. It is 0 where an end's share of the times makes p infinite, which takes those
    /// out of an integral that they are no part of.
    #[must_use]
    pub fn correction(&self, t: Time) -> f64 {
        match self.sampler {
            TimeSampler::Uniform | TimeSampler::Stratified => 1.0,
            _ => ((self.t_max - self.t_min) * self.density(t)).recip(),
        }
    }

    /// What multiplies the weighting in a training loss: [`TimeDistribution::correction`] for importance
    /// sampling, and 1 for the others, log-normal times being part of their objective.
    #[must_use]
    pub fn loss_factor(&self, t: Time) -> f64 {
        match self.sampler {
            TimeSampler::Importance => self.correction(t),
            _ => 1.0,
        }
    }

    /// t_min.
    #[must_use]
    pub fn t_min(&self) -> Time {
        Time(self.t_min)
    }

    /// t_max.
    #[must_use]
    pub fn t_max(&self) -> Time {
        Time(self.t_max)
    }
}
