//! The layers that the networks are made of, one file each.

mod activation;
mod convolution;
mod normalization;
mod resampling;
mod residual;

pub use activation::silu;
pub(crate) use convolution::{bias, convolve, norm_silu_convolve};
pub use normalization::{GroupNorm, GroupNormConfig, Modulation};
pub use resampling::{Downsample, DownsampleConfig, Upsample, UpsampleConfig};
pub use residual::{ResidualBlock, ResidualBlockConfig};
