//! The networks can be trained.

use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use score_net::{DiTConfig, MlpConfig, NetworkConfig};

use super::parameters::Noise;
use super::{tiny_dit, tiny_unet};

/// Loss before and after `steps` of Adam towards four fixed targets that no rule connects with
/// their inputs.
fn overfit(config: &NetworkConfig, shape: [usize; 3], steps: usize) -> (f32, f32) {
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    let [channels, height, width] = shape;
    let noise = &mut Noise::new(8);
    let mut draw =
        || -> Tensor<4> { Tensor::from_data(noise.data([4, channels, height, width]), &plain) };
    let (x, target) = (draw(), draw());
    let c_noise = Tensor::<1>::from_data([-1.0, -0.3, 0.3, 1.0], &plain);

    let mut network = config.init(shape, 0, &device).unwrap();
    let mut optimiser = AdamConfig::new().with_epsilon(1e-8).init();
    let mut losses = Vec::new();
    for step in 0..steps {
        let output = network.forward(x.clone(), c_noise.clone());
        let loss = output.sub(target.clone()).square().mean();
        losses.push(loss.clone().into_scalar::<f32>());
        let grads = GradientsParams::from_grads(loss.backward(), &network);
        let rate = 5e-3 * (1.0 - step as f64 / steps as f64);
        network = optimiser.step(rate, network, grads);
    }
    (losses[0], losses[steps - 1])
}

#[test]
fn the_unet_learns_one_batch_by_heart() {
    let config = NetworkConfig::UNet(tiny_unet());
    let (first, last) = overfit(&config, [1, 8, 8], 300);
    assert!(last < 1e-3 * first, "{first} to {last}");
}

#[test]
fn the_transformer_learns_one_batch_by_heart() {
    let config = NetworkConfig::DiT(DiTConfig {
        patch: 2,
        width: 32,
        ..tiny_dit()
    });
    let (first, last) = overfit(&config, [1, 8, 8], 300);
    assert!(last < 1e-3 * first, "{first} to {last}");
}

#[test]
fn the_mlp_learns_one_batch_by_heart() {
    let config = NetworkConfig::Mlp(MlpConfig::default());
    let (first, last) = overfit(&config, [2, 1, 1], 300);
    assert!(last < 1e-3 * first, "{first} to {last}");
}
