//! Classes told in training, and classifiers of noised samples.

use burn::tensor::Device;
use data::ImageSet;
use ndarray::Array4;
use score_net::{
    MlpConfig, ModelConfig, NetworkConfig, NoisyClassifierConfig, PreconditioningConfig,
};
use sde_core::families::Edm;
use sde_core::{AffineSde, SdeConfig, Sigma};
use training::{
    Draw, Objective, ObjectiveConfig, Task, TimeSampler, Trainer, TrainingConfig, TrainingError,
};

use super::small;

/// Class 0 is dark above and bright below, class 1 the other way about.
fn halves() -> ImageSet {
    let pixels = Array4::from_shape_fn((64, 1, 4, 4), |(image, _, row, _)| {
        if (image % 2 == 1) == (row < 2) {
            230
        } else {
            20
        }
    });
    let labels = (0..64).map(|image| image % 2).collect();
    ImageSet::new(pixels, Some(labels)).unwrap()
}

/// Class 0 has rows of dark and bright, class 1 columns.
fn stripes() -> ImageSet {
    let pixels = Array4::from_shape_fn((64, 1, 4, 4), |(image, _, row, column)| {
        let along = if image % 2 == 0 { row } else { column };
        if along % 2 == 0 { 20 } else { 230 }
    });
    let labels = (0..64).map(|image| image % 2).collect();
    ImageSet::new(pixels, Some(labels)).unwrap()
}

fn told(classes: usize) -> ModelConfig {
    ModelConfig {
        shape: [1, 4, 4],
        network: NetworkConfig::Mlp(MlpConfig {
            width: 32,
            blocks: 1,
            embedding: 8,
            ..MlpConfig::default()
        }),
        preconditioning: PreconditioningConfig::default(),
        classes,
    }
}

fn classifier() -> ModelConfig {
    ModelConfig {
        network: NetworkConfig::Classifier(NoisyClassifierConfig {
            channels: 8,
            multipliers: vec![1],
            blocks: 1,
            heads: 2,
            embedding: 8,
            ..NoisyClassifierConfig::default()
        }),
        ..told(2)
    }
}

/// A Bernoulli share of 4000: its standard deviation is below 0.008, and it is held to five of them.
#[test]
fn the_class_is_left_out_as_often_as_configured_and_depends_on_the_draw_alone() {
    let set = halves();
    let sde = || SdeConfig::Edm(Edm::default());
    for (configured, expected) in [
        (None, 0.1),
        (Some(0.3), 0.3),
        (Some(0.0), 0.0),
        (Some(1.0), 1.0),
    ] {
        let config = ObjectiveConfig {
            class_dropout: configured,
            ..ObjectiveConfig::default()
        };
        let objective = Objective::of_model(config, sde(), &told(2)).unwrap();
        let indices: Vec<usize> = (0..4000).map(|i| i % 64).collect();
        let draw = Draw::whole(3, 7, 4000);
        let batch = objective.draw(&set, &indices, draw).unwrap();
        let mut untold = 0;
        for (class, index) in batch.classes.iter().zip(&indices) {
            match class {
                Some(class) => assert_eq!(*class, index % 2),
                None => untold += 1,
            }
        }
        let share = f64::from(untold) / 4000.0;
        assert!(
            (share - expected).abs() < 0.04 * expected.min(1.0 - expected).sqrt() + 1e-12,
            "{share}"
        );
        // The second half drawn alone, as another part of the batch would.
        let half = Draw {
            first_sample: 2000,
            ..draw
        };
        let alone = objective.draw(&set, &indices[2000..], half).unwrap();
        assert_eq!(alone.classes, batch.classes[2000..]);
    }
}

#[test]
fn a_told_model_learns_what_the_classes_have_apart() {
    let set = halves();
    let config = TrainingConfig {
        steps: 300,
        batch_size: 64,
        learning_rate: 5e-3,
        ..small::config(300)
    };
    let sde = SdeConfig::Edm(Edm::default());
    let mut trainer = Trainer::new(config, sde, &told(2), &set, &Device::flex()).unwrap();
    for _ in 0..300 {
        trainer.step().unwrap();
    }
    let model = trainer.averaged_model();
    let sde = Edm::default();
    // Noise that hides the class: only what it is told tells the halves apart.
    let marginal = sde.marginal(sde.time_at_sigma(Sigma(20.0)));
    let x = burn::tensor::Tensor::<4>::zeros([3, 1, 4, 4], &Device::flex());
    let output = model.outputs_of(x.clone(), &[marginal; 3], &[Some(0), Some(1), None]);
    let own = model.preconditioning.prediction();
    let x0 = own.convert(sde_core::Prediction::X0, marginal, &x, output.prediction);
    let x0: Vec<f64> = x0.into_data().iter::<f64>().collect();
    // The mean of the upper half: -0.84 of class 0, 0.8 of class 1, about 0 of both.
    let upper = |sample: usize| x0[16 * sample..16 * sample + 8].iter().sum::<f64>() / 8.0;
    assert!((upper(0) + 0.84).abs() < 0.15, "{}", upper(0));
    assert!((upper(1) - 0.8).abs() < 0.15, "{}", upper(1));
    assert!(upper(2).abs() < 0.3, "{}", upper(2));
}

#[test]
fn a_classifier_learns_clean_samples_and_stays_at_chance_where_all_is_noise() {
    let set = stripes();
    let config = TrainingConfig {
        steps: 300,
        batch_size: 32,
        learning_rate: 5e-3,
        objective: ObjectiveConfig {
            // Half of the times at a σ below 0.6, where the classes can be told.
            time: TimeSampler::LogNormal {
                mean: -0.5,
                std: 1.5,
            },
            ..ObjectiveConfig::default()
        },
        ..small::config(300)
    };
    let sde = SdeConfig::Edm(Edm::default());
    let mut trainer = Trainer::new(config, sde, &classifier(), &set, &Device::flex()).unwrap();
    assert!(matches!(trainer.task(), Task::Classes(_)));
    for _ in 0..300 {
        trainer.step().unwrap();
    }
    let model = trainer.averaged_model();
    let sde = Edm::default();
    let mut x = Vec::new();
    data::Source::write_samples(&set, &[0, 1], &mut x).unwrap();
    let x = burn::tensor::TensorData::new(x, [2, 1, 4, 4]);
    let x = burn::tensor::Tensor::<4>::from_data(x, &Device::flex());
    let log = |x: burn::tensor::Tensor<4>, sigma: f64| -> Vec<f64> {
        let marginal = sde.marginal(sde.time_at_sigma(Sigma(sigma)));
        let log = model.log_probabilities(x, &[marginal; 2]);
        log.into_data().iter::<f64>().collect()
    };
    let clean = log(x.clone(), 0.05);
    assert!(clean[0].exp() > 0.9 && clean[3].exp() > 0.9, "{clean:?}");
    // Hardly anything can be told at σ = 60 of a signal of 0.8.
    let noise = log(x, 60.0);
    assert!(noise[0].exp() < 0.75 && noise[3].exp() < 0.75, "{noise:?}");
}

#[test]
fn classes_that_the_data_do_not_have_are_refused_by_the_field() {
    let set = halves();
    let sde = || SdeConfig::Edm(Edm::default());
    let refused = |set: &ImageSet, model: &ModelConfig, config: TrainingConfig| {
        let trainer = Trainer::new(config, sde(), model, set, &Device::flex());
        match trainer.err() {
            Some(TrainingError::Config { field, must, .. }) => format!("{field}: {must}"),
            other => panic!("{other:?}"),
        }
    };
    let unlabelled = ImageSet {
        labels: None,
        ..set.clone()
    };
    let base = || small::config(1);
    let text = refused(&unlabelled, &told(2), base());
    assert_eq!(text, "model.classes: 0, since the data have no classes");
    let three = ImageSet {
        labels: Some((0..64).map(|i| i % 3).collect()),
        ..set.clone()
    };
    let text = refused(&three, &told(2), base());
    assert_eq!(
        text,
        "model.classes: the number of the data's classes at least"
    );
    for (dropout, model, part) in [
        (1.5, told(2), "a share"),
        (f64::NAN, told(2), "a share"),
        (0.1, told(0), "left out"),
    ] {
        let objective = ObjectiveConfig {
            class_dropout: Some(dropout),
            ..ObjectiveConfig::default()
        };
        let config = TrainingConfig {
            objective,
            ..base()
        };
        let text = refused(&set, &model, config);
        assert!(
            text.starts_with("training.objective.class_dropout: "),
            "{text}"
        );
        assert!(text.contains(part), "{text}");
    }
    let objective = ObjectiveConfig {
        weighting: sde_core::objective::Weighting::Edm,
        ..ObjectiveConfig::default()
    };
    let config = TrainingConfig {
        objective,
        ..base()
    };
    let text = refused(&set, &classifier(), config);
    assert!(
        text.starts_with("training.objective.weighting: left out"),
        "{text}"
    );
}

#[test]
fn a_resumed_classifier_goes_on_with_the_same_bits() {
    let set = halves();
    let folder = tempfile::tempdir().unwrap();
    let sde = || SdeConfig::Edm(Edm::default());
    for model in [classifier(), told(2)] {
        let path = folder.path().join(format!(
            "{}",
            model.network.parameter_count(model.signature()).unwrap()
        ));
        let trainer =
            || Trainer::new(small::config(8), sde(), &model, &set, &Device::flex()).unwrap();
        let mut whole = trainer();
        for _ in 0..4 {
            whole.step().unwrap();
        }
        training::Checkpoint::write(&mut whole, &path).unwrap();
        let mut resumed = trainer();
        training::Checkpoint::open(&path)
            .unwrap()
            .restore(&mut resumed)
            .unwrap();
        for trainer in [&mut whole, &mut resumed] {
            for _ in 0..4 {
                trainer.step().unwrap();
            }
        }
        let norms = [&whole, &resumed].map(|trainer| trainer.weight_norms());
        assert_eq!(norms[0], norms[1]);
    }
}

#[test]
fn a_run_does_not_go_on_with_other_classes() {
    let set = halves();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let trainer = |set| {
        let sde = SdeConfig::Edm(Edm::default());
        Trainer::new(small::config(8), sde, &told(2), set, &Device::flex()).unwrap()
    };
    let mut first = trainer(&set);
    first.step().unwrap();
    let checkpoint = training::Checkpoint::write(&mut first, &path).unwrap();
    let swapped = ImageSet {
        labels: Some((0..64).map(|image| (image + 1) % 2).collect()),
        ..set.clone()
    };
    let error = checkpoint.restore(&mut trainer(&swapped)).unwrap_err();
    assert!(error.to_string().contains("data"), "{error}");
    checkpoint.restore(&mut trainer(&set)).unwrap();
}
