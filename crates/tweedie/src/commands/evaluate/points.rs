//! Points of the plane against points drawn anew.

use anyhow::{Context, Result};
use data::Toy;
use evaluation::{energy_test, sliced_wasserstein};
use ndarray::{Array2, s};

use super::Measure;
use super::report::{Figure, Report, Style};
use crate::commands::sample::Drawn;
use crate::dataset::points_of;

/// Directions of the sliced Wasserstein distance.
const PROJECTIONS: usize = 512;
/// Relabellings of the energy test.
const PERMUTATIONS: usize = 199;
/// The most points of a set that the energy test takes; its memory grows with the square.
const ENERGY_POINTS: usize = 2000;

/// Samples of a toy distribution.
pub struct Points {
    toy: Toy,
    seed: u64,
}

impl Points {
    /// For a model that learned `toy` from the points of `seed`.
    pub fn new(toy: Toy, seed: u64) -> Self {
        Self { toy, seed }
    }

    /// Points that the model has not seen.
    fn fresh(&self, count: usize, offset: u64) -> Array2<f64> {
        let seed = self.seed.wrapping_add(offset);
        self.toy.sample(count, seed).points.mapv(f64::from)
    }
}

impl Measure for Points {
    fn measure(&self, drawn: &Drawn) -> Result<Report> {
        let samples = points_of(&drawn.samples.values).context("samples of a toy are points")?;
        let samples = samples.mapv(f64::from);
        let (fresh, other) = (self.fresh(samples.nrows(), 1), self.fresh(samples.nrows(), 2));
        let mut report = Report::new("fresh data");
        let distance = |set: &Array2<f64>| -> Result<Figure> {
            let found = sliced_wasserstein(set.view(), fresh.view(), PROJECTIONS, 0)?;
            Ok(Figure {
                value: found.distance(),
                error: None,
            })
        };
        report.add(
            "sliced Wasserstein distance",
            "sliced_wasserstein",
            Style::Number,
            distance(&samples)?,
            Some(distance(&other)?),
        );
        let some = |set: &Array2<f64>| set.slice(s![..ENERGY_POINTS.min(set.nrows()), ..]).to_owned();
        let reference = some(&fresh);
        let energy = |set: &Array2<f64>| {
            energy_test(some(set).view(), reference.view(), PERMUTATIONS, 0)
        };
        let (of_samples, of_data) = (energy(&samples)?, energy(&other)?);
        let figure = |value| Figure { value, error: None };
        report.add(
            "energy distance",
            "energy_distance",
            Style::Number,
            figure(of_samples.energy),
            Some(figure(of_data.energy)),
        );
        report.add(
            "its p-value (same distribution)",
            "energy_p_value",
            Style::Number,
            figure(of_samples.p_value),
            Some(figure(of_data.p_value)),
        );
        report.note(
            "Both columns are distances to one set of fresh data; the second is what a perfect model \
             would show.",
        );
        Ok(report)
    }
}
