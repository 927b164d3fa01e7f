//! DPM-Solver++ with several steps: exponential integrators in λ = ln(α/σ) for the data prediction.

use serde::{Deserialize, Serialize};

use crate::data_prediction::{DataRule, LogSteps, Weights};
use crate::phi::phi;
use crate::solver::ParameterError;
use crate::{Order, Scheme, SolverInfo, Stepwise};

/// The order-2 solver of the probability flow, DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2).
///
/// In λ the probability flow is d(x/σ)/dλ = e^λ x̂₀(x, λ), and only x̂₀ is approximated, by the line
/// through this and the last prediction. The first step uses one prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DpmSolver2M {
    /// How the line is integrated.
    pub slope: Slope,
}

/// The solver of the probability flow with three predictions, DPM-Solver++(3M) (its published code;
/// Lu et al. 2022b treat the order-2 one).
///
/// As [`DpmSolver2M`], with the parabola through three predictions; the first two steps use one and two.
/// It has order 3 with [`Curvature::Exact`] only, and there the first step leaves an error h² dx̂₀/dλ at
/// t_max, which is nothing if the noise there is far above the data (asserted by test).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DpmSolver3M {
    /// How the parabola's second derivative is counted.
    pub curvature: Curvature,
}

/// DPM-Solver++(2M) for an SDE of the same marginals with √η times the diffusion (`dpmpp_2m_sde` of
/// k-diffusion).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DpmSolver2MSde {
    /// η ≥ 0: 1 is the reverse-time SDE, 0 the probability flow. For small steps it is the square of
    /// DDIM's.
    pub eta: f64,
    /// The standard deviation of the noise that is added; 1 but for experiments.
    pub s_noise: f64,
    /// How the line is integrated; k-diffusion's `solver_type`.
    pub slope: Slope,
}

/// DPM-Solver++(3M) for an SDE of the same marginals with √η times the diffusion (`dpmpp_3m_sde` of
/// k-diffusion).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DpmSolver3MSde {
    /// η ≥ 0, as for [`DpmSolver2MSde`].
    pub eta: f64,
    /// The standard deviation of the noise that is added; 1 but for experiments.
    pub s_noise: f64,
    /// How the parabola's second derivative is counted.
    pub curvature: Curvature,
}

/// How the slope of x̂₀ in λ enters a step; both have the same order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slope {
    /// As if x̂₀ were constant at its value in the middle of the step: the published one.
    #[default]
    Midpoint,
    /// Integrated exactly; `heun` in k-diffusion.
    Heun,
}

/// How the second derivative of x̂₀ in λ enters a step of three predictions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curvature {
    /// The second divided difference, as in the published code, diffusers and k-diffusion: half of the
    /// second derivative, which leaves order 2 with a small error, and is better up to 20 steps or so.
    #[default]
    Halved,
    /// Twice the second divided difference, so that the parabola is integrated exactly: order 3.
    Exact,
}

/// The coefficients of all of them.
#[derive(Clone, Copy, Debug)]
struct Multistep {
    eta: f64,
    s_noise: f64,
    slope: Slope,
    /// None for the solvers of two predictions.
    curvature: Option<Curvature>,
}

impl Multistep {
    /// With H = (1 + η) h, and u in [0, 1] along the step, x_s is
    ///
    /// ```text
    /// (α_s/α_t) e^{−H} x_t + α_s ∫ H e^{−(1−u)H} x̂₀(u) du + σ_s √(1 − e^{−2ηh}) S_noise z
    /// ```
    ///
    /// where x̂₀(u) is the polynomial through the predictions at u = 0, −r₁, −(r₁ + r₂).
    fn weights(self, steps: &LogSteps<'_>) -> Weights {
        let transition = steps.transition;
        let whole = (1.0 + self.eta) * steps.h;
        let [phi1, phi2, phi3] = phi(-whole).map(|phi| whole * phi);
        let ratio = |before: f64| before / steps.h;
        let data = match (steps.before, self.curvature) {
            ([], _) => [phi1, 0.0, 0.0],
            ([first, second, ..], Some(curvature)) => {
                let (r1, r2) = (ratio(*first), ratio(*second));
                // Newton's form: x̂₀ + slope u + bend u², slope = d₁ + r₁ bend, bend = (d₁ − d₂)/(r₁ + r₂).
                let u_squared = match curvature {
                    Curvature::Exact => 2.0 * phi3,
                    Curvature::Halved => phi3,
                };
                let bend = (r1 * phi2 + u_squared) / (r1 + r2);
                let (d1, d2) = ((phi2 + bend) / r1, -bend / r2);
                [phi1 + d1, d2 - d1, -d2]
            }
            ([first, ..], _) => {
                let u = match self.slope {
                    Slope::Midpoint => 0.5 * phi1,
                    Slope::Heun => phi2,
                };
                let d1 = u / ratio(*first);
                [phi1 + d1, -d1, 0.0]
            }
        };
        let fresh = -(-2.0 * self.eta * steps.h).exp_m1();
        Weights {
            x: transition.scale() * (-whole).exp(),
            data: data.map(|weight| transition.to.alpha * weight),
            clipping: 0.0,
            noise: transition.to.sigma * fresh.sqrt() * self.s_noise,
            learned: None,
        }
    }

    fn validate(self, solver: &'static str) -> Result<(), ParameterError> {
        for (field, value) in [("eta", self.eta), ("s_noise", self.s_noise)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(ParameterError {
                    solver,
                    field,
                    value,
                    reason: "it must be a number, 0 or above",
                });
            }
        }
        Ok(())
    }

    fn info(self, name: &'static str) -> SolverInfo {
        let stochastic = self.eta > 0.0 && self.s_noise > 0.0;
        let ode = match self.curvature {
            Some(Curvature::Exact) => 3,
            Some(Curvature::Halved) | None => 2,
        };
        let order = if self.eta == 0.0 {
            Order::Ode(ode)
        } else if self.s_noise == 1.0 {
            // The differences of predictions hold the noise of the last step in the place of this one's,
            // which comes to the same in distribution, not on a path.
            Order::Sde {
                strong: 1.0,
                weak: 2.0,
            }
        } else {
            Order::None
        };
        SolverInfo {
            name,
            order,
            stochastic,
            nfe_per_step: 1,
        }
    }
}

impl DpmSolver2M {
    fn multistep(self) -> Multistep {
        Multistep {
            eta: 0.0,
            s_noise: 1.0,
            slope: self.slope,
            curvature: None,
        }
    }
}

impl DpmSolver3M {
    fn multistep(self) -> Multistep {
        Multistep {
            eta: 0.0,
            s_noise: 1.0,
            slope: Slope::Heun,
            curvature: Some(self.curvature),
        }
    }
}

impl Default for DpmSolver2MSde {
    /// As in k-diffusion.
    fn default() -> Self {
        Self {
            eta: 1.0,
            s_noise: 1.0,
            slope: Slope::Midpoint,
        }
    }
}

impl DpmSolver2MSde {
    fn multistep(self) -> Multistep {
        Multistep {
            eta: self.eta,
            s_noise: self.s_noise,
            slope: self.slope,
            curvature: None,
        }
    }
}

impl Default for DpmSolver3MSde {
    fn default() -> Self {
        Self {
            eta: 1.0,
            s_noise: 1.0,
            curvature: Curvature::default(),
        }
    }
}

impl DpmSolver3MSde {
    fn multistep(self) -> Multistep {
        Multistep {
            eta: self.eta,
            s_noise: self.s_noise,
            slope: Slope::Heun,
            curvature: Some(self.curvature),
        }
    }
}

/// The solvers of this file differ in their parameters only.
macro_rules! multistep {
    ($solver:ty, $name:literal) => {
        impl Scheme for $solver {
            fn info(&self) -> SolverInfo {
                self.multistep().info($name)
            }

            fn validate(&self) -> Result<(), ParameterError> {
                self.multistep().validate($name)
            }
        }

        impl Stepwise for $solver {}

        impl DataRule for $solver {
            fn weights(&self, steps: &LogSteps<'_>) -> Weights {
                self.multistep().weights(steps)
            }
        }
    };
}

multistep!(DpmSolver2M, "dpm-solver++-2m");
multistep!(DpmSolver3M, "dpm-solver++-3m");
multistep!(DpmSolver2MSde, "dpm-solver++-2m-sde");
multistep!(DpmSolver3MSde, "dpm-solver++-3m-sde");
