//! The process: its parameters, laws and reversals.

use serde::{Deserialize, Serialize};

use super::moments::{covariance, propagator};
use super::{PhaseCovariance, PhaseKernel, PhaseMatrix, PhaseState};
use crate::families::{SdeError, require};
use crate::{Marginal, Prior, Sigma, State, Time};

/// Critically damped Langevin diffusion on t ∈ [0, 1] with constant β (Dockhorn, Vahdat & Kreis 2022,
/// section 3), with the published β = 4, M⁻¹ = 4, γ = 0.04 and Γ = 2√M = 1.
///
/// Data x₀ start with a velocity v₀ ~ N(0, γM I); x_T and v_T are nearly N(0, I) × N(0, M I). Everything
/// depends on τ = β t/√M and γ only. Of the mean, (1 + τ) e^{−τ} x₀ is left: 0.003 x₀ at T as published,
/// where τ = 8.
///
/// There is no numerical stabilisation here. The published one adds 1e-9 to the diagonal of Σ_t, where
/// closed forms that cancel near t = 0 would fail in the Cholesky decomposition; those of this module do
/// not cancel, so the ℓ_t of a small t is the true one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DampedLangevin {
    /// β, the speed of the clock.
    pub beta: f64,
    /// M⁻¹, the inverse mass.
    pub inverse_mass: f64,
    /// γ, the variance of the initial velocity in units of M; from 0 to 1, the equilibrium's.
    pub gamma: f64,
}

impl Default for DampedLangevin {
    fn default() -> Self {
        Self {
            beta: 4.0,
            inverse_mass: 4.0,
            gamma: 0.04,
        }
    }
}

impl DampedLangevin {
    /// Its name in configuration files.
    pub const NAME: &'static str = "damped-langevin";

    /// The process, its parameters checked.
    ///
    /// # Errors
    /// β and M⁻¹ must be above 0, γ from 0 to 1.
    pub fn validated(self) -> Result<Self, SdeError> {
        let Self {
            beta,
            inverse_mass,
            gamma,
        } = self;
        let positive = |field, value: f64| {
            require(value > 0.0, Self::NAME, field, value, "it must be above 0")
        };
        positive("beta", beta)?;
        positive("inverse_mass", inverse_mass)?;
        let holds = (0.0..=1.0).contains(&gamma);
        require(holds, Self::NAME, "gamma", gamma, "it must be from 0 to 1")?;
        Ok(self)
    }

    /// M.
    #[must_use]
    pub fn mass(&self) -> f64 {
        self.inverse_mass.recip()
    }

    /// Γ = 2√M, the friction at which the pair neither oscillates nor creeps.
    #[must_use]
    pub fn friction(&self) -> f64 {
        2.0 * self.mass().sqrt()
    }

    /// √(2Γβ), the diffusion of the velocity.
    #[must_use]
    pub fn diffusion(&self) -> f64 {
        (2.0 * self.friction() * self.beta).sqrt()
    }

    /// √(γM), the standard deviation of the initial velocity.
    #[must_use]
    pub fn initial_velocity_std(&self) -> f64 {
        (self.gamma * self.mass()).sqrt()
    }

    /// T.
    #[must_use]
    pub fn t_max(&self) -> Time {
        Time(1.0)
    }

    /// The smallest t that sampling should integrate to: 1e-3, as published.
    #[must_use]
    pub fn t_min_sampling(&self) -> Time {
        Time(1e-3)
    }

    /// The smallest t that training should draw: 1e-5, as published; ℓ_t diverges at 0.
    #[must_use]
    pub fn t_min_training(&self) -> Time {
        Time(1e-5)
    }

    /// The priors of the position, N(0, I), and of the velocity, N(0, M I).
    #[must_use]
    pub fn prior(&self) -> (Prior, Prior) {
        let std = self.mass().sqrt();
        (Prior { std: 1.0 }, Prior { std })
    }

    /// τ = β t/√M, the time in units of the damping.
    #[must_use]
    pub fn damping_time(&self, t: Time) -> f64 {
        self.beta * self.inverse_mass.sqrt() * t.0
    }

    /// p(z_s₊ₜ | z_s), for a duration t and any s: how pairs move (appendix B.1, with Σ₀ = 0).
    ///
    /// It is the kernel of *denoising* score matching, which starts from a position and a velocity.
    #[must_use]
    pub fn transition(&self, duration: Time) -> PhaseKernel {
        PhaseKernel {
            mean: self.propagator(duration),
            covariance: self.covariance_from(duration, 0.0, 0.0),
        }
    }

    /// p(z_t | x₀), the initial velocity integrated out: the kernel of *hybrid* score matching
    /// (appendix B.1 with Σ₀ = diag(0, γM)).
    #[must_use]
    pub fn marginal(&self, t: Time) -> PhaseKernel {
        PhaseKernel {
            mean: self.propagator(t),
            covariance: self.covariance_from(t, 0.0, self.gamma),
        }
    }

    /// α and σ of the position's law given x₀: E_xx and √Σ_xx of [`DampedLangevin::marginal`].
    #[must_use]
    pub fn position_marginal(&self, t: Time) -> Marginal {
        let PhaseKernel { mean, covariance } = self.marginal(t);
        Marginal {
            alpha: mean.xx,
            sigma: covariance.xx.sqrt(),
        }
    }

    /// The t in [0, T] at which σ/α of [`DampedLangevin::position_marginal`] is `sigma`, by bisection to
    /// rounding: it rises with t.
    #[must_use]
    pub fn time_at_position_sigma(&self, sigma: Sigma) -> Time {
        let (mut low, mut high) = (0.0, self.t_max().0);
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Time(high);
            }
            match self.position_marginal(Time(middle)).sigma_ratio() < sigma {
                true => low = middle,
                false => high = middle,
            }
        }
    }

    /// The covariance of (x_t, v_t) for a position of variance `position` at t = 0 and the initial
    /// velocity of variance γM.
    #[must_use]
    pub fn covariance(&self, t: Time, position: f64) -> PhaseCovariance {
        self.covariance_from(t, position, self.gamma)
    }

    /// The law that a splitting sampler steps with: the same diffusion without a score, seen backwards
    /// in time, so that the velocity points the other way. It leaves the prior as it is.
    #[must_use]
    pub fn backward_transition(&self, duration: Time) -> PhaseKernel {
        let PhaseKernel { mean, covariance } = self.transition(duration);
        let mean = PhaseMatrix {
            xv: -mean.xv,
            vx: -mean.vx,
            ..mean
        };
        PhaseKernel {
            mean,
            covariance: covariance.reversed(),
        }
    }

    /// The drift (β M⁻¹ v, −β x − Γβ M⁻¹ v), the same at every t.
    #[must_use]
    pub fn drift<X: State>(&self, z: &PhaseState<X>) -> PhaseState<X> {
        let speed = self.beta * self.inverse_mass;
        z.mapped(PhaseMatrix {
            xx: 0.0,
            xv: speed,
            vx: -self.beta,
            vv: -self.friction() * speed,
        })
    }

    /// The drift of the reverse-time SDE in the forward clock, dz = [f − G Gᵀ ∇ log p_t] dt + G dw̄:
    /// the velocity's has −2Γβ s, with `score` s = ∇_v log p_t(x, v).
    #[must_use]
    pub fn reverse_drift<X: State>(&self, z: &PhaseState<X>, score: &X) -> PhaseState<X> {
        self.drift_with(z, score, 2.0)
    }

    /// The velocity of the probability flow, dz/dt = f − ½ G Gᵀ ∇ log p_t: −Γβ s instead.
    #[must_use]
    pub fn flow<X: State>(&self, z: &PhaseState<X>, score: &X) -> PhaseState<X> {
        self.drift_with(z, score, 1.0)
    }

    fn drift_with<X: State>(&self, z: &PhaseState<X>, score: &X, share: f64) -> PhaseState<X> {
        let PhaseState { position, velocity } = self.drift(z);
        PhaseState {
            position,
            velocity: velocity.axpy(-share * self.friction() * self.beta, score),
        }
    }

    /// E in the units of v = √M u.
    fn propagator(&self, duration: Time) -> PhaseMatrix {
        let e = propagator(self.damping_time(duration));
        let root = self.mass().sqrt();
        PhaseMatrix {
            xv: e.xv / root,
            vx: e.vx * root,
            ..e
        }
    }

    /// The covariance from a position of variance `x0` and a velocity of variance `u0` M.
    fn covariance_from(&self, duration: Time, x0: f64, u0: f64) -> PhaseCovariance {
        let c = covariance(self.damping_time(duration), x0, u0);
        let mass = self.mass();
        PhaseCovariance {
            xx: c.xx,
            xv: c.xv * mass.sqrt(),
            vv: c.vv * mass,
            determinant: c.determinant * mass,
        }
    }
}
