//! Solvers on a trained model.

use anyhow::Result;
use burn::tensor::Device;
use evaluation::sliced_wasserstein;
use ndarray::Array2;
use score_net::Model;
use sde_core::{AffineSde, Process};
use solvers::{LastStep, SolverConfig, TimeGrid};

use super::super::digits::Digits;
use super::super::stored::{Sets, Stored, precise};
use super::{Measured, Outcome, PROJECTIONS, Subject, usual_distance};
use crate::config::{AnySolver, ClassChoice, DataConfig};
use crate::failure::Fault;
use crate::guidance::Guidance;
use crate::latents::LatentSpace;
use crate::runs::Chosen;
use crate::sampling::{Plan, Samples, default_batch, generate};

/// A checkpoint and what its samples are compared with.
pub struct Trained {
    name: String,
    model: Model,
    latents: Option<LatentSpace>,
    /// One of positions alone.
    process: Process,
    shape: [usize; 3],
    judged: Judged,
    count: usize,
    seed: u64,
    device: Device,
}

enum Judged {
    /// By a classifier; with the Fréchet distance of as many real digits, and the share of real ones
    /// that it cannot read.
    Digits(Box<Digits>, [f64; 2]),
    /// By fresh points, with the distance of other fresh points.
    Points(Array2<f64>, f64),
    /// By images that lie in files.
    Images(Box<OfImages>),
}

/// Images that samples are compared with.
struct OfImages {
    stored: Stored,
    sets: Sets,
    /// Those of `sets`, as points.
    reference: Array2<f64>,
    /// The distance of training images.
    floor: f64,
}

impl Trained {
    /// The chosen checkpoint, whose run tells the data.
    pub fn new(chosen: &Chosen, count: usize, seed: u64, device: &Device) -> Result<Self> {
        let Some(run) = &chosen.run else {
            return Err(Fault::usage(format!(
                "{}: this checkpoint lies in no run, so its data is not known",
                chosen.checkpoint.folder().display()
            ))
            .hint("name a run with --run")
            .into());
        };
        let manifest = chosen.checkpoint.manifest();
        let process = manifest.sde.build()?;
        process.affine()?;
        let judged = match &run.config.data {
            DataConfig::Mnist {
                path,
                colours: false,
                ..
            } => {
                let digits = Digits::new(path, device)?;
                let floors = [
                    digits.real_distance(count)?,
                    digits.unreadable_share_of_test()?,
                ];
                Judged::Digits(Box::new(digits), floors)
            }
            DataConfig::Toy { name, seed, .. } => {
                let fresh = |offset: u64| {
                    let seed = seed.wrapping_add(offset);
                    name.sample(count, seed).points.mapv(f64::from)
                };
                let reference = fresh(1);
                let floor = usual_distance(&reference, |draw| fresh(2 + draw))?;
                Judged::Points(reference, floor)
            }
            other => {
                let stored = Stored::open(other, None)?;
                let sets = stored.sets(count)?;
                let reference = precise(sets.reference.view());
                Judged::Images(Box::new(OfImages {
                    floor: distance(&precise(sets.others.view()), &reference)?,
                    reference,
                    stored,
                    sets,
                }))
            }
        };
        Ok(Self {
            name: run.config.name.clone(),
            model: chosen.checkpoint.model(device)?,
            latents: chosen.latents(device)?,
            process,
            shape: manifest.model.shape,
            judged,
            count,
            seed,
            device: device.clone(),
        })
    }

    fn draw(&self, solver: SolverConfig, grid: &TimeGrid) -> Result<Samples> {
        let plan = Plan {
            solver: AnySolver::Positions(solver),
            grid: grid.clone(),
            seed: self.seed,
            count: self.count,
            batch: default_batch(self.shape),
            class: ClassChoice::default(),
            guidance: Guidance::default(),
            latents: self.latents.clone(),
        };
        generate(
            &self.model,
            &self.process,
            self.shape,
            &plan,
            &self.device,
            None,
            &mut |_, _| {},
        )
    }
}

impl Subject for Trained {
    fn title(&self) -> String {
        let (name, family) = (&self.name, self.process.name());
        format!("{name} ({family}), {} samples", self.count)
    }

    fn sde(&self) -> &dyn AffineSde {
        let sde = self.process.affine();
        sde.expect("it was seen to be one when this was made")
    }

    fn last_step(&self) -> LastStep {
        LastStep::Denoise
    }

    fn measures(&self) -> Vec<Measured> {
        match &self.judged {
            Judged::Digits(_, [distance, unreadable]) => vec![
                Measured {
                    key: "frechet_squared",
                    title: "Fréchet distance, squared".into(),
                    floor: Some(*distance),
                },
                Measured {
                    key: "unreadable",
                    title: "share of unreadable samples".into(),
                    floor: Some(*unreadable),
                },
            ],
            Judged::Points(_, floor) => vec![Measured {
                key: "sliced_wasserstein",
                title: "sliced Wasserstein distance".into(),
                floor: Some(*floor),
            }],
            Judged::Images(images) => vec![Measured {
                key: "sliced_wasserstein",
                title: match images.stored.images() {
                    true => "sliced Wasserstein distance, pixels".into(),
                    false => "sliced Wasserstein distance".into(),
                },
                floor: Some(images.floor),
            }],
        }
    }

    fn run(&self, solver: SolverConfig, grid: &TimeGrid) -> Result<Outcome> {
        let drawn = self.draw(solver, grid)?;
        let values = match &self.judged {
            Judged::Digits(digits, _) => {
                let (distance, unreadable) = digits.judged(&drawn.values)?;
                vec![Some(distance), Some(unreadable)]
            }
            Judged::Points(reference, _) => {
                vec![Some(distance(&precise(drawn.values.view()), reference)?)]
            }
            Judged::Images(images) => {
                let samples = images.stored.as_saved(&drawn.values);
                let samples = precise(images.sets.as_many(&samples));
                vec![Some(distance(&samples, &images.reference)?)]
            }
        };
        Ok(Outcome {
            nfe: drawn.nfe,
            values,
        })
    }
}

fn distance(set: &Array2<f64>, reference: &Array2<f64>) -> Result<f64> {
    Ok(sliced_wasserstein(set.view(), reference.view(), PROJECTIONS, 0)?.distance())
}
