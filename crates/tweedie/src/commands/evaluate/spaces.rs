//! Figures that are taken the same way in any space: of pixels, of features, of points.

use std::collections::BTreeMap;

use anyhow::Result;
use evaluation::{
    Bootstrap, Coordinate, ManifoldOptions, Memorisation, frechet_interval, memorisation,
    precision_recall,
};
use ndarray::{Array2, ArrayView2};
use serde_json::{Value, json};

use super::asked::observed;
use super::report::{Figure, Report, Style};

/// Samples, and real data in their place.
pub struct Compared<'a, A> {
    /// What is measured.
    pub samples: ArrayView2<'a, A>,
    /// Real data, for the second column.
    pub data: ArrayView2<'a, A>,
}

/// Adds the squared Fréchet distance of both to `reference`, and the same without its bias.
pub fn add_frechet(
    report: &mut Report,
    name: &str,
    key: &str,
    compared: &Compared<'_, f64>,
    reference: &Array2<f64>,
    bootstrap: &Bootstrap,
) -> Result<()> {
    let distance = |set: ArrayView2<'_, f64>| {
        observed(|observe| frechet_interval(set, reference.view(), bootstrap, observe))
    };
    let found = [distance(compared.samples)?, distance(compared.data)?];
    let [samples, data] = found.map(Figure::from);
    let title = format!("Fréchet distance ({name})");
    report.add(title, key, Style::Number, samples, Some(data));
    let [samples, data] =
        found.map(|found| Figure::within(found.corrected(), found.corrected_interval()));
    let (title, key) = ("  less its bias", format!("{key}_corrected"));
    report.add(title, key, Style::Number, samples, Some(data));
    Ok(())
}

/// Adds precision, recall, density and coverage of both against `reference`.
pub fn add_precision_recall<A: Coordinate>(
    report: &mut Report,
    compared: &Compared<'_, A>,
    reference: ArrayView2<'_, A>,
    bootstrap: &Bootstrap,
) -> Result<()> {
    let options = ManifoldOptions::default();
    let measure = |set: ArrayView2<'_, A>| {
        observed(|observe| precision_recall(set, reference, &options, bootstrap, observe))
    };
    let (samples, data) = (measure(compared.samples)?, measure(compared.data)?);
    for (name, style, samples, data) in [
        ("precision", Style::Share, samples.precision, data.precision),
        ("recall", Style::Share, samples.recall, data.recall),
        ("density", Style::Number, samples.density, data.density),
        ("coverage", Style::Share, samples.coverage, data.coverage),
    ] {
        report.add(name, name, style, samples.into(), Some(data.into()));
    }
    Ok(())
}

/// Adds how near both are to the training set, against held-out data; returns what was found of the
/// samples.
pub fn add_memorisation<A: Coordinate>(
    report: &mut Report,
    space: &str,
    compared: &Compared<'_, A>,
    training: ArrayView2<'_, A>,
    held_out: ArrayView2<'_, A>,
    k: usize,
    bootstrap: &Bootstrap,
) -> Result<Memorisation> {
    let measure = |set: ArrayView2<'_, A>, k| {
        observed(|observe| memorisation(set, training, held_out, k, bootstrap, observe))
    };
    let samples = measure(compared.samples, k)?;
    let data = measure(compared.data, 2)?;
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
