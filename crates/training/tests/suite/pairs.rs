//! Positions and velocities: the objective against `sde-core`'s, and a score that is known.

use burn::tensor::{Device, Tensor, TensorData};
use data::{PointSet, Source, Toy};
use ndarray::Array2;
use score_net::{MlpConfig, ModelConfig, NetworkConfig, PreconditioningConfig, VarianceKind};
use sde_core::damped::{
    DampedLangevin, PhaseState, VelocityObjective, VelocityPrediction, VelocityScore,
    VelocityWeighting,
};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::worlds::GaussianMixture;
use sde_core::{SdeConfig, StepIndex, Time};
use training::{
    Draw, HybridConfig, ObjectiveConfig, PairObjective, Task, TimeSampler, Trainer, TrainingConfig,
    UncertaintyConfig, Weighting,
};

fn model(velocity: Option<VelocityPrediction>) -> ModelConfig {
    ModelConfig {
        shape: [2, 1, 1],
        network: NetworkConfig::Mlp(MlpConfig {
            width: 64,
            blocks: 2,
            embedding: 16,
            ..MlpConfig::default()
        }),
        preconditioning: PreconditioningConfig {
            sigma_data: 1.0,
            velocity,
            ..Default::default()
        },
        classes: 0,
    }
}

#[test]
fn a_batch_is_the_examples_of_the_theory() {
    let points = Toy::TwoMoons.sample(32, 0);
    let indices: Vec<usize> = (0..20).collect();
    let process = DampedLangevin::default();
    for prediction in [
        VelocityPrediction::Score,
        VelocityPrediction::Epsilon,
        VelocityPrediction::Mixed,
    ] {
        for weighting in [VelocityWeighting::Reweighted, VelocityWeighting::Likelihood] {
            let config = ObjectiveConfig {
                velocity_weighting: Some(weighting),
                time: TimeSampler::Stratified,
                t_min: Some(1e-2),
                ..ObjectiveConfig::default()
            };
            let model = model(Some(prediction));
            let objective = PairObjective::new(config, process, &model).unwrap();
            let batch = objective
                .draw(&points, &indices, Draw::whole(3, 7, 20))
                .unwrap();
            assert_eq!(
                batch,
                objective
                    .draw(&points, &indices, Draw::whole(3, 7, 20))
                    .unwrap()
            );
            // The second part of it is drawn as the whole is.
            let part = objective
                .draw(
                    &points,
                    &indices[12..],
                    Draw {
                        first_sample: 12,
                        ..Draw::whole(3, 7, 20)
                    },
                )
                .unwrap();
            assert_eq!(part.noisy, batch.noisy[12 * 4..]);
            assert_eq!(part.times, batch.times[12..]);
            let mut times: Vec<f64> = batch.times.iter().map(|t| t.0).collect();
            times.sort_unstable_by(f64::total_cmp);
            assert!(times[0] >= 1e-2 && times[19] <= 1.0);
            let gap = 0.99 / 20.0;
            assert!(
                times
                    .windows(2)
                    .all(|pair| (pair[1] - pair[0] - gap).abs() < 1e-9)
            );

            let mut data = Vec::new();
            points.write_samples(&indices, &mut data).unwrap();
            let data: Vec<f64> = data.into_iter().map(f64::from).collect();
            let z0 = PhaseState::at_rest(Array2::from_shape_vec((20, 2), data).unwrap());
            let noise = CounterNoise::new(3);
            let epsilon = noise.standard_normal(&z0, StepIndex(7), Role::Forward);
            let theory = VelocityObjective {
                prediction,
                weighting,
                ..VelocityObjective::default()
            };
            assert_eq!(objective.matching(), theory);
            let examples = theory.examples(&process, &batch.times, &z0, &epsilon);
            let close = |found: f32, expected: f64| {
                let error = (f64::from(found) - expected).abs();
                assert!(error < 1e-6 * (1.0 + expected.abs()), "{found} {expected}");
            };
            for i in 0..20 {
                for j in 0..2 {
                    close(batch.noisy[4 * i + j], examples.state.position[[i, j]]);
                    close(batch.noisy[4 * i + 2 + j], examples.state.velocity[[i, j]]);
                    close(batch.target[2 * i + j], examples.target[[i, j]]);
                }
                let relative = f64::from(batch.weights[i]) / examples.weights[i];
                assert!((relative - 1.0).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn what_is_for_positions_alone_is_refused_by_the_name_of_the_field() {
    let damped = DampedLangevin::default();
    let base = ObjectiveConfig::default;
    let mixed = Some(VelocityPrediction::Mixed);
    let refused = |config: ObjectiveConfig, model: ModelConfig, parts: &[&str]| {
        let error = Task::new(config, damped.into(), &model).err().unwrap();
        let text = error.to_string();
        for part in parts.iter().chain(&["damped-langevin"]) {
            assert!(text.contains(part), "no {part} in {text}");
        }
    };
    assert!(Task::new(base(), damped.into(), &model(mixed)).is_ok());
    refused(base(), model(None), &["preconditioning.velocity", "mixed"]);
    let mut learned = model(mixed);
    learned.preconditioning.variance = VarianceKind::Learned;
    refused(base(), learned, &["preconditioning.variance"]);
    let weighting = ObjectiveConfig {
        weighting: Weighting::Edm,
        ..base()
    };
    refused(
        weighting,
        model(mixed),
        &["training.objective.weighting", "velocity_weighting"],
    );
    let time = ObjectiveConfig {
        time: TimeSampler::Importance,
        ..base()
    };
    refused(time, model(mixed), &["training.objective.time", "uniform"]);
    let hybrid = ObjectiveConfig {
        hybrid: Some(HybridConfig::default()),
        ..base()
    };
    refused(hybrid, model(mixed), &["training.objective.hybrid"]);
    let uncertainty = ObjectiveConfig {
        uncertainty: Some(UncertaintyConfig::default()),
        ..base()
    };
    refused(
        uncertainty,
        model(mixed),
        &["training.objective.uncertainty"],
    );
    // And what is for velocities by a process without them.
    let sde = SdeConfig::default();
    let weighting = ObjectiveConfig {
        velocity_weighting: Some(VelocityWeighting::Likelihood),
        ..base()
    };
    for (config, model, field) in [
        (base(), model(mixed), "preconditioning.velocity"),
        (
            weighting,
            model(None),
            "training.objective.velocity_weighting",
        ),
    ] {
        let error = Task::new(config, sde.into(), &model).err().unwrap();
        assert!(error.to_string().contains(field), "{error}");
    }
    let late = ObjectiveConfig {
        t_min: Some(1.0),
        ..base()
    };
    let error = Task::new(late, damped.into(), &model(mixed)).err().unwrap();
    assert!(
        error.to_string().contains("training.objective.t_min"),
        "{error}"
    );
}

/// The score of Gaussian data is known at every t; a small network comes near it, and far nearer than the
/// mixed score that it starts with, which is that of data at one point.
#[test]
fn hybrid_score_matching_learns_the_exact_score_of_velocities() {
    let world = GaussianMixture::gaussian(&[0.5, -0.3], 0.8).unwrap();
    let data = world.sample(1, 2000).mapv(|x| x as f32);
    let points = PointSet { points: data };
    let process = DampedLangevin::default();
    let model = model(Some(VelocityPrediction::Mixed));
    let config = TrainingConfig {
        steps: 250,
        batch_size: 256,
        warmup_steps: 50,
        learning_rate: 2e-3,
        final_learning_rate: 0.05,
        ema_decay: 0.98,
        ..TrainingConfig::default()
    };
    let device = Device::flex();
    let mut trainer = Trainer::new(config, process, &model, &points, &device).unwrap();
    let exact = world.under_damped(&process);
    // E‖ε_v − ε_v*‖² over the marginals: errors of s in units of ℓ.
    let error = |model: &score_net::Model| -> f64 {
        let mut sum = 0.0;
        let times = [0.1, 0.3, 0.6, 0.9].map(Time);
        for t in times {
            let z = exact.sample_at(t, 5, 200);
            let upload = |x: &Array2<f64>| -> Tensor<4> {
                let values: Vec<f32> = x.iter().map(|&x| x as f32).collect();
                Tensor::from_data(TensorData::new(values, [200, 2, 1, 1]), &device)
            };
            let states = PhaseState {
                position: upload(&z.position),
                velocity: upload(&z.velocity),
            };
            let score = model.under_damped(&process).unwrap();
            let found = score.velocity_score(&states, t).into_data();
            let expected = exact.velocity_score(&z, t);
            let squares = found
                .iter::<f64>()
                .zip(&expected)
                .map(|(s, e)| (s - e).powi(2));
            let ell = process.marginal(t).ell();
            sum += squares.sum::<f64>() / (400.0 * ell * ell);
        }
        sum / times.len() as f64
    };
    let before = error(&trainer.model());
    for _ in 0..250 {
        trainer.step().unwrap();
    }
    let after = error(&trainer.averaged_model());
    assert!(after < 0.1 * before, "{before} {after}");
}
