//! What is measured of digits if it is asked for: features of other networks, precision and recall, and
//! neighbours in the training set.

use std::collections::BTreeMap;

use anyhow::Result;
use data::{ImageSet, Source};
use evaluation::{Coordinate, FeatureNetwork, Memorisation};
use ndarray::{Array2, Array4, ArrayView2, Axis, s};

use super::Measured;
use crate::commands::evaluate::Neighbours;
use crate::commands::evaluate::asked::observed;
use crate::commands::evaluate::neighbours::{ABOUT_COPIES, Near, neighbours_json, picture};
use crate::commands::evaluate::report::Report;
use crate::commands::evaluate::spaces::{Compared, add_frechet, add_precision_recall, flat};

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
        add_precision_recall(report, None, &self.compared(), test, &asked.bootstrap)?;
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
        let test = first(&digits.test, usize::MAX);
        let pixels =
            [images, &train, &test].map(|set| flat(set.view(), |pixel| pixel.clamp(-1.0, 1.0)));
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
        let near = Near {
            samples,
            training,
            held_out: test.slice(s![..part, ..]).into(),
            data: test.slice_move(s![part..2 * part, ..]).into(),
        };
        near.add(report, space, k, &self.measured.asked.bootstrap)
    }
}

/// The first `count` rows, or all if there are fewer.
fn head(set: &Array2<f64>, count: usize) -> ArrayView2<'_, f64> {
    set.slice(s![..count.min(set.nrows()), ..])
}

/// The first `count` images, or all if there are fewer.
fn first(set: &ImageSet, count: usize) -> Array4<f32> {
    let count = count.min(set.len());
    let [channels, height, width] = set.sample_shape();
    Array4::from_shape_vec((count, channels, height, width), super::values(set, count))
        .expect("a set writes images of its shape")
}
