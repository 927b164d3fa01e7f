//! What is known of a likelihood's error, and where it comes from.

use sde_core::Time;
use sde_core::objective::Estimate;
use serde::{Deserialize, Serialize};

use super::{DataEnd, Quantisation};

/// Where the uncertainty of [`LikelihoodReport::nats`] comes from, in the same unit: nats a point.
///
/// A component is `None` where it was not measured, and 0 where it cannot be: an exact divergence has no
/// probes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorBudget {
    /// From the choice of points: the standard error that would be left with any number of draws and
    /// probes. Takes two points.
    pub data: Option<f64>,
    /// From the draws of each point: of dequantisation, or of ε at the data end. Takes two draws.
    pub draws: Option<f64>,
    /// From the probes of each draw. Takes two probes; with one, it counts among the draws, or with one
    /// draw among the points.
    pub probes: Option<f64>,
    /// From the solver.
    pub solver: Option<SolverError>,
}

/// What changes when the same is computed with less error, on the same noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SolverError {
    /// The change of the mean: about the error of it.
    pub shift: f64,
    /// The largest change, of any point, draw and probe.
    pub largest: f64,
}

impl ErrorBudget {
    /// The standard error of the mean over these very points: draws and probes together.
    #[must_use]
    pub fn sampling(&self) -> f64 {
        self.draws.unwrap_or(0.0).hypot(self.probes.unwrap_or(0.0))
    }
}

/// A mean log-likelihood and all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LikelihoodReport {
    /// The process.
    pub family: String,
    /// Where the data is.
    pub t_min: Time,
    /// Which density it is.
    pub data_end: DataEnd,
    /// The levels, if these are probabilities of levels and not densities.
    pub quantisation: Option<Quantisation>,
    /// The number of points.
    pub points: usize,
    /// D, the number of elements of a point.
    pub dim: usize,
    /// Draws a point.
    pub draws: usize,
    /// Probes a draw; 1 if the divergence is exact.
    pub probes: usize,
    /// The mean log-likelihood of a point, in nats. Its standard error is that as the mean of the
    /// distribution that the points were drawn from, which covers points, draws and probes; with one point,
    /// that of its draws and probes alone. The solver's error is no matter of chance and not in it.
    pub nats: Estimate,
    /// −ln P/(D ln 2), for quantised data.
    pub bits_per_dim: Option<Estimate>,
    /// Where the uncertainty comes from.
    pub budget: ErrorBudget,
    /// The log-likelihood of each point in nats, over its draws and probes.
    pub nats_per_point: Vec<f64>,
    /// Evaluations of the score with a product of its Jacobian, of all points each; the repetition for
    /// the solver's error among them.
    pub evaluations: usize,
}

impl LikelihoodReport {
    /// One report of the points of several, that were computed with the same settings and, by
    /// `first_sample` of their noise, as parts of one data set; none of no reports.
    ///
    /// Of the components of the budget that come from draws and probes, variances add; that of the data
    /// is what they leave of the spread between all points.
    #[must_use]
    pub fn combined(parts: &[Self]) -> Option<Self> {
        let first = parts.first()?;
        let points: usize = parts.iter().map(|part| part.points).sum();
        let all: Vec<f64> = parts
            .iter()
            .flat_map(|part| part.nats_per_point.iter().copied())
            .collect();
        let share = |part: &Self| part.points as f64 / points as f64;
        let error = |of: fn(&ErrorBudget) -> Option<f64>| -> Option<f64> {
            let squares: Option<Vec<f64>> = (parts.iter())
                .map(|part| Some((share(part) * of(&part.budget)?).powi(2)))
                .collect();
            Some(squares?.iter().sum::<f64>().sqrt())
        };
        let (draws, probes) = (error(|budget| budget.draws), error(|budget| budget.probes));
        let sampling = draws.unwrap_or(0.0).hypot(probes.unwrap_or(0.0));
        let spread = variance(&all).map(|variance| variance / points as f64);
        let solvers: Option<Vec<(f64, SolverError)>> = (parts.iter())
            .map(|part| Some((share(part), part.budget.solver?)))
            .collect();
        let standard_error = match parts {
            [only] => only.nats.standard_error,
            _ => spread.map_or(sampling, f64::sqrt),
        };
        let nats = Estimate {
            value: mean(&all),
            standard_error,
        };
        let per_dim = -(first.dim as f64 * std::f64::consts::LN_2).recip();
        Some(Self {
            points,
            nats,
            bits_per_dim: first.quantisation.map(|_| nats.scaled(per_dim)),
            budget: ErrorBudget {
                data: spread.map(|all| (all - sampling * sampling).max(0.0).sqrt()),
                draws,
                probes,
                solver: solvers.map(|solvers| SolverError {
                    shift: solvers
                        .iter()
                        .map(|(share, error)| share * error.shift)
                        .sum(),
                    largest: solvers
                        .iter()
                        .fold(0.0, |m, (_, error)| m.max(error.largest)),
                }),
            },
            nats_per_point: all,
            evaluations: parts.iter().map(|part| part.evaluations).max().unwrap_or(0),
            ..first.clone()
        })
    }
}

/// All figures of a report.
pub(super) struct Figures<'a> {
    /// One vector a draw: those of a point's probes, point after point.
    pub(super) values: &'a [Vec<f64>],
    /// The same with less error of the solver; empty if that was not asked for.
    pub(super) finer: &'a [Vec<f64>],
    pub(super) probes: usize,
    pub(super) random_probes: bool,
    pub(super) drawn: bool,
}

impl Figures<'_> {
    /// The mean of each draw's probes, point by point: `[point][draw]`.
    fn draws_of_points(&self) -> Vec<Vec<f64>> {
        let points = self.values[0].len() / self.probes;
        let of = |point: usize, values: &[f64]| {
            mean(&values[point * self.probes..(point + 1) * self.probes])
        };
        (0..points)
            .map(|point| self.values.iter().map(|values| of(point, values)).collect())
            .collect()
    }

    /// The mean of each point.
    pub(super) fn per_point(&self) -> Vec<f64> {
        self.draws_of_points().iter().map(|d| mean(d)).collect()
    }

    /// The mean of all and its budget: the variance components of a nested design, probes within draws
    /// within points (Searle, Casella & McCulloch 1992, section 3.6).
    pub(super) fn estimate(&self) -> (Estimate, ErrorBudget) {
        let (draws, probes) = (self.values.len() as f64, self.probes as f64);
        let by_draw = self.draws_of_points();
        let by_point: Vec<f64> = by_draw.iter().map(|d| mean(d)).collect();
        let points = by_point.len() as f64;

        let chunks = self.values.iter().flat_map(|v| v.chunks(self.probes));
        let within_draws = mean_variance(chunks);
        let within_points = mean_variance(by_draw.iter().map(Vec::as_slice));
        let between_points = variance(&by_point);

        // Of one probe, of one draw's mean, of one point's mean.
        let of_probe = if self.random_probes {
            within_draws
        } else {
            Some(0.0)
        };
        let of_draw = if self.drawn {
            within_points.map(|all| (all - of_probe.unwrap_or(0.0) / probes).max(0.0))
        } else {
            Some(0.0)
        };
        let sampling_of_point = match (within_points, of_probe) {
            (Some(all), _) => all / draws,
            (None, one) => one.unwrap_or(0.0) / probes / draws,
        };
        let error = |variance: f64, count: f64| (variance / count).sqrt();
        let budget = ErrorBudget {
            data: between_points.map(|all| error((all - sampling_of_point).max(0.0), points)),
            draws: of_draw.map(|one| error(one, points * draws)),
            probes: of_probe.map(|one| error(one, points * draws * probes)),
            solver: self.solver(),
        };
        let value = mean(&by_point);
        let standard_error = error(between_points.unwrap_or(sampling_of_point), points);
        let nats = Estimate {
            value,
            standard_error,
        };
        (nats, budget)
    }

    fn solver(&self) -> Option<SolverError> {
        let pairs = self
            .values
            .iter()
            .flatten()
            .zip(self.finer.iter().flatten());
        let changes: Vec<f64> = pairs.map(|(coarse, fine)| fine - coarse).collect();
        let largest = changes.iter().fold(0.0, |m: f64, c| m.max(c.abs()));
        (!changes.is_empty()).then(|| SolverError {
            shift: mean(&changes),
            largest,
        })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The unbiased variance; none of one value.
fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| squares / (values.len() - 1) as f64)
}

/// The mean of the groups' variances; none if groups have one value.
fn mean_variance<'a>(groups: impl Iterator<Item = &'a [f64]>) -> Option<f64> {
    let variances: Option<Vec<f64>> = groups.map(variance).collect();
    variances.map(|all| mean(&all))
}
