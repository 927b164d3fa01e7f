//! Log-likelihoods by the probability flow, each with what is known of its error.
//!
//! Along the flow dx/dt = f̃(x, t) the log-density changes by d ln p_t(x_t)/dt = −∇·f̃ (Song et al.
//! 2021, eq. 39), so that
//!
//! ```text
//! ln p_{t_min}(x) = ln π(x_T) + ∫ ∇·f̃ dt
//! ```
//!
//! with the prior π for p_T. The [`Divergence`] is exact or Hutchinson's estimate. [`DataEnd`] says
//! which density of the data that is, [`Quantisation`] what it means for data on a finite number of
//! levels, and the [`ErrorBudget`] of a [`LikelihoodReport`] where its uncertainty comes from.

mod budget;
mod divergence;
mod error;
mod integral;
mod quantisation;

use sde_core::noise::{CounterNoise, Role, fill_standard_normal};
use sde_core::{AffineSde, DifferentiableScore, State, Time};
use serde::{Deserialize, Serialize};

pub use budget::{ErrorBudget, LikelihoodReport, SolverError};
pub use divergence::Divergence;
pub use error::LikelihoodError;
pub use integral::Integrator;
pub use quantisation::Quantisation;
pub use sde_core::objective::{Estimate, Probe};

use crate::SolveError;
use crate::engine::{check_grid, check_state};
use crate::solver::ParameterError;
use crate::{LastStep, TimeGrid};
use divergence::Probes;
use integral::integrate;

/// Which density of the data is computed, from that of x at t_min, where it carries noise σ and is
/// scaled by α.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataEnd {
    /// ln p_{t_min}(x): the data point is taken for a state at t_min, as in score_sde. It is the density
    /// of α x₀ + σ ε.
    #[default]
    Plain,
    /// ln p_{t_min}(α x) + D ln α: the density of x₀ + (σ/α) ε, so that only the blur is left of t_min.
    Rescaled,
    /// A lower bound on the model's ln p₀(x), with a draw of ε (Song, Durkan, Murray & Ermon 2021,
    /// appendix on numerical stability): for x′ = α x + σ ε, the Gaussian of the posterior mean and
    /// the standard deviation σ/α for p(x₀ | x′),
    ///
    /// ```text
    /// E_ε[ln p_{t_min}(x′) + ln p(x | x′) − ln q(x′ | x)]
    ///   = E_ε[ln p_{t_min}(x′) + D ln α + ½‖ε‖² − ½‖ε + σ s(x′, t_min)‖²]
    /// ```
    Bound,
}

/// How log-likelihoods are computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Likelihood {
    /// The divergence of the score.
    pub divergence: Divergence,
    /// The solver of the flow.
    pub integrator: Integrator,
    /// Which density it is.
    pub data_end: DataEnd,
    /// Where the data is; [`AffineSde::t_min_training`], 1e-5, if none, as in score_sde.
    pub t_min: Option<Time>,
    /// How many times what is random besides the probes is drawn for each point: dequantisation, and
    /// the ε of [`DataEnd::Bound`].
    pub draws: usize,
    /// Whether all is computed once more at a tenth of the tolerance (or twice the steps) with the same
    /// noise, for the error of the solver. It more than doubles the cost.
    pub solver_check: bool,
}

impl Default for Likelihood {
    fn default() -> Self {
        Self {
            divergence: Divergence::default(),
            integrator: Integrator::default(),
            data_end: DataEnd::Plain,
            t_min: None,
            draws: 1,
            solver_check: true,
        }
    }
}

/// The log-densities of a batch, and where the flow took it.
#[derive(Clone, Debug)]
pub struct LogDensities<X> {
    /// In nats: those of one point's probes, point after point; length batch · probes.
    pub values: Vec<f64>,
    /// The number of probes of each point; 1 if the divergence is exact.
    pub probes: usize,
    /// x_T, shape `[batch, ...]`.
    pub latents: X,
    /// Evaluations of the score with a product of its Jacobian, of a batch each.
    pub evaluations: usize,
}

impl Likelihood {
    /// The report on points `x`, shape `[batch, ...]`, whose density is continuous.
    ///
    /// Point i is that of number `noise.first_sample` + i of a data set: its probes and draws depend on
    /// nothing else.
    ///
    /// # Errors
    /// [`LikelihoodError`].
    ///
    /// # Panics
    /// If the score returns another shape than x's.
    pub fn evaluate<X: State>(
        &self,
        sde: &dyn AffineSde,
        score: &dyn DifferentiableScore<X>,
        x: &X,
        noise: CounterNoise,
    ) -> Result<LikelihoodReport, LikelihoodError> {
        self.report(sde, score, x, noise, None)
    }

    /// The report on quantised data: `levels`, shape `[batch, ...]`, holds the integers
    /// 0..2^bits. Its figures are for the probability of the levels, a lower bound on its logarithm by
    /// uniform dequantisation (Theis, van den Oord & Bethge 2016).
    ///
    /// # Errors
    /// [`LikelihoodError`].
    ///
    /// # Panics
    /// If the score returns another shape than x's.
    pub fn evaluate_quantised<X: State>(
        &self,
        sde: &dyn AffineSde,
        score: &dyn DifferentiableScore<X>,
        levels: &X,
        quantisation: Quantisation,
        noise: CounterNoise,
    ) -> Result<LikelihoodReport, LikelihoodError> {
        quantisation.validate()?;
        check_state(levels)?;
        quantisation.check(levels)?;
        self.report(sde, score, levels, noise, Some(quantisation))
    }

    /// The log-densities of points `x`, shape `[batch, ...]`, with draw number `draw`; in nats.
    ///
    /// # Errors
    /// [`LikelihoodError`].
    ///
    /// # Panics
    /// If the score returns another shape than x's.
    pub fn log_densities<X: State>(
        &self,
        sde: &dyn AffineSde,
        score: &dyn DifferentiableScore<X>,
        x: &X,
        noise: CounterNoise,
        draw: usize,
    ) -> Result<LogDensities<X>, LikelihoodError> {
        self.validate()?;
        check_state(x)?;
        let t_min = self.data_end_of(sde)?;
        let (batch, dim) = (x.batch(), x.sample_len());
        self.divergence.check(dim)?;
        let probes = Probes::draw(self.divergence, x, noise, draw);
        let width = probes.width();
        let marginal = sde.marginal(t_min);
        let log_alpha = dim as f64 * marginal.alpha.ln();
        let (start, correction) = match self.data_end {
            DataEnd::Plain => (x.clone(), vec![0.0; batch]),
            DataEnd::Rescaled => (x.clone().scale(marginal.alpha), vec![log_alpha; batch]),
            DataEnd::Bound => {
                let epsilon = x.filled_like(&mut |i, out| {
                    let sample = noise.first_sample + i as u64;
                    fill_standard_normal(noise.seed, sample, draw as u64, Role::Forward, out);
                });
                let noised = x.clone().lincomb(marginal.alpha, &epsilon, marginal.sigma);
                let s = score.score_each(&noised, &vec![t_min; batch]);
                let residual = epsilon.clone().axpy(marginal.sigma, &s);
                let correction = (epsilon.dots(&epsilon).iter())
                    .zip(residual.dots(&residual))
                    .map(|(drawn, left)| log_alpha + 0.5 * (drawn - left))
                    .collect();
                (noised, correction)
            }
        };
        let flowed = integrate(&self.integrator, sde, score, start, t_min, &probes)?;
        let prior = sde.prior().log_densities(&flowed.x);
        let values: Vec<f64> = (flowed.integrals.iter().enumerate())
            .map(|(i, integral)| prior[i / width] + integral + correction[i / width])
            .collect();
        if let Some(i) = values.iter().position(|value| !value.is_finite()) {
            return Err(LikelihoodError::NotFinite {
                sample: i / width,
                time: sde.t_max(),
                value: values[i],
            });
        }
        Ok(LogDensities {
            values,
            probes: width,
            latents: flowed.x,
            evaluations: flowed.evaluations + usize::from(self.data_end == DataEnd::Bound),
        })
    }

    fn report<X: State>(
        &self,
        sde: &dyn AffineSde,
        score: &dyn DifferentiableScore<X>,
        x: &X,
        noise: CounterNoise,
        quantisation: Option<Quantisation>,
    ) -> Result<LikelihoodReport, LikelihoodError> {
        self.validate()?;
        check_state(x)?;
        let t_min = self.data_end_of(sde)?;
        let drawn = quantisation.is_some() || self.data_end == DataEnd::Bound;
        let draws = if drawn { self.draws } else { 1 };
        let finer = Self {
            integrator: self.integrator.finer(),
            ..*self
        };
        let (mut values, mut finer_values) = (Vec::new(), Vec::new());
        let mut evaluations = 0;
        let volume = quantisation.map_or(0.0, |q| x.sample_len() as f64 * q.log_cell());
        for draw in 0..draws {
            let point = match quantisation {
                Some(quantisation) => quantisation.dequantised(x, noise, draw),
                None => x.clone(),
            };
            let mut run = |likelihood: &Self| -> Result<Vec<f64>, LikelihoodError> {
                let found = likelihood.log_densities(sde, score, &point, noise, draw)?;
                evaluations += found.evaluations;
                Ok(found.values.into_iter().map(|v| v + volume).collect())
            };
            values.push(run(self)?);
            if self.solver_check {
                finer_values.push(run(&finer)?);
            }
        }
        let probes = self.divergence.probes();
        let figures = budget::Figures {
            values: &values,
            finer: &finer_values,
            probes,
            random_probes: self.divergence.is_random(),
            drawn,
        };
        let (nats, budget) = figures.estimate();
        let dim = x.sample_len();
        let per_dim = -(dim as f64 * std::f64::consts::LN_2).recip();
        Ok(LikelihoodReport {
            family: sde.name().to_owned(),
            t_min,
            data_end: self.data_end,
            quantisation,
            points: x.batch(),
            dim,
            draws,
            probes,
            nats,
            bits_per_dim: quantisation.map(|_| nats.scaled(per_dim)),
            budget,
            nats_per_point: figures.per_point(),
            evaluations,
        })
    }

    /// t_min, if there is a density at it.
    fn data_end_of(&self, sde: &dyn AffineSde) -> Result<Time, LikelihoodError> {
        let t_min = self.t_min.unwrap_or(sde.t_min_training());
        let family = sde.name();
        let missing = LikelihoodError::NoDensity { family, t_min };
        if !(t_min.0 >= 0.0 && t_min < sde.t_max()) {
            return Err(missing);
        }
        let times = vec![sde.t_max(), t_min];
        let grid = TimeGrid::from_times(times, LastStep::Plain).map_err(SolveError::from)?;
        check_grid(sde, &grid).map_err(|_| missing)?;
        Ok(t_min)
    }

    fn validate(&self) -> Result<(), LikelihoodError> {
        if self.draws == 0 {
            return Err(parameter("draws", 0.0, "it must be 1 at least").into());
        }
        self.divergence.validate()?;
        self.integrator.validate()?;
        Ok(())
    }
}

/// A setting of a likelihood that is not possible.
fn parameter(field: &'static str, value: f64, reason: &'static str) -> ParameterError {
    ParameterError {
        solver: "likelihood",
        field,
        value,
        reason,
    }
}
