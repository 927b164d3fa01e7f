//! How a judge is trained.

use std::sync::mpsc::{Receiver, sync_channel};

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData, activation::log_softmax};
use data::EpochOrder;
use rand::RngExt;
use sde_core::noise::{Role, generator};
use serde::{Deserialize, Serialize};

use super::network::{Network, windows};
use super::non_digits::NonDigit;
use super::picture::PIXELS;
use super::pool::DigitPool;
use super::{CLASSES, NOT_A_DIGIT, to_host};
use crate::EvaluationError;

/// How often the loss is read from the device, in steps.
const REPORT_EVERY: usize = 20;

/// What a judge is trained with. The defaults are those that its published figures belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JudgeOptions {
    /// The seed of weights, order, non-digits and noise: the same seed gives the same judge on the
    /// same kind of device.
    pub seed: u64,
    /// Optimiser steps.
    pub steps: usize,
    /// Pictures a step, digits and non-digits together.
    pub batch: usize,
    /// The share of a batch that is no digit, above 0 and below 1.
    pub non_digit_share: f64,
    /// Adam's learning rate at its highest; it rises over the first twentieth of the steps and
    /// falls to zero along a half cosine.
    pub learning_rate: f64,
}

impl Default for JudgeOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            steps: 3000,
            batch: 96,
            non_digit_share: 0.25,
            learning_rate: 4e-3,
        }
    }
}

impl JudgeOptions {
    /// How many of a batch's pictures are no digits.
    fn non_digits(&self) -> usize {
        ((self.batch as f64 * self.non_digit_share).round() as usize).clamp(1, self.batch - 1)
    }

    fn check(&self) -> Result<(), EvaluationError> {
        let fault = |option, value: String, expected| {
            Err(EvaluationError::Option {
                option,
                value,
                expected,
            })
        };
        if self.steps == 0 {
            return fault("steps", "0".to_owned(), "1 or more");
        }
        if self.batch < 2 {
            return fault("batch", self.batch.to_string(), "2 or more");
        }
        if !(self.non_digit_share > 0.0 && self.non_digit_share < 1.0) {
            let value = self.non_digit_share.to_string();
            return fault("non_digit_share", value, "above 0 and below 1");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            let value = self.learning_rate.to_string();
            return fault("learning_rate", value, "above 0");
        }
        Ok(())
    }

    fn learning_rate_at(&self, step: usize) -> f64 {
        let warm_up = (self.steps / 20).max(1);
        let rise = ((step + 1) as f64 / warm_up as f64).min(1.0);
        let done = step as f64 / self.steps as f64;
        self.learning_rate * rise * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}

/// Where training stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// The cross entropy of the latest batch, in nats.
    pub loss: f64,
}

/// Pictures and what they show.
struct Batch {
    pictures: Vec<f32>,
    one_hot: Vec<f32>,
}

/// Digits and non-digits for one step, as a function of (seed, step).
fn batch(pool: &DigitPool<'_>, order: &EpochOrder, options: &JudgeOptions, step: usize) -> Batch {
    let mut indices = Vec::new();
    order.indices(
        step as u64,
        options.batch - options.non_digits(),
        &mut indices,
    );
    let mut batch = Batch {
        pictures: Vec::with_capacity(options.batch * PIXELS),
        one_hot: vec![0.0; options.batch * CLASSES],
    };
    for position in 0..options.batch {
        let mut random = generator(options.seed, position as u64, step as u64, Role::Data);
        let (picture, class) = match indices.get(position) {
            Some(&index) => (
                pool.with_ghost(index, &mut random),
                usize::from(pool.label(index)),
            ),
            None => {
                let kind = NonDigit::any_seen(&mut random);
                (kind.draw(pool, &mut random), NOT_A_DIGIT)
            }
        };
        // Generated digits may lie a pixel off and keep a trace of noise. Digits and non-digits get
        // both, so that neither gives them away.
        let (down, right) = (random.random_range(-1..=1), random.random_range(-1..=1));
        let noise = if random.random_bool(0.5) {
            random.random_range(0.0..0.15)
        } else {
            0.0
        };
        let moved = picture.moved(down, right);
        moved.write(noise, &mut random, &mut batch.pictures);
        batch.one_hot[position * CLASSES + class] = 1.0;
    }
    batch
}

/// Trains a network on the digits of `pool` and the seen non-digits made from them.
pub(super) fn train(
    pool: &DigitPool<'_>,
    options: &JudgeOptions,
    device: &Device,
    progress: &mut dyn FnMut(Progress),
) -> Result<Network, EvaluationError> {
    options.check()?;
    let order = EpochOrder::new(pool.len(), options.seed)?;
    std::thread::scope(|scope| {
        // Drawing pictures takes as long as learning from them, so another thread draws ahead. It
        // ends when the receiver is dropped.
        let (sender, batches) = sync_channel(2);
        let order = &order;
        scope.spawn(move || {
            (0..options.steps).try_for_each(|step| sender.send(batch(pool, order, options, step)))
        });
        learn(batches, options, device, progress)
    })
}

fn learn(
    batches: Receiver<Batch>,
    options: &JudgeOptions,
    device: &Device,
    progress: &mut dyn FnMut(Progress),
) -> Result<Network, EvaluationError> {
    let device = device.clone().autodiff();
    let mut network = Network::new(options.seed, &device);
    let mut optimiser = AdamConfig::new().with_epsilon(1e-8).init();
    for (step, Batch { pictures, one_hot }) in batches.into_iter().enumerate() {
        let one_hot = TensorData::new(one_hot, [options.batch, CLASSES]);
        let features = network.features(windows(&pictures, &device));
        let log_probabilities = log_softmax(network.logits(features), 1);
        let hits = log_probabilities * Tensor::from_data(one_hot, &device);
        let loss = hits.sum().neg().div_scalar(options.batch as f64);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimiser.step(options.learning_rate_at(step), network, gradients);
        if (step + 1) % REPORT_EVERY == 0 || step + 1 == options.steps {
            let loss = f64::from(to_host("the loss", loss)?[0]);
            if !loss.is_finite() {
                return Err(EvaluationError::Diverged { step, loss });
            }
            tracing::debug!(step, loss, "training the judge");
            progress(Progress {
                step: step + 1,
                steps: options.steps,
                loss,
            });
        }
    }
    Ok(network.valid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::test_digits::bars;

    fn options(steps: usize) -> JudgeOptions {
        JudgeOptions {
            steps,
            batch: 16,
            ..JudgeOptions::default()
        }
    }

    fn weights(options: &JudgeOptions) -> Vec<f32> {
        let set = bars(8);
        let pool = DigitPool::new(&set).unwrap();
        let device = Device::flex();
        let network = train(&pool, options, &device, &mut |_| {}).unwrap();
        let picture = vec![0.25; PIXELS];
        to_host("features", network.features(windows(&picture, &device))).unwrap()
    }

    #[test]
    fn one_seed_trains_one_judge_bit_for_bit_and_another_another() {
        let first = weights(&options(12));
        assert_eq!(first, weights(&options(12)));
        let other = JudgeOptions {
            seed: 1,
            ..options(12)
        };
        assert_ne!(first, weights(&other));
    }

    #[test]
    fn the_learning_rate_rises_to_its_highest_and_falls_to_nothing() {
        let options = JudgeOptions {
            learning_rate: 0.5,
            ..options(200)
        };
        let rates: Vec<f64> = (0..200)
            .map(|step| options.learning_rate_at(step))
            .collect();
        assert!(rates[..10].windows(2).all(|w| w[0] < w[1]));
        assert!(rates[10..].windows(2).all(|w| w[0] > w[1]));
        assert!((rates[9] - 0.5).abs() < 0.005);
        assert!((rates[100] - 0.25).abs() < 1e-12);
        assert!(rates[199] < 1e-4);
    }

    #[test]
    fn a_batch_has_its_share_of_non_digits_and_one_class_a_picture() {
        let set = bars(8);
        let pool = DigitPool::new(&set).unwrap();
        let order = EpochOrder::new(pool.len(), 0).unwrap();
        let batch = batch(&pool, &order, &options(1), 0);
        assert_eq!(batch.pictures.len(), 16 * PIXELS);
        let classes: Vec<usize> = batch
            .one_hot
            .chunks_exact(CLASSES)
            .map(|row| {
                assert_eq!(row.iter().sum::<f32>(), 1.0);
                row.iter().position(|&p| p == 1.0).unwrap()
            })
            .collect();
        assert_eq!(classes.iter().filter(|&&c| c == NOT_A_DIGIT).count(), 4);
    }

    #[test]
    fn progress_is_told_every_twenty_steps_and_at_the_end() {
        let set = bars(8);
        let pool = DigitPool::new(&set).unwrap();
        let mut told = Vec::new();
        let mut progress = |p: Progress| told.push((p.step, p.steps, p.loss.is_finite()));
        train(&pool, &options(25), &Device::flex(), &mut progress).unwrap();
        assert_eq!(told, [(20, 25, true), (25, 25, true)]);
    }

    #[test]
    fn a_learning_rate_that_diverges_stops_the_training() {
        let set = bars(8);
        let pool = DigitPool::new(&set).unwrap();
        let options = JudgeOptions {
            learning_rate: 1e30,
            ..options(40)
        };
        let error = train(&pool, &options, &Device::flex(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, EvaluationError::Diverged { .. }), "{error}");
    }

    #[test]
    fn options_out_of_range_are_named() {
        let named = |change: fn(&mut JudgeOptions)| {
            let mut options = JudgeOptions::default();
            change(&mut options);
            match options.check() {
                Err(EvaluationError::Option { option, .. }) => option,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(named(|o| o.steps = 0), "steps");
        assert_eq!(named(|o| o.batch = 1), "batch");
        assert_eq!(named(|o| o.non_digit_share = 1.0), "non_digit_share");
        assert_eq!(named(|o| o.non_digit_share = f64::NAN), "non_digit_share");
        assert_eq!(named(|o| o.learning_rate = 0.0), "learning_rate");
        assert!(JudgeOptions::default().check().is_ok());
    }
}
