//! The trainer, its checkpoints and the loop, on a small MLP and two moons.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use data::Toy;
use score_net::{
    Model, ModelConfig, NetworkConfig, PreconditioningConfig, UNetConfig, VarianceKind,
};
use sde_core::chains::{BetaSchedule, Ddpm};
use sde_core::damped::{DampedLangevin, PhaseState, VelocityPrediction, VelocityScore};
use sde_core::{ProcessConfig, SdeConfig};
use training::{
    Checkpoint, HybridConfig, RunFolder, Trainer, TrainingConfig, TrainingError, UncertaintyConfig,
    run,
};

use crate::small::{self, model, points, trainer};

fn config(steps: u64) -> TrainingConfig {
    TrainingConfig {
        checkpoint_every: 10,
        ..small::config(steps)
    }
}

/// The model's answers on a fixed input: equal answers, equal weights.
fn answers(model: &Model) -> Vec<u32> {
    let process = DampedLangevin::default();
    if let Some(score) = model.under_damped(&process) {
        let state = |values: [f32; 4]| {
            Tensor::<1>::from_floats(values, &Device::flex()).reshape([2, 2, 1, 1])
        };
        let z = PhaseState {
            position: state([0.3, -1.2, 0.8, 0.1]),
            velocity: state([0.1, 0.4, -0.2, 0.6]),
        };
        let score = score.velocity_score(&z, sde_core::Time(0.3)).into_data();
        return score.iter::<f32>().map(f32::to_bits).collect();
    }
    let vp = SdeConfig::default().build().unwrap();
    let x = Tensor::<1>::from_floats([0.3, -1.2, 0.8, 0.1], &Device::flex()).reshape([2, 2, 1, 1]);
    let marginals = [0.1, 0.7].map(|t| vp.marginal(sde_core::Time(t)));
    let output = model.outputs(x, &marginals);
    let bits = |x: Tensor<4>| -> Vec<u32> {
        let values: Vec<f32> = x.into_data().iter::<f32>().collect();
        values.into_iter().map(f32::to_bits).collect()
    };
    let variance = output.variance.map(bits).unwrap_or_default();
    [bits(output.prediction), variance].concat()
}

#[test]
fn one_point_is_learned_by_heart() {
    // For data that is a single point, x and t determine ε, so nothing is left of the loss but what
    // has not been learned yet.
    let points = Toy::TwoMoons.sample(1, 0);
    let config = TrainingConfig {
        learning_rate: 5e-3,
        ..config(600)
    };
    let mut trainer = trainer(&points, config);
    let mut losses = Vec::new();
    for _ in 0..6 {
        for _ in 0..100 {
            trainer.step().unwrap();
        }
        losses.push(trainer.take_means().unwrap().unwrap().loss);
    }
    // The zero that it starts with has a loss of about 1: F has unit variance.
    assert!(losses[5] < 0.02, "{losses:?}");
    assert!(trainer.take_means().unwrap().is_none());
}

#[test]
fn a_batch_in_two_parts_gives_the_gradient_of_the_whole() {
    let points = points();
    let [one, two] = [1, 2].map(|shards| {
        let mut trainer = trainer(
            &points,
            TrainingConfig {
                shards: Some(shards),
                ..config(1)
            },
        );
        trainer.step().unwrap();
        trainer.take_means().unwrap().unwrap()
    });
    // The same sum in another order: a few roundings of f32.
    assert!((one.loss / two.loss - 1.0).abs() < 1e-5);
    assert!((one.grad_norm / two.grad_norm - 1.0).abs() < 1e-5);
}

#[test]
fn a_batch_of_one_sample_needs_no_setting() {
    let points = points();
    let config = TrainingConfig {
        batch_size: 1,
        ..config(3)
    };
    assert_eq!(config.shards, None);
    let mut trainer = trainer(&points, config);
    for _ in 0..3 {
        trainer.step().unwrap();
    }
    assert!(trainer.take_means().unwrap().unwrap().loss.is_finite());
}

#[test]
fn clipping_limits_the_global_norm_and_reports_what_it_was() {
    // With SGD-like first steps of Adam the norm is not visible in the weights; so clip the gradient
    // of a plain function and measure it.
    use burn::nn::LinearConfig;
    use burn::optim::GradientsParams;
    use training::clipping::clip_global_norm;

    let device = Device::flex().autodiff();
    let linear = LinearConfig::new(3, 2).init(&device);
    let x = Tensor::<2>::from_floats([[1.0, 2.0, 3.0]], &device);
    let gradients = || {
        let loss = linear.forward(x.clone()).mul_scalar(10.0).sum();
        GradientsParams::from_grads(loss.backward(), &linear)
    };
    let norm = |gradients: &GradientsParams| -> f64 {
        let weight = gradients.get::<2>(linear.weight.id).unwrap();
        let bias = gradients
            .get::<1>(linear.bias.as_ref().unwrap().id)
            .unwrap();
        let sum = weight.square().sum() + bias.square().sum();
        sum.into_data().iter::<f64>().sum::<f64>().sqrt()
    };
    // d/dw = 10·x for both outputs, d/db = 10: √(2·100·14 + 2·100).
    let expected = 3000f64.sqrt();
    let plain = Device::flex();
    for (max_norm, after) in [(1.0, 1.0), (0.0, expected), (100.0, expected)] {
        let mut gradients = gradients();
        let before = clip_global_norm(&linear, &mut gradients, max_norm, &plain);
        let before: f64 = before.into_data().iter::<f64>().sum();
        assert!((before / expected - 1.0).abs() < 1e-5);
        assert!((norm(&gradients) / after - 1.0).abs() < 1e-5, "{max_norm}");
    }
}

/// What a resumed run may be made of.
fn resumable() -> [(TrainingConfig, ProcessConfig, ModelConfig); 5] {
    let plain = |shards, uncertainty| {
        let mut config = TrainingConfig {
            shards: Some(shards),
            ..config(30)
        };
        config.objective.uncertainty = uncertainty;
        (config, ProcessConfig::default(), model())
    };
    let (mut hybrid, _, mut learned) = plain(2, None);
    hybrid.objective.hybrid = Some(HybridConfig::default());
    learned.preconditioning.variance = VarianceKind::Learned;
    // So few steps that the first, whose term is the decoder's, is among those of many batches.
    let chain = SdeConfig::Ddpm(Ddpm {
        steps: 20,
        schedule: BetaSchedule::cosine(),
    });
    let (pairs, _, mut of_velocities) = plain(2, None);
    of_velocities.preconditioning.velocity = Some(VelocityPrediction::Mixed);
    [
        plain(1, None),
        plain(2, None),
        plain(2, Some(UncertaintyConfig::default())),
        (hybrid, chain.into(), learned),
        (pairs, DampedLangevin::default().into(), of_velocities),
    ]
}

#[test]
fn a_resumed_run_is_bit_identical_to_one_that_never_stopped() {
    let points = points();
    for (config, sde, model) in resumable() {
        let trainer = || {
            let device = Device::flex();
            Trainer::new(config.clone(), sde, &model, &points, &device).unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let undisturbed = RunFolder::create(&folder.path().join("a"), "").unwrap();
        let mut whole = trainer();
        run(&mut whole, &undisturbed, &mut ()).unwrap();

        let stopped = RunFolder::create(&folder.path().join("b"), "").unwrap();
        let mut first = trainer();
        for _ in 0..13 {
            first.step().unwrap();
        }
        let path = stopped.checkpoint_path(13);
        Checkpoint::write(&mut first, &path).unwrap();
        drop(first);

        let mut resumed = trainer();
        let checkpoint = stopped.latest_checkpoint().unwrap();
        checkpoint.restore(&mut resumed).unwrap();
        assert_eq!(resumed.step_count(), 13);
        run(&mut resumed, &stopped, &mut ()).unwrap();

        assert_eq!(answers(&whole.model()), answers(&resumed.model()));
        assert_eq!(
            answers(&whole.averaged_model()),
            answers(&resumed.averaged_model())
        );
        let stored = stopped.latest_checkpoint().unwrap();
        assert_eq!(stored.manifest().step, 30);
        assert_eq!(
            answers(&stored.model(&Device::flex()).unwrap()),
            answers(&whole.averaged_model())
        );
    }
}

#[test]
fn the_loop_writes_metrics_and_keeps_the_newest_checkpoints() {
    let points = points();
    let folder = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&folder.path().join("run"), "# resolved").unwrap();
    let mut trainer = trainer(&points, config(35));
    run(&mut trainer, &folder, &mut ()).unwrap();
    assert_eq!(folder.checkpoint_steps().unwrap(), [30, 35]);
    let metrics = folder.metrics().unwrap();
    let steps: Vec<u64> = metrics.iter().map(|record| record.step).collect();
    assert_eq!(steps, [5, 10, 15, 20, 25, 30, 35]);
    assert!(
        metrics
            .iter()
            .all(|r| r.loss.is_finite() && r.samples_per_second > 0.0)
    );
    folder.truncate_metrics(20).unwrap();
    assert_eq!(folder.metrics().unwrap().len(), 4);
}

#[test]
fn a_loss_that_is_not_finite_stops_with_the_step_and_the_time_and_leaves_checkpoints_alone() {
    let points = points();
    let folder = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&folder.path().join("run"), "").unwrap();
    let config = TrainingConfig {
        learning_rate: 1e30,
        clip_norm: 0.0,
        warmup_steps: 0,
        checkpoint_every: 1,
        ..config(50)
    };
    let mut trainer = trainer(&points, config);
    let error = run(&mut trainer, &folder, &mut ()).unwrap_err();
    let TrainingError::NotFinite { step, t, layer, .. } = &error else {
        panic!("{error}");
    };
    assert!((1..50).contains(step) && (0.0..=1.0).contains(t));
    assert!(layer.as_ref().unwrap().starts_with("Mlp."), "{layer:?}");
    let message = error.to_string();
    assert!(
        message.contains(&format!("step {step}")) && message.contains("learning_rate"),
        "{message}"
    );
    // Whatever was stored before can be opened, and holds numbers.
    for step in folder.checkpoint_steps().unwrap() {
        let checkpoint = Checkpoint::open(&folder.checkpoint_path(step)).unwrap();
        let answers = answers(&checkpoint.model(&Device::flex()).unwrap());
        assert!(answers.iter().all(|&bits| f32::from_bits(bits).is_finite()));
    }
}

fn checkpoint(folder: &Path) -> Checkpoint {
    let points = points();
    let mut trainer = trainer(&points, config(3));
    trainer.step().unwrap();
    Checkpoint::write(&mut trainer, folder).unwrap()
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&folder.path().join("run"), "").unwrap();
    checkpoint(&folder.checkpoint_path(1));
    for name in [
        "weights.safetensors",
        "ema.safetensors",
        "optimizer.safetensors",
    ] {
        checkpoint(&folder.checkpoint_path(2));
        let file = folder.checkpoint_path(2).join(name);
        let whole = fs::read(&file).unwrap();

        // Cut short.
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let error = Checkpoint::open(&folder.checkpoint_path(2))
            .unwrap_err()
            .to_string();
        assert!(error.contains(name), "{error}");
        // One bit flipped.
        let mut altered = whole.clone();
        altered[whole.len() / 2] ^= 1;
        fs::write(&file, altered).unwrap();
        assert!(Checkpoint::open(&folder.checkpoint_path(2)).is_err());
        // Gone.
        fs::remove_file(&file).unwrap();
        assert!(Checkpoint::open(&folder.checkpoint_path(2)).is_err());

        let usable = folder.latest_checkpoint().unwrap();
        assert_eq!(usable.folder(), folder.checkpoint_path(1));
        fs::remove_dir_all(folder.checkpoint_path(2)).unwrap();
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let points = points();
    let mut trainer = trainer(&points, config(3));
    trainer.step().unwrap();
    let below_a_file = file.join("checkpoint");
    let error = Checkpoint::write(&mut trainer, &below_a_file);
    assert!(error.unwrap_err().to_string().contains("file"));

    // A target that is there already and not empty: the rename fails, the half-made copy goes.
    let taken = folder.path().join("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("precious"), "").unwrap();
    assert!(Checkpoint::write(&mut trainer, &taken).is_err());
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(taken.join("precious").exists());
}

#[test]
fn a_run_folder_is_neither_overwritten_nor_invented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let error = RunFolder::open(&path).unwrap_err().to_string();
    assert!(error.contains("no run"), "{error}");
    RunFolder::create(&path, "a = 1").unwrap();
    let error = RunFolder::create(&path, "a = 2").unwrap_err().to_string();
    assert!(error.contains("--resume"), "{error}");
    let folder = RunFolder::open(&path).unwrap();
    assert_eq!(fs::read_to_string(folder.config_path()).unwrap(), "a = 1");
    assert!(
        folder
            .latest_checkpoint()
            .unwrap_err()
            .to_string()
            .contains("no checkpoint")
    );
}

#[test]
fn data_of_another_shape_than_the_models_is_refused() {
    let points = points();
    let images = ModelConfig {
        shape: [1, 8, 8],
        ..model()
    };
    let trainer = Trainer::new(
        config(1),
        SdeConfig::default(),
        &images,
        &points,
        &Device::flex(),
    );
    let error = trainer.err().unwrap().to_string();
    assert!(
        error.contains("[2, 1, 1]") && error.contains("[1, 8, 8]"),
        "{error}"
    );
}

#[test]
fn the_average_has_no_graph_and_the_model_for_sampling_no_autodiff() {
    let points = points();
    let mut trainer = trainer(&points, config(2));
    trainer.step().unwrap();
    let model = trainer.averaged_model();
    assert!(
        model
            .network
            .devices()
            .iter()
            .all(|device| !device.is_autodiff())
    );
}

#[test]
fn gradient_checkpointing_changes_no_bit() {
    let pixels = ndarray::Array4::from_shape_fn((8, 1, 12, 12), |(n, _, y, x)| {
        ((n * 31 + y * 28 + x * 7) % 256) as u8
    });
    let images = data::ImageSet::new(pixels, None).unwrap();
    let unet = ModelConfig {
        shape: [1, 12, 12],
        network: NetworkConfig::UNet(UNetConfig {
            channels: 8,
            blocks: 1,
            groups: 4,
            embedding: 16,
            ..UNetConfig::default()
        }),
        preconditioning: PreconditioningConfig::default(),
        classes: 0,
    };
    let trained = |gradient_checkpointing| {
        let config = TrainingConfig {
            gradient_checkpointing,
            batch_size: 4,
            shards: Some(2),
            ..config(5)
        };
        let device = Device::flex();
        let mut trainer =
            Trainer::new(config, SdeConfig::default(), &unet, &images, &device).unwrap();
        for _ in 0..5 {
            trainer.step().unwrap();
        }
        let x = Tensor::<4>::ones([1, 1, 12, 12], &device);
        let vp = SdeConfig::default().build().unwrap();
        let marginal = vp.marginal(sde_core::Time(0.5));
        let output = trainer.model().forward(x, &[marginal]).into_data();
        output.iter::<f32>().map(f32::to_bits).collect::<Vec<u32>>()
    };
    assert_eq!(trained(false), trained(true));
}
