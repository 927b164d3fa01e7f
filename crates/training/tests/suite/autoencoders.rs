//! Autoencoders: what is minimised, what is told, and that it goes on as it stopped.

use std::f64::consts::LN_2;

use burn::tensor::{Device, Tensor, TensorData};
use data::{ImageSet, Source};
use ndarray::Array4;
use score_net::{AutoencoderConfig, ModelConfig, NetworkConfig, PreconditioningConfig};
use sde_core::SdeConfig;
use training::objective::Draw;
use training::{
    Checkpoint, ElboConfig, ObjectiveConfig, RunFolder, Task, Trainer, TrainingConfig, run,
};

use crate::small::contents;

fn images() -> ImageSet {
    let pixels = Array4::from_shape_fn((24, 1, 6, 6), |(n, _, h, w)| {
        let bright = (h + w + n) % 5 == 0;
        if bright { 200 + (n % 50) as u8 } else { 0 }
    });
    ImageSet::new(pixels, None).unwrap()
}

fn model() -> ModelConfig {
    ModelConfig {
        shape: [1, 6, 6],
        network: NetworkConfig::Autoencoder(AutoencoderConfig {
            channels: 4,
            multipliers: vec![1, 2],
            latent_channels: 2,
            ..AutoencoderConfig::default()
        }),
        preconditioning: PreconditioningConfig::default(),
        classes: 0,
    }
}

fn config(steps: u64) -> TrainingConfig {
    TrainingConfig {
        steps,
        batch_size: 8,
        warmup_steps: 2,
        learning_rate: 3e-3,
        ema_decay: 0.9,
        log_every: 3,
        checkpoint_every: 4,
        objective: ObjectiveConfig {
            elbo: Some(ElboConfig { kl_weight: 0.5 }),
            ..ObjectiveConfig::default()
        },
        ..TrainingConfig::default()
    }
}

fn trainer(source: &dyn Source, config: TrainingConfig) -> Trainer<'_> {
    let device = Device::flex();
    Trainer::new(config, SdeConfig::default(), &model(), source, &device).unwrap()
}

#[test]
fn the_loss_is_the_weighted_sum_of_the_terms_that_it_reports() {
    let images = images();
    let mut trainer = trainer(&images, config(9));
    let mut losses = Vec::new();
    for _ in 0..3 {
        for _ in 0..3 {
            trainer.step().unwrap();
        }
        let means = trainer.take_means().unwrap().unwrap();
        let terms = means.terms.unwrap();
        let sum = terms.reconstruction + 0.5 * terms.kl;
        assert!((means.loss / sum - 1.0).abs() < 1e-6, "{means:?}");
        assert!(terms.kl >= 0.0);
        losses.push(means.loss);
    }
    assert!(losses[2] < losses[0], "{losses:?}");
}

#[test]
fn the_first_loss_is_the_bound_of_a_fresh_network_in_bits_per_dimension() {
    let images = images();
    let mut trainer = trainer(&images, config(1));
    let fresh = trainer.model();
    let network = fresh.network.as_autoencoder().unwrap();
    let task = Task::new(config(1).objective, SdeConfig::default().into(), &model()).unwrap();
    let mut indices = Vec::new();
    data::EpochOrder::new(24, 0)
        .unwrap()
        .indices(0, 8, &mut indices);
    let batch = task.draw(&images, &indices, Draw::whole(0, 0, 8)).unwrap();
    let noise = batch.latent_noise.unwrap();
    let tensor = |values: Vec<f32>, [channels, height, width]: [usize; 3]| -> Tensor<4> {
        let data = TensorData::new(values, [8, channels, height, width]);
        Tensor::from_data(data, &Device::flex())
    };
    let x = tensor(batch.noisy, [1, 6, 6]);
    let posterior = network.encode(x.clone());
    let kl: f64 = posterior.kl().into_data().iter::<f64>().sum();
    let z = posterior.draw(tensor(noise.epsilon, noise.shape));
    let reconstruction: f64 = network.reconstruction(&x, z).iter().sum();
    let per_bit = 8.0 * 36.0 * LN_2;

    trainer.step().unwrap();
    let terms = trainer.take_means().unwrap().unwrap().terms.unwrap();
    assert!((terms.reconstruction / (reconstruction / per_bit) - 1.0).abs() < 1e-5);
    assert!((terms.kl / (kl / per_bit) - 1.0).abs() < 1e-5);
}

#[test]
fn latent_noise_depends_on_seed_step_and_place_alone() {
    let images = images();
    let task = Task::new(config(1).objective, SdeConfig::default().into(), &model()).unwrap();
    let draw = |indices: &[usize], draw: Draw| {
        let batch = task.draw(&images, indices, draw).unwrap();
        batch.latent_noise.unwrap().epsilon
    };
    let whole = draw(&[3, 1, 2], Draw::whole(5, 2, 3));
    let part = Draw {
        first_sample: 1,
        ..Draw::whole(5, 2, 3)
    };
    assert_eq!(whole[18..], draw(&[1, 2], part));
    assert_ne!(whole, draw(&[3, 1, 2], Draw::whole(5, 3, 3)));
}

#[test]
fn a_run_that_was_stopped_ends_with_the_same_checkpoint() {
    let images = images();
    let folder = tempfile::tempdir().unwrap();
    let whole = RunFolder::create(&folder.path().join("whole"), "").unwrap();
    run(&mut trainer(&images, config(8)), &whole, &mut ()).unwrap();
    let broken = RunFolder::create(&folder.path().join("broken"), "").unwrap();
    let mut first = trainer(&images, config(8));
    for _ in 0..5 {
        first.step().unwrap();
    }
    Checkpoint::write(&mut first, &broken.checkpoint_path(5)).unwrap();
    let mut second = trainer(&images, config(8));
    broken
        .latest_checkpoint()
        .unwrap()
        .restore(&mut second)
        .unwrap();
    run(&mut second, &broken, &mut ()).unwrap();
    let files = |folder: &RunFolder| contents(&folder.checkpoint_path(8));
    assert_eq!(files(&whole), files(&broken));
    let last = whole.metrics().unwrap().pop().unwrap();
    let told = last.reconstruction.unwrap() + 0.5 * last.kl.unwrap();
    assert!((last.loss / told - 1.0).abs() < 1e-6);
}

#[test]
fn what_an_autoencoder_has_no_use_for_is_refused_and_so_is_its_bound_elsewhere() {
    let refused = |objective: ObjectiveConfig, model: &ModelConfig| match Task::new(
        objective,
        SdeConfig::default().into(),
        model,
    ) {
        Ok(_) => panic!("not refused"),
        Err(error) => error.to_string(),
    };
    let elbo = |kl_weight| ObjectiveConfig {
        elbo: Some(ElboConfig { kl_weight }),
        ..ObjectiveConfig::default()
    };
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        let message = refused(elbo(weight), &model());
        assert!(
            message.starts_with("training.objective.elbo.kl_weight"),
            "{message}"
        );
    }
    let timed = ObjectiveConfig {
        t_min: Some(0.1),
        ..elbo(1.0)
    };
    assert!(refused(timed, &model()).contains("training.objective"));
    let with_classes = ModelConfig {
        classes: 3,
        ..model()
    };
    assert!(refused(elbo(1.0), &with_classes).contains("model.classes = 3"));
    let message = refused(elbo(1.0), &crate::small::model());
    assert!(message.contains("training.objective.elbo"), "{message}");
}
