//! A small model of two moons, and how it is trained.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use data::{PointSet, Source, Toy};
use score_net::{MlpConfig, ModelConfig, NetworkConfig, PreconditioningConfig};
use sde_core::SdeConfig;
use training::{Checkpoint, Trainer, TrainingConfig};

pub fn points() -> PointSet {
    Toy::TwoMoons.sample(256, 0)
}

pub fn model() -> ModelConfig {
    ModelConfig {
        shape: [2, 1, 1],
        network: NetworkConfig::Mlp(MlpConfig {
            width: 32,
            blocks: 2,
            embedding: 16,
            ..MlpConfig::default()
        }),
        preconditioning: PreconditioningConfig {
            sigma_data: 1.0,
            ..Default::default()
        },
        classes: 0,
    }
}

pub fn config(steps: u64) -> TrainingConfig {
    TrainingConfig {
        steps,
        batch_size: 32,
        warmup_steps: 10,
        learning_rate: 1e-3,
        ema_decay: 0.9,
        log_every: 5,
        checkpoint_every: 4,
        sample_every: 0,
        ..Default::default()
    }
}

pub fn trainer(source: &dyn Source, config: TrainingConfig) -> Trainer<'_> {
    Trainer::new(
        config,
        SdeConfig::default(),
        &model(),
        source,
        &Device::flex(),
    )
    .unwrap()
}

/// A trainer after `steps` steps.
pub fn after(source: &dyn Source, steps: u64) -> Trainer<'_> {
    let mut trainer = trainer(source, config(steps));
    for _ in 0..steps {
        trainer.step().unwrap();
    }
    trainer
}

pub fn checkpoint(folder: &Path) -> Checkpoint {
    let points = points();
    Checkpoint::write(&mut after(&points, 1), folder).unwrap()
}

/// The files of a checkpoint by their names.
pub fn contents(checkpoint: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = (fs::read_dir(checkpoint).unwrap())
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}
