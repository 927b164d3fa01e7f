//! Noise as a function, not a stream.
//!
//! The standard normal vector for (seed, sample, step, role) is drawn from a ChaCha8 generator whose
//! 256-bit key *is* that quadruple. So the draw is the same on every backend, in every batch size, in
//! every shard and after every resume, and two samples, steps or roles never share randomness.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::{State, StepIndex};

/// What a draw is for; draws of different roles are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Role {
    /// The starting point x_T of a sampling run.
    Prior = 1,
    /// The dw of a step of an SDE solver, or of a predictor.
    Diffusion = 2,
    /// A step of Langevin dynamics; its inner step is counted in the step index.
    Langevin = 3,
    /// The noise that EDM's churn adds before a step.
    Churn = 4,
    /// ε of a training example.
    Forward = 5,
    /// The time (or noise level) of a training example.
    Time = 6,
    /// Probes of a stochastic divergence or of a sliced distance.
    Probe = 7,
    /// Draws from a data distribution that is known in closed form.
    Data = 8,
    /// The noise of what is known, when a run is held to it.
    Observation = 40,
    /// The noise that takes a state back up when its steps are taken again.
    Resampling = 41,
    /// Random features of a network, one channel a sample.
    Feature = 24,
    /// Whether a training example's class is told.
    ClassDropout = 60,
    /// A draw of an autoencoder's latents.
    Posterior = 70,
    /// What fills the cells of quantised data; the draw is counted in the step index.
    Dequantisation = 20,
}

/// The generator for (seed, sample, step, role): the same sequence wherever it is made.
#[must_use]
pub fn generator(seed: u64, sample: u64, step: u64, role: Role) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key
        .chunks_exact_mut(8)
        .zip([seed, sample, step, role as u64])
    {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Writes standard normal noise for (seed, sample, step, role).
pub fn fill_standard_normal(seed: u64, sample: u64, step: u64, role: Role, out: &mut [f64]) {
    let mut generator = generator(seed, sample, step, role);
    for value in out {
        *value = StandardNormal.sample(&mut generator);
    }
}

/// Writes numbers uniform on [0, 1) for (seed, sample, step, role).
pub fn fill_uniform(seed: u64, sample: u64, step: u64, role: Role, out: &mut [f64]) {
    let mut generator = generator(seed, sample, step, role);
    for value in out {
        *value = generator.random();
    }
}

/// Writes signs, −1 or 1 with probability ½ each, for (seed, sample, step, role).
pub fn fill_signs(seed: u64, sample: u64, step: u64, role: Role, out: &mut [f64]) {
    let mut generator = generator(seed, sample, step, role);
    for value in out {
        *value = if generator.random() { 1.0 } else { -1.0 };
    }
}

/// Where a solver gets its noise from.
pub trait Noise<X> {
    /// A standard normal state of `like`'s shape, for one step and role.
    fn standard_normal(&self, like: &X, step: StepIndex, role: Role) -> X;

    /// The same for the samples at the places `samples` of the batch, each at a step of its own; `like`
    /// and the result hold these samples alone. Solvers that choose the steps of every sample by itself
    /// ask for it.
    ///
    /// By default each is picked from a batch drawn up to its place; sources that can draw one sample
    /// alone should.
    ///
    /// # Panics
    /// If there is no sample, or `samples`, `steps` and `like` differ in length.
    fn standard_normal_each(
        &self,
        like: &X,
        samples: &[usize],
        steps: &[StepIndex],
        role: Role,
    ) -> X
    where
        X: State,
    {
        assert_each(like, samples, steps);
        let parts: Vec<X> = (samples.iter().zip(steps))
            .map(|(&sample, &step)| {
                let batch = like.select_samples(&vec![0; sample + 1]);
                let drawn = self.standard_normal(&batch, step, role);
                drawn.select_samples(&[sample])
            })
            .collect();
        X::concatenate_samples(&parts)
    }
}

fn assert_each<X: State>(like: &X, samples: &[usize], steps: &[StepIndex]) {
    assert_eq!(samples.len(), like.batch(), "one place a sample");
    assert_eq!(steps.len(), like.batch(), "one step a sample");
}

/// Counter-based noise for the samples `first_sample..first_sample + batch`.
///
/// Cutting a batch in two and advancing `first_sample` by the first half's length changes no sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterNoise {
    /// The seed of the run.
    pub seed: u64,
    /// The index of the batch's first sample within the run.
    pub first_sample: u64,
}

impl CounterNoise {
    /// Noise for the samples `0..batch` of the run `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            first_sample: 0,
        }
    }

    /// The same run, for a batch that begins with sample `first_sample`.
    #[must_use]
    pub fn starting_at(self, first_sample: u64) -> Self {
        Self {
            first_sample,
            ..self
        }
    }
}

impl<X: State> Noise<X> for CounterNoise {
    fn standard_normal(&self, like: &X, step: StepIndex, role: Role) -> X {
        like.filled_like(&mut |i, out| {
            let sample = self.first_sample + i as u64;
            fill_standard_normal(self.seed, sample, step.0 as u64, role, out);
        })
    }

    fn standard_normal_each(
        &self,
        like: &X,
        samples: &[usize],
        steps: &[StepIndex],
        role: Role,
    ) -> X {
        assert_each(like, samples, steps);
        like.filled_like(&mut |i, out| {
            let sample = self.first_sample + samples[i] as u64;
            fill_standard_normal(self.seed, sample, steps[i].0 as u64, role, out);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: u64, sample: u64, step: u64, role: Role) -> Vec<f64> {
        let mut out = vec![0.0; 4];
        fill_standard_normal(seed, sample, step, role, &mut out);
        out
    }

    #[test]
    fn each_of_the_four_keys_changes_the_draw_and_the_same_keys_repeat_it() {
        let base = draw(1, 2, 3, Role::Diffusion);
        assert_eq!(base, draw(1, 2, 3, Role::Diffusion));
        for other in [
            draw(2, 2, 3, Role::Diffusion),
            draw(1, 3, 3, Role::Diffusion),
            draw(1, 2, 4, Role::Diffusion),
            draw(1, 2, 3, Role::Langevin),
            draw(2, 1, 3, Role::Diffusion),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn draws_across_samples_have_the_moments_of_a_standard_normal() {
        let n = 50_000;
        let values: Vec<f64> = (0..n)
            .map(|sample| draw(7, sample, 0, Role::Prior)[0])
            .collect();
        let moment = |k: i32| values.iter().map(|x| x.powi(k)).sum::<f64>() / n as f64;
        // Five standard errors of each moment: √(1, 2, 15, 96)/√n.
        let bound = |variance: f64| 5.0 * (variance / n as f64).sqrt();
        assert!(moment(1).abs() < bound(1.0));
        assert!((moment(2) - 1.0).abs() < bound(2.0));
        assert!(moment(3).abs() < bound(15.0));
        assert!((moment(4) - 3.0).abs() < bound(96.0));
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn a_batch_cut_in_two_draws_the_same_noise() {
        use ndarray::{Array2, concatenate, prelude::Axis};

        let noise = CounterNoise::new(11);
        let draw = |noise: CounterNoise, batch: usize| -> Array2<f64> {
            noise.standard_normal(&Array2::zeros((batch, 3)), StepIndex(5), Role::Diffusion)
        };
        let whole = draw(noise, 8);
        let parts = [draw(noise, 3), draw(noise.starting_at(3), 5)];
        let joined = concatenate(Axis(0), &[parts[0].view(), parts[1].view()]).unwrap();
        assert_eq!(whole, joined);
    }

    #[test]
    fn uniform_numbers_and_signs_have_their_moments() {
        let n = 20_000;
        let (mut uniform, mut signs) = (vec![0.0; n], vec![0.0; n]);
        fill_uniform(3, 1, 4, Role::Dequantisation, &mut uniform);
        fill_signs(3, 1, 4, Role::Probe, &mut signs);
        let moment = |values: &[f64], k: i32| {
            values.iter().map(|x| x.powi(k)).sum::<f64>() / values.len() as f64
        };
        // Five standard errors: variances 1/12, 4/45 and 1.
        let bound = |variance: f64| 5.0 * (variance / n as f64).sqrt();
        assert!((moment(&uniform, 1) - 0.5).abs() < bound(1.0 / 12.0));
        assert!((moment(&uniform, 2) - 1.0 / 3.0).abs() < bound(4.0 / 45.0));
        assert!(uniform.iter().all(|u| (0.0..1.0).contains(u)));
        assert!(moment(&signs, 1).abs() < bound(1.0));
        assert!(signs.iter().all(|s| s.abs() == 1.0));
    }

    /// A source that knows nothing of single samples.
    #[cfg(feature = "ndarray")]
    struct WholeBatches(CounterNoise);

    #[cfg(feature = "ndarray")]
    impl<X: State> Noise<X> for WholeBatches {
        fn standard_normal(&self, like: &X, step: StepIndex, role: Role) -> X {
            self.0.standard_normal(like, step, role)
        }
    }

    #[cfg(feature = "ndarray")]
    #[test]
    fn samples_drawn_at_steps_of_their_own_are_those_of_whole_batches() {
        use ndarray::Array2;

        let noise = CounterNoise::new(11).starting_at(40);
        let (samples, steps) = ([5, 0, 3], [2, 7, 2].map(StepIndex));
        let like = Array2::<f64>::zeros((3, 4));
        let whole = [2, 7].map(|step| -> Array2<f64> {
            let like = Array2::zeros((6, 4));
            noise.standard_normal(&like, StepIndex(step), Role::Diffusion)
        });
        let drawn = noise.standard_normal_each(&like, &samples, &steps, Role::Diffusion);
        assert_eq!(drawn.row(0), whole[0].row(5));
        assert_eq!(drawn.row(1), whole[1].row(0));
        assert_eq!(drawn.row(2), whole[0].row(3));
        let by_default = WholeBatches(noise);
        let by_default = by_default.standard_normal_each(&like, &samples, &steps, Role::Diffusion);
        assert_eq!(by_default, drawn);
    }
}
