//! Features by a network in an ONNX file, run by `rten`.
//!
//! Taken apart into what is read ([`wire`]), what is run ([`network`]) and what pictures look like to it
//! ([`input`]).

mod input;
mod network;
mod wire;

use std::path::PathBuf;

pub use input::{InputConvention, PixelRange, Resize};
pub use network::OnnxFeatures;

/// Why a network in a file makes no features.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// A file that could not be read.
    #[error("{path} could not be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },

    /// A file that is no ONNX network, is damaged, or uses what the runtime does not know.
    #[error("{path} cannot be used as an ONNX network: {fault}")]
    NotANetwork {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; names the operator where one is at fault.
        fault: String,
    },

    /// A network with other inputs than one batch of images.
    #[error(
        "{path} does not take images: {fault}; its one input must be f32 [N, C, H, W], C 1 or 3, on its \
         own or with an N that is not fixed"
    )]
    Input {
        /// The file.
        path: PathBuf,
        /// What its input is.
        fault: String,
    },

    /// An output that is none, or no vector an image.
    #[error(
        "{path} does not give features: {fault}; name an output that is f32 [N, D] or [N, D, 1, 1] with \
         the field `output`"
    )]
    Output {
        /// The file.
        path: PathBuf,
        /// What its output is.
        fault: String,
    },

    /// A network that failed on images.
    #[error("{path} failed on images of shape {shape:?}: {fault}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// What it was given, `[N, C, H, W]`.
        shape: [usize; 4],
        /// What the runtime says; names the operator.
        fault: String,
    },

    /// A convention that cannot be followed.
    #[error("{field} = {value} cannot be followed: {expected}")]
    Convention {
        /// The field.
        field: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        expected: &'static str,
    },

    /// Images that the convention does not turn into what the network takes.
    #[error("images of shape {found:?} do not fit the network: {fault}")]
    Images {
        /// Channels, height and width of the images.
        found: [usize; 3],
        /// What does not fit.
        fault: String,
    },
}
