//! A sampling run on the way from noise to data: what is kept of it, and how it is shown.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Tensor;
use ndarray::{Array4, Axis};
use sde_core::{Process, State, Time};
use solvers::Progress;

use crate::dataset::points_of;
use crate::pictures::{Picture, Tile, half_side, image_grid, label, noised_strip, scatter_within};
use crate::sampling::to_array;

/// The most samples of an animation.
const SHOWN: usize = 64;
/// Times of a strip.
const TILES: usize = 9;
/// Samples of a strip, one a row.
const ROWS: usize = 4;
/// The most frames of an animation.
const FRAMES: usize = 48;
/// How long each is shown.
const MILLISECONDS: u32 = 80;

/// Keeps some states of the first batch of a run.
pub struct Recorder<'a> {
    process: &'a Process,
    kept: Vec<Kept>,
}

/// The first samples at one time.
struct Kept {
    time: Time,
    nfe: usize,
    /// `[N, C, H, W]`, divided by √(α² + σ²), so that a process that explodes can be shown.
    values: Array4<f32>,
}

impl<'a> Recorder<'a> {
    /// For a run under `process`.
    pub fn new(process: &'a Process) -> Self {
        Self {
            process,
            kept: Vec::new(),
        }
    }

    /// Looks at a state, and keeps it if enough has happened since the last.
    pub fn see(&mut self, state: &Progress<'_, Tensor<4>>) -> Result<()> {
        let (step, steps) = (state.step.0, state.steps.max(1));
        let frame = |step: usize| step * (FRAMES - 1) / steps;
        let is_new = step == 0 || step >= steps || frame(step) != frame(step - 1);
        if !is_new {
            return Ok(());
        }
        let few: Vec<usize> = (0..state.x.batch().min(SHOWN)).collect();
        // The sample itself is data, at no noise.
        let scale = match state.time {
            Time(0.0) => 1.0,
            t => {
                let marginal = self.process.position_marginal(t);
                marginal.alpha.hypot(marginal.sigma).recip() as f32
            }
        };
        let values = to_array(state.x.select_samples(&few))?.mapv(|value| scale * value);
        self.kept.push(Kept {
            time: state.time,
            nfe: state.nfe,
            values,
        });
        Ok(())
    }

    /// Writes `FILE-trajectory.png`, a strip, and `FILE-trajectory.gif`, an animation, beside the file
    /// of samples `out`; their names.
    pub fn save(&self, title: &str, out: &Path) -> Result<[PathBuf; 2]> {
        let stem = out.file_stem().unwrap_or_default().to_string_lossy();
        let [strip, animation] = ["png", "gif"]
            .map(|extension| out.with_file_name(format!("{stem}-trajectory.{extension}")));
        self.strip(title)?.save(&strip)?;
        let frames: Vec<Picture> = self
            .kept
            .iter()
            .map(|kept| self.frame(kept))
            .collect::<Result<_>>()?;
        Picture::save_animation(frames, MILLISECONDS, &animation)?;
        Ok([strip, animation])
    }

    fn strip(&self, title: &str) -> Result<Picture> {
        let last = self.kept.len().saturating_sub(1);
        let mut chosen: Vec<usize> = (0..TILES).map(|tile| tile * last / (TILES - 1)).collect();
        chosen.dedup();
        let tiles: Vec<(Tile, [String; 2])> = chosen
            .into_iter()
            .filter_map(|index| self.kept.get(index))
            .map(|Kept { time, nfe, values }| {
                let tile = match points_of(values) {
                    Some(points) => Tile::Points(points),
                    None => {
                        let rows = values.axis_iter(Axis(0)).take(ROWS);
                        Tile::Images(rows.map(|image| image.to_owned()).collect())
                    }
                };
                let captions = [format!("t = {}", label(time.0)), format!("NFE {nfe}")];
                (tile, captions)
            })
            .collect();
        noised_strip(title, &tiles)
    }

    fn frame(&self, kept: &Kept) -> Result<Picture> {
        let Some(points) = points_of(&kept.values) else {
            return image_grid(&kept.values);
        };
        // One scale for all of them: that of the samples.
        let samples = self.kept.last().and_then(|last| points_of(&last.values));
        let half = samples.map_or(3.0, |samples| half_side(&samples.view()));
        let title = format!("t = {}, NFE {}", label(kept.time.0), kept.nfe);
        scatter_within(&title, half, &points.view())
    }
}
