//! A linear layer on slices of f32, by the convolution with a kernel of one pixel.
//!
//! Burn keeps the weight as `[features_in, features_out]`, where a convolution has its output first. So
//! the layer is the convolution backwards: what it makes of x is the gradient of that one's input, and its
//! own gradient that one's output. Nothing is transposed but what is laid out for the tile anyway.

pub(crate) mod ops;

use pulp::Arch;

use crate::conv::{self, Correlation, Direction, Epilogue};

/// The sizes of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub tokens: usize,
    pub features_in: usize,
    pub features_out: usize,
}

impl Geometry {
    /// The convolution that has this weight, from the layer's output to its input.
    fn backwards(&self) -> conv::Geometry {
        conv::Geometry {
            batch: self.batch,
            size: [1, self.tokens],
            channels_in: self.features_out,
            channels_out: self.features_in,
            kernel: 1,
            stride: 1,
        }
    }
}

/// x·weight + bias.
pub(crate) fn forward(
    arch: Arch,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    geometry: Geometry,
) -> Vec<f32> {
    let epilogue = Epilogue {
        bias,
        ..Epilogue::default()
    };
    let correlation = Correlation::new(arch, weight, &geometry.backwards(), Direction::Backward);
    correlation.run(x, epilogue, geometry.batch)
}

/// The gradient of x from that of the output.
pub(crate) fn input_gradient(
    arch: Arch,
    gradient: &[f32],
    weight: &[f32],
    geometry: Geometry,
) -> Vec<f32> {
    let correlation = Correlation::new(arch, weight, &geometry.backwards(), Direction::Forward);
    correlation.run(gradient, Epilogue::default(), geometry.batch)
}

/// The gradient of the weight, `[features_in, features_out]`.
pub(crate) fn weight_gradient(
    arch: Arch,
    x: &[f32],
    gradient: &[f32],
    geometry: Geometry,
) -> Vec<f32> {
    conv::weight_gradient(arch, gradient, x, &geometry.backwards())
}
