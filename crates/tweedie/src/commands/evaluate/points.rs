//! Points of the plane against points drawn anew.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use data::Toy;
use evaluation::{energy_test, sliced_wasserstein};
use ndarray::{Array2, Array4, s};

use super::asked::Asked;
use super::neighbours::{ABOUT_COPIES, Near, neighbours_json};
use super::report::{Figure, Report, Style};
use super::spaces::{Compared, PROJECTIONS, add_precision_recall, sliced_wasserstein_figure};
use super::{Findings, Measure, Neighbours};
use crate::dataset::points_of;
use crate::failure::Fault;

/// Relabellings of the energy test.
const PERMUTATIONS: usize = 199;
/// The most points of a set that the energy test takes; its memory grows with the square.
const ENERGY_POINTS: usize = 1500;
/// Sets of fresh data that are compared with the one that samples are compared with.
const DRAWS: u64 = 8;

/// Samples of a toy distribution.
pub struct Points<'a> {
    toy: Toy,
    count: usize,
    seed: u64,
    asked: &'a Asked,
}

impl<'a> Points<'a> {
    /// For a model that learned `toy` from the `count` points of `seed`.
    pub fn new(toy: Toy, count: usize, seed: u64, asked: &'a Asked) -> Result<Self> {
        if asked.features.is_some() {
            return Err(
                Fault::usage("--features: the samples of this run are points")
                    .hint("networks make features of images alone; leave --features out")
                    .into(),
            );
        }
        Ok(Self {
            toy,
            count,
            seed,
            asked,
        })
    }

    /// Points that the model has not seen.
    fn fresh(&self, count: usize, offset: u64) -> Array2<f64> {
        let seed = self.seed.wrapping_add(offset);
        self.toy.sample(count, seed).points.mapv(f64::from)
    }
}

impl Measure for Points<'_> {
    fn measure(&self, samples: &Array4<f32>, _: Option<&[usize]>) -> Result<Findings> {
        let samples = points_of(samples).context("samples of a toy are points")?;
        let samples = samples.mapv(f64::from);
        let count = samples.nrows();
        let reference = self.fresh(count, 1);
        let others: Vec<_> = (0..DRAWS).map(|draw| self.fresh(count, 2 + draw)).collect();
        let mut report = Report::new("fresh data");

        let distance = |set: &Array2<f64>| -> Result<f64> {
            let found = sliced_wasserstein(set.view(), reference.view(), PROJECTIONS, 0)?;
            Ok(found.distance())
        };
        let of_others: Vec<f64> = others.iter().map(distance).collect::<Result<_>>()?;
        report.add(
            "sliced Wasserstein distance",
            "sliced_wasserstein",
            Style::Number,
            sliced_wasserstein_figure(&samples, &reference, &self.asked.bootstrap)?,
            Some(Figure::over_draws(&of_others)),
        );

        let few = |set: &Array2<f64>| set.slice(s![..ENERGY_POINTS.min(count), ..]).to_owned();
        let few_of_reference = few(&reference);
        let energy = |set: &Array2<f64>, permutations| {
            energy_test(few(set).view(), few_of_reference.view(), permutations, 0)
        };
        let of_samples = energy(&samples, PERMUTATIONS)?;
        let of_others = others.iter().map(|other| Ok(energy(other, 1)?.energy));
        let of_others: Vec<f64> = of_others.collect::<Result<_>>()?;
        report.add(
            "energy distance",
            "energy_distance",
            Style::Number,
            Figure::new(of_samples.energy),
            Some(Figure::over_draws(&of_others)),
        );
        report.add(
            "p-value of one distribution",
            "energy_p_value",
            Style::Number,
            Figure::new(of_samples.p_value),
            None,
        );
        report.note(format!(
            "Both columns are distances to one set of fresh data; the second is what a perfect model \
             would show,\nwith its standard deviation over {DRAWS} draws. A small p-value tells \
             samples and data apart."
        ));
        let compared = Compared {
            samples: samples.view(),
            data: others[0].view(),
        };
        let bootstrap = &self.asked.bootstrap;
        if self.asked.precision_recall {
            add_precision_recall(&mut report, None, &compared, reference.view(), bootstrap)?;
        }
        let Some(k) = self.asked.neighbours else {
            return Ok(Findings {
                report,
                neighbours: None,
            });
        };
        let training = self.fresh(self.count, 0);
        let near = Near {
            samples: samples.view(),
            training: training.view(),
            held_out: reference.view().into(),
            data: others[0].view().into(),
        };
        let found = near.add(&mut report, "points", k, bootstrap)?;
        report.note(ABOUT_COPIES);
        Ok(Findings {
            report,
            neighbours: Some(Neighbours {
                json: neighbours_json(&BTreeMap::from([("points", found)])),
                picture: None,
            }),
        })
    }
}
