//! Spans around the parts of a network, for `cargo xtask bench --profile`; a comparison each while
//! nobody listens to the target.

/// A span around the rest of the block. Height and width are evaluated only where someone listens.
macro_rules! layer {
    ($name:literal) => {
        tracing::trace_span!(target: "profile::layer", $name).entered()
    };
    ($name:literal, $size:expr) => {{
        tracing::trace_span!(target: "profile::layer", $name, shape = {
            let [height, width]: [usize; 2] = $size;
            format!("{height}x{width}")
        })
        .entered()
    }};
}

pub(crate) use layer;
