//! The picture that shows what a model has learned: a grid of images, or three panels for points.

use anyhow::{Context, Result};
use burn::tensor::Device;
use ndarray::Array4;
use score_net::Model;
use sde_core::damped::{PhaseState, VelocityScore};
use sde_core::{Prediction, Process, Sigma};

use crate::dataset::{Dataset, points_of};
use crate::pictures::{
    Picture, Triptych, VectorField, half_side, image_grid, image_rows, triptych,
};
use crate::sampling::{Samples, to_array, to_tensor};

/// The noise level σ/α at which the score of a model of points is shown: low enough to follow the
/// data's shape, high enough to be defined between its parts.
const FIELD_SIGMA: f64 = 0.2;
/// Arrows along each side.
const ARROWS: usize = 22;
/// Points of the data that are shown; more hide one another.
const SHOWN: usize = 1000;

/// The picture of `samples`, beside the data and the score where those can be drawn.
pub fn portrait(
    title: &str,
    dataset: &Dataset,
    samples: &Samples,
    model: &Model,
    process: &Process,
    device: &Device,
) -> Result<Picture> {
    let data = dataset.first(SHOWN)?;
    let (Some(data), Some(samples)) = (points_of(&data), points_of(&samples.values)) else {
        return images(samples);
    };
    let half = half_side(&data.view());
    let centres = samples.rows().into_iter();
    let centres = centres.map(|point| [f64::from(point[0]), f64::from(point[1])]);
    let (points, vectors) = learned_score(half, model, process, device)?;
    triptych(&Triptych {
        title: title.to_owned(),
        data: data.view(),
        samples: samples.view(),
        field: VectorField {
            title: match process {
                Process::Affine(_) => {
                    format!("learned score and density at σ/α = {FIELD_SIGMA}")
                }
                Process::Damped(_) => {
                    format!("way back by the velocity's learned score, σ/α = {FIELD_SIGMA}")
                }
            },
            points,
            vectors,
            // The density of the samples at that noise level, as the process blurs them.
            centres: centres.collect(),
            width: FIELD_SIGMA,
        },
    })
}

/// Samples that are images: a row a class, where there are classes.
pub fn images(samples: &Samples) -> Result<Picture> {
    match samples.groups.len() {
        0 | 1 => image_grid(&samples.values),
        _ => {
            let lengths: Vec<_> = samples
                .groups
                .iter()
                .map(|(_, range)| range.len())
                .collect();
            image_rows(&samples.values, &lengths)
        }
    }
}

type Plane = Vec<[f64; 2]>;

/// Points of a square lattice, in x/α, and the score with respect to x/α there.
///
/// Where there is a velocity it is the score of the velocity at v = 0, turned round: a pair at rest got where it
/// is by a velocity away from the data, and the reversal takes positions against their velocities.
fn learned_score(
    half: f64,
    model: &Model,
    process: &Process,
    device: &Device,
) -> Result<(Plane, Plane)> {
    let t = process.time_at_sigma(Sigma(FIELD_SIGMA));
    let marginal = process.position_marginal(t);
    let at = |i: usize| -half + (i as f64 + 0.5) * 2.0 * half / ARROWS as f64;
    let lattice = || (0..ARROWS * ARROWS).map(|k| [at(k % ARROWS), at(k / ARROWS)]);
    let points: Plane = lattice().collect();
    let states = Array4::from_shape_fn((points.len(), 2, 1, 1), |(k, j, ..)| {
        (marginal.alpha * points[k][j]) as f32
    });
    let states = to_tensor(&states, device);
    let score = match process {
        Process::Affine(_) => model.predict(Prediction::Score, &states, marginal),
        Process::Damped(process) => (model.under_damped(process))
            .context("this model has no score of velocities")?
            .velocity_score(&PhaseState::at_rest(states), t)
            .neg(),
    };
    let score = to_array(score)?;
    let vector = |k: usize| [0, 1].map(|j| marginal.alpha * f64::from(score[[k, j, 0, 0]]));
    Ok((points, (0..ARROWS * ARROWS).map(vector).collect()))
}
