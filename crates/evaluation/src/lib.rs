#![doc = include_str!("../README.md")]

pub mod bootstrap;
pub mod digits;
mod error;
pub mod features;
pub mod frechet;
pub mod memorisation;
pub mod nearest;
pub mod precision_recall;
pub mod progress;
mod samples;
pub mod sliced_wasserstein;
pub mod two_sample;

pub use bootstrap::{Bootstrap, Estimate};
pub use digits::{DigitJudge, JudgeOptions, Progress, Readability, Verdict};
pub use error::EvaluationError;
pub use features::FeatureNetwork;
#[cfg(feature = "onnx")]
pub use features::{InputConvention, OnnxError, OnnxFeatures, PixelRange, Resize};
pub use frechet::{
    FrechetDistance, Gaussian, frechet_distance, frechet_distance_of_samples, frechet_interval,
};
pub use memorisation::{Memorisation, MemorisationFigures, Points, memorisation};
pub use nearest::{Coordinate, Neighbours, nearest_neighbours, nearest_others};
pub use precision_recall::{ManifoldOptions, PrecisionRecall, precision_recall};
pub use progress::{Observer, Stage, unobserved};
pub use sliced_wasserstein::{SlicedWasserstein, sliced_wasserstein, sliced_wasserstein_interval};
pub use two_sample::{EnergyTest, energy_test};
