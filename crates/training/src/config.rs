//! How to train, as plain data.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::shards::cores;
use crate::{ObjectiveConfig, TrainingError};

/// Which checkpoints are kept: the newest, those at multiples of a step, the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many of the newest.
    pub newest: usize,
    /// Every one whose step is a multiple of this; 0 for none.
    pub every: u64,
    /// How many of those with the smallest running mean of the loss.
    pub best: usize,
}

/// What is done about a step whose loss or gradient is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotFinitePolicy {
    /// The run stops, with the step, the layer and the time.
    #[default]
    Stop,
    /// The step is left out and counted; after [`SKIPS_IN_A_ROW`](crate::trainer::SKIPS_IN_A_ROW) in a row
    /// the run stops all the same. On a GPU every step then waits for its gradient.
    Skip,
}

/// The optimiser, its schedule, and when to report.
///
/// Defaults are those of Song et al. 2021 (appendix C and G) where they hold for short runs; what
/// differs says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// The number of optimiser steps.
    pub steps: u64,
    /// Samples a step.
    pub batch_size: usize,
    /// Parts into which a batch is cut, each on threads of its own; without it what suits the device,
    /// see [`TrainingConfig::shards_on`]. The number is part of the result, by rounding: gradients are
    /// added part by part.
    pub shards: Option<usize>,
    /// Whether activations that are quickly computed again, such as joined feature maps, are not kept
    /// for the backward pass: less memory for more time, and the same result.
    pub gradient_checkpointing: bool,
    /// The seed of the weights, the data's order, the times and the noise.
    pub seed: u64,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from 0.
    pub warmup_steps: u64,
    /// The learning rate at the last step, as a share of the peak; the way down is a cosine. 1 keeps
    /// it constant, as published.
    pub final_learning_rate: f64,
    /// AdamW's β₁ and β₂.
    pub betas: [f64; 2],
    /// AdamW's ε; 1e-8 as published (Burn's own default is 1e-5).
    pub epsilon: f64,
    /// AdamW's decoupled weight decay; 0 as published.
    pub weight_decay: f64,
    /// The largest global norm of the gradient; 0 never clips. The loop's metrics record the norm.
    pub clip_norm: f64,
    /// The decay d of the weights' moving average; while it warms up, min(d, (1 + n)/(10 + n)).
    pub ema_decay: f64,
    /// What is minimised.
    pub objective: ObjectiveConfig,
    /// Steps between lines of `metrics.jsonl`, each the mean over them.
    pub log_every: u64,
    /// Steps between sample grids; 0 draws none before the end.
    pub sample_every: u64,
    /// Steps between checkpoints; 0 writes one at the end alone.
    pub checkpoint_every: u64,
    /// How many of the newest checkpoints are kept.
    pub keep_checkpoints: usize,
    /// Checkpoints whose step is a multiple of this are kept for good; 0 keeps none.
    pub keep_every: u64,
    /// How many of the best checkpoints are kept, by the running mean of their loss.
    pub keep_best: usize,
    /// What is done about a loss or gradient that is not finite.
    pub not_finite: NotFinitePolicy,
    /// Steps between looks at the losses, each of which waits for the device. A loss that is not
    /// finite is noticed that late, but always before a checkpoint is written.
    pub check_every: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            steps: 10_000,
            batch_size: 64,
            shards: None,
            gradient_checkpointing: false,
            seed: 0,
            learning_rate: 2e-4,
            warmup_steps: 500,
            final_learning_rate: 1.0,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip_norm: 1.0,
            ema_decay: 0.9999,
            objective: ObjectiveConfig::default(),
            log_every: 50,
            sample_every: 1000,
            checkpoint_every: 1000,
            keep_checkpoints: 2,
            keep_every: 0,
            keep_best: 0,
            not_finite: NotFinitePolicy::Stop,
            check_every: 10,
        }
    }
}

impl TrainingConfig {
    /// The fields that may change when a run goes on: they do not change what is learned, but for
    /// `steps`, on which the learning rate's decay depends, `shards`, which changes how sums are rounded, and
    /// `not_finite`.
    pub const CHANGEABLE: [&str; 11] = [
        "steps",
        "shards",
        "gradient_checkpointing",
        "log_every",
        "sample_every",
        "checkpoint_every",
        "keep_checkpoints",
        "keep_every",
        "keep_best",
        "check_every",
        "not_finite",
    ];

    /// Which checkpoints are kept.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            newest: self.keep_checkpoints,
            every: self.keep_every,
            best: self.keep_best,
        }
    }

    /// The number of parts into which a batch is cut on `device`: [`TrainingConfig::shards`] if it is
    /// set, else on the CPU one a core, whose backend works through elementwise operations on one
    /// thread, but no more than there are samples; and on a GPU 1.
    #[must_use]
    pub fn shards_on(&self, device: &Device) -> usize {
        self.shards.unwrap_or_else(|| {
            let on_cpu = *device == Device::flex();
            if on_cpu {
                cores().clamp(1, self.batch_size.max(1))
            } else {
                1
            }
        })
    }

    /// Refuses what cannot be trained with.
    ///
    /// # Errors
    /// [`TrainingError::Config`] names the first field that is wrong, its value and what it must be.
    pub fn validate(&self) -> Result<(), TrainingError> {
        let unit = |x: f64| (0.0..1.0).contains(&x);
        let checks = [
            (
                self.steps > 0,
                "steps",
                self.steps.to_string(),
                "at least 1",
            ),
            (
                self.batch_size > 0,
                "batch_size",
                self.batch_size.to_string(),
                "at least 1",
            ),
            (
                (self.shards).is_none_or(|shards| (1..=self.batch_size).contains(&shards)),
                "shards",
                self.shards.unwrap_or_default().to_string(),
                "at least 1 and at most batch_size, or left out for what suits the device",
            ),
            (
                self.learning_rate > 0.0 && self.learning_rate.is_finite(),
                "learning_rate",
                self.learning_rate.to_string(),
                "above 0 and finite",
            ),
            (
                (0.0..=1.0).contains(&self.final_learning_rate),
                "final_learning_rate",
                self.final_learning_rate.to_string(),
                "a share of the peak, from 0 to 1",
            ),
            (
                self.betas.iter().all(|&b| unit(b)),
                "betas",
                format!("{:?}", self.betas),
                "both at least 0 and below 1",
            ),
            (
                self.epsilon > 0.0 && self.epsilon.is_finite(),
                "epsilon",
                self.epsilon.to_string(),
                "above 0 and finite",
            ),
            (
                self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
                "weight_decay",
                self.weight_decay.to_string(),
                "at least 0 and finite",
            ),
            (
                self.clip_norm >= 0.0 && self.clip_norm.is_finite(),
                "clip_norm",
                self.clip_norm.to_string(),
                "above 0, or 0 for no clipping",
            ),
            (
                unit(self.ema_decay),
                "ema_decay",
                self.ema_decay.to_string(),
                "at least 0 and below 1",
            ),
            (
                self.log_every > 0,
                "log_every",
                self.log_every.to_string(),
                "at least 1",
            ),
            (
                self.check_every > 0,
                "check_every",
                self.check_every.to_string(),
                "at least 1",
            ),
            (
                self.keep_checkpoints > 0,
                "keep_checkpoints",
                self.keep_checkpoints.to_string(),
                "at least 1",
            ),
        ];
        for (holds, field, value, must) in checks {
            if !holds {
                return Err(TrainingError::Config {
                    field: format!("training.{field}"),
                    value,
                    must,
                });
            }
        }
        self.objective.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible() {
        TrainingConfig::default().validate().unwrap();
    }

    #[test]
    fn shards_are_one_a_core_and_never_more_than_samples_unless_they_are_set() {
        let on_cpu = |batch_size, shards| {
            let config = TrainingConfig {
                batch_size,
                shards,
                ..Default::default()
            };
            config.validate().unwrap();
            config.shards_on(&Device::flex())
        };
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(on_cpu(10_000, None), cores);
        assert_eq!(on_cpu(1, None), 1);
        assert_eq!(on_cpu(8, Some(3)), 3);
    }

    #[test]
    fn an_impossible_value_is_refused_by_the_name_of_its_field() {
        let refuse = |config: TrainingConfig, field: &str| {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(field), "{message}");
        };
        let base = TrainingConfig::default;
        refuse(TrainingConfig { steps: 0, ..base() }, "training.steps");
        refuse(
            TrainingConfig {
                batch_size: 0,
                ..base()
            },
            "training.batch_size",
        );
        refuse(
            TrainingConfig {
                shards: Some(65),
                ..base()
            },
            "training.shards",
        );
        refuse(
            TrainingConfig {
                learning_rate: f64::NAN,
                ..base()
            },
            "training.learning_rate",
        );
        refuse(
            TrainingConfig {
                betas: [0.9, 1.0],
                ..base()
            },
            "training.betas",
        );
        refuse(
            TrainingConfig {
                ema_decay: 1.0,
                ..base()
            },
            "training.ema_decay",
        );
        refuse(
            TrainingConfig {
                clip_norm: -1.0,
                ..base()
            },
            "training.clip_norm",
        );
    }
}
