//! SMLD: a ladder of noise levels, and annealed Langevin dynamics down it.

use anyhow::Result;
use ndarray::Array2;
use sde_core::noise::CounterNoise;
use sde_core::{AffineSde, Sigma, Time};
use solvers::{AnnealedLangevin, GridConfig, GridSpec, Problem, Solver, Trajectory, sample_prior};

use super::SEED;
use super::worlds::{shares, uneven_circle};
use crate::pictures::{Cloud, Panel, Picture, Shares, label, mosaic};

/// Points.
const COUNT: usize = 2000;
/// σ_1, the largest distance between two modes (Song & Ermon 2020, technique 1), and σ_L, a quarter of
/// a mode's own standard deviation.
const LADDER: (f64, f64) = (4.0, 0.05);
/// L, so that neighbouring levels are 1.63 apart.
const LEVELS: usize = 10;
/// The levels that are shown, counted from 0.
const SHOWN: [usize; 5] = [0, 2, 4, 6, 9];

/// The dynamics at the end of five levels, and the modes' shares of its samples.
pub fn picture(sde: &dyn AffineSde) -> Result<Picture> {
    let world = uneven_circle()?;
    let descent = descent(sde)?;
    let mut panels = Vec::new();
    for level in SHOWN {
        let (t, x) = &descent.levels[level];
        let marginal = sde.marginal(*t);
        let sigma = marginal.sigma_ratio().0;
        // What is noised by σ is x/α, for every process.
        let variance_exploding = sde_core::Marginal { alpha: 1.0, sigma };
        panels.push(Panel::Cloud(Cloud {
            title: format!(
                "level {}: σ = {}",
                level + 1,
                label((sigma * 1e3).round() / 1e3)
            ),
            half: 3.0 + 1.8 * sigma,
            points: x / marginal.alpha,
            density: world.noised(variance_exploding),
        }));
    }
    panels.push(Panel::Shares(Shares {
        title: "share of each mode".into(),
        truth: world.weights().to_vec(),
        found: shares(&world, &descent.samples),
        names: ["true weight", "samples"],
    }));
    let title = format!(
        "annealed Langevin dynamics under {}, {LEVELS} levels of {} steps",
        sde.name(),
        AnnealedLangevin::default().steps_per_level,
    );
    mosaic(&title, 3, &panels)
}

struct Descent {
    /// The state at the end of each level.
    levels: Vec<(Time, Array2<f64>)>,
    /// The points after the last step, which denoises.
    samples: Array2<f64>,
}

fn descent(sde: &dyn AffineSde) -> Result<Descent> {
    let world = uneven_circle()?;
    let score = world.under(sde);
    let [start, end] = [LADDER.0, LADDER.1].map(|sigma| sde.time_at_sigma(Sigma(sigma)));
    let grid = GridSpec::new(GridConfig::LogSnr {}, LEVELS)
        .between(start, end)
        .build(sde)?;
    let noise = CounterNoise::new(SEED);
    // The noise of σ_1 alone: the data's own spread is for the dynamics of the first level to find.
    let scale = sde.marginal(start).sigma / sde.prior().std;
    let x = scale * sample_prior(sde, &Array2::zeros((COUNT, 2)), &noise);
    let mut levels = Trajectory::new(1);
    let problem = Problem::new(sde, &score);
    let solution = AnnealedLangevin::default().solve(&problem, &grid, x, &noise, &mut levels)?;
    let mut levels = levels.into_states();
    levels.truncate(LEVELS);
    Ok(Descent {
        levels,
        samples: solution.x,
    })
}

#[cfg(test)]
mod tests {
    use super::super::process;
    use super::*;

    #[test]
    fn down_the_ladder_the_modes_get_their_weights() {
        let world = uneven_circle().unwrap();
        let descent = descent(&*process("ve").unwrap()).unwrap();
        let found = shares(&world, &descent.samples);
        for (share, weight) in found.iter().zip(world.weights()) {
            // Five standard errors, and what ten levels of a hundred steps leave of the last level's
            // shares before the modes part: plain Langevin dynamics is off by 0.1.
            let error = (weight * (1.0 - weight) / COUNT as f64).sqrt();
            assert!((share - weight).abs() < 5.0 * error + 0.01, "{found:?}");
        }
    }
}
