//! How often a classifier of noised images is right, at each noise level.

use std::fmt::Write;

use anyhow::{Result, anyhow};
use burn::tensor::Device;
use ndarray::{Array4, Axis, s};
use score_net::Model;
use sde_core::noise::{Role, fill_standard_normal};
use sde_core::{AffineSde, Sigma};

use crate::dataset::Dataset;
use crate::pictures::{BLUE, Curve, CurvePanel, CurvePlot, INK, Look, Picture, Stroke, curve_plot};
use crate::sampling::{default_batch, to_tensor};

/// Noise levels σ/α, from hardly any to nothing but noise for images in [−1, 1].
const LEVELS: [f64; 9] = [0.01, 0.1, 0.3, 0.6, 1.0, 1.5, 2.5, 5.0, 10.0];
/// The seed of the noise.
const SEED: u64 = 0;

/// One noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// σ/α.
    pub sigma: f64,
    /// The share of samples whose most probable class is their own.
    pub accuracy: f64,
    /// Its standard error.
    pub error: f64,
    /// −log p(own class), the mean, in nats.
    pub cross_entropy: f64,
}

/// Measures `classifier` on `count` samples of `dataset`, noised to each level.
pub fn levels(
    classifier: &Model,
    sde: &dyn AffineSde,
    dataset: &Dataset,
    count: usize,
    device: &Device,
) -> Result<Vec<Level>> {
    let places = dataset.some(count)?;
    let images = dataset.at(&places)?;
    let label = |&place: &usize| {
        let label = dataset.source().label(place).map(usize::from);
        label.ok_or_else(|| anyhow!("sample {place} of the data has no class"))
    };
    let labels = places.iter().map(label).collect::<Result<Vec<_>>>()?;
    let measure = |(number, &sigma): (usize, &f64)| {
        let marginal = sde.marginal(sde.time_at_sigma(Sigma(sigma)));
        let mut noise = vec![0.0; images.len() / images.len_of(Axis(0)).max(1)];
        let mut noisy = images.clone();
        for (sample, mut image) in noisy.axis_iter_mut(Axis(0)).enumerate() {
            fill_standard_normal(
                SEED,
                sample as u64,
                number as u64,
                Role::Forward,
                &mut noise,
            );
            for (x, z) in image.iter_mut().zip(&noise) {
                *x = (marginal.alpha * f64::from(*x) + marginal.sigma * z) as f32;
            }
        }
        let (mut right, mut nats) = (0, 0.0);
        let batch = default_batch(shape_of(&noisy));
        for first in (0..labels.len()).step_by(batch) {
            let until = labels.len().min(first + batch);
            let part = noisy.slice(s![first..until, .., .., ..]).to_owned();
            let marginals = vec![marginal; until - first];
            let log = classifier.log_probabilities(to_tensor(&part, device), &marginals);
            let [_, classes] = log.dims();
            let log: Vec<f64> = log.into_data().iter::<f64>().collect();
            for (row, &label) in log.chunks_exact(classes).zip(&labels[first..until]) {
                let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                right += usize::from(best.is_some_and(|(class, _)| class == label));
                nats -= row[label];
            }
        }
        let count = labels.len() as f64;
        let accuracy = right as f64 / count;
        Ok(Level {
            sigma,
            accuracy,
            error: (accuracy * (1.0 - accuracy) / count).sqrt(),
            cross_entropy: nats / count,
        })
    };
    LEVELS.iter().enumerate().map(measure).collect()
}

fn shape_of(images: &Array4<f32>) -> [usize; 3] {
    let (_, channels, height, width) = images.dim();
    [channels, height, width]
}

/// Accuracy over noise level.
pub fn picture(title: &str, levels: &[Level]) -> Result<Picture> {
    let panel = |y_name: &str, value: fn(&Level) -> f64| CurvePanel {
        x_name: "σ/α".into(),
        y_name: y_name.into(),
        log: (true, false),
        curves: [0, 1]
            .map(|legend| Curve {
                legend,
                points: levels
                    .iter()
                    .map(|level| (level.sigma, value(level)))
                    .collect(),
            })
            .into(),
    };
    curve_plot(&CurvePlot {
        title: title.into(),
        legend: vec![
            ("noised images".into(), Look::new(BLUE, Stroke::Solid)),
            ("as measured".into(), Look::new(INK, Stroke::Dots)),
        ],
        panels: vec![
            panel("accuracy", |level| level.accuracy),
            panel("cross-entropy, nats", |level| level.cross_entropy),
        ],
    })
}

/// The same as lines of text.
pub fn table(levels: &[Level]) -> String {
    let mut text = "σ/α      accuracy          cross-entropy\n".to_owned();
    for level in levels {
        writeln!(
            text,
            "{:<8} {:6.2} ± {:.2} %   {:.4} nats",
            level.sigma,
            100.0 * level.accuracy,
            100.0 * level.error,
            level.cross_entropy
        )
        .expect("a string takes any text");
    }
    text.trim_end().to_owned()
}
