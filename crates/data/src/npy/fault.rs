//! What can be wrong with an array from NumPy.

/// What makes an npy or npz file useless, and what to do about it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArrayFault {
    /// The file is not npy.
    #[error(
        "not an npy file: it starts with {found:02x?}, and npy with \\x93NUMPY; write it with numpy.save"
    )]
    NotNpy {
        /// Its first six bytes.
        found: Vec<u8>,
    },
    /// A version of the format that does not exist yet.
    #[error("npy version {major}.{minor} is unknown; versions 1.0, 2.0 and 3.0 are read")]
    Version {
        /// The seventh byte.
        major: u8,
        /// The eighth byte.
        minor: u8,
    },
    /// A header that is no Python dictionary of the three known keys, or is longer than any.
    #[error("the npy header is damaged {at}; write the file again with numpy.save")]
    Header {
        /// Where, and what is expected there.
        at: String,
    },
    /// Elements that are no numbers, or of a kind that is not expected here.
    #[error(
        "the elements are of type `{descr}`, where {expected} are expected; convert them with .astype"
    )]
    Element {
        /// NumPy's description of the type.
        descr: String,
        /// What can be used.
        expected: &'static str,
    },
    /// A shape that no set of samples has.
    #[error("the shape is {shape:?}; {expected}")]
    Shape {
        /// The dimensions, outermost first.
        shape: Vec<usize>,
        /// Which shapes can be used.
        expected: &'static str,
    },
    /// A number that is no pixel's.
    #[error(
        "sample {index} holds {value}, and pixels in floating point lie in [-1, 1]; scale them, \
         e.g. x / 127.5 - 1, or save the bytes themselves (uint8)"
    )]
    OutOfRange {
        /// The sample.
        index: usize,
        /// The number.
        value: f32,
    },
    /// NaN or an infinity.
    #[error("sample {index} holds {value}; take it out, or replace what is not finite")]
    NotFinite {
        /// The sample.
        index: usize,
        /// The number.
        value: f32,
    },
    /// The archive has no such array, or several to choose from.
    #[error("{asked}; the archive holds {}", list(names))]
    Member {
        /// What was asked for.
        asked: String,
        /// The arrays that there are.
        names: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    match names {
        [] => "no array at all".to_owned(),
        names if names.len() > SHOWN => {
            format!(
                "{} and {} more",
                names[..SHOWN].join(", "),
                names.len() - SHOWN
            )
        }
        names => names.join(", "),
    }
}
