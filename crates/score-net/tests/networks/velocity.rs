//! Models of positions and velocities.

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use score_net::{ModelConfig, PreconditioningConfig};
use sde_core::damped::{DampedLangevin, PhaseState, VelocityPrediction, VelocityScore};
use sde_core::{State, Time};

use super::parameters::{Noise, Stir, map};
use super::tiny_networks;

const SHAPE: [usize; 3] = [2, 4, 3];

fn state(seed: u64, batch: usize) -> Tensor<4> {
    let [channels, height, width] = SHAPE;
    let data = Noise::new(seed).data([batch, channels, height, width]);
    Tensor::<4>::from_data(data, &Device::flex()).cast(FloatDType::F64)
}

fn values(x: Tensor<4>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn close(found: Tensor<4>, expected: Tensor<4>) {
    let (found, expected) = (values(found), values(expected));
    let largest = expected.iter().fold(0.0f64, |m, e| m.max(e.abs()));
    assert!(largest > 0.0);
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() < 1e-11 * largest,
            "{found} {expected}"
        );
    }
}

fn configs(velocity: VelocityPrediction) -> [ModelConfig; 3] {
    tiny_networks().map(|network| ModelConfig {
        shape: SHAPE,
        network,
        preconditioning: PreconditioningConfig {
            sigma_data: 0.7,
            velocity: Some(velocity),
            ..Default::default()
        },
        classes: 0,
    })
}

#[test]
fn a_fresh_mixed_score_is_that_of_data_at_one_point_without_the_position() {
    let process = DampedLangevin::default();
    for config in configs(VelocityPrediction::Mixed) {
        let model = config.init(0, &Device::flex()).unwrap();
        let counted = config.network.parameter_count(config.signature()).unwrap();
        assert_eq!(counted, model.network.num_params());
        let z = PhaseState {
            position: state(1, 3).cast(FloatDType::F32),
            velocity: state(2, 3).cast(FloatDType::F32),
        };
        for t in [0.01, 0.5, 1.0].map(Time) {
            let score = model.under_damped(&process).unwrap().velocity_score(&z, t);
            let vv = process.marginal(t).covariance.vv;
            let expected = z.velocity.clone().mul_scalar(-1.0 / vv);
            let errors = (score - expected.clone()).abs().max() / expected.abs().max();
            assert!(errors.into_scalar::<f32>() < 1e-6);
        }
    }
}

/// s = −v/Σ_vv − ℓ α′ (section 3.2), of the network's own answer to x and v of unit variance.
#[test]
fn the_score_is_the_paper_s_of_the_network_s_answer_to_both_halves() {
    let process = DampedLangevin::default();
    let t = Time(0.3);
    let kernel = process.marginal(t);
    for prediction in [
        VelocityPrediction::Mixed,
        VelocityPrediction::Epsilon,
        VelocityPrediction::Score,
    ] {
        for config in configs(prediction) {
            let mut model = config.init(0, &Device::flex()).unwrap();
            model.network = map(&model.network, Stir(Noise::new(7)));
            let z = PhaseState {
                position: state(1, 9),
                velocity: state(2, 9),
            };
            let of_data = process.covariance(t, 0.49);
            let both = Tensor::cat(
                vec![
                    z.position.clone().mul_scalar(of_data.xx.sqrt().recip()),
                    z.velocity.clone().mul_scalar(of_data.vv.sqrt().recip()),
                ],
                1,
            );
            let ratio = kernel.covariance.xx.sqrt() / kernel.mean.xx;
            let c_noise = z
                .position
                .clone()
                .reshape([9, 24])
                .narrow(1, 0, 1)
                .reshape([9]);
            let c_noise = c_noise.mul_scalar(0.0).add_scalar(0.25 * ratio.ln());
            let output = model.network.forward(both, c_noise);
            assert_eq!(output.dims(), [9, 2, 4, 3]);
            let expected = match prediction {
                VelocityPrediction::Score => output,
                VelocityPrediction::Epsilon => output.mul_scalar(-kernel.ell()),
                VelocityPrediction::Mixed => {
                    let linear = z.velocity.clone().mul_scalar(-1.0 / kernel.covariance.vv);
                    linear - output.mul_scalar(kernel.ell())
                }
            };
            let score = model.under_damped(&process).unwrap();
            close(score.velocity_score(&z, t), expected.clone());
            // No sample depends on its neighbours.
            let alone = score.velocity_score(&z.select_samples(&[4]), t);
            close(alone, expected.select_samples(&[4]));
        }
    }
}

#[test]
fn a_model_of_positions_alone_has_no_score_of_velocities() {
    let [config, ..] = tiny_networks().map(|network| ModelConfig {
        shape: SHAPE,
        network,
        preconditioning: PreconditioningConfig::default(),
        classes: 0,
    });
    let model = config.init(0, &Device::flex()).unwrap();
    assert!(model.under_damped(&DampedLangevin::default()).is_none());
    let json = serde_json::to_string(&config).unwrap();
    assert!(!json.contains("velocity"), "{json}");
}
