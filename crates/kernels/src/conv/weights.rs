//! The kernel's weights, laid out in the order in which the register tile reads them.

use super::geometry::Geometry;

/// Columns of the channels that come out: what one register tile covers.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    /// The first channel.
    pub start: usize,
    /// Vectors of channels, the last one filled up with zeros.
    pub vectors: usize,
    /// Channels that are there.
    pub channels: usize,
}

/// Splits `channels` into panels of `widest` vectors of `lanes`, and one for the rest.
pub(super) fn panels(
    channels: usize,
    lanes: usize,
    widest: usize,
) -> impl Iterator<Item = Panel> + Clone {
    let width = lanes * widest;
    (0..channels.div_ceil(width)).map(move |i| {
        let start = i * width;
        let channels = (channels - start).min(width);
        Panel {
            start,
            vectors: channels.div_ceil(lanes),
            channels,
        }
    })
}

/// Which way the weights are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From input channels to output channels.
    Forward,
    /// From output channels to input channels, the kernel turned by half a turn: the transpose.
    Backward,
}

/// Weights by panel, then place in the window, then channel summed over, then channel of the panel.
pub(super) struct Packed {
    pub values: Vec<f32>,
    /// Terms of one sum: places of the window times channels.
    pub terms: usize,
}

/// Packs the weights `[channels_out, channels_in, kernel, kernel]` at those places of the kernel, in the
/// order of the window.
pub(super) fn pack(
    weight: &[f32],
    geometry: &Geometry,
    direction: Direction,
    places: &[usize],
    lanes: usize,
    widest: usize,
) -> Packed {
    let area = geometry.kernel * geometry.kernel;
    let (sources, targets) = match direction {
        Direction::Forward => (geometry.channels_in, geometry.channels_out),
        Direction::Backward => (geometry.channels_out, geometry.channels_in),
    };
    let terms = places.len() * sources;
    let mut values = vec![0.0; terms * targets.div_ceil(lanes) * lanes];
    for panel in panels(targets, lanes, widest) {
        let width = panel.vectors * lanes;
        let block = &mut values[panel.start * terms..][..width * terms];
        // Columns innermost: writes are contiguous, and reads go on where the last ones ended.
        let (column_step, from_step) = match direction {
            Direction::Forward => (geometry.channels_in * area, area),
            Direction::Backward => (area, geometry.channels_in * area),
        };
        for from in 0..sources {
            for (tap, place) in places.iter().enumerate() {
                let column = &weight[panel.start * column_step + from * from_step + place..];
                let row = &mut block[(tap * sources + from) * width..][..panel.channels];
                for (value, weight) in row.iter_mut().zip(column.iter().step_by(column_step)) {
                    *value = *weight;
                }
            }
        }
    }
    Packed { values, terms }
}

/// The inverse of the forward packing for sums by place in the kernel, then input channel, then
/// output channel, of which there are `columns`: the weights' own order.
pub(super) fn unpack(sum: &[f32], columns: usize, geometry: &Geometry) -> Vec<f32> {
    let &Geometry {
        channels_in,
        channels_out,
        kernel,
        ..
    } = geometry;
    let area = kernel * kernel;
    let mut weight = vec![0.0; geometry.len_weight()];
    // Blocks of as many columns as there are floats in a line of the cache.
    for start in (0..channels_out).step_by(16) {
        let block = start..(start + 16).min(channels_out);
        for from in 0..channels_in {
            for tap in 0..area {
                let row = &sum[(tap * channels_in + from) * columns..];
                for to in block.clone() {
                    weight[(to * channels_in + from) * area + tap] = row[to];
                }
            }
        }
    }
    weight
}
