//! Forward processes: any SDE, and the affine ones whose marginals are Gaussian in closed form.

use crate::{LogSnr, Sigma, State, Time};

/// A forward process dx = f(x, t) dt + g(t) dw on states `X` (Song et al. 2021, eq. 5).
///
/// Every [`AffineSde`] is one. Implement this trait by hand for a drift that is not linear in x; the
/// reversals of [`crate::reverse`] need no more than it.
pub trait Sde<X> {
    /// The drift f(x, t), of x's shape.
    fn drift(&self, x: &X, t: Time) -> X;

    /// The diffusion g(t).
    fn diffusion(&self, t: Time) -> f64;
}

/// A process dx = a(t) x dt + g(t) dw, for which
/// p(x_t | x₀) = N(α_t x₀, σ_t² I) (Song et al. 2021, eq. 29; Särkkä & Solin 2019, §6.1).
///
/// The trait is object safe: solvers and networks hold a `&dyn AffineSde`. α and σ are those of the
/// marginal given x₀, and obey the moment equations α' = a α and (σ²)' = 2 a σ² + g².
///
/// ```
/// use sde_core::families::VariancePreserving;
/// use sde_core::{AffineSde, Marginal, Time};
///
/// let sde: Box<dyn AffineSde> = Box::new(VariancePreserving::default());
/// let t = Time(0.5);
/// let Marginal { alpha, sigma } = sde.marginal(t);
/// assert!((alpha - 0.281182881).abs() < 1e-9 && (sigma - 0.959654202).abs() < 1e-9);
///
/// // x_t of one data point, and its time back from its noise level.
/// let (x0, epsilon) = (0.8, -1.3);
/// let x_t = alpha * x0 + sigma * epsilon;
/// assert!((sde.time_at_sigma(sde.marginal(t).sigma_ratio()).0 - 0.5).abs() < 1e-15);
/// # assert!(x_t < 0.0);
/// ```
pub trait AffineSde: Send + Sync {
    /// The name of the family, in kebab case.
    fn name(&self) -> &'static str;

    /// a(t), the rate of the linear drift f(x, t) = a(t) x.
    fn drift_rate(&self, t: Time) -> f64;

    /// g(t), the diffusion.
    fn diffusion(&self, t: Time) -> f64;

    /// α_t and σ_t of p(x_t | x₀) = N(α_t x₀, σ_t² I), accurate to rounding down to t = 0.
    fn marginal(&self, t: Time) -> Marginal;

    /// The t at which σ_t / α_t is `sigma`; the inverse of [`Marginal::sigma_ratio`].
    ///
    /// Clamped to `[0, t_max]` for noise levels that the process never reaches.
    fn time_at_sigma(&self, sigma: Sigma) -> Time;

    /// T, the end of the forward process.
    fn t_max(&self) -> Time;

    /// The smallest t that sampling should integrate to; scores diverge at 0.
    ///
    /// 1e-3 for VP and sub-VP, 1e-5 for VE (Song et al. 2021, appendix C).
    fn t_min_sampling(&self) -> Time;

    /// The smallest t that training should draw: 1e-5 (Song et al. 2021, appendix C).
    fn t_min_training(&self) -> Time {
        Time(1e-5)
    }

    /// The prior π that stands for p_T when sampling.
    fn prior(&self) -> Prior;
}

impl<X: State, P: AffineSde + ?Sized> Sde<X> for P {
    fn drift(&self, x: &X, t: Time) -> X {
        x.clone().scale(self.drift_rate(t))
    }

    fn diffusion(&self, t: Time) -> f64 {
        AffineSde::diffusion(self, t)
    }
}

/// The Gaussian p(x_t | x₀) = N(α x₀, σ² I): x_t = α x₀ + σ ε.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marginal {
    /// α_t, what is left of the data.
    pub alpha: f64,
    /// σ_t, the standard deviation of the noise.
    pub sigma: f64,
}

impl Marginal {
    /// σ_t / α_t, EDM's noise level.
    #[must_use]
    pub fn sigma_ratio(self) -> Sigma {
        Sigma(self.sigma / self.alpha)
    }

    /// ln(α_t² / σ_t²).
    #[must_use]
    pub fn log_snr(self) -> LogSnr {
        LogSnr(2.0 * (self.alpha.ln() - self.sigma.ln()))
    }
}

/// The Gaussian prior N(0, std² I) from which sampling starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Its standard deviation, per coordinate.
    pub std: f64,
}

impl Prior {
    /// ln π(x) in nats, from the squared norm ‖x‖² of a point of `dim` coordinates.
    #[must_use]
    pub fn log_density(self, squared_norm: f64, dim: usize) -> f64 {
        let variance = self.std * self.std;
        -0.5 * (dim as f64 * (std::f64::consts::TAU * variance).ln() + squared_norm / variance)
    }

    /// ln π(x) in nats for each sample of a batch.
    pub fn log_densities<X: State>(self, x: &X) -> Vec<f64> {
        let dim = x.sample_len();
        x.norms()
            .into_iter()
            .map(|norm| self.log_density(norm * norm, dim))
            .collect()
    }
}
