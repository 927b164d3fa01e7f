//! Models that answer with a variance too.

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use score_net::{Model, ModelConfig, NetworkConfig, PreconditioningConfig, VarianceKind};
use sde_core::families::VariancePreserving;
use sde_core::{AffineSde, Prediction, Score, Time};

use super::parameters::{Noise, Stir, map};
use super::tiny_networks;

const SHAPE: [usize; 3] = [3, 4, 6];

fn config(network: NetworkConfig, variance: VarianceKind) -> ModelConfig {
    ModelConfig {
        shape: SHAPE,
        network,
        preconditioning: PreconditioningConfig {
            variance,
            ..Default::default()
        },
        classes: 0,
    }
}

fn state(batch: usize) -> Tensor<4> {
    let [channels, height, width] = SHAPE;
    let data = Noise::new(3).data([batch, channels, height, width]);
    Tensor::<4>::from_data(data, &Device::flex()).cast(FloatDType::F64)
}

fn values(x: Tensor<4>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

#[test]
fn a_fresh_network_predicts_nothing_and_lies_halfway_between_the_two_variances() {
    for network in tiny_networks() {
        let config = config(network, VarianceKind::Learned);
        let model = config.init(0, &Device::flex()).unwrap();
        let counted = config.network.parameter_count(config.signature()).unwrap();
        assert_eq!(counted, model.network.num_params());
        assert!(
            config
                .describe()
                .unwrap()
                .contains("answers with 6 channels")
        );

        let marginal = VariancePreserving::default().marginal(Time(0.4));
        let output = model.outputs(state(2).cast(FloatDType::F32), &[marginal; 2]);
        assert!(values(output.prediction).iter().all(|&p| p == 0.0));
        let v = output.variance.unwrap();
        assert_eq!(v.dims(), [2, 3, 4, 6]);
        assert!(values(v).iter().all(|&v| v == 0.5));
    }
}

#[test]
fn the_first_channels_are_the_prediction_and_the_others_2v_minus_1() {
    let vp = VariancePreserving::default();
    for network in tiny_networks() {
        let Model {
            network,
            preconditioning,
            ..
        } = (config(network, VarianceKind::Learned).init(0, &Device::flex())).unwrap();
        let network = map(&network, Stir(Noise::new(7)));
        let model = Model {
            network,
            preconditioning,
            classes: 0,
        };
        // More than one part of them.
        let (x, t) = (state(9), Time(0.3));
        let marginal = vp.marginal(t);
        let c_noise = TensorData::new(vec![preconditioning.c_noise(marginal); 9], [9]);
        let c_noise = Tensor::<1>::from_data(c_noise, (&x.device(), x.dtype()));
        let scaled = x.clone().mul_scalar(preconditioning.c_in(marginal));
        let raw = model.network.forward(scaled, c_noise);
        assert_eq!(raw.dims(), [9, 6, 4, 6]);
        let (first, second) = (raw.clone().narrow(1, 0, 3), raw.narrow(1, 3, 3));
        let close = |found: Tensor<4>, expected: Vec<f64>| {
            let found = values(found);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-10 * (1.0 + expected.abs()));
            }
        };
        let v: Vec<f64> = values(second).iter().map(|o| 0.5 * (o + 1.0)).collect();
        let output = model.outputs(x.clone(), &[marginal; 9]);
        close(output.prediction, values(first.clone()));
        close(output.variance.unwrap(), v.clone());
        close(
            model.forward(x.clone(), &[marginal; 9]),
            values(first.clone()),
        );

        let score = model.under(&vp);
        let own = model.preconditioning.prediction();
        let expected = values(own.convert(Prediction::Score, marginal, &x, first));
        let learned = score.with_learned_variance().unwrap();
        let (s, found) = learned.score_and_variance(&x, t);
        close(s, expected.clone());
        close(found, v);
        close(score.score(&x, t), expected.clone());
        close(score.score_each(&x, &[t; 9]), expected);
    }
}

#[test]
fn a_model_described_before_there_were_learned_variances_has_none() {
    for network in tiny_networks() {
        let config = config(network, VarianceKind::Fixed);
        let mut json = serde_json::to_value(&config).unwrap();
        let preconditioning = json["preconditioning"].as_object_mut().unwrap();
        assert_eq!(preconditioning.remove("variance").unwrap(), "fixed");
        assert_eq!(serde_json::from_value::<ModelConfig>(json).unwrap(), config);

        let model = config.init(0, &Device::flex()).unwrap();
        let marginal = VariancePreserving::default().marginal(Time(0.4));
        let output = model.outputs(state(1).cast(FloatDType::F32), &[marginal]);
        assert!(output.variance.is_none());
        let vp = VariancePreserving::default();
        assert!(model.under(&vp).with_learned_variance().is_none());
    }
}
