//! A score that knows an observation: reconstruction guidance.

use sde_core::{AffineSde, DifferentiableScore, Marginal, Score, State, Time};
use serde::{Deserialize, Serialize};

use super::{EditError, Observation, require};

/// s(x, t) + ∇ₓ log p(y | x_t = x) for an observation y = P x₀ + σ_y z with z in the range of P, where
/// p(x₀ | x_t) is taken for a Gaussian around Tweedie's x̂₀ with a covariance C_t:
///
/// ```text
/// ∇ₓ log p(y | x) = (∂x̂₀/∂x)ᵀ P (P C_t P + σ_y² I)⁻¹ P (y − x̂₀)
/// ```
///
/// (Song, Vahdat, Mardani & Kautz 2023: ΠGDM; Ho et al. 2022, section 3.1: reconstruction guidance.)
/// It is the exact conditional score wherever p(x₀ | x_t) is that Gaussian. DPS (Chung et al. 2023) is not this
/// rule: it steps by ∇‖y − P x̂₀‖² after each step of the chain, by a length of its own.
///
/// The gradient is that of one network, so a score and its Jacobian are what it takes: the score has to be a
/// [`DifferentiableScore`], and every product with the Jacobian counts as an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reconstruction {
    /// w, what the gradient counts; 1, the default, is Bayes' rule.
    pub scale: f64,
    /// σ_y, the standard deviation of the observation's noise, in units of the data; 0 by default.
    pub noise: f64,
    /// C_t.
    pub covariance: PosteriorCovariance,
}

/// The covariance of x₀ given x_t.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PosteriorCovariance {
    /// r_t² I with r_t² = s² σ̃²/(s² + σ̃²), σ̃ = σ/α: what data of the covariance s² I has. ΠGDM's
    /// σ²/(σ² + 1) for s = 1. Two evaluations. Exact if the data's covariance is s² I; for two standard
    /// Gaussians of correlation 0.8, one of which is known to be 1, the other has mean 0.76 and variance 0.39,
    /// where 0.8 and 0.36 are right.
    Isotropic {
        /// s, the standard deviation of the data, per coordinate; 1 as published.
        #[serde(default = "published_data_std")]
        data_std: f64,
    },
    /// Tweedie's (σ²/α²)(I + σ² ∂s/∂x), exact (Efron 2011; Boys et al. 2023). The linear system is solved by
    /// conjugate gradients, without the matrix (Rozet et al. 2024). For Gaussian data it is exact
    /// after as many iterations as there are variances in the range of P. `iterations` + 2 evaluations.
    Jacobian {
        /// The number of conjugate gradient steps; 3 by default.
        #[serde(default = "usual_iterations")]
        iterations: usize,
    },
}

fn published_data_std() -> f64 {
    1.0
}

fn usual_iterations() -> usize {
    3
}

impl Default for PosteriorCovariance {
    /// ΠGDM's.
    fn default() -> Self {
        Self::Isotropic {
            data_std: published_data_std(),
        }
    }
}

impl Default for Reconstruction {
    /// ΠGDM without noise.
    fn default() -> Self {
        Self {
            scale: 1.0,
            noise: 0.0,
            covariance: PosteriorCovariance::default(),
        }
    }
}

impl Reconstruction {
    /// The rule, its values checked.
    ///
    /// # Errors
    /// The scale must be finite, the noise 0 or above, the data's standard deviation above 0, and there must be
    /// an iteration.
    pub fn validated(self) -> Result<Self, EditError> {
        let number = "it must be a finite number";
        require(
            self.scale.is_finite(),
            "reconstruction.scale",
            self.scale,
            number,
        )?;
        let holds = self.noise >= 0.0 && self.noise.is_finite();
        let reason = "a standard deviation is a finite number, 0 or above";
        require(holds, "reconstruction.noise", self.noise, reason)?;
        match self.covariance {
            PosteriorCovariance::Isotropic { data_std } => {
                let holds = data_std > 0.0 && data_std.is_finite();
                let reason = "it must be above 0; 1 as published";
                require(
                    holds,
                    "reconstruction.covariance.data_std",
                    data_std,
                    reason,
                )?;
            }
            PosteriorCovariance::Jacobian { iterations } => {
                let reason = "it must be 1 at least";
                let field = "reconstruction.covariance.iterations";
                require(iterations > 0, field, 0.0, reason)?;
            }
        }
        Ok(self)
    }

    /// The score given `observation`.
    ///
    /// # Errors
    /// As [`Reconstruction::validated`]; and the observation must be of one picture, since a score does not know
    /// which samples it is asked for.
    pub fn guide<'a, X: State, S: ?Sized>(
        self,
        sde: &'a dyn AffineSde,
        score: &'a S,
        observation: &'a Observation<'a, X>,
    ) -> Result<Reconstructed<'a, X, S>, EditError> {
        let (known, batch) = (observation.pictures(), observation.pictures());
        if known != 1 {
            let each = false;
            return Err(EditError::Batch { known, batch, each });
        }
        Ok(Reconstructed {
            rule: self.validated()?,
            sde,
            score,
            observation,
        })
    }
}

/// A score given an observation; [`Reconstruction::guide`] makes it.
///
/// # Panics
/// Its samples must have the observation's number of elements: operations on states panic otherwise.
#[derive(Clone, Copy)]
pub struct Reconstructed<'a, X, S: ?Sized> {
    rule: Reconstruction,
    sde: &'a dyn AffineSde,
    score: &'a S,
    observation: &'a Observation<'a, X>,
}

/// One number a sample, of its marginal.
fn each(marginals: &[Marginal], of: impl Fn(Marginal) -> f64) -> Vec<f64> {
    marginals.iter().map(|&marginal| of(marginal)).collect()
}

/// 1/α: what x counts in x̂₀ = (x + σ² s)/α.
fn of_state(marginal: Marginal) -> f64 {
    marginal.alpha.recip()
}

/// σ²/α: what the score counts there.
fn of_score(Marginal { alpha, sigma }: Marginal) -> f64 {
    sigma * sigma / alpha
}

impl<X: State, S: DifferentiableScore<X> + ?Sized> Reconstructed<'_, X, S> {
    /// (∂x̂₀/∂x)ᵀ v = (v + σ² Hᵀ v)/α.
    fn pulled_back(&self, x: &X, times: &[Time], marginals: &[Marginal], v: &X) -> X {
        let product = self.score.score_and_vjp(x, times, v).1;
        let of_v = each(marginals, of_state);
        let of_product = each(marginals, of_score);
        v.clone().lincomb_per_sample(&of_v, &product, &of_product)
    }

    /// (P C_t P + σ_y² I)⁻¹ e for e in the range of P.
    fn whitened(&self, x: &X, times: &[Time], marginals: &[Marginal], e: X) -> X {
        let noise = self.rule.noise * self.rule.noise;
        let iterations = match self.rule.covariance {
            PosteriorCovariance::Isotropic { data_std } => {
                let inverse = each(marginals, |marginal| {
                    let (s, sigma) = (data_std * data_std, marginal.sigma_ratio().0);
                    (s * sigma * sigma / (s + sigma * sigma) + noise).recip()
                });
                let zeros = vec![0.0; marginals.len()];
                let none = e.clone();
                return e.lincomb_per_sample(&inverse, &none, &zeros);
            }
            PosteriorCovariance::Jacobian { iterations } => iterations,
        };
        // Conjugate gradients (Hestenes & Stiefel 1952), every sample by itself: one that has arrived has
        // steps of length 0.
        let mut solution = e.clone().scale(0.0);
        let (mut residual, mut direction) = (e.clone(), e);
        let mut square = residual.dots(&residual);
        for _ in 0..iterations {
            let pulled = self.pulled_back(x, times, marginals, &direction);
            // C = (σ²/α) ∂x̂₀/∂x.
            let spread = each(marginals, of_score);
            let image = self.observation.project(&pulled);
            let noises = vec![noise; marginals.len()];
            let image = image.lincomb_per_sample(&spread, &direction, &noises);
            let curvature = direction.dots(&image);
            let lengths: Vec<f64> = (square.iter().zip(&curvature))
                .map(|(r, c)| if *c > 0.0 { r / c } else { 0.0 })
                .collect();
            let back: Vec<f64> = lengths.iter().map(|l| -l).collect();
            solution = solution.axpy_per_sample(&lengths, &direction);
            residual = residual.axpy_per_sample(&back, &image);
            let next = residual.dots(&residual);
            let turns: Vec<f64> = (next.iter().zip(&square))
                .map(|(n, s)| if *s > 0.0 { n / s } else { 0.0 })
                .collect();
            let ones = vec![1.0; marginals.len()];
            direction = direction.lincomb_per_sample(&turns, &residual, &ones);
            square = next;
        }
        solution
    }
}

impl<X: State, S: DifferentiableScore<X> + ?Sized> Score<X> for Reconstructed<'_, X, S> {
    fn score(&self, x: &X, t: Time) -> X {
        self.score_each(x, &vec![t; x.batch()])
    }

    fn score_each(&self, x: &X, times: &[Time]) -> X {
        let marginals: Vec<Marginal> = times.iter().map(|&t| self.sde.marginal(t)).collect();
        let s = self.score.score_each(x, times);
        let of_x = each(&marginals, |marginal| -of_state(marginal));
        let of_s = each(&marginals, |marginal| -of_score(marginal));
        // P (y − x̂₀).
        let less = x.clone().lincomb_per_sample(&of_x, &s, &of_s);
        let known = self.observation.known(x.batch());
        let e = self.observation.project(&less).axpy(1.0, &known);
        let u = self.whitened(x, times, &marginals, e);
        s.axpy(self.rule.scale, &self.pulled_back(x, times, &marginals, &u))
    }

    fn cost(&self, times: &[Time]) -> usize {
        let products = match self.rule.covariance {
            PosteriorCovariance::Isotropic { .. } => 1,
            PosteriorCovariance::Jacobian { iterations } => iterations + 1,
        };
        (1 + products) * self.score.cost(times)
    }
}
