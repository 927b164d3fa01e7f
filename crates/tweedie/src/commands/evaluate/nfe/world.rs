//! Solvers in a world whose score is exact.

use anyhow::Result;
use clap::ValueEnum;
use evaluation::sliced_wasserstein;
use ndarray::Array2;
use sde_core::noise::{CounterNoise, Role, fill_standard_normal};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, SdeConfig};
use solvers::{LastStep, Problem, Rk45, SolverConfig, TimeGrid, Unobserved};

use super::{Measured, Outcome, PROJECTIONS, Subject, usual_distance};

/// A distribution of the data in closed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorldName {
    /// Eight Gaussians of standard deviation 0.2 on a circle of radius 2
    EightGaussians,
    /// Eight Gaussians of standard deviation 0.3 around standard normal centres, in 64 dimensions
    #[value(name = "mixture-64")]
    Mixture64,
    /// One Gaussian of standard deviation 0.5 in the plane
    Gaussian,
}

impl WorldName {
    fn mixture(self) -> Result<GaussianMixture> {
        Ok(match self {
            Self::EightGaussians => GaussianMixture::eight_gaussians(),
            Self::Gaussian => GaussianMixture::gaussian(&[0.0, 0.0], 0.5)?,
            Self::Mixture64 => {
                let mut means = Array2::zeros((8, 64));
                for (component, mut mean) in means.outer_iter_mut().enumerate() {
                    let mean = mean.as_slice_mut().expect("rows are contiguous");
                    fill_standard_normal(0, component as u64, 0, Role::Data, mean);
                }
                GaussianMixture::isotropic(vec![1.0; 8], means, 0.3)?
            }
        })
    }
}

/// Exact samples that others are compared with.
const REFERENCE: usize = 20_000;

/// A world under a process, with starting points and where the exact flow takes them.
pub struct World {
    name: WorldName,
    world: GaussianMixture,
    sde: Box<dyn AffineSde>,
    /// x_T, drawn from p_T itself.
    start: Array2<f64>,
    /// Where the flow takes it.
    exact: Array2<f64>,
    /// Draws of p at the last time.
    fresh: Array2<f64>,
    floor: f64,
    seed: u64,
}

impl World {
    /// With `count` points under the process `kind`.
    pub fn new(name: WorldName, kind: &str, count: usize, seed: u64) -> Result<Self> {
        let world = name.mixture()?;
        let sde: SdeConfig = serde_json::from_value(serde_json::json!({ "kind": kind }))?;
        let sde = sde.build()?;
        let [first, last] = [sde.t_max(), sde.t_min_sampling()].map(|t| sde.marginal(t));
        let start = world.sample_at(first, seed, count);
        let exact = flow(&world, &*sde, &start)?;
        // Other seeds, other points.
        let fresh = world.sample_at(last, seed.wrapping_add(1), REFERENCE);
        let other = |draw| world.sample_at(last, seed.wrapping_add(2 + draw), count);
        let floor = usual_distance(&fresh, other)?;
        Ok(Self {
            name,
            world,
            sde,
            start,
            exact,
            fresh,
            floor,
            seed,
        })
    }
}

/// The probability flow, to a tolerance far below any error that is compared.
fn flow(world: &GaussianMixture, sde: &dyn AffineSde, x: &Array2<f64>) -> Result<Array2<f64>> {
    let score = world.under(sde);
    let (problem, start, end) = (Problem::new(sde, &score), sde.t_max(), sde.t_min_sampling());
    let exact = Rk45::with_tolerance(1e-9).transport(&problem, x.clone(), start, end)?;
    Ok(exact.x)
}

impl Subject for World {
    fn title(&self) -> String {
        let name = self.name.to_possible_value().expect("no world is hidden");
        let (name, family) = (name.get_name().to_owned(), self.sde.name());
        format!("{name} under {family}, exact score")
    }

    fn sde(&self) -> &dyn AffineSde {
        &*self.sde
    }

    /// Without the last step's own error.
    fn last_step(&self) -> LastStep {
        LastStep::Plain
    }

    fn measures(&self) -> Vec<Measured> {
        vec![
            Measured {
                key: "flow_error",
                title: "RMS distance to the exact flow".into(),
                floor: None,
            },
            Measured {
                key: "sliced_wasserstein",
                title: "sliced Wasserstein distance".into(),
                floor: Some(self.floor),
            },
        ]
    }

    fn run(&self, solver: SolverConfig, grid: &TimeGrid) -> Result<Outcome> {
        let score = self.world.under(&*self.sde);
        let problem = Problem::new(&*self.sde, &score);
        let noise = CounterNoise::new(self.seed);
        let solved = solver.build::<Array2<f64>>()?.solve(
            &problem,
            grid,
            self.start.clone(),
            &noise,
            &mut Unobserved,
        )?;
        let squares = (&solved.x - &self.exact).mapv(|d| d * d);
        let error = (squares.sum() / self.start.nrows() as f64).sqrt();
        let distance = sliced_wasserstein(solved.x.view(), self.fresh.view(), PROJECTIONS, 0)?;
        Ok(Outcome {
            nfe: solved.nfe,
            values: vec![
                (!solver.info().stochastic).then_some(error),
                Some(distance.distance()),
            ],
        })
    }
}
