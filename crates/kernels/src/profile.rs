//! Spans around the operations, for whoever asks where the time goes: `cargo xtask bench --profile`.
//!
//! An operation has one span forward and one backward, whose `shape` tells calls of different cost
//! apart. While nobody listens to the target, a span is a comparison and its shape is not even written.

/// A span around the rest of the block. The shape is evaluated only where someone listens.
macro_rules! operation {
    ($name:literal, $shape:expr) => {
        tracing::trace_span!(target: "profile::operation", $name, shape = $shape).entered()
    };
}

pub(crate) use operation;

use crate::conv;

/// A shape's extents: `32x14x14x16`.
pub(crate) fn extents(shape: &[usize]) -> String {
    let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
    extents.join("x")
}

/// What goes into a convolution and what its kernel is: `32x28x28 16->32 3x3`, with `/2` after it for
/// a stride of 2.
pub(crate) fn convolution(x: [usize; 4], weight: [usize; 4], stride: usize) -> String {
    let [batch, height, width, _] = x;
    let [channels_out, channels_in, rows, columns] = weight;
    let stride = match stride {
        1 => String::new(),
        stride => format!("/{stride}"),
    };
    format!("{batch}x{height}x{width} {channels_in}->{channels_out} {rows}x{columns}{stride}")
}

/// [`convolution`] of a geometry.
pub(crate) fn geometry(of: &conv::Geometry) -> String {
    let [height, width] = of.size;
    convolution(
        [of.batch, height, width, of.channels_in],
        [of.channels_out, of.channels_in, of.kernel, of.kernel],
        of.stride,
    )
}

/// What attention mixes, `32x49 4x16`: samples, pixels, heads and channels of a head.
pub(crate) fn heads([batch, pixels, thirds]: [usize; 3], heads: usize) -> String {
    format!("{batch}x{pixels} {heads}x{}", thirds / 3 / heads)
}

/// What goes into a linear layer and what comes out: `32x49 128->384`.
pub(crate) fn product([batch, tokens, _]: [usize; 3], [from, to]: [usize; 2]) -> String {
    format!("{batch}x{tokens} {from}->{to}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_read_as_they_are_written_in_tables() {
        assert_eq!(extents(&[32, 14, 16]), "32x14x16");
        let weight = [32, 16, 3, 3];
        assert_eq!(
            convolution([8, 28, 27, 16], weight, 1),
            "8x28x27 16->32 3x3"
        );
        assert_eq!(
            convolution([8, 28, 27, 16], weight, 2),
            "8x28x27 16->32 3x3/2"
        );
        assert_eq!(heads([8, 49, 3 * 64], 4), "8x49 4x16");
    }
}
