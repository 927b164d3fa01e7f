//! Can generated digits be read? A judge trained on MNIST's digits, and on pictures that are none.
mod file;
mod judge;
mod network;
mod non_digits;
mod picture;
mod pool;
#[cfg(test)]
mod test_digits;
mod training;

use burn::tensor::Tensor;

pub use judge::{DigitJudge, Readability, Verdict};
pub use non_digits::NonDigit;
pub use pool::DigitPool;
pub use training::{JudgeOptions, Progress};

use crate::EvaluationError;

/// Classes the judge tells apart: ten digits and "not a digit".
const CLASSES: usize = 11;

/// The class of what is no digit.
const NOT_A_DIGIT: usize = 10;

/// Values of the judge's penultimate layer.
pub const FEATURES: usize = 64;

/// A picture can be read if one digit has at least this probability.
pub const READABLE_CONFIDENCE: f64 = 0.9;

/// A tensor's values in f32.
fn to_host<const D: usize>(
    what: &'static str,
    tensor: Tensor<D>,
) -> Result<Vec<f32>, EvaluationError> {
    let failed = |reason: String| EvaluationError::Device { what, reason };
    let data = tensor.try_into_data().map_err(|e| failed(e.to_string()))?;
    let data = data.convert::<f32>();
    data.try_into_vec().map_err(|e| failed(format!("{e:?}")))
}
