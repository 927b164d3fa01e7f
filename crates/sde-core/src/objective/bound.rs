//! The variational bound on −log p(x) of the generative SDE, in continuous time (Huang, Lim & Courville
//! 2021; Song, Durkan, Murray & Ermon 2021, theorems 1 and 3).
//!
//! The model draws x_T from the prior π and walks the reverse SDE with the score s down to t_min, where
//! it has a density p_s. For data x, and x_t = α x + σ ε,
//!
//! ```text
//! E[−log p_s(x_{t_min})] ≤ E[−log π(x_T)] + ∫ E[½ g² ‖s‖² + ∇·(g² s − f)] dt          implicit
//!                        = E[−log π(x_T)] + ∫ E[½ g² (‖s + ε/σ‖² − ‖ε‖²/σ²) − ∇·f] dt  denoising
//! ```
//!
//! over [t_min, t_max]; the second by Stein's lemma given x. What does not depend on s is exact here:
//! the prior's term is −log π at the mean square ‖α_T x‖² + d σ_T², ∫ ∇·f dt = d ln(α_T/α_min), and
//! ∫ g²/σ² dt is the fall of ln SNR. What is left to draw is one integral over t.
//!
//! **What the truncation leaves out.** The denoising integral has no limit for t_min → 0, so the bound
//! ends at x_{t_min}, which is x blurred. A last step x ~ N(x̂₀(x_{t_min}), σ̃²), Tweedie's formula with
//! the noise that it takes away, makes it a bound at the data, as Song, Durkan et al. 2021 do:
//! −log p(x) ≤ the above + [`BoundEstimate::reconstruction`]. For the best score and data with a density
//! the two together tend to −log p(x) and the prior's gap.
//!
//! **How tight it is.** In the mean over data the bound is
//!
//! ```text
//! H(p_{t_min}) + KL(p_T ‖ π) + ½ ∫ g² E‖s − ∇log p_t‖² dt,
//! ```
//!
//! so an exact score leaves the prior's gap alone; and for it the bound at every single x is
//! E[−log p_{t_min}(x_{t_min}) + log(p_T/π)(x_T)].

mod gaussian;
mod terms;

use serde::{Deserialize, Serialize};

use super::{Divergence, ObjectiveError, TimeDistribution, TimeSampler, require};
use crate::noise::{CounterNoise, Noise, Role};
use crate::{AffineSde, DifferentiableScore, Score, State, StepIndex, Time};

/// How the bound is estimated, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BoundConfig {
    /// How t is drawn; stratified times are spread over the draws of each sample.
    pub time: TimeSampler,
    /// t_min; without it the smallest t of training, [`AffineSde::t_min_training`].
    pub t_min: Option<f64>,
    /// The number of draws of (t, ε) a sample and repeat, each one evaluation of the score.
    pub draws: usize,
    /// The number of independent repeats, from whose spread the standard error is read; at least 2.
    pub repeats: usize,
    /// The data's standard deviation s: what is drawn is the difference to the bound of N(0, s² I), which
    /// is known in closed form. The nearer the data is to it, the smaller the standard error; the mean
    /// does not depend on it.
    pub sigma_data: f64,
}

impl Default for BoundConfig {
    fn default() -> Self {
        Self {
            time: TimeSampler::Importance,
            t_min: None,
            draws: 16,
            repeats: 8,
            sigma_data: 1.0,
        }
    }
}

/// A mean and the standard error of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// The standard error of the mean.
    pub standard_error: f64,
}

impl Estimate {
    /// The mean of independent values, at least two, and its standard error.
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            value: mean,
            standard_error: (squares / (n - 1.0) / n).sqrt(),
        }
    }

    /// In another unit.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            value: factor * self.value,
            standard_error: factor.abs() * self.standard_error,
        }
    }
}

/// The bound of one sample, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundEstimate {
    /// The bound on E[−log p(x_{t_min})] given the data point.
    pub at_t_min: Estimate,
    /// What the step from t_min to the data adds.
    pub reconstruction: Estimate,
}

impl BoundEstimate {
    /// The bound on −log p(x) at the data point itself: both parts, drawn independently.
    #[must_use]
    pub fn at_data(&self) -> Estimate {
        let (a, b) = (self.at_t_min, self.reconstruction);
        Estimate {
            value: a.value + b.value,
            standard_error: a.standard_error.hypot(b.standard_error),
        }
    }
}

/// An integrand at one draw: from ε, the times and the draw's step, a value a sample.
type Integrand<'a, X> = dyn Fn(&X, &[Time], StepIndex) -> Vec<f64> + 'a;

/// The variational bound under one process.
///
/// ```
/// # #[cfg(feature = "ndarray")] {
/// use sde_core::families::VariancePreserving;
/// use sde_core::noise::CounterNoise;
/// use sde_core::objective::{BoundConfig, VariationalBound};
/// use sde_core::worlds::GaussianMixture;
///
/// let (sde, world) = (VariancePreserving::default(), GaussianMixture::eight_gaussians());
/// let bound = VariationalBound::new(BoundConfig::default(), &sde).unwrap();
/// let data = world.sample(0, 4);
/// let bounds = bound.denoising(&world.under(&sde), &data, CounterNoise::new(1));
/// // The score is exact, so the bound is the likelihood up to the draws (and the prior's 1e-5).
/// for (bound, x) in bounds.iter().map(|bound| bound.at_data()).zip(data.outer_iter()) {
///     assert!((bound.value + world.log_pdf(x)).abs() < 5.0 * bound.standard_error);
/// }
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct VariationalBound<'a> {
    config: BoundConfig,
    sde: &'a dyn AffineSde,
    times: TimeDistribution<'a>,
}

impl<'a> VariationalBound<'a> {
    /// The bound under `sde`.
    ///
    /// # Errors
    /// t_min must lie before the process's end and have noise; there must be a draw, two repeats, and a
    /// `sigma_data` that is above 0 and finite.
    pub fn new(config: BoundConfig, sde: &'a dyn AffineSde) -> Result<Self, ObjectiveError> {
        let t_min = config.t_min.map_or(sde.t_min_training(), Time);
        let times = config.time.over(sde, t_min)?;
        let noisy = sde.marginal(t_min).sigma > 0.0;
        require(noisy, "t_min", t_min.0, "a time at which there is noise")?;
        require(config.draws > 0, "draws", 0.0, "at least 1")?;
        let repeats = config.repeats as f64;
        require(config.repeats > 1, "repeats", repeats, "at least 2")?;
        let width = config.sigma_data;
        let holds = width > 0.0 && width.is_finite();
        require(holds, "sigma_data", width, "above 0 and finite")?;
        Ok(Self { config, sde, times })
    }

    /// The law of t.
    #[must_use]
    pub fn times(&self) -> &TimeDistribution<'a> {
        &self.times
    }

    /// The bound of each sample of the data `x0`, in its denoising form.
    ///
    /// ε is the noise of [`Role::Forward`], t of [`Role::Time`], both functions of the seed, the sample
    /// and the draw; take another seed than training's.
    pub fn denoising<X: State>(
        &self,
        score: &dyn Score<X>,
        x0: &X,
        noise: CounterNoise,
    ) -> Vec<BoundEstimate> {
        let integrand = |epsilon: &X, times: &[Time], _| {
            let mut values = self.denoising_integrand(score, x0, epsilon, times);
            self.less_gaussian(epsilon, times, &mut values, |share| (share.signal, 1.0));
            values
        };
        self.estimate(score, x0, noise, &integrand)
    }

    /// The bound of each sample of the data `x0`, in its implicit form. Probes are those of
    /// [`Role::Probe`].
    pub fn implicit<X: State>(
        &self,
        score: &dyn DifferentiableScore<X>,
        x0: &X,
        divergence: Divergence,
        noise: CounterNoise,
    ) -> Vec<BoundEstimate> {
        let integrand = |epsilon: &X, times: &[Time], step| {
            let mut values =
                self.implicit_integrand(score, x0, epsilon, times, divergence, noise, step);
            self.less_gaussian(epsilon, times, &mut values, |share| (share.noise, -1.0));
            values
        };
        self.estimate(score, x0, noise, &integrand)
    }

    /// The bound that a Gaussian would have, and the mean of what the integrand is more than the
    /// Gaussian's.
    fn estimate<X: State>(
        &self,
        score: &dyn Score<X>,
        x0: &X,
        noise: CounterNoise,
        integrand: &Integrand<'_, X>,
    ) -> Vec<BoundEstimate> {
        let BoundConfig { draws, repeats, .. } = self.config;
        let length = self.times.t_max().0 - self.times.t_min().0;
        let mut path = vec![vec![0.0; repeats]; x0.batch()];
        let mut last = path.clone();
        for repeat in 0..repeats {
            for draw in 0..draws {
                let step = StepIndex(repeat * draws + draw);
                let epsilon = noise.standard_normal(x0, step, Role::Forward);
                let times = self.draw_times(x0.batch(), noise, repeat, draw);
                for (i, value) in integrand(&epsilon, &times, step).into_iter().enumerate() {
                    let factor = length * self.times.correction(times[i]) / draws as f64;
                    path[i][repeat] += factor * value;
                }
            }
            // Steps that no draw of t has.
            let step = StepIndex(repeats * draws + repeat);
            let epsilon = noise.standard_normal(x0, step, Role::Forward);
            let values = self.reconstruction(score, x0, &epsilon);
            for (last, value) in last.iter_mut().zip(values) {
                last[repeat] = value;
            }
        }
        (self.gaussian_bound(x0).into_iter().zip(path).zip(last))
            .map(|((gaussian, path), last)| {
                let path = Estimate::of(&path);
                BoundEstimate {
                    at_t_min: Estimate {
                        value: gaussian + path.value,
                        ..path
                    },
                    reconstruction: Estimate::of(&last),
                }
            })
            .collect()
    }

    /// The times of one draw. To the sampler each sample's repeat is a step, and its draws are the
    /// samples of it: stratified times are spread over them, and no sample knows its neighbours.
    fn draw_times(
        &self,
        batch: usize,
        noise: CounterNoise,
        repeat: usize,
        draw: usize,
    ) -> Vec<Time> {
        let BoundConfig { draws, repeats, .. } = self.config;
        (noise.first_sample..)
            .take(batch)
            .map(|sample| {
                let step = (sample.wrapping_mul(repeats as u64)).wrapping_add(repeat as u64);
                (self.times).time(noise.seed, step, draw as u64, draws as u64)
            })
            .collect()
    }

    /// E[−log p(x | x_{t_min})] − H(x_{t_min} | x) by one ε: d/2 ln(2π σ̃²) + ½‖x − x̂₀‖²/σ̃² less
    /// d/2 ln(2πe σ²).
    fn reconstruction<X: State>(&self, score: &dyn Score<X>, x0: &X, epsilon: &X) -> Vec<f64> {
        let times = vec![self.times.t_min(); x0.batch()];
        let mut halves: Vec<f64> = (self.noise_errors(score, x0, epsilon, &times).into_iter())
            .map(|error| 0.5 * error)
            .collect();
        let [start, _] = self.ends();
        let dim = x0.sample_len() as f64;
        let gain = self.share(start).signal.powi(2);
        for (value, square) in halves.iter_mut().zip(epsilon.dots(epsilon)) {
            *value -= 0.5 * gain * (square - dim) + 0.5 * dim + dim * start.alpha.ln();
        }
        halves
    }
}
