//! Samples from a model, in batches that do not show in the result.

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Result, anyhow};
use burn::tensor::{Device, Tensor};
use ndarray::{Array4, Axis, concatenate};
use score_net::Model;
use sde_core::AffineSde;
use sde_core::noise::CounterNoise;
use solvers::{GridSpec, Problem, Progress, SolverConfig, TimeGrid, sample_prior};

use crate::config::SamplingConfig;
use crate::trajectory::Recorder;

/// How to sample, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The solver.
    pub solver: SolverConfig,
    /// Its steps.
    pub grid: TimeGrid,
    /// The seed.
    pub seed: u64,
    /// The number of samples.
    pub count: usize,
    /// The most samples that are worked on at once.
    pub batch: usize,
}

impl Plan {
    /// The plan of a configuration under `sde`.
    pub fn new(config: &SamplingConfig, sde: &dyn AffineSde, batch: usize) -> Result<Self> {
        let grid = GridSpec::new(config.spacing(sde.name()), config.steps())
            .ending_with(config.last_step)
            .build(sde)?;
        Ok(Self {
            solver: config.solver,
            grid,
            seed: config.seed,
            count: config.count,
            batch: batch.max(1),
        })
    }

    /// "edm-18-seed0", for names of files.
    pub fn label(&self) -> String {
        let name = self.solver.info().name;
        format!("{name}-{}-seed{}", self.grid.steps(), self.seed)
    }
}

/// What a batch holds if nobody says: about as much as a training step, so that memory that sufficed
/// there suffices here.
pub fn default_batch(shape: [usize; 3]) -> usize {
    match shape {
        [_, 1, 1] => 1024,
        _ => 64,
    }
}

/// Samples and what they cost.
#[derive(Clone, Debug)]
pub struct Samples {
    /// `[N, C, H, W]`.
    pub values: Array4<f32>,
    /// Score evaluations, for each sample.
    pub nfe: usize,
    /// Seconds for all.
    pub seconds: f64,
}

/// Draws samples of `shape`, [channels, height, width]. `progress` is told how many solver steps are
/// done, of how many; `recorder` sees the states of the first batch.
///
/// Sample i depends on (seed, i) and the solver alone.
pub fn generate(
    model: &Model,
    sde: &dyn AffineSde,
    shape: [usize; 3],
    plan: &Plan,
    device: &Device,
    mut recorder: Option<&mut Recorder<'_>>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Samples> {
    let started = Instant::now();
    let solver = plan.solver.build::<Tensor<4>>()?;
    let score = model.under(sde);
    let problem = Problem::new(sde, &score);
    let [channels, height, width] = shape;
    let starts: Vec<usize> = (0..plan.count).step_by(plan.batch).collect();
    let total = (starts.len() * plan.grid.steps()) as u64;
    let mut parts = Vec::with_capacity(starts.len());
    let mut nfe = 0;
    for (index, &first) in starts.iter().enumerate() {
        let size = plan.batch.min(plan.count - first);
        let noise = CounterNoise::new(plan.seed).starting_at(first as u64);
        let like = Tensor::<4>::zeros([size, channels, height, width], device);
        let start = sample_prior(sde, &like, &noise);
        let before = (index * plan.grid.steps()) as u64;
        let mut recorder = recorder.as_deref_mut().filter(|_| index == 0);
        let mut unseen = None;
        let mut observer = |state: Progress<'_, Tensor<4>>| {
            progress(before + state.step.0 as u64, total);
            match recorder
                .as_mut()
                .map_or(Ok(()), |recorder| recorder.see(&state))
            {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    unseen = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        let solved = solver.solve(&problem, &plan.grid, start, &noise, &mut observer);
        if let Some(error) = unseen {
            return Err(error);
        }
        let solution = solved?;
        nfe = solution.nfe;
        parts.push(to_array(solution.x)?);
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    Ok(Samples {
        values: concatenate(Axis(0), &views)?,
        nfe,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// A tensor's values on the host.
pub fn to_array(x: Tensor<4>) -> Result<Array4<f32>> {
    let [n, c, h, w] = x.dims();
    let data = x.try_into_data().map_err(|e| anyhow!("{e}"))?;
    let values: Vec<f32> = data.iter::<f32>().collect();
    Ok(Array4::from_shape_vec((n, c, h, w), values)?)
}

/// The reverse of [`to_array`].
pub fn to_tensor(values: &Array4<f32>, device: &Device) -> Tensor<4> {
    let (n, c, h, w) = values.dim();
    let flat: Vec<f32> = values.iter().copied().collect();
    Tensor::from_data(burn::tensor::TensorData::new(flat, [n, c, h, w]), device)
}
