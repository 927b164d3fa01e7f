//! What can be wrong with what an evaluation is given.

use std::path::PathBuf;

/// Why a measure could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// A set of samples too small for what is asked of it.
    #[error("{set} has {found} samples where {needed} are needed: give it more")]
    TooFewSamples {
        /// Which set.
        set: &'static str,
        /// How many samples it has.
        found: usize,
        /// How many it must have at least.
        needed: usize,
    },

    /// Sets so large that their pairwise distances would not fit in memory.
    #[error(
        "the two sets have {found} points together, and the distances of at most {limit} are kept \
         in memory: evaluate on a random subset"
    )]
    TooManySamples {
        /// How many points both sets have together.
        found: usize,
        /// The most that is taken.
        limit: usize,
    },

    /// Samples without a single coordinate.
    #[error("the samples of {set} have no coordinates: their second axis is empty")]
    NoCoordinates {
        /// Which set.
        set: &'static str,
    },

    /// Two sets that live in different spaces.
    #[error(
        "the first set has {first} coordinates a sample and the second {second}: both must come \
         from the same features"
    )]
    DimensionMismatch {
        /// Coordinates of the first set's samples.
        first: usize,
        /// Coordinates of the second set's samples.
        second: usize,
    },

    /// NaN or infinity among the samples.
    #[error(
        "{set} holds {value} in sample {sample}, coordinate {coordinate}: find the step that made \
         it, or drop that sample and say so"
    )]
    NonFinite {
        /// Which set.
        set: &'static str,
        /// The sample's index.
        sample: usize,
        /// The index within the sample.
        coordinate: usize,
        /// What stands there.
        value: f64,
    },

    /// A covariance that does not fit its mean, or is not symmetric.
    #[error("the covariance does not belong to a Gaussian in {dimension} dimensions: {fault}")]
    NotACovariance {
        /// The length of the mean.
        dimension: usize,
        /// What is wrong with the matrix.
        fault: String,
    },

    /// A decomposition that did not converge, which finite input is not known to cause.
    #[error("the {decomposition} of a {dimension}x{dimension} matrix did not converge")]
    NoConvergence {
        /// Which decomposition.
        decomposition: &'static str,
        /// The size of the matrix.
        dimension: usize,
    },

    /// An option outside its range.
    #[error("{option} = {value} is out of range: {expected}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What it was set to.
        value: String,
        /// What it may be.
        expected: &'static str,
    },

    /// Pictures of another shape than the judge reads.
    #[error(
        "the judge reads grey pictures of shape [1, 28, 28], and these have shape {found:?}: \
         resize or convert them"
    )]
    ImageShape {
        /// Channels, height and width of the pictures given.
        found: [usize; 3],
    },

    /// A buffer that is not as long as its pictures.
    #[error("{count} pictures of 28x28 are {expected} values, and the buffer holds {found}")]
    BufferLength {
        /// The number of pictures promised.
        count: usize,
        /// How many values they have.
        expected: usize,
        /// How many values there are.
        found: usize,
    },

    /// Pictures without classes where classes are learned.
    #[error("the training pictures carry no labels: load them together with their label file")]
    NoLabels,

    /// A class that is no digit.
    #[error("picture {index} has the label {label}, and a digit is 0 to 9")]
    LabelOutOfRange {
        /// The index of the picture.
        index: usize,
        /// Its label.
        label: u8,
    },

    /// Pictures and labels that do not pair up.
    #[error("{images} pictures have {labels} labels: there must be one each")]
    LabelCount {
        /// How many pictures there are.
        images: usize,
        /// How many labels.
        labels: usize,
    },

    /// A digit that no training picture shows.
    #[error("no training picture shows a {digit}: a judge needs all ten digits")]
    MissingDigit {
        /// The digit.
        digit: usize,
    },

    /// Pictures that could not be ordered.
    #[error(transparent)]
    Data(#[from] data::DataError),

    /// A loss that is no longer a number.
    #[error("the judge's loss is {loss} at step {step}: lower learning_rate")]
    Diverged {
        /// The optimiser step, counted from 0.
        step: usize,
        /// The loss there.
        loss: f64,
    },

    /// A device that would not hand back what it computed.
    #[error("the device did not return {what}: {reason}")]
    Device {
        /// What was asked for.
        what: &'static str,
        /// What the device says.
        reason: String,
    },

    /// A file that could not be read.
    #[error("{path} could not be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },

    /// A file that is not a judge, or is damaged.
    #[error("{path} is not a judge of digits: {fault}; train one anew and save it there")]
    NotAJudge {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },

    /// A network in an ONNX file that makes no features.
    #[cfg(feature = "onnx")]
    #[error(transparent)]
    Onnx(#[from] crate::OnnxError),

    /// A file that could not be written.
    #[error("the judge could not be written to {path}: {fault}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        fault: String,
    },
}
