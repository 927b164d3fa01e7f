//! The layers that the networks are made of, one file each.

mod convolution;
mod linear;
mod normalization;
mod plain;
mod resampling;
mod residual;

pub(crate) use convolution::{bias, convolve, norm_silu_convolve};
pub(crate) use linear::apply;
pub use normalization::{GroupNorm, GroupNormConfig, Modulation};
pub use plain::{PlainBlock, PlainBlockConfig};
pub use resampling::{Downsample, DownsampleConfig, Upsample, UpsampleConfig};
pub use residual::{ResidualBlock, ResidualBlockConfig};
