//! Latents of a data set in memory: a Gaussian each, of which training sees another draw at every step.

use ndarray::{Array4, Axis};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::augmentation::AugmentationKey;
use crate::error::DataError;
use crate::source::Source;

/// How latents are shifted and scaled, so that over a data set each channel has mean 0 and all of them
/// together variance 1: z becomes scale · (z − shift of its channel). The one scale is that of latent
/// diffusion (Rombach et al. 2022, appendix G).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardisation {
    /// The mean of each channel.
    pub shift: Vec<f64>,
    /// One over the standard deviation around them.
    pub scale: f64,
}

impl Standardisation {
    /// That of Gaussians with these means and standard deviations, both `[N, C, H, W]`, each counting alike.
    ///
    /// Latents that do not vary at all keep their scale.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn of(means: &Array4<f32>, deviations: &Array4<f32>) -> Self {
        assert_eq!(means.dim(), deviations.dim(), "a deviation for each mean");
        let sum = |channel: usize, value: &dyn Fn(f64, f64) -> f64| -> f64 {
            let [means, deviations] =
                [means, deviations].map(|values| values.index_axis(Axis(1), channel));
            (means.iter().zip(deviations))
                .map(|(&mean, &deviation)| value(mean.into(), deviation.into()))
                .sum()
        };
        let (count, channels, height, width) = means.dim();
        let each = (count * height * width).max(1) as f64;
        let shift: Vec<f64> = (0..channels)
            .map(|channel| sum(channel, &|mean, _| mean) / each)
            .collect();
        let squares = (shift.iter().enumerate()).map(|(channel, &shift)| {
            sum(channel, &|mean, deviation| {
                (mean - shift).powi(2) + deviation.powi(2)
            })
        });
        let variance = squares.sum::<f64>() / (each * channels.max(1) as f64);
        let scale = match variance > 0.0 && variance.is_finite() {
            true => 1.0 / variance.sqrt(),
            false => 1.0,
        };
        Self { shift, scale }
    }

    /// Standardises one sample's latents, `[C, H, W]` in row-major order.
    pub fn apply(&self, latents: &mut [f32]) {
        self.each_channel(latents, |value, shift| self.scale * (value - shift));
    }

    /// The way back.
    pub fn undo(&self, latents: &mut [f32]) {
        self.each_channel(latents, |value, shift| value / self.scale + shift);
    }

    /// ln p(z) of latents of `len` numbers, in nats, from the log-density of the same latents standardised.
    #[must_use]
    pub fn log_density(&self, of_standardised: f64, len: usize) -> f64 {
        of_standardised + self.log_determinant(len)
    }

    /// ln |∂ standardised/∂ z| for latents of `len` numbers, by which their log-densities differ.
    #[must_use]
    pub fn log_determinant(&self, len: usize) -> f64 {
        len as f64 * self.scale.ln()
    }

    fn each_channel(&self, latents: &mut [f32], change: impl Fn(f64, f64) -> f64) {
        let len = latents.len().checked_div(self.shift.len()).unwrap_or(0);
        for (channel, &shift) in latents.chunks_mut(len.max(1)).zip(&self.shift) {
            for value in channel {
                *value = change(f64::from(*value), shift) as f32;
            }
        }
    }
}

/// What an encoder makes of a data set: a Gaussian for each sample.
#[derive(Clone, Debug)]
pub struct LatentSet {
    means: Array4<f32>,
    deviations: Array4<f32>,
    standardisation: Standardisation,
    labels: Vec<Option<u8>>,
    class_names: Vec<String>,
    class_count: usize,
    fingerprint: String,
}

impl LatentSet {
    /// Gaussians with these means and standard deviations, `[N, C, H, W]`, of the samples of `encoded`, in
    /// its order. `fingerprint` says what encoded them.
    ///
    /// # Panics
    /// If the shapes differ, or there is not one Gaussian a sample.
    #[must_use]
    pub fn new(
        means: Array4<f32>,
        deviations: Array4<f32>,
        encoded: &dyn Source,
        fingerprint: String,
    ) -> Self {
        assert_eq!(
            means.len_of(Axis(0)),
            encoded.len(),
            "a Gaussian for each sample"
        );
        let as_standard = |values: Array4<f32>| match values.is_standard_layout() {
            true => values,
            false => values.as_standard_layout().into_owned(),
        };
        let (means, deviations) = (as_standard(means), as_standard(deviations));
        Self {
            standardisation: Standardisation::of(&means, &deviations),
            labels: (0..encoded.len()).map(|i| encoded.label(i)).collect(),
            class_names: encoded.class_names().to_vec(),
            class_count: encoded.class_count(),
            means,
            deviations,
            fingerprint,
        }
    }

    /// How the samples are standardised.
    #[must_use]
    pub fn standardisation(&self) -> &Standardisation {
        &self.standardisation
    }

    /// The same latents, standardised by what was found of others.
    ///
    /// # Panics
    /// If it is of another number of channels.
    #[must_use]
    pub fn standardised_by(self, standardisation: Standardisation) -> Self {
        let channels = self.means.len_of(Axis(1));
        assert_eq!(standardisation.shift.len(), channels, "a shift a channel");
        Self {
            standardisation,
            ..self
        }
    }

    fn sample(values: &Array4<f32>, index: usize) -> &[f32] {
        let len = values
            .len()
            .checked_div(values.len_of(Axis(0)))
            .unwrap_or(0);
        let all = values.as_slice().expect("in standard layout");
        &all[index * len..(index + 1) * len]
    }
}

/// Draws of one sample of a batch.
const PURPOSE: [u8; 8] = *b"latents\0";

impl Source for LatentSet {
    fn len(&self) -> usize {
        self.means.len_of(Axis(0))
    }

    fn sample_shape(&self) -> [usize; 3] {
        let (_, channels, height, width) = self.means.dim();
        [channels, height, width]
    }

    /// The means, standardised.
    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        for &index in indices {
            let start = out.len();
            out.extend_from_slice(Self::sample(&self.means, index));
            self.standardisation.apply(&mut out[start..]);
        }
        Ok(())
    }

    /// A draw of each sample's Gaussian, standardised: a function of `key` and the place in the batch.
    fn write_augmented(
        &self,
        indices: &[usize],
        key: AugmentationKey,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        for (place, &index) in indices.iter().enumerate() {
            let start = out.len();
            let mut generator = key.advanced(place).generator(PURPOSE);
            let mean = Self::sample(&self.means, index).iter();
            out.extend(mean.zip(Self::sample(&self.deviations, index)).map(
                |(&mean, &deviation)| {
                    let epsilon: f64 = StandardNormal.sample(&mut generator);
                    (f64::from(mean) + f64::from(deviation) * epsilon) as f32
                },
            ));
            self.standardisation.apply(&mut out[start..]);
        }
        Ok(())
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.labels.get(index).copied().flatten()
    }

    fn class_count(&self) -> usize {
        self.class_count
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }

    fn fingerprint(&self) -> Option<&str> {
        Some(&self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array;

    use super::*;
    use crate::ImageSet;

    fn set(count: usize) -> LatentSet {
        let shape = (count, 2, 3, 2);
        let means = Array::from_shape_fn(shape, |(n, c, h, w)| {
            (n as f32 * 0.37).sin() * 3.0 + c as f32 * 5.0 + (h * 2 + w) as f32 * 0.1
        });
        let deviations = Array::from_shape_fn(shape, |(n, c, ..)| 0.2 + 0.1 * (n + c) as f32 % 0.5);
        let images = ImageSet::new(
            Array::zeros((count, 1, 4, 4)),
            Some((0..count).map(|n| (n % 3) as u8).collect()),
        );
        LatentSet::new(means, deviations, &images.unwrap(), "abc".into())
    }

    fn key(step: u64, first_sample: u64) -> AugmentationKey {
        AugmentationKey {
            seed: 4,
            step,
            first_sample,
        }
    }

    fn draws(set: &LatentSet, indices: &[usize], key: AugmentationKey) -> Vec<f32> {
        let mut out = Vec::new();
        set.write_augmented(indices, key, &mut out).unwrap();
        out
    }

    #[test]
    fn draws_have_mean_zero_in_each_channel_and_variance_one_over_all() {
        let set = set(64);
        let indices: Vec<usize> = (0..64).collect();
        let (mut sums, mut squares, mut count) = ([0.0; 2], 0.0, 0.0);
        for step in 0..40 {
            for sample in draws(&set, &indices, key(step, 0)).chunks(12) {
                for (channel, values) in sample.chunks(6).enumerate() {
                    sums[channel] += values.iter().map(|&v| f64::from(v)).sum::<f64>();
                    squares += values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
                }
                count += 6.0;
            }
        }
        // The means are exact; what the draws add is below 0.3/√15360, five times.
        assert!(
            sums.iter().all(|sum| (sum / count).abs() < 0.012),
            "{sums:?}"
        );
        assert!((squares / (2.0 * count) - 1.0).abs() < 0.02);
    }

    #[test]
    fn a_draw_depends_on_seed_step_and_place_alone() {
        let set = set(8);
        let whole = draws(&set, &[3, 5, 1, 7], key(2, 10));
        let parts = [
            draws(&set, &[3], key(2, 10)),
            draws(&set, &[5, 1, 7], key(2, 11)),
        ];
        assert_eq!(whole, parts.concat());
        assert_ne!(whole, draws(&set, &[3, 5, 1, 7], key(3, 10)));
    }

    #[test]
    fn samples_are_the_means_and_standardising_is_undone() {
        let set = set(5);
        let mut out = vec![9.0];
        set.write_samples(&[4, 0], &mut out).unwrap();
        assert_eq!(out.len(), 1 + 2 * 12);
        assert_eq!(set.sample_shape(), [2, 3, 2]);
        for (sample, index) in out[1..].chunks_mut(12).zip([4, 0]) {
            set.standardisation().undo(sample);
            let means = LatentSet::sample(&set.means, index);
            for (found, mean) in sample.iter().zip(means) {
                assert!((found - mean).abs() < 1e-5, "{found} {mean}");
            }
        }
    }

    #[test]
    fn the_determinant_is_that_of_the_scaling() {
        let standardisation = Standardisation {
            shift: vec![1.0, -2.0],
            scale: 0.25,
        };
        let (mut one, mut other) = (vec![0.0; 4], vec![0.0; 4]);
        other[3] = 1.0;
        standardisation.apply(&mut one);
        standardisation.apply(&mut other);
        let ratio = f64::from(other[3] - one[3]);
        assert!((standardisation.log_determinant(4) - 4.0 * ratio.ln()).abs() < 1e-6);
        assert_eq!(one[..2], [-0.25; 2]);
    }

    /// Of z ~ N(shift, 1/scale²), which standardised is N(0, 1).
    #[test]
    fn the_density_of_latents_is_that_of_the_gaussian_that_they_are() {
        let standardisation = Standardisation {
            shift: vec![1.0, -2.0],
            scale: 0.25,
        };
        let z = [3.0_f32, -1.5, 2.0, 0.5];
        let mut standardised = z;
        standardisation.apply(&mut standardised);
        let gaussian = |x: f32, mean: f64, deviation: f64| {
            let x = (f64::from(x) - mean) / deviation;
            -0.5 * (x * x + (2.0 * std::f64::consts::PI).ln()) - deviation.ln()
        };
        let normal: f64 = standardised.iter().map(|&x| gaussian(x, 0.0, 1.0)).sum();
        let means = [1.0, 1.0, -2.0, -2.0];
        let exact: f64 = z
            .iter()
            .zip(means)
            .map(|(&x, mean)| gaussian(x, mean, 4.0))
            .sum();
        assert!((standardisation.log_density(normal, 4) - exact).abs() < 1e-6);
    }

    #[test]
    fn latents_that_do_not_vary_keep_their_scale() {
        let zeros = Array4::zeros((3, 1, 2, 2));
        let found = Standardisation::of(&(&zeros + 2.0), &zeros);
        assert_eq!(
            found,
            Standardisation {
                shift: vec![2.0],
                scale: 1.0
            }
        );
    }

    #[test]
    fn classes_are_those_of_what_was_encoded() {
        let set = set(6);
        assert_eq!(set.label(5), Some(2));
        assert_eq!(set.label(6), None);
        assert_eq!(set.class_count(), 3);
        assert_eq!(Source::fingerprint(&set), Some("abc"));
    }
}
