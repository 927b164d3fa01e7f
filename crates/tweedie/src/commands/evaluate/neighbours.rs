//! Samples' neighbours in the training set: are they copies?

use std::collections::BTreeMap;

use anyhow::Result;
use evaluation::{Bootstrap, Coordinate, Memorisation, Points, memorisation};
use ndarray::{Array4, ArrayView2, Axis, concatenate, s};
use serde_json::{Value, json};

use super::asked::observed;
use super::report::{Report, Style};
use crate::pictures::{NeighbourRow, Picture, neighbour_rows};

/// Whose nearness to a training set is compared.
pub struct Near<'a, A> {
    /// What is measured.
    pub samples: ArrayView2<'a, A>,
    /// What a model learned from.
    pub training: ArrayView2<'a, A>,
    /// Data that it did not learn from.
    pub held_out: Points<'a, A>,
    /// Other such data, for the second column.
    pub data: Points<'a, A>,
}

impl<A: Coordinate> Near<'_, A> {
    /// Adds how near both are to the training set, against held-out data; returns what was found of the
    /// samples, whose `k` neighbours are looked for.
    pub fn add(
        self,
        report: &mut Report,
        space: &str,
        k: usize,
        bootstrap: &Bootstrap,
    ) -> Result<Memorisation> {
        let Self {
            samples,
            training,
            held_out,
            data,
        } = self;
        let measure = |set: Points<'_, A>, k| {
            observed(|observe| memorisation(set, training, held_out, k, bootstrap, observe))
        };
        let samples = measure(samples.into(), k)?;
        let data = measure(data, 2)?;
        let [of_samples, of_data] = [&samples, &data].map(|found| found.figures);
        for (title, key, samples, data) in [
            ("copies", "copies", of_samples.copies, of_data.copies),
            (
                "nearer than held-out",
                "nearer",
                of_samples.nearer,
                of_data.nearer,
            ),
        ] {
            let (title, key) = (format!("{title} ({space})"), format!("{key}_{space}"));
            report.add(title, key, Style::Share, samples.into(), Some(data.into()));
        }
        Ok(samples)
    }
}

/// The neighbours as JSON, by space.
pub fn neighbours_json(spaces: &BTreeMap<&'static str, Memorisation>) -> Value {
    let of = |found: &Memorisation| {
        let rows = |table: &dyn Fn(usize) -> Value| -> Vec<Value> {
            (0..found.neighbours.indices.nrows()).map(table).collect()
        };
        json!({
            "figures": found.figures,
            "indices": rows(&|row| json!(found.neighbours.indices.row(row).to_vec())),
            "distances": rows(&|row| json!(found.neighbours.distances.row(row).to_vec())),
        })
    };
    spaces
        .iter()
        .map(|(space, found)| ((*space).to_owned(), of(found)))
        .collect()
}

/// What the figures of copies mean.
pub const ABOUT_COPIES: &str = "\
Copies: nearer to one training point than a third of the way to the next. Nearer than held-out: how often
a sample is nearer to the training set than a held-out point is; 50 % for new draws, more for copies.";

/// Rows of the picture of neighbours.
const ROWS: usize = 10;

/// The most neighbours that a row of the picture shows.
const COLUMNS: usize = 12;

/// The samples that are most like copies, each with its neighbours.
pub fn picture(images: &Array4<f32>, train: &Array4<f32>, found: &Memorisation) -> Result<Picture> {
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
