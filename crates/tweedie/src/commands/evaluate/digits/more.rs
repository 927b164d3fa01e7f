//! What is measured of digits if it is asked for: features of other networks, precision and recall, and
//! neighbours in the training set.

use std::collections::BTreeMap;

use anyhow::Result;
use data::{ImageSet, Source};
use evaluation::{Coordinate, FeatureNetwork, Memorisation};
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
        if asked.features.is_none() && !asked.precision_recall && asked.neighbours.is_none() {
            return Ok(None);
        }
        let space = Space::new(self, images)?;
        if let Some(network) = &asked.features {
            let (name, key) = (network.name(), "frechet_squared_features");
            let (compared, test) = (space.compared(), &space.test);
            add_frechet(report, name, key, &compared, test, &asked.bootstrap)?;
        }
        if asked.precision_recall {
            space.precision_recall(report)?;
        }
        match asked.neighbours {
            Some(k) => Ok(Some(space.neighbours(k, images, report)?)),
            None => Ok(None),
        }
    }
}

/// Samples and what they are compared with, in the features of a network.
struct Space<'a> {
    measured: &'a Measured<'a>,
    samples: Array2<f64>,
    /// Of as many training images as there are samples, or of all if neighbours are looked for.
    train: Array2<f64>,
    test: Array2<f64>,
}

impl<'a> Space<'a> {
    fn new(measured: &'a Measured<'a>, images: &Array4<f32>) -> Result<Self> {
        let (digits, asked) = (&measured.digits, measured.asked);
        let judge: &dyn FeatureNetwork = &digits.judge;
        let network = asked.features.as_deref().unwrap_or(judge);
        let features =
            |images: &Array4<f32>| observed(|observe| network.features(images.view(), observe));
        let of_train = match asked.neighbours {
            Some(_) => usize::MAX,
            None => images.len_of(Axis(0)),
        };
        Ok(Self {
            measured,
            samples: features(images)?,
            train: features(&first(&digits.train, of_train))?,
            test: features(&first(&digits.test, usize::MAX))?,
        })
    }

    /// The samples beside as many training images.
    fn compared(&self) -> Compared<'_, f64> {
        Compared {
            samples: self.samples.view(),
            data: head(&self.train, self.samples.nrows()),
        }
    }

    fn precision_recall(&self, report: &mut Report) -> Result<()> {
        let test = head(&self.test, self.samples.nrows());
        let asked = self.measured.asked;
        add_precision_recall(report, &self.compared(), test, &asked.bootstrap)?;
        let network = asked.features.as_ref();
        report.note(format!(
            "Precision and recall (k = 3), density and coverage (k = 5) are against {} test images, in \
             the features\nof {}.",
            test.nrows(),
            network.map_or("the judge", |network| network.name()),
        ));
        Ok(())
    }

    /// Neighbours of pixels and of features. Of the test images one part is held out, another stands in
    /// the samples' place, each as many as there are samples.
    fn neighbours(
        &self,
        k: usize,
        images: &Array4<f32>,
        report: &mut Report,
    ) -> Result<Neighbours> {
        let digits = &self.measured.digits;
        let part = self.samples.nrows().min(digits.test.len() / 2);
        let train = first(&digits.train, usize::MAX);
        let pixels = [
            flat(images),
            flat(&train),
            flat(&first(&digits.test, usize::MAX)),
        ];
        let [samples, training, test] = pixels.each_ref().map(|set| set.view());
        let found = self.memorisation(report, "pixels", [samples, training, test], part, k)?;
        let picture = picture(images, &train, &found)?;
        let mut spaces = BTreeMap::from([("pixels", found)]);
        let features = [self.samples.view(), self.train.view(), self.test.view()];
        let found = self.memorisation(report, "features", features, part, k)?;
        spaces.insert("features", found);
        report.note(format!(
            "{ABOUT_COPIES}\nHeld out are {part} test images; the second column is of {part} others.",
        ));
        Ok(Neighbours {
            json: neighbours_json(&spaces),
            picture: Some(picture),
        })
    }

    /// Of samples, training and test images, in one space.
    fn memorisation<A: Coordinate>(
        &self,
        report: &mut Report,
        space: &'static str,
        [samples, training, test]: [ArrayView2<'_, A>; 3],
        part: usize,
        k: usize,
    ) -> Result<Memorisation> {
        let compared = Compared {
            samples,
            data: test.slice(s![part..2 * part, ..]),
        };
        let held_out = test.slice(s![..part, ..]);
        let bootstrap = &self.measured.asked.bootstrap;
        add_memorisation(report, space, &compared, training, held_out, k, bootstrap)
    }
}

/// The first `count` rows, or all if there are fewer.
fn head(set: &Array2<f64>, count: usize) -> ArrayView2<'_, f64> {
    set.slice(s![..count.min(set.nrows()), ..])
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
