//! Which windows of a frame belong to which pixels, for a direct convolution and for the gradient of
//! its input.

use super::geometry::{Frame, Geometry};
use super::weights::{Direction, Packed, pack};

/// Pixels of the output whose windows are of one shape and see the same places of the kernel.
///
/// Forward all pixels are alike. The gradient at a pixel of the input comes from the outputs whose
/// windows it lay in, and with a stride of 2 these differ from pixel to pixel: even ones were in the
/// middle of a window, odd ones on two windows' edges. So there are as many phases as the square of the
/// stride, and no product with a zero that a stride left between gradients.
pub(super) struct Phase {
    pub weights: Packed,
    /// Rows and columns of a window.
    pub window: [usize; 2],
    /// Row and column of the frame where the first window begins.
    pub from: [usize; 2],
    /// Pixels of the frame from one window to the next.
    pub step_in: usize,
    /// Row and column of the output where the first pixel lies.
    pub to: [usize; 2],
    /// Pixels of the output from one to the next.
    pub step_out: usize,
}

/// The places of the kernel along one axis that meet the pixels `phase`, `phase` + stride, …, from the
/// last to the first, which is the order of the gradients that they meet.
fn places(geometry: &Geometry, phase: usize) -> Vec<usize> {
    let first = (phase + geometry.kernel / 2) % geometry.stride;
    (first..geometry.kernel)
        .step_by(geometry.stride)
        .rev()
        .collect()
}

/// The phases of a convolution, and the frame that their windows lie in.
pub(super) fn phases(
    weight: &[f32],
    geometry: &Geometry,
    direction: Direction,
    lanes: usize,
    widest: usize,
) -> (Frame, Vec<Phase>) {
    let &Geometry { kernel, stride, .. } = geometry;
    if direction == Direction::Forward {
        let taps: Vec<usize> = (0..kernel * kernel).collect();
        let phase = Phase {
            weights: pack(weight, geometry, direction, &taps, lanes, widest),
            window: [kernel; 2],
            from: [0; 2],
            step_in: stride,
            to: [0; 2],
            step_out: 1,
        };
        return (Frame::of_input(geometry), vec![phase]);
    }
    let frame = Frame::of_gradient(geometry);
    let mut phases = Vec::new();
    for row in 0..stride {
        for column in 0..stride {
            let [rows, columns] = [row, column].map(|phase| places(geometry, phase));
            let taps: Vec<usize> = rows
                .iter()
                .flat_map(|y| columns.iter().map(move |x| y * kernel + x))
                .collect();
            // The gradient that the first place in order meets, counted from the frame's beginning.
            let begin = |phase: usize, places: &[usize]| {
                let place = places.first().copied().unwrap_or(0);
                (frame.before * stride + phase + kernel / 2 - place) / stride
            };
            phases.push(Phase {
                weights: pack(weight, geometry, direction, &taps, lanes, widest),
                window: [rows.len(), columns.len()],
                from: [begin(row, &rows), begin(column, &columns)],
                step_in: 1,
                to: [row, column],
                step_out: stride,
            });
        }
    }
    (frame, phases)
}
