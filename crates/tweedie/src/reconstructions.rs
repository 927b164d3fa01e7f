//! What an autoencoder gives back: a picture of it, and both terms of the bound.

use std::path::Path;

use anyhow::Result;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Axis, concatenate};
use score_net::{Autoencoder, Posterior, bits_per_dimension};
use sde_core::noise::{Role, fill_standard_normal};
use serde_json::{Value, json};
use training::MetricsRecord;

use crate::dataset::Dataset;
use crate::files::write_whole;
use crate::pictures::{
    BLUE, Curve, CurvePanel, CurvePlot, INK, Look, ORANGE, Picture, Stroke, curve_plot, image_rows,
};
use crate::sampling::{to_array, to_tensor};

/// Images a row of a picture, and pairs of rows.
const ROW: usize = 10;
const ROWS: usize = 4;
/// Images that are measured when training ends.
pub const MEASURED: usize = 1000;
/// Those worked on at once.
const BATCH: usize = 100;

/// Rows of a set's first images, each above what comes back of it by the mean of its latents.
pub fn picture(autoencoder: &Autoencoder, dataset: &Dataset, device: &Device) -> Result<Picture> {
    let originals = dataset.first(ROW * ROWS)?;
    let mean = autoencoder.encode(to_tensor(&originals, device)).mean;
    let back = to_array(autoencoder.decode(mean))?;
    let mut rows = Vec::new();
    let (mut views, count) = (Vec::new(), originals.len_of(Axis(0)));
    for first in (0..count).step_by(ROW) {
        let end = (first + ROW).min(count);
        for images in [&originals, &back] {
            views.push(images.slice_axis(Axis(0), (first..end).into()));
            rows.push(end - first);
        }
    }
    image_rows(&concatenate(Axis(0), &views)?, &rows)
}

/// A draw of latents, and the noise that it was made of.
pub struct Drawn {
    /// q(z | x).
    pub posterior: Posterior,
    /// ε, sample after sample.
    pub epsilon: Vec<f64>,
    /// z = mean + σ ε.
    pub z: Tensor<4>,
}

/// Encodes images and draws their latents: of image i as (seed, i, draw) says, where the first is
/// `first_sample`.
pub fn draw(
    autoencoder: &Autoencoder,
    x: Tensor<4>,
    (seed, first_sample, draw): (u64, u64, u64),
) -> Drawn {
    let device = x.device();
    let posterior = autoencoder.encode(x);
    let shape = posterior.mean.dims();
    let len: usize = shape[1..].iter().product();
    let mut epsilon = vec![0.0; shape.iter().product()];
    for (sample, epsilon) in (first_sample..).zip(epsilon.chunks_mut(len.max(1))) {
        fill_standard_normal(seed, sample, draw, Role::Posterior, epsilon);
    }
    let noise = Tensor::from_data(TensorData::new(epsilon.clone(), shape), &device);
    Drawn {
        z: posterior.draw(noise),
        posterior,
        epsilon,
    }
}

/// Both terms of the bound over some images, each with its standard error, in bits per dimension.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    images: usize,
    part: &'static str,
    reconstruction: (f64, f64),
    kl: (f64, f64),
    total: (f64, f64),
    log_scale: f64,
}

/// Measures the first `count` images of a set, with one draw of each one's latents; `part` is "test" or "training".
pub fn measure(
    autoencoder: &Autoencoder,
    dataset: &Dataset,
    part: &'static str,
    count: usize,
    device: &Device,
) -> Result<Measured> {
    let images = dataset.first(count)?;
    let count = images.len_of(Axis(0));
    let dim = images.len().checked_div(count).unwrap_or(0);
    let (mut reconstruction, mut kl) = (Vec::new(), Vec::new());
    for first in (0..count).step_by(BATCH) {
        let rows = images.slice_axis(Axis(0), (first..(first + BATCH).min(count)).into());
        let x = to_tensor(&rows.to_owned(), device);
        let drawn = draw(autoencoder, x.clone(), (0, first as u64, 0));
        let bits = |nats: f64| bits_per_dimension(nats, dim);
        kl.extend(drawn.posterior.kl().into_data().iter::<f64>().map(bits));
        let nats = autoencoder.reconstruction(&x, drawn.z);
        reconstruction.extend(nats.into_iter().map(bits));
    }
    let total: Vec<f64> = reconstruction.iter().zip(&kl).map(|(a, b)| a + b).collect();
    Ok(Measured {
        images: count,
        part,
        reconstruction: mean_and_error(&reconstruction),
        kl: mean_and_error(&kl),
        total: mean_and_error(&total),
        log_scale: autoencoder.log_scale(),
    })
}

/// The mean and its standard error.
pub fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0) / n).sqrt())
}

impl Measured {
    /// Lines of a summary.
    pub fn text(&self) -> String {
        let figure = |(mean, error): (f64, f64)| format!("{mean:.4} ± {error:.4}");
        format!(
            "bound       {} bits/dim on {} {} images: reconstruction {}, KL {}",
            figure(self.total),
            self.images,
            self.part,
            figure(self.reconstruction),
            figure(self.kl),
        )
    }

    /// The figures.
    pub fn json(&self) -> Value {
        let figure = |(mean, error): (f64, f64)| json!({ "value": mean, "standard_error": error });
        json!({
            "images": self.images,
            "part": self.part,
            "unit": "bits per dimension",
            "reconstruction": figure(self.reconstruction),
            "kl": figure(self.kl),
            "total": figure(self.total),
            "log_scale": self.log_scale,
        })
    }

    /// Writes them into the run's folder `evaluations`.
    pub fn write(&self, root: &Path) -> Result<()> {
        let record = self.json();
        let mut text = serde_json::to_string_pretty(&record)?;
        text.push('\n');
        write_whole(&root.join("evaluations").join("elbo.json"), text.as_bytes())
    }
}

/// The loss and its two terms against the step; none of a run that has no terms.
pub fn loss_plot(title: &str, records: &[MetricsRecord]) -> Option<Result<Picture>> {
    let points = |value: &dyn Fn(&MetricsRecord) -> Option<f64>| -> Option<Vec<(f64, f64)>> {
        let point = |record: &MetricsRecord| Some((record.step as f64, value(record)?));
        records.iter().map(point).collect()
    };
    let curves = [
        points(&|record| Some(record.loss))?,
        points(&|record| record.reconstruction)?,
        points(&|record| record.kl)?,
    ];
    if records.is_empty() {
        return None;
    }
    let curves = (curves.into_iter().enumerate()).map(|(legend, points)| Curve { legend, points });
    Some(curve_plot(&CurvePlot {
        title: title.to_owned(),
        legend: vec![
            ("loss".to_owned(), Look::new(INK, Stroke::Solid)),
            ("reconstruction".to_owned(), Look::new(BLUE, Stroke::Solid)),
            ("KL".to_owned(), Look::new(ORANGE, Stroke::Solid)),
        ],
        panels: vec![CurvePanel {
            x_name: "step".to_owned(),
            y_name: "bits per dimension (log scale)".to_owned(),
            log: (false, true),
            curves: curves.collect(),
        }],
    }))
}
