//! Figures that are taken the same way in any space: of pixels, of features, of points.

use anyhow::Result;
use evaluation::{
    Bootstrap, Coordinate, ManifoldOptions, frechet_interval, precision_recall,
    sliced_wasserstein_interval,
};
use ndarray::{Array2, ArrayView2, ArrayView4};

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

/// Adds precision, recall, density and coverage of both against `reference`; `space` is named where it is
/// not one of features.
pub fn add_precision_recall<A: Coordinate>(
    report: &mut Report,
    space: Option<&str>,
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
        let (title, key) = match space {
            None => (name.to_owned(), name.to_owned()),
            Some(space) => (format!("{name} ({space})"), format!("{name}_{space}")),
        };
        report.add(title, key, style, samples.into(), Some(data.into()));
    }
    Ok(())
}

/// Directions of sliced Wasserstein distances.
pub const PROJECTIONS: usize = 512;

/// The sliced Wasserstein distance with its interval: the roots of the square's.
pub fn sliced_wasserstein_figure(
    set: &Array2<f64>,
    reference: &Array2<f64>,
    bootstrap: &Bootstrap,
) -> Result<Figure> {
    let (set, reference) = (set.view(), reference.view());
    let squared = observed(|observe| {
        sliced_wasserstein_interval(set, reference, PROJECTIONS, 0, bootstrap, observe)
    })?;
    let root = |square: f64| square.max(0.0).sqrt();
    Ok(Figure::within(
        root(squared.value),
        squared.interval.map(root),
    ))
}

/// States as points of their space, one a row.
pub fn flat<A>(states: ArrayView4<'_, f32>, coordinate: impl Fn(f32) -> A) -> Array2<A> {
    let (count, channels, height, width) = states.dim();
    let values = states.iter().map(|&value| coordinate(value)).collect();
    Array2::from_shape_vec((count, channels * height * width), values).expect("a state is a row")
}
