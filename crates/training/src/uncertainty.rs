//! A weight for each noise level that is learned beside the network (Karras et al. 2024, eq. 21).
//!
//! u(σ̃), a linear layer on Fourier features of ¼ ln σ̃, predicts the logarithm of the weighted loss at each
//! noise level; the loss is divided by e^u, so that all levels come to count alike. It has some hundred
//! weights and sees numbers that are on the host anyway, so it lives there, in `f64`, with an Adam of its
//! own; the network's graph knows of it as a factor on each sample's loss.

use std::f64::consts::SQRT_2;

use sde_core::objective::uncertainty::{FourierFeatures, gradient};
use sde_core::{AffineSde, Time};
use serde::{Deserialize, Serialize};

/// The learned weighting as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UncertaintyConfig {
    /// Fourier features; 128 as published.
    pub channels: usize,
    /// What scales their frequencies; 1 as published.
    pub bandwidth: f64,
    /// The step of its Adam, whose β are 0.9 and 0.99.
    pub learning_rate: f64,
}

impl Default for UncertaintyConfig {
    fn default() -> Self {
        let FourierFeatures {
            channels,
            bandwidth,
            ..
        } = FourierFeatures::default();
        Self {
            channels,
            bandwidth,
            learning_rate: 1e-2,
        }
    }
}

impl UncertaintyConfig {
    pub(crate) fn features(self, seed: u64) -> FourierFeatures {
        FourierFeatures {
            channels: self.channels,
            bandwidth: self.bandwidth,
            seed,
        }
    }
}

/// The layer's weights and the moments of its Adam, as a checkpoint holds them: `f64`s as bits, which
/// every reader of JSON gives back unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncertaintyState {
    updates: u64,
    weights: Vec<u64>,
    first: Vec<u64>,
    second: Vec<u64>,
}

/// u(σ̃) in training.
pub(crate) struct Uncertainty {
    learning_rate: f64,
    frequencies: Vec<(f64, f64)>,
    updates: u64,
    weights: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
}

const BETAS: [f64; 2] = [0.9, 0.99];
const EPSILON: f64 = 1e-8;

impl Uncertainty {
    /// u = 0 at every noise level.
    pub fn new(config: UncertaintyConfig, seed: u64) -> Self {
        let zeros = || vec![0.0; config.channels];
        Self {
            learning_rate: config.learning_rate,
            frequencies: config.features(seed).frequencies_and_phases(),
            updates: 0,
            weights: zeros(),
            first: zeros(),
            second: zeros(),
        }
    }

    /// u at t.
    pub fn at(&self, sde: &dyn AffineSde, t: Time) -> f64 {
        let features = self.features(sde, t);
        self.weights.iter().zip(features).map(|(w, f)| w * f).sum()
    }

    /// One step of Adam on the mean of error·e^{−u} + u over a batch: the times, and the weighted squared
    /// error of each sample.
    pub fn update(&mut self, sde: &dyn AffineSde, times: &[Time], errors: &[f64]) {
        let mut slopes = vec![0.0; self.weights.len()];
        for (&t, &error) in times.iter().zip(errors) {
            let (_, slope) = gradient(error, self.at(sde, t));
            let share = slope / times.len() as f64;
            for (sum, feature) in slopes.iter_mut().zip(self.features(sde, t)) {
                *sum += share * feature;
            }
        }
        self.updates += 1;
        let n = i32::try_from(self.updates).unwrap_or(i32::MAX);
        let unbiased = BETAS.map(|beta| 1.0 - beta.powi(n));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((weight, (first, second)), slope) in self.weights.iter_mut().zip(moments).zip(slopes) {
            *first += (1.0 - BETAS[0]) * (slope - *first);
            *second += (1.0 - BETAS[1]) * (slope * slope - *second);
            let scale = (*second / unbiased[1]).sqrt() + EPSILON;
            *weight -= self.learning_rate * (*first / unbiased[0]) / scale;
        }
    }

    fn features(&self, sde: &dyn AffineSde, t: Time) -> impl Iterator<Item = f64> {
        let c = FourierFeatures::c_noise(sde.marginal(t).sigma_ratio());
        let wave = move |&(omega, phi): &(f64, f64)| SQRT_2 * (omega * c + phi).cos();
        self.frequencies.iter().map(wave)
    }

    pub fn state(&self) -> UncertaintyState {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect();
        UncertaintyState {
            updates: self.updates,
            weights: bits(&self.weights),
            first: bits(&self.first),
            second: bits(&self.second),
        }
    }

    /// Goes on from a checkpoint; whether it fits.
    pub fn restore(&mut self, state: &UncertaintyState) -> bool {
        let stored = [&state.weights, &state.first, &state.second];
        if stored
            .iter()
            .any(|values| values.len() != self.weights.len())
        {
            return false;
        }
        let values = |bits: &[u64]| bits.iter().map(|&bits| f64::from_bits(bits)).collect();
        self.updates = state.updates;
        [self.weights, self.first, self.second] = stored.map(|bits| values(bits));
        true
    }
}

#[cfg(test)]
mod tests {
    use sde_core::families::Edm;
    use sde_core::noise::{Role, generator};
    use sde_core::{Sigma, objective::uncertainty::optimum};

    use super::*;
    use rand_distr::{Distribution, Exp1};

    /// Losses of known mean at each noise level are learned to within a few per cent.
    #[test]
    fn it_learns_the_logarithm_of_the_expected_loss_at_every_noise_level() {
        let sde = Edm::default();
        let mut uncertainty = Uncertainty::new(UncertaintyConfig::default(), 0);
        let time = |ln_sigma: f64| sde.time_at_sigma(Sigma(ln_sigma.exp()));
        let mean = |t: Time| 0.05 + 2.0 / (1.0 + t.0 * t.0);
        for step in 0u32..3000 {
            let times: Vec<Time> = (0..32)
                .map(|i| time(-3.0 + 6.0 * ((f64::from(i) + 0.618 * f64::from(step)) / 32.0 % 1.0)))
                .collect();
            let errors: Vec<f64> = (0u64..)
                .zip(&times)
                .map(|(i, &t)| {
                    let mut random = generator(1, i, u64::from(step), Role::Data);
                    let draw: f64 = Exp1.sample(&mut random);
                    draw * mean(t)
                })
                .collect();
            uncertainty.learning_rate = 0.02 * (1.0 - f64::from(step) / 3000.0);
            uncertainty.update(&sde, &times, &errors);
        }
        for ln_sigma in [-2.5, -1.0, 0.0, 1.0, 2.5] {
            let t = time(ln_sigma);
            let (found, expected) = (uncertainty.at(&sde, t), optimum(mean(t)));
            assert!((found - expected).abs() < 0.15, "{found} for {expected}");
        }
    }

    #[test]
    fn it_goes_on_from_its_state_bit_for_bit_and_refuses_another_size() {
        let sde = Edm::default();
        let times = [Time(0.1), Time(3.0)];
        let mut one = Uncertainty::new(UncertaintyConfig::default(), 0);
        one.update(&sde, &times, &[0.3, 2.0]);
        let text = serde_json::to_string(&one.state()).unwrap();
        let mut other = Uncertainty::new(UncertaintyConfig::default(), 0);
        assert!(other.restore(&serde_json::from_str(&text).unwrap()));
        one.update(&sde, &times, &[0.1, 1.0]);
        other.update(&sde, &times, &[0.1, 1.0]);
        assert_eq!(one.state(), other.state());
        let config = UncertaintyConfig {
            channels: 3,
            ..Default::default()
        };
        assert!(!Uncertainty::new(config, 0).restore(&one.state()));
    }
}
