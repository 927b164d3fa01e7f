//! DDPM: the chain that turns data into noise, and its reversal.

use anyhow::Result;
use ndarray::Array2;
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal, State, StepIndex, Time};
use solvers::{GridConfig, GridSpec, LastStep, Problem, SolverConfig, Trajectory, sample_prior};

use super::SEED;
use crate::failure::Fault;
use crate::pictures::{Cloud, Panel, Picture, mosaic};

/// Points.
const COUNT: usize = 1500;
/// N, the number of steps of the chain.
const STEPS: usize = 1000;
/// The steps that are shown.
const SHOWN: [usize; 5] = [0, 100, 250, 500, STEPS];
/// Half the side of each panel.
const HALF: f64 = 3.4;
/// What walks the chain in reverse.
const REVERSAL: &str = "ancestral";

/// The forward chain above, its reversal below, at the same steps.
pub fn picture(sde: &dyn AffineSde) -> Result<Picture> {
    if !matches!(sde.name(), "vp" | "cosine") {
        let words = format!(
            "`{}` does not preserve variance, as a DDPM does",
            sde.name()
        );
        return Err(Fault::usage(words).hint("choose --sde vp or cosine").into());
    }
    let world = GaussianMixture::eight_gaussians();
    let at = |step: usize| Time(sde.t_max().0 * step as f64 / STEPS as f64);
    let cloud = |title: String, step: usize, points: &Array2<f64>| {
        Panel::Cloud(Cloud {
            title,
            half: HALF,
            points: points.clone(),
            density: match step {
                0 => world.clone(),
                step => world.noised(sde.marginal(at(step))),
            },
        })
    };
    let mut panels = Vec::new();
    for (step, points) in SHOWN.iter().zip(&forward(sde)) {
        panels.push(cloud(format!("q, step {step}"), *step, points));
    }
    for (step, points) in SHOWN.iter().zip(&reverse(sde)?) {
        panels.push(cloud(format!("p, step {step}"), *step, points));
    }
    let title = format!(
        "the chain of {STEPS} steps under {}: forwards (q, above), in reverse by {REVERSAL} (p, below)",
        sde.name()
    );
    mosaic(&title, SHOWN.len(), &panels)
}

/// ᾱ-preserving steps x_i = √(1−β_i) x_{i−1} + √β_i z (Ho et al. 2020, eq. 2), with the β_i for which
/// √ᾱ_i is the process's α: the points after each of [`SHOWN`].
fn forward(sde: &dyn AffineSde) -> Vec<Array2<f64>> {
    let noise = CounterNoise::new(SEED);
    let mut x = GaussianMixture::eight_gaussians().sample(SEED, COUNT);
    let mut kept = vec![x.clone()];
    for step in 1..=STEPS {
        let beta = beta(sde, step);
        let z = noise.standard_normal(&x, StepIndex(step), Role::Diffusion);
        x = x.lincomb((1.0 - beta).sqrt(), &z, beta.sqrt());
        if SHOWN.contains(&step) {
            kept.push(x.clone());
        }
    }
    kept
}

/// β_i = 1 − ᾱ_i/ᾱ_{i−1}.
fn beta(sde: &dyn AffineSde, step: usize) -> f64 {
    let alpha = |step: usize| {
        let Marginal { alpha, .. } = sde.marginal(Time(sde.t_max().0 * step as f64 / STEPS as f64));
        alpha
    };
    1.0 - (alpha(step) / alpha(step - 1)).powi(2)
}

/// Noise walked back to data, in the order of [`SHOWN`].
fn reverse(sde: &dyn AffineSde) -> Result<Vec<Array2<f64>>> {
    let world = GaussianMixture::eight_gaussians();
    let score = world.under(sde);
    // The chain's own times, from N down to 1; the last step denoises.
    let first = Time(sde.t_max().0 / STEPS as f64);
    let grid = GridSpec::new(GridConfig::Uniform {}, STEPS)
        .ending_with(LastStep::Denoise)
        .between(sde.t_max(), first)
        .build(sde)?;
    let noise = CounterNoise::new(SEED);
    let x = sample_prior(sde, &Array2::zeros((COUNT, 2)), &noise);
    let mut states = Trajectory::new(1);
    let solver = REVERSAL.parse::<SolverConfig>()?.build::<Array2<f64>>()?;
    solver.solve(&Problem::new(sde, &score), &grid, x, &noise, &mut states)?;
    let states = states.into_states();
    Ok(SHOWN
        .iter()
        .map(|step| states[STEPS - step].1.clone())
        .collect())
}

#[cfg(test)]
mod tests {
    use sde_core::families::VariancePreserving;

    use super::super::worlds::shares;
    use super::*;

    #[test]
    fn the_linear_chain_has_the_published_betas() {
        let sde = VariancePreserving::default();
        // β from 1e-4 to 0.02 over 1000 steps (Ho et al. 2020, §4), here the means over the steps of
        // the β(t)/N that the paper's limit has (Song et al. 2021, appendix B).
        assert!((beta(&sde, 1) - 1.1e-4).abs() < 1e-6, "{}", beta(&sde, 1));
        assert!(
            (beta(&sde, STEPS) - 0.02).abs() < 3e-4,
            "{}",
            beta(&sde, STEPS)
        );
    }

    #[test]
    fn both_directions_have_the_moments_of_the_closed_form_at_every_step_shown() {
        let sde = VariancePreserving::default();
        let world = GaussianMixture::eight_gaussians();
        let (there, back) = (forward(&sde), reverse(&sde).unwrap());
        for (i, step) in SHOWN.iter().enumerate() {
            let t = Time(*step as f64 / STEPS as f64);
            let exact = match step {
                0 => world.clone(),
                _ => world.noised(sde.marginal(t)),
            };
            let variance = exact.covariance()[[0, 0]];
            for points in [&there[i], &back[i]] {
                let square = points.column(0).mapv(|x| x * x);
                let found = square.mean().unwrap();
                // Five standard errors, and one percent for steps of finite length.
                let bound = 5.0 * (square.var(0.0) / COUNT as f64).sqrt() + 0.01 * variance;
                assert!(
                    (found - variance).abs() < bound,
                    "step {step}: {found}, not {variance}"
                );
            }
        }
        for share in shares(&world, &back[0]) {
            assert!((share - 0.125).abs() < 5.0 * (0.125 * 0.875 / COUNT as f64).sqrt());
        }
    }
}
