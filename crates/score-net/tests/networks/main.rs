//! The networks as wholes.

mod autoencoder;
mod classes;
mod gradients;
mod latent_bound;
mod learned_variance;
mod overfitting;
mod parameters;
mod properties;
mod published;
mod scores;
mod velocity;

use score_net::{DiTConfig, MlpConfig, NetworkConfig, NoisyClassifierConfig, UNetConfig};

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

/// A transformer of two blocks, a token a pixel.
fn tiny_dit() -> DiTConfig {
    DiTConfig {
        patch: 1,
        depth: 2,
        width: 8,
        heads: 2,
        mlp_ratio: 2,
        embedding: 8,
        ..DiTConfig::default()
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

/// Every network of a score, small.
fn tiny_networks() -> [NetworkConfig; 3] {
    [
        NetworkConfig::UNet(tiny_unet()),
        NetworkConfig::DiT(tiny_dit()),
        NetworkConfig::Mlp(MlpConfig {
            width: 16,
            blocks: 2,
            embedding: 8,
            ..MlpConfig::default()
        }),
    ]
}
