//! Samples from a model, in batches that do not show in the result.

use std::ops::{ControlFlow, Range};
use std::time::Instant;

use anyhow::{Result, anyhow};
use burn::tensor::{Device, Tensor};
use ndarray::{Array4, Axis, concatenate};
use score_net::{Model, ModelVelocityScore};
use sde_core::damped::{DampedLangevin, PhaseState};
use sde_core::noise::CounterNoise;
use sde_core::{AffineSde, Process};
use solvers::damped::{DampedProblem, DampedSolver, sample_damped_prior};
use solvers::{Observer, Problem, Progress, Solution, SolveError, Solver, TimeGrid, sample_prior};

use crate::config::{AnySolver, ClassChoice, SamplingConfig};
use crate::failure::Fault;
use crate::guidance::Guidance;
use crate::latents::LatentSpace;
use crate::trajectory::Recorder;

/// How to sample, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The solver.
    pub solver: AnySolver,
    /// Its steps.
    pub grid: TimeGrid,
    /// The seed.
    pub seed: u64,
    /// The number of samples.
    pub count: usize,
    /// The most samples that are worked on at once.
    pub batch: usize,
    /// Of which classes.
    pub class: ClassChoice,
    /// And what steers them.
    pub guidance: Guidance,
    /// What makes images of what the model draws, where that are latents.
    pub latents: Option<LatentSpace>,
}

impl Plan {
    /// The plan of a configuration under `process`.
    pub fn new(config: &SamplingConfig, process: &Process, batch: usize) -> Result<Self> {
        config.solver.check(process).map_err(Fault::usage)?;
        let grid = config.grid_of(process)?;
        Ok(Self {
            solver: config.solver,
            grid,
            seed: config.seed,
            count: config.count,
            batch: batch.max(1),
            class: config.class,
            guidance: Guidance::free(config.guidance),
            latents: None,
        })
    }

    /// The class of each range of samples of `model`.
    pub fn groups(&self, model: &Model) -> Vec<(Option<usize>, Range<usize>)> {
        let classes = self.guidance.classes_of(model);
        self.class.groups(classes, self.count)
    }

    /// The class and the samples of each batch. A batch is of one class: a score does not know which sample it is
    /// asked for.
    pub fn batches(&self, model: &Model) -> Vec<(Option<usize>, Range<usize>)> {
        let groups = self.groups(model).into_iter();
        let cut = groups.flat_map(|(class, range)| {
            let starts = range.clone().step_by(self.batch);
            starts.map(move |first| (class, first..range.end.min(first + self.batch)))
        });
        cut.collect()
    }

    /// " of class 7, guided by 2", for a sentence; nothing where nothing is asked for.
    pub fn steered(&self) -> String {
        let class = match self.class {
            ClassChoice::One(class) => format!(" of class {class}"),
            ClassChoice::All | ClassChoice::None => String::new(),
        };
        format!("{class}{}", self.guidance.said())
    }

    /// "edm-18-seed0", for names of files, with the class and the guidance if there are some.
    pub fn label(&self) -> String {
        let name = self.solver.info().name;
        let class = match self.class {
            ClassChoice::All => String::new(),
            other => format!("-class-{other}"),
        };
        let scale = self.guidance.label();
        format!(
            "{name}-{}-seed{}{class}{scale}",
            self.grid.steps(),
            self.seed
        )
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
    /// Which of them are of which class; one range where no class was told.
    pub groups: Vec<(Option<usize>, Range<usize>)>,
    /// Score evaluations, for each sample.
    pub nfe: usize,
    /// Seconds for all.
    pub seconds: f64,
}

impl Samples {
    /// The class of each sample; none where no class was told.
    pub fn classes(&self) -> Option<Vec<usize>> {
        let each =
            |(class, range): &(Option<usize>, Range<usize>)| Some(vec![(*class)?; range.len()]);
        let classes = self.groups.iter().map(each).collect::<Option<Vec<_>>>()?;
        Some(classes.concat())
    }
}

/// Draws samples of `shape`, [channels, height, width], and decodes them where that are latents. `progress` is told how many solver steps are
/// done, of how many; `recorder` sees the positions of the first batch.
///
/// Sample i depends on (seed, i) and the solver alone.
pub fn generate(
    model: &Model,
    process: &Process,
    shape: [usize; 3],
    plan: &Plan,
    device: &Device,
    mut recorder: Option<&mut Recorder<'_>>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Samples> {
    let started = Instant::now();
    if model.is_classifier() {
        return Err(
            Fault::usage("this run is of a classifier, which draws no samples")
                .hint("it guides another run: tweedie sample --run RUN --classifier THIS --class N")
                .into(),
        );
    }
    if model.network.as_autoencoder().is_some() {
        return Err(Fault::usage(
            "this run is of an autoencoder, which draws no samples by itself",
        )
        .hint("name the run that it lies in, whose prior draws its latents")
        .into());
    }
    let space = plan
        .latents
        .as_ref()
        .map(|latents| &*latents.coder().digest);
    plan.guidance.check_space(space)?;
    let sampler = Sampler::new(model, process, plan)?;
    let [channels, height, width] = shape;
    let batches = plan.batches(model);
    let total = (batches.len() * plan.grid.steps()) as u64;
    let mut parts = Vec::with_capacity(batches.len());
    let mut nfe = 0;
    for (index, (class, samples)) in batches.iter().enumerate() {
        let (first, size) = (samples.start, samples.len());
        let noise = CounterNoise::new(plan.seed).starting_at(first as u64);
        let like = Tensor::<4>::zeros([size, channels, height, width], device);
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
        let solved = sampler.draw(&plan.grid, *class, &like, noise, &mut observer);
        if let Some(error) = unseen {
            return Err(error);
        }
        let solution = solved??;
        nfe = solution.nfe;
        parts.push(to_array(solution.x)?);
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    let values = concatenate(Axis(0), &views)?;
    Ok(Samples {
        values: match &plan.latents {
            Some(latents) => latents.decode(&values, device)?,
            None => values,
        },
        groups: plan.groups(model),
        nfe,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// A model, its process and a solver of one kind.
enum Sampler<'a> {
    Positions(
        &'a Model,
        &'a Guidance,
        &'a dyn AffineSde,
        Box<dyn Solver<Tensor<4>>>,
    ),
    Pairs(
        ModelVelocityScore<'a>,
        DampedLangevin,
        Box<dyn DampedSolver<Tensor<4>>>,
    ),
}

impl<'a> Sampler<'a> {
    fn new(model: &'a Model, process: &'a Process, plan: &'a Plan) -> Result<Self> {
        match (process, plan.solver) {
            (Process::Affine(sde), AnySolver::Positions(solver)) => Ok(Self::Positions(
                model,
                &plan.guidance,
                &**sde,
                solver.build()?,
            )),
            (Process::Damped(_), AnySolver::Pairs(_))
                if matches!(plan.class, ClassChoice::One(_)) =>
            {
                Err(
                    Fault::usage("--class: a model of positions and velocities knows no classes")
                        .hint("leave --class out")
                        .into(),
                )
            }
            (Process::Damped(_), AnySolver::Pairs(_)) if !plan.guidance.is_none() => {
                Err(Fault::usage("guidance is of models of positions alone").into())
            }
            (Process::Damped(process), AnySolver::Pairs(solver)) => {
                let score = (model.under_damped(process))
                    .ok_or_else(|| anyhow!("this model has no score of velocities"))?;
                Ok(Self::Pairs(score, *process, solver.build()))
            }
            (process, solver) => {
                let refused = solver.check(process).err().unwrap_or_default();
                Err(Fault::usage(refused).into())
            }
        }
    }

    /// Samples of `like`'s shape, from the prior; `observer` is shown positions.
    fn draw(
        &self,
        grid: &TimeGrid,
        class: Option<usize>,
        like: &Tensor<4>,
        noise: CounterNoise,
        observer: &mut dyn Observer<Tensor<4>>,
    ) -> Result<Result<Solution<Tensor<4>>, SolveError>> {
        match self {
            Self::Positions(model, guidance, sde, solver) => {
                guidance.with_score(model, *sde, class, |guided| {
                    let start = sample_prior(*sde, like, &noise);
                    let problem = Problem::new(*sde, guided.score);
                    solver.solve(&problem, grid, start, &noise, observer)
                })
            }
            Self::Pairs(score, process, solver) => {
                let start = sample_damped_prior(process, like, &noise);
                let problem = DampedProblem::new(*process, score);
                let mut of_pairs = |state: Progress<'_, PhaseState<Tensor<4>>>| {
                    observer.observe(Progress {
                        step: state.step,
                        steps: state.steps,
                        time: state.time,
                        x: &state.x.position,
                        nfe: state.nfe,
                    })
                };
                let solved = solver.solve(&problem, grid, start, &noise, &mut of_pairs);
                Ok(solved.map(|solved| Solution {
                    x: solved.x.position,
                    nfe: solved.nfe,
                }))
            }
        }
    }
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
