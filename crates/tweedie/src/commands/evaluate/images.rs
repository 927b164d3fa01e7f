//! Images of any data set: in pixels, and in the features of a network that is named.

use std::collections::BTreeMap;

use anyhow::Result;
use evaluation::{Coordinate, Memorisation, Points};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Axis, s};

use super::asked::{Asked, observed};
use super::neighbours::{ABOUT_COPIES, Near, neighbours_json, picture};
use super::report::{Report, Style};
use super::spaces::{Compared, add_frechet, add_precision_recall, flat, sliced_wasserstein_figure};
use super::stored::{HeldOut, Sets, Stored, precise};
use super::{Findings, Measure, Neighbours};
use crate::config::DataConfig;
use crate::failure::Fault;

/// Samples of data that are read from files: images, or points.
pub struct Images<'a> {
    stored: Stored,
    asked: &'a Asked,
}

impl<'a> Images<'a> {
    /// For a model that learned from the data of `config`.
    pub fn new(config: &DataConfig, asked: &'a Asked) -> Result<Self> {
        let stored = Stored::open(config, asked.against.as_deref())?;
        if asked.features.is_some() && !stored.images() {
            return Err(
                Fault::usage("--features: the samples of this run are points")
                    .hint("networks make features of images alone; leave --features out")
                    .into(),
            );
        }
        let measured = Self { stored, asked };
        if asked.neighbours.is_some() {
            measured.check_memory()?;
        }
        Ok(measured)
    }

    /// Pixels, or points.
    fn space(&self) -> &'static str {
        match self.stored.images() {
            true => "pixels",
            false => "points",
        }
    }

    /// Neighbours are looked for among all training data, which have to be held for it.
    fn check_memory(&self) -> Result<()> {
        let source = self.stored.train.source();
        let values: usize = source.sample_shape().iter().product();
        let bytes = (source.len() as u64).saturating_mul(4 * values as u64);
        if bytes <= MOST_BYTES {
            return Ok(());
        }
        Err(Fault::failed(format!(
            "--neighbours: the {} training {} take {} GiB in memory, and at most {} GiB are searched",
            source.len(),
            self.stored.train.unit(),
            bytes.div_ceil(1 << 30),
            MOST_BYTES >> 30,
        ))
        .hint("leave --neighbours out, or evaluate a run on a part of the data")
        .into())
    }

    /// Distances of samples and of other data to the reference, in pixels and in features.
    fn distances(&self, report: &mut Report, sets: [ArrayView4<'_, f32>; 3]) -> Result<()> {
        let (bootstrap, [samples, reference, others]) = (&self.asked.bootstrap, sets);
        // One set beside the reference: in double precision they are large.
        let reference = precise(reference);
        let distance = |set| sliced_wasserstein_figure(&precise(set), &reference, bootstrap);
        report.add(
            format!("sliced Wasserstein distance ({})", self.space()),
            "sliced_wasserstein",
            Style::Number,
            distance(samples)?,
            Some(distance(others)?),
        );
        drop(reference);
        let Some(network) = &self.asked.features else {
            if self.asked.precision_recall {
                let [samples, reference, others] = sets.map(|set| flat(set, |value| value));
                let compared = Compared {
                    samples: samples.view(),
                    data: others.view(),
                };
                let space = Some(self.space());
                add_precision_recall(report, space, &compared, reference.view(), bootstrap)?;
                if self.stored.images() {
                    report.note(self.about_precision("pixels"));
                }
            }
            return Ok(());
        };
        let features = |images| observed(|observe| network.features(images, observe));
        let [samples, reference, others] = sets.map(features);
        let (samples, reference, others) = (samples?, reference?, others?);
        let compared = Compared {
            samples: samples.view(),
            data: others.view(),
        };
        let (name, key) = (network.name(), "frechet_squared_features");
        add_frechet(report, name, key, &compared, &reference, bootstrap)?;
        if self.asked.precision_recall {
            add_precision_recall(report, None, &compared, reference.view(), bootstrap)?;
            report.note(self.about_precision(&format!("the features of {name}")));
        }
        Ok(())
    }

    fn about_precision(&self, space: &str) -> String {
        let warning = match &self.asked.features {
            None => {
                ": of images that says little, for those near\nin pixels need not be alike; \
                 --features FILE.onnx takes them in features"
            }
            Some(_) => "",
        };
        format!(
            "Precision and recall (k = 3), density and coverage (k = 5) are in {space}{warning}."
        )
    }

    fn about(&self, sets: &Sets, samples: usize) -> String {
        let unit = self.stored.train.unit();
        let count = |set: &Array4<f32>| set.len_of(Axis(0));
        let (reference, others) = (count(&sets.reference), count(&sets.others));
        let scale = match self.stored.images() {
            true => ", of pixels from -1 to 1,",
            false => "",
        };
        let mut text = match &self.stored.held_out {
            Some(HeldOut { name, .. }) => format!(
                "Distances{scale} are to {reference} {unit} of {name}; beside them those of {others} \
                 training {unit}."
            ),
            None => format!(
                "Distances{scale} are to {reference} training {unit}; beside them those of {others} other \
                 training {unit}.\nNothing was held out, so these distances do not tell a model that learned the \
                 data by heart\nfrom one that draws new ones: --against PATH names other data."
            ),
        };
        if others < samples {
            text += &format!("\nOf the samples the first {others} are compared, as many.");
        }
        text
    }

    /// Neighbours of every sample in the training data, in pixels and in features.
    fn neighbours(
        &self,
        k: usize,
        samples: &Array4<f32>,
        report: &mut Report,
    ) -> Result<Neighbours> {
        let train = self.stored.train.first(usize::MAX)?;
        let apart = Apart::new(&self.stored, samples.len_of(Axis(0)))?;
        let sets = [samples, &train, &apart.values];
        let pixels = sets.map(|set| flat(set.view(), |value| value));
        let found = self.near(self.space(), &pixels, &apart, k, report)?;
        let drawable = self.stored.images() && matches!(train.dim().1, 1 | 3);
        let picture = match drawable {
            true => Some(picture(samples, &train, &found)?),
            false => None,
        };
        let mut spaces = BTreeMap::from([(self.space(), found)]);
        if let Some(network) = &self.asked.features {
            let features = |set: &Array4<f32>| match set.is_empty() {
                true => Ok(Array2::zeros((0, 1))),
                false => observed(|observe| network.features(set.view(), observe)),
            };
            let [samples, train, apart_values] = sets.map(features);
            let found = self.near(
                "features",
                &[samples?, train?, apart_values?],
                &apart,
                k,
                report,
            )?;
            spaces.insert("features", found);
        }
        let unit = self.stored.train.unit();
        let part = apart.part;
        report.note(match &self.stored.held_out {
            Some(HeldOut { name, .. }) => format!(
                "{ABOUT_COPIES}\nHeld out are {part} {unit} of {name}; the second column is of {part} \
                 others."
            ),
            None => format!(
                "{ABOUT_COPIES}\nFor held-out ones stand {part} training {unit}, each beside all others; \
                 the second column is of {part} more."
            ),
        });
        Ok(Neighbours {
            json: neighbours_json(&spaces),
            picture,
        })
    }

    /// Of samples, training data and those apart, in one space.
    fn near<A: Coordinate>(
        &self,
        space: &'static str,
        [samples, training, values]: &[Array2<A>; 3],
        apart: &Apart,
        k: usize,
        report: &mut Report,
    ) -> Result<Memorisation> {
        let part = apart.part;
        let rows = |first| -> ArrayView2<'_, A> { values.slice(s![first..first + part, ..]) };
        let [held_out, data] = match &apart.places {
            Some(places) => {
                let (held_out, data) = places.split_at(part);
                [held_out, data].map(Points::Training)
            }
            None => [rows(0), rows(part)].map(Points::Other),
        };
        let near = Near {
            samples: samples.view(),
            training: training.view(),
            held_out,
            data,
        };
        near.add(report, space, k, &self.asked.bootstrap)
    }
}

/// The most bytes of training data among which neighbours are looked for.
const MOST_BYTES: u64 = 8 << 30;

/// Data whose nearness to the training data is that of new ones: twice `part`, for two columns.
struct Apart {
    part: usize,
    /// Held-out data; none if there are none.
    values: Array4<f32>,
    /// In place of held-out data: places in the training data.
    places: Option<Vec<usize>>,
}

impl Apart {
    /// At most `most` for each column.
    fn new(stored: &Stored, most: usize) -> Result<Self> {
        let set = stored.held_out.as_ref().map(|held_out| &held_out.set);
        let from = set.unwrap_or(&stored.train);
        let part = most.min(from.source().len() / 2);
        let places = from.some(2 * part)?;
        Ok(match set {
            Some(set) => Self {
                part,
                values: set.at(&places)?,
                places: None,
            },
            None => Self {
                part,
                values: stored.train.at(&[])?,
                places: Some(places),
            },
        })
    }
}

impl Measure for Images<'_> {
    fn measure(&self, samples: &Array4<f32>, _: Option<&[usize]>) -> Result<Findings> {
        let count = samples.len_of(Axis(0));
        let sets = self.stored.sets(count)?;
        let all = self.stored.as_saved(samples);
        let compared = sets.as_many(&all);
        let mut report = Report::new("training data");
        report.note(self.about(&sets, count));
        let (reference, others) = (sets.reference.view(), sets.others.view());
        self.distances(&mut report, [compared, reference, others])?;
        let neighbours = match self.asked.neighbours {
            Some(k) => Some(self.neighbours(k, &all, &mut report)?),
            None => None,
        };
        Ok(Findings { report, neighbours })
    }
}
