#![doc = include_str!("../README.md")]

pub mod digits;
mod error;
pub mod frechet;
mod samples;
pub mod sliced_wasserstein;
pub mod two_sample;

pub use digits::{DigitJudge, JudgeOptions, Progress, Readability, Verdict};
pub use error::EvaluationError;
pub use frechet::{FrechetDistance, Gaussian, frechet_distance, frechet_distance_of_samples};
pub use sliced_wasserstein::{SlicedWasserstein, sliced_wasserstein};
pub use two_sample::{EnergyTest, energy_test};
