//! DDPM's chain (Ho et al. 2020), which is the VP SDE with a piecewise constant β(t).

use serde::{Deserialize, Serialize};

use super::nodes::Place;
use super::{BetaSchedule, Chain, Transition, require_steps, schedule};
use crate::families::{SdeError, require};
use crate::{AffineSde, Marginal, Prior, Sigma, StepIndex, Time};

/// A DDPM chain as plain data: how β rises, over how many steps.
///
/// In a configuration file `schedule` is a name, or a table of a name and parameters:
/// `schedule = "cosine"`, or `schedule = { name = "linear", beta_end = 0.01 }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ddpm {
    /// N; 1000 as published.
    pub steps: usize,
    /// β_1 … β_N; linear as published.
    #[serde(deserialize_with = "schedule::name_or_table")]
    pub schedule: BetaSchedule,
}

impl Default for Ddpm {
    fn default() -> Self {
        Self {
            steps: 1000,
            schedule: BetaSchedule::default(),
        }
    }
}

impl Ddpm {
    /// The chain with its tables, the parameters checked.
    ///
    /// # Errors
    /// From 2 to a million steps, and every β between 0 and 1.
    pub fn chain(self) -> Result<DdpmChain, SdeError> {
        require_steps("ddpm", self.steps)?;
        self.schedule.validate(self.steps)?;
        Ok(DdpmChain::tabulate(self.schedule.betas(self.steps)))
    }
}

/// x_t = √(1 − β_t) x_{t−1} + √β_t z for t = 1 … N, and so x_t = √ᾱ_t x₀ + √(1 − ᾱ_t) ε with
/// ᾱ_t = Π (1 − β_s) (Ho et al. 2020, eq. 2 and 4).
///
/// As a process on [0, 1] it is dx = −½ β(t) x dt + √β(t) dw with β(t) = −N ln(1 − β_i) on
/// ((i − 1)/N, i/N]. The tables hold logarithms of ᾱ, of which 1 − ᾱ is taken without cancellation.
///
/// Over the last step of the cosine schedule, whose β is 0.999, β(t) integrates to ln 1000 = 6.9: too long
/// a step for Euler's methods in t, while methods that go by the marginals do not see it.
#[derive(Clone, Debug, PartialEq)]
pub struct DdpmChain {
    /// β_1 … β_N.
    betas: Vec<f64>,
    /// −ln(1 − β_i), the integral of β(t) over a piece.
    pieces: Vec<f64>,
    /// −ln ᾱ_i at the nodes i = 0 … N, the integral of β(t) from 0.
    integrals: Vec<f64>,
}

impl DdpmChain {
    /// The chain of these β_1 … β_N.
    ///
    /// # Errors
    /// From 2 to a million of them, each above 0 and below 1.
    pub fn from_betas(betas: Vec<f64>) -> Result<Self, SdeError> {
        require_steps("ddpm", betas.len())?;
        for &beta in &betas {
            let reason = "each must be above 0 and below 1";
            require(beta > 0.0 && beta < 1.0, "ddpm", "betas", beta, reason)?;
        }
        Ok(Self::tabulate(betas))
    }

    /// The tables of β_1 … β_N, all between 0 and 1.
    fn tabulate(betas: Vec<f64>) -> Self {
        let pieces: Vec<f64> = betas.iter().map(|beta| -(-beta).ln_1p()).collect();
        let mut integrals = vec![0.0];
        integrals.extend(pieces.iter().scan(0.0, |sum, piece| {
            *sum += piece;
            Some(*sum)
        }));
        Self {
            betas,
            pieces,
            integrals,
        }
    }

    /// β_t.
    ///
    /// # Panics
    /// If the chain has no such step.
    #[must_use]
    pub fn beta(&self, StepIndex(i): StepIndex) -> f64 {
        self.betas[i]
    }

    /// ᾱ_t = Π_{s ≤ t} (1 − β_s).
    ///
    /// # Panics
    /// If the chain has no such step.
    #[must_use]
    pub fn alpha_bar(&self, StepIndex(i): StepIndex) -> f64 {
        (-self.integrals[i + 1]).exp()
    }

    /// The chain that visits these steps alone, given in rising order: β′ = 1 − ᾱ_t/ᾱ_s between
    /// neighbours, so that the marginals at the steps stay as they are (Nichol & Dhariwal 2021,
    /// section 4).
    ///
    /// # Errors
    /// At least 2 steps, rising, within the chain.
    pub fn respaced(&self, steps: &[StepIndex]) -> Result<Self, SdeError> {
        require_steps("ddpm", steps.len())?;
        let mut before = 0;
        let mut betas = Vec::with_capacity(steps.len());
        for &StepIndex(i) in steps {
            let holds = i + 1 > before && i < self.steps();
            let reason = "respaced steps must rise within the chain";
            require(holds, "ddpm", "steps", i as f64, reason)?;
            betas.push(-(self.integrals[before] - self.integrals[i + 1]).exp_m1());
            before = i + 1;
        }
        Self::from_betas(betas)
    }

    /// β(t) = −N ln(1 − β_i) of the piece that t is in.
    fn rate(&self, t: Time) -> f64 {
        let count = self.steps();
        count as f64 * self.pieces[Place::of(t, count).piece]
    }
}

/// α = e^{−B/2} and σ² = 1 − e^{−B} for the integral B of β.
fn marginal_of(integral: f64) -> Marginal {
    Marginal {
        alpha: (-0.5 * integral).exp(),
        sigma: (-(-integral).exp_m1()).sqrt(),
    }
}

impl Chain for DdpmChain {
    fn steps(&self) -> usize {
        self.betas.len()
    }

    fn transition(&self, StepIndex(i): StepIndex) -> Transition {
        Transition {
            scale: (-0.5 * self.pieces[i]).exp(),
            variance: self.betas[i],
        }
    }

    fn marginal_at(&self, StepIndex(i): StepIndex) -> Marginal {
        marginal_of(self.integrals[i + 1])
    }
}

impl AffineSde for DdpmChain {
    fn name(&self) -> &'static str {
        "ddpm"
    }

    fn drift_rate(&self, t: Time) -> f64 {
        -0.5 * self.rate(t)
    }

    fn diffusion(&self, t: Time) -> f64 {
        self.rate(t).sqrt()
    }

    fn marginal(&self, t: Time) -> Marginal {
        let Place { piece, fraction } = Place::of(t, self.steps());
        marginal_of(self.integrals[piece] + fraction * self.pieces[piece])
    }

    fn time_at_sigma(&self, Sigma(sigma): Sigma) -> Time {
        // σ̃² = e^B − 1.
        let integral = (sigma * sigma).ln_1p();
        let last = self.steps() - 1;
        let piece = self.integrals[1..].partition_point(|&end| end < integral);
        let piece = piece.min(last);
        let fraction = (integral - self.integrals[piece]) / self.pieces[piece];
        Place { piece, fraction }.time(self.steps())
    }

    fn t_max(&self) -> Time {
        Time(1.0)
    }

    /// The first node: the chain knows no smaller noise.
    fn t_min_sampling(&self) -> Time {
        self.time_of(StepIndex(0))
    }

    /// The first node.
    fn t_min_training(&self) -> Time {
        self.t_min_sampling()
    }

    fn prior(&self) -> Prior {
        Prior { std: 1.0 }
    }
}
