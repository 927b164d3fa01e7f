//! The embedding of the noise level.
//!
//! Networks see the noise level as c_noise = ¼·ln(σ/α), the `c_noise` of EDM's table 1 with σ/α
//! for processes that shrink the data. For the published processes it lies within about [−2, 2]:
//! VE from σ = 0.01 to 50 spans [−1.2, 1.0], VP from t = 1e-5 to 1 spans [−1.7, 1.3].

use std::f64::consts::PI;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{DType, FloatDType, Int, Tensor, TensorData};
use kernels::silu;
use serde::{Deserialize, Serialize};

use crate::network::{ConfigError, MOST, Weights, at_most};
use crate::profile::layer;

/// Which waves of c_noise the networks are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeEmbedding {
    /// Angular frequencies in geometric progression (Vaswani et al. 2017; Ho et al. 2020).
    ///
    /// DDPM embeds a step number n ≤ 1000 with frequencies from 1 down to 1/10000. c_noise
    /// has a range of four units, so that n = 250·c_noise spans as much and the frequencies are
    /// 250·10000^{−k/(K−1)}: neighbouring levels are told apart as finely as DDPM's steps.
    #[default]
    Sinusoidal,
    /// Gaussian Fourier features (Tancik et al. 2020): angular frequencies 2π·16·z, z normal, as
    /// in NCSN++ (Song et al. 2021), where it is ln σ that is embedded, and in EDM's version of it.
    ///
    /// The z are no random draws but a fixed set with a normal distribution, so that nothing has
    /// to be stored and a configuration says all there is: see [`frequencies`](Self::frequencies).
    Fourier,
}

/// Standard deviation of the Fourier features' frequencies, in cycles per unit of c_noise.
const FOURIER_SCALE: f64 = 16.0;

/// Steps of DDPM's numbering per unit of c_noise.
const STEPS_PER_UNIT: f64 = 250.0;

/// DDPM's ratio of the highest frequency to the lowest.
const FREQUENCY_RATIO: f64 = 10_000.0;

impl TimeEmbedding {
    /// `count` angular frequencies, in radians per unit of c_noise.
    ///
    /// The Gaussian set is the Box-Muller transform of the Kronecker sequence of the golden ratio:
    /// z_k = √(−2 ln u_k)·cos 2πv_k with u_k = (k + ½)/K, v_k = frac((k + ½)·(√5 − 1)/2).
    pub fn frequencies(self, count: usize) -> Vec<f64> {
        let index = |k: usize| k as f64;
        match self {
            Self::Sinusoidal => {
                let last = index(count.max(2) - 1);
                (0..count)
                    .map(|k| STEPS_PER_UNIT * FREQUENCY_RATIO.powf(-index(k) / last))
                    .collect()
            }
            Self::Fourier => {
                let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
                (0..count)
                    .map(|k| {
                        let u = (index(k) + 0.5) / index(count);
                        let v = ((index(k) + 0.5) * golden).fract();
                        let normal = (-2.0 * u.ln()).sqrt() * (2.0 * PI * v).cos();
                        2.0 * PI * FOURIER_SCALE * normal
                    })
                    .collect()
            }
        }
    }
}

/// Checks a number of features: a cosine and a sine for each frequency.
pub(crate) fn validate(features: usize) -> Result<(), ConfigError> {
    if features == 0 || features % 2 == 1 {
        return Err(ConfigError::OutOfRange {
            field: "embedding",
            value: features as f64,
            allowed: "even and at least 2, a cosine and a sine for each frequency",
        });
    }
    at_most("embedding", features, MOST)?;
    Ok(())
}

/// Configuration of a [`NoiseEmbedding`].
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseEmbeddingConfig {
    /// The waves.
    pub time_embedding: TimeEmbedding,
    /// The number of waves: a cosine and a sine for each of half as many frequencies. Even.
    pub waves: usize,
    /// Features of the output.
    pub features: usize,
    /// The classes that are told apart, beside none; 0 for none at all.
    pub classes: usize,
}

impl NoiseEmbeddingConfig {
    /// Builds the embedding.
    pub fn init(&self, weights: &mut Weights) -> NoiseEmbedding {
        NoiseEmbedding {
            frequencies: self.time_embedding.frequencies(self.waves / 2),
            inner: weights.linear([self.waves, self.features], 1.0),
            outer: weights.linear([self.features, self.features], 1.0),
            classes: (self.classes > 0).then(|| weights.table([self.classes + 1, self.features])),
        }
    }

    /// Number of trainable parameters.
    pub fn parameter_count(&self) -> usize {
        let classes = match self.classes {
            0 => 0,
            classes => (classes + 1) * self.features,
        };
        (self.waves + 1 + self.features + 1) * self.features + classes
    }
}

/// Waves of c_noise, a linear layer, SiLU, a linear layer, the class's embedding added, SiLU.
///
/// The table of classes has a last row for none of them, the null token of classifier-free guidance (Ho &
/// Salimans 2022). The last activation is here because every block begins with it: it is applied once.
#[derive(Module, Debug)]
pub struct NoiseEmbedding {
    #[module(skip)]
    frequencies: Vec<f64>,
    inner: Linear,
    outer: Linear,
    classes: Option<Param<Tensor<2>>>,
}

impl NoiseEmbedding {
    /// Embeds the noise level of each sample, and its class.
    ///
    /// # Shapes
    ///
    /// - c_noise: `[batch]`, ¼·ln(σ/α); in f32 or f64 even where the weights are halves
    /// - classes: `[batch]`, the number of classes standing for none of them; without it all are of none
    /// - output: `[batch, features]`, in the weights' precision
    ///
    /// # Panics
    ///
    /// If classes are given to an embedding that knows none.
    pub fn forward(&self, c_noise: Tensor<1>, classes: Option<Tensor<1, Int>>) -> Tensor<2> {
        let _span = layer!("embedding");
        let inner = silu(self.inner.forward(self.waves(c_noise)));
        let noise = self.outer.forward(inner);
        let embedded = match (&self.classes, classes) {
            (None, None) => noise,
            (None, Some(_)) => panic!("classes are given to a network without classes"),
            (Some(table), Some(classes)) => noise + table.val().select(0, classes),
            (Some(table), None) => {
                let [rows, _] = table.dims();
                noise + table.val().narrow(0, rows - 1, 1)
            }
        };
        silu(embedded)
    }

    /// Cosines and sines, `[batch]` to `[batch, waves]`, scaled by √2 to unit variance.
    ///
    /// Phases reach 500 radians, which half precision could not hold: they are taken in that of
    /// `c_noise`, at least f32, and the waves then given the weights' precision.
    fn waves(&self, c_noise: Tensor<1>) -> Tensor<2> {
        let c_noise = match c_noise.dtype() {
            DType::F16 | DType::BF16 => c_noise.cast(FloatDType::F32),
            _ => c_noise,
        };
        let count = self.frequencies.len();
        let frequencies = Tensor::<1>::from_data(
            TensorData::new(self.frequencies.clone(), [count]),
            (&c_noise.device(), c_noise.dtype()),
        );
        let phase = c_noise.unsqueeze_dim::<2>(1).mul(frequencies.unsqueeze());
        let weights: FloatDType = self.inner.weight.val().dtype().into();
        Tensor::cat(vec![phase.clone().cos(), phase.sin()], 1)
            .mul_scalar(2.0_f64.sqrt())
            .cast(weights)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn embedding(time_embedding: TimeEmbedding, features: usize) -> NoiseEmbedding {
        NoiseEmbeddingConfig {
            time_embedding,
            waves: features,
            features,
            classes: 0,
        }
        .init(&mut Weights::new(0, &Device::flex()))
    }

    fn root_mean_square(t: Tensor<2>) -> f64 {
        f64::from(t.square().mean().sqrt().into_scalar::<f32>())
    }

    #[test]
    fn sinusoidal_frequencies_are_ddpms_for_250_steps_per_unit() {
        // get_timestep_embedding of DDPM: exp(−ln(10000)·k/(half − 1)), for half = 4.
        let ddpm = [1.0, 0.046_415_888_336_127_8, 0.002_154_434_690_031_88, 1e-4];
        let ours = TimeEmbedding::Sinusoidal.frequencies(4);
        for (ours, ddpm) in ours.into_iter().zip(ddpm) {
            assert!((ours / 250.0 / ddpm - 1.0).abs() < 1e-12, "{ours} {ddpm}");
        }
    }

    #[test]
    fn fourier_frequencies_are_distributed_normally_with_scale_16() {
        let count = 512;
        let mut z: Vec<f64> = TimeEmbedding::Fourier
            .frequencies(count)
            .into_iter()
            .map(|w| w / (2.0 * PI * 16.0))
            .collect();
        z.sort_by(f64::total_cmp);
        // The normal distribution function at −2, −1, −0.5, 0, 0.5, 1, 2.
        let table = [
            (-2.0, 0.022_750),
            (-1.0, 0.158_655),
            (-0.5, 0.308_538),
            (0.0, 0.5),
            (0.5, 0.691_462),
            (1.0, 0.841_345),
            (2.0, 0.977_250),
        ];
        for (x, probability) in table {
            let below = z.partition_point(|&z| z < x) as f64 / count as f64;
            // Random draws would miss by up to 0.04 (two standard errors).
            assert!(
                (below - probability).abs() < 0.012,
                "{x}: {below} {probability}"
            );
        }
    }

    #[test]
    fn neighbouring_noise_levels_are_told_apart_over_the_whole_range() {
        for kind in [TimeEmbedding::Sinusoidal, TimeEmbedding::Fourier] {
            let embedding = embedding(kind, 128);
            // 1001 levels from −2 to 2, c and the next one, as far apart as DDPM's steps.
            let levels = Tensor::<1>::from_data(
                TensorData::new(
                    (0..=1000)
                        .map(|i| -2.0 + 0.004 * i as f32)
                        .collect::<Vec<_>>(),
                    [1001],
                ),
                &Device::flex(),
            );
            for features in [
                embedding.waves(levels.clone()),
                embedding.forward(levels, None),
            ] {
                let size = root_mean_square(features.clone());
                let step = features.clone().narrow(0, 1, 1000) - features.narrow(0, 0, 1000);
                let nearest = step.square().mean_dim(1).min().sqrt().into_scalar::<f32>();
                let ratio = f64::from(nearest) / size;
                assert!(ratio > 0.04, "{kind:?}: {ratio}");
                assert!(ratio < 0.8, "{kind:?}: {ratio} leaves no smoothness");
            }
        }
    }

    #[test]
    fn distant_noise_levels_are_not_confused() {
        for kind in [TimeEmbedding::Sinusoidal, TimeEmbedding::Fourier] {
            let embedding = embedding(kind, 128);
            let levels = Tensor::<1>::from_data(
                TensorData::new(
                    (0..=80).map(|i| -2.0 + 0.05 * i as f32).collect::<Vec<_>>(),
                    [81],
                ),
                &Device::flex(),
            );
            let waves = embedding.waves(levels);
            let cosine = waves.clone().matmul(waves.transpose()).div_scalar(128.0);
            let others = cosine.tril(-1).max().into_scalar::<f32>();
            assert!(others < 0.9, "{kind:?}: {others}");
        }
    }

    #[test]
    fn weights_of_half_precision_do_not_blur_the_noise_level() {
        use burn::module::Param;

        let full = embedding(TimeEmbedding::Sinusoidal, 32);
        let mut half = full.clone();
        for layer in [&mut half.inner, &mut half.outer] {
            layer.weight = Param::from_tensor(layer.weight.val().cast(FloatDType::BF16));
            let bias = layer.bias.take().unwrap().val();
            layer.bias = Some(Param::from_tensor(bias.cast(FloatDType::BF16)));
        }
        let c_noise = Tensor::<1>::from_data([-1.999, 0.123, 1.777], &Device::flex());
        let exact = full.forward(c_noise.clone(), None);
        let error = half
            .forward(c_noise, None)
            .cast(FloatDType::F32)
            .sub(exact.clone());
        let ratio = root_mean_square(error) / root_mean_square(exact);
        // bf16 resolves 2⁻⁹; phases in bf16 would be wrong by up to a radian, the ratio about 1.
        assert!(ratio < 0.02, "{ratio}");
    }
}
