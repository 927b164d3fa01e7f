//! What is measured of digits if it is asked for: features of other networks, precision and recall, and
//! neighbours in the training set.

use std::collections::BTreeMap;

use anyhow::Result;
use data::{ImageSet, Source};
use evaluation::{FeatureNetwork, Memorisation};
use ndarray::{Array2, Array4, ArrayView2, Axis, concatenate, s};

use super::Measured;
use crate::commands::evaluate::Neighbours;
use crate::commands::evaluate::asked::observed;
use crate::commands::evaluate::report::Report;
use crate::commands::evaluate::spaces::{
    ABOUT_COPIES, Compared, add_frechet, add_memorisation, add_precision_recall, neighbours_json,
};
use crate::pictures::{NeighbourRow, Picture, neighbour_rows};

/// Rows of the picture of neighbours.
const ROWS: usize = 10;

/// The most neighbours that a row of the picture shows.
const COLUMNS: usize = 12;

impl Measured<'_> {
    /// Adds what was asked for; returns the neighbours, if they were.
    pub(super) fn more(
        &self,
        images: &Array4<f32>,
        report: &mut Report,
    ) -> Result<Option<Neighbours>> {
        let asked = self.asked;
        let judge: &dyn FeatureNetwork = &self.digits.judge;
        let network = asked.features.as_deref().unwrap_or(judge);
        let space = Space {
            network,
            images,
            measured: self,
        };
        if asked.features.is_some() {
            let (name, key) = (network.name(), "frechet_squared_features");
            let train = space.features_of_train(images.len_of(Axis(0)))?;
            let samples = space.features(images)?;
            let compared = Compared {
                samples: samples.view(),
                data: train.view(),
            };
            let test = space.features_of_test(usize::MAX)?;
            add_frechet(report, name, key, &compared, &test, &asked.bootstrap)?;
        }
        if asked.precision_recall {
            space.precision_recall(report)?;
        }
        match asked.neighbours {
            Some(k) => Ok(Some(space.neighbours(k, report)?)),
            None => Ok(None),
        }
    }
}

/// Samples and what they are compared with, in the features of a network.
struct Space<'a> {
    network: &'a dyn FeatureNetwork,
    images: &'a Array4<f32>,
    measured: &'a Measured<'a>,
}

impl Space<'_> {
    fn features(&self, images: &Array4<f32>) -> Result<Array2<f64>> {
        observed(|observe| self.network.features(images.view(), observe))
    }

    fn features_of_train(&self, count: usize) -> Result<Array2<f64>> {
        self.features(&first(&self.measured.digits.train, count))
    }

    fn features_of_test(&self, count: usize) -> Result<Array2<f64>> {
        self.features(&first(&self.measured.digits.test, count))
    }

    fn precision_recall(&self, report: &mut Report) -> Result<()> {
        let count = self.images.len_of(Axis(0));
        let samples = self.features(self.images)?;
        let (train, test) = (
            self.features_of_train(count)?,
            self.features_of_test(count)?,
        );
        let compared = Compared {
            samples: samples.view(),
            data: train.view(),
        };
        let bootstrap = &self.measured.asked.bootstrap;
        add_precision_recall(report, &compared, test.view(), bootstrap)?;
        report.note(format!(
            "Precision and recall (k = 3), density and coverage (k = 5) are against {} test images, in \
             the features\nof {}.",
            test.nrows(),
            self.title(),
        ));
        Ok(())
    }

    fn title(&self) -> &str {
        match &self.measured.asked.features {
            Some(network) => network.name(),
            None => "the judge",
        }
    }

    /// Neighbours of pixels and of features. Of the test images one part is held out, another stands in
    /// the samples' place, each as many as there are samples.
    fn neighbours(&self, k: usize, report: &mut Report) -> Result<Neighbours> {
        let digits = &self.measured.digits;
        let part = self.images.len_of(Axis(0)).min(digits.test.len() / 2);
        let all = first(&digits.train, usize::MAX);
        let test = first(&digits.test, 2 * part);
        let mut spaces = BTreeMap::new();
        let (samples, train) = (flat(self.images), flat(&all));
        let of_test = flat(&test);
        let compare = |report: &mut Report,
                       spaces: &mut BTreeMap<_, _>,
                       name,
                       found: [ArrayView2<'_, f32>; 3]| {
            let [samples, train, test] = found;
            let compared = Compared {
                samples,
                data: test.slice(s![part.., ..]),
            };
            let held_out = test.slice(s![..part, ..]);
            let bootstrap = &self.measured.asked.bootstrap;
            let found = add_memorisation(report, name, &compared, train, held_out, k, bootstrap)?;
            spaces.insert(name, found);
            anyhow::Ok(())
        };
        compare(
            report,
            &mut spaces,
            "pixels",
            [samples.view(), train.view(), of_test.view()],
        )?;
        let features = |images: &Array4<f32>| -> Result<Array2<f32>> {
            Ok(self.features(images)?.mapv(|value| value as f32))
        };
        let found = [features(self.images)?, features(&all)?, features(&test)?];
        compare(
            report,
            &mut spaces,
            "features",
            found.each_ref().map(|set| set.view()),
        )?;
        report.note(format!(
            "{ABOUT_COPIES}\nHeld out are {part} test images; the second column is of {part} others.",
        ));
        Ok(Neighbours {
            json: neighbours_json(&spaces),
            picture: Some(picture(self.images, &all, &spaces["pixels"])?),
        })
    }
}

/// The samples that are most like copies, each with its neighbours.
fn picture(images: &Array4<f32>, train: &Array4<f32>, found: &Memorisation) -> Result<Picture> {
    let rows: Vec<NeighbourRow> = found
        .most_suspicious()
        .into_iter()
        .take(ROWS)
        .map(|index| {
            let shown = found.neighbours.indices.ncols().min(COLUMNS);
            let nearest = found.neighbours.indices.row(index);
            let nearest = train.select(Axis(0), &nearest.to_vec()[..shown]);
            let sample = images.slice(s![index..=index, .., .., ..]);
            let distances = found.neighbours.distances.row(index);
            NeighbourRow {
                images: concatenate![Axis(0), sample, nearest],
                label: format!("{index}: d₁/d₂ {:.2}", found.ratio(index)),
                distances: distances.to_vec()[..shown].to_vec(),
                marked: found.is_copy(index),
            }
        })
        .collect();
    let title = format!(
        "The {} of {} samples most like copies, beside their nearest training images",
        rows.len(),
        images.len_of(Axis(0))
    );
    neighbour_rows(&title, &rows)
}

/// The first `count` images, or all if there are fewer.
fn first(set: &ImageSet, count: usize) -> Array4<f32> {
    let count = count.min(set.len());
    let [channels, height, width] = set.sample_shape();
    Array4::from_shape_vec((count, channels, height, width), super::values(set, count))
        .expect("a set writes images of its shape")
}

/// Images as points.
fn flat(images: &Array4<f32>) -> Array2<f32> {
    let (count, channels, height, width) = images.dim();
    let values = images.iter().map(|value| value.clamp(-1.0, 1.0)).collect();
    Array2::from_shape_vec((count, channels * height * width), values).expect("an image is a row")
}
