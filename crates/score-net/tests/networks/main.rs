//! The networks as wholes.

mod autoencoder;
mod classes;
mod gradients;
mod latent_bound;
mod learned_variance;
mod overfitting;
mod parameters;
mod properties;
mod scores;
mod velocity;

use score_net::{MlpConfig, NetworkConfig, NoisyClassifierConfig, UNetConfig};

/// A U-Net with everything in it, on two levels, as small as it gets.
fn tiny_unet() -> UNetConfig {
    UNetConfig {
        channels: 8,
        multipliers: vec![1, 2],
        blocks: 1,
        heads: 2,
        embedding: 8,
        ..UNetConfig::default()
    }
}

/// A classifier on two levels.
fn tiny_classifier() -> NoisyClassifierConfig {
    NoisyClassifierConfig {
        channels: 8,
        multipliers: vec![1, 2],
        blocks: 1,
        heads: 2,
        embedding: 8,
        ..NoisyClassifierConfig::default()
    }
}

/// Both networks, small.
fn tiny_networks() -> [NetworkConfig; 2] {
    [
        NetworkConfig::UNet(tiny_unet()),
        NetworkConfig::Mlp(MlpConfig {
            width: 16,
            blocks: 2,
            embedding: 8,
            ..MlpConfig::default()
        }),
    ]
}
