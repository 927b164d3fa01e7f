//! Shapes, the start at zero, determinism, independence of samples, storage.

use burn::module::{Module, ParamId};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData, Tolerance};
use score_net::{DiTConfig, MlpConfig, Network, NetworkConfig, UNetConfig};

use super::parameters::{Change, Noise, Parameters, Stir, map};
use super::{tiny_dit, tiny_networks, tiny_unet};

fn input(batch: usize, [channels, height, width]: [usize; 3]) -> Tensor<4> {
    let data = Noise::new(5).data([batch, channels, height, width]);
    Tensor::from_data(data, &Device::flex())
}

fn levels(batch: usize) -> Tensor<1> {
    Tensor::from_data(Noise::new(6).data([batch]), &Device::flex())
}

/// In f64, with no parameter at zero.
fn stirred(config: &NetworkConfig, shape: [usize; 3]) -> Network {
    let network = config.init(shape, 0, &Device::flex()).unwrap();
    map(&network, Stir(Noise::new(7)))
}

#[test]
fn output_has_the_shape_of_the_input_and_starts_at_exactly_zero() {
    let three_levels = UNetConfig {
        multipliers: vec![1, 2, 2],
        ..tiny_unet()
    };
    let mut configs = tiny_networks().to_vec();
    configs.push(NetworkConfig::UNet(three_levels));
    for config in configs {
        for shape in [[1, 28, 28], [3, 32, 32], [1, 7, 7], [2, 15, 9], [1, 1, 1]] {
            let network = config.init(shape, 0, &Device::flex()).unwrap();
            let y = network.forward(input(2, shape), levels(2));
            assert_eq!(y.dims(), [2, shape[0], shape[1], shape[2]]);
            assert_eq!(y.abs().max().into_scalar::<f32>(), 0.0);
        }
    }
}

#[test]
fn patches_leave_the_shape_as_it_is() {
    let config = UNetConfig {
        patch: 2,
        ..tiny_unet()
    };
    let transformer = DiTConfig {
        patch: 2,
        ..tiny_dit()
    };
    for config in [NetworkConfig::UNet(config), NetworkConfig::DiT(transformer)] {
        for shape in [[1, 28, 28], [3, 6, 10]] {
            let network = stirred(&config, shape);
            let x = input(2, shape).cast(FloatDType::F64);
            let y = network.forward(x.clone(), levels(2).cast(FloatDType::F64));
            assert_eq!(y.dims(), x.dims());
            assert!(y.abs().min().into_scalar::<f64>() > 0.0);
        }
    }
}

#[test]
fn parameters_are_counted_without_building_the_network() {
    let variants = [
        UNetConfig::default(),
        tiny_unet(),
        UNetConfig {
            patch: 2,
            attention: vec![4, 2],
            multipliers: vec![1, 3, 2],
            blocks: 2,
            ..tiny_unet()
        },
        UNetConfig {
            scale_shift: false,
            middle_attention: false,
            ..tiny_unet()
        },
    ];
    let shape = [3, 8, 8];
    for config in variants.map(NetworkConfig::UNet).into_iter().chain([
        NetworkConfig::Mlp(MlpConfig::default()),
        NetworkConfig::DiT(DiTConfig::default()),
        NetworkConfig::DiT(tiny_dit()),
    ]) {
        let network = config.init(shape, 0, &Device::flex()).unwrap();
        assert_eq!(config.parameter_count(shape).unwrap(), network.num_params());
    }
}

#[test]
fn a_seed_gives_the_same_network_again_and_another_seed_another_one() {
    for config in tiny_networks() {
        let parameters = |seed| -> Vec<(String, TensorData)> {
            let network = config.init([1, 6, 6], seed, &Device::flex()).unwrap();
            let list = Parameters::of(&network).into_iter();
            list.map(|(name, _, data)| (name, data)).collect()
        };
        assert_eq!(parameters(11), parameters(11));
        assert_ne!(parameters(11), parameters(12));
    }
}

#[test]
fn the_device_with_autodiff_gets_the_same_network() {
    for config in tiny_networks() {
        let parameters = |device: &Device| -> Vec<TensorData> {
            let network = config.init([1, 6, 6], 3, device).unwrap();
            let list = Parameters::of(&network).into_iter();
            list.map(|(_, _, data)| data).collect()
        };
        let plain = Device::flex();
        assert_eq!(parameters(&plain), parameters(&plain.clone().autodiff()));
    }
}

#[test]
fn samples_of_a_batch_do_not_influence_one_another() {
    let shape = [2, 6, 5];
    for config in tiny_networks() {
        let network = stirred(&config, shape);
        let x = input(3, shape).cast(FloatDType::F64);
        let c_noise = levels(3).cast(FloatDType::F64);
        let together = network.forward(x.clone(), c_noise.clone());
        for sample in 0..3 {
            let alone = network.forward(
                x.clone().narrow(0, sample, 1),
                c_noise.clone().narrow(0, sample, 1),
            );
            alone.into_data().assert_approx_eq::<f64>(
                &together.clone().narrow(0, sample, 1).into_data(),
                Tolerance::absolute(1e-12),
            );
        }
    }
}

#[test]
fn the_noise_level_changes_the_output_of_each_sample() {
    let shape = [1, 6, 6];
    for config in tiny_networks() {
        let network = stirred(&config, shape);
        let x = input(2, shape).cast(FloatDType::F64);
        let at = |c: [f64; 2]| {
            let c_noise = Tensor::<1>::from_data(c, (&Device::flex(), DType::F64));
            network.forward(x.clone(), c_noise)
        };
        let change = at([0.5, -0.5]).sub(at([0.504, -0.504])).abs();
        let least = change.max_dims(&[1, 2, 3]).min().into_scalar::<f64>();
        assert!(least > 1e-3, "{least}");
    }
}

#[test]
fn recording_a_graph_does_not_change_the_output() {
    let shape = [1, 6, 6];
    for config in tiny_networks() {
        let network = stirred(&config, shape);
        let x = input(2, shape).cast(FloatDType::F64);
        let c_noise = levels(2).cast(FloatDType::F64);
        let plain = network.forward(x.clone(), c_noise.clone());
        let recorded = network.forward(x.autodiff().require_grad(), c_noise);
        recorded
            .into_data()
            .assert_approx_eq::<f64>(&plain.into_data(), Tolerance::absolute(1e-12));
    }
}

#[test]
fn stored_weights_make_another_network_the_same() {
    let shape = [1, 7, 7];
    for config in tiny_networks() {
        let device = Device::flex();
        let one = config.init(shape, 0, &device).unwrap();
        // Weights that are zero at the start have to differ as well.
        let one_changed = map(&one, Shift);
        let other = config.init(shape, 1, &device).unwrap();
        let restored = other.load_record(one_changed.clone().into_record());
        let output = |network: &Network| network.forward(input(2, shape), levels(2)).into_data();
        assert_eq!(output(&restored), output(&one_changed));
        assert_ne!(output(&restored), output(&one));
    }
}

/// Moves every parameter a little.
struct Shift;

impl Change for Shift {
    fn change<const D: usize>(&mut self, _: ParamId, value: Tensor<D>) -> Tensor<D> {
        value.add_scalar(0.01)
    }
}
