//! Score networks in Burn: a U-Net and a transformer for images, an MLP for points, EDM preconditioning.
//!
//! Three networks, [`UNet`], [`DiT`] and [`Mlp`], take a noised sample and its noise level c_noise = ¼·ln(σ/α)
//! and return something of the sample's shape. They know nothing of diffusion: what goes in is
//! scaled, and what comes out is read, by the preconditioning around them.
//!
//! An [`Autoencoder`] is no such function: it takes images to latents, in which one of the others may be
//! trained, and back.
//!
//! A network is described by plain serde data, [`NetworkConfig`], which together with the data's
//! shape and a seed says everything about it: weights are drawn on the host, the same on every
//! device, and nothing else is random. Output is exactly zero at the start.
//!
//! Images are `[batch, channels, height, width]`; inside the U-Net the channels come last, which is
//! how [`kernels`] convolve and normalise them.

mod attention;
mod autoencoder;
pub mod block;
mod class;
mod classifier;
mod dit;
mod embedding;
mod mlp;
mod model;
mod network;
mod parallel;
mod patch;
mod preconditioning;
mod profile;
mod unet;
mod velocity;

pub use attention::{SelfAttention, SelfAttentionConfig};
pub use autoencoder::{
    Autoencoder, AutoencoderConfig, Elbo, LatentBound, Posterior, bits_per_dimension,
    log_discretised_logistic,
};
pub use class::ClassError;
pub use classifier::ModelClassifier;
pub use dit::{DiT, DiTConfig, DiTSize};
pub use embedding::{NoiseEmbedding, NoiseEmbeddingConfig, TimeEmbedding};
pub use mlp::{Mlp, MlpConfig};
pub use model::{Model, ModelConfig, ModelError, ModelScore, Output};
pub use network::{ConfigError, Network, NetworkConfig, Signature, Weights};
pub use preconditioning::{
    Preconditioning, PreconditioningConfig, PreconditioningError, PredictionKind, VarianceKind,
};
pub use unet::{NoisyClassifier, NoisyClassifierConfig, UNet, UNetConfig};
pub use velocity::{ModelVelocityScore, PairInput};

/// The README's snippet, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
