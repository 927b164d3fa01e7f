//! Samples eight Gaussians on a circle from noise, with the exact score and no network: `sde-core` and
//! `solvers` on `ndarray`, nothing else.
//!
//! ```text
//! cargo run -p solvers --example mixture
//! ```
#![allow(clippy::print_stdout)]

use ndarray::{Array2, ArrayView1};
use sde_core::families::VariancePreserving;
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use solvers::{EdmSampler, Problem, Solver, TimeGrid, Unobserved, sample_prior};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sde = VariancePreserving::default();
    let world = GaussianMixture::eight_gaussians();
    // Any `Fn(&Array2<f64>, Time) -> Array2<f64>` will do in its place, a trained network say.
    let score = world.under(&sde);

    let noise = CounterNoise::new(0);
    let x_t = sample_prior(&sde, &Array2::zeros((8000, 2)), &noise);
    let grid = TimeGrid::karras(&sde, 18, 7.0)?;
    let problem = Problem::new(&sde, &score);
    let solution = EdmSampler::default().solve(&problem, &grid, x_t, &noise, &mut Unobserved)?;

    let mut counts = vec![0; world.components()];
    for x in solution.x.outer_iter() {
        counts[nearest_mode(&world, x)] += 1;
    }
    println!(
        "{} samples, {} evaluations",
        solution.x.nrows(),
        solution.nfe
    );
    println!("mode                share   truth");
    for (k, (mean, count)) in world.means().outer_iter().zip(counts).enumerate() {
        let share = f64::from(count) / solution.x.nrows() as f64;
        let truth = world.weights()[k];
        println!(
            "({:6.3}, {:6.3})    {share:.4}  {truth:.4}",
            mean[0], mean[1]
        );
    }
    Ok(())
}

fn nearest_mode(world: &GaussianMixture, x: ArrayView1<'_, f64>) -> usize {
    let distance = |k: usize| (&x - &world.means().row(k)).mapv(|d| d * d).sum();
    (0..world.components())
        .min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
        .expect("a mixture has components")
}
