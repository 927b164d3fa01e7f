//! Features of images: what Fréchet distances, precision and recall are taken in.
//!
//! Whatever makes features is a [`FeatureNetwork`]: the [judge of digits](crate::DigitJudge), or, with the
//! crate's feature `onnx`, any network in an ONNX file.

#[cfg(feature = "onnx")]
mod onnx;

use ndarray::{Array2, ArrayView4};

use crate::progress::{Observer, Stage};
use crate::{DigitJudge, EvaluationError};

#[cfg(feature = "onnx")]
pub use onnx::{InputConvention, OnnxError, OnnxFeatures, PixelRange, Resize};

/// Makes features of images.
pub trait FeatureNetwork {
    /// What tells it from other networks, in a word or two for the head of a table.
    fn name(&self) -> &str;

    /// The features of each of N images.
    ///
    /// # Shapes
    /// - `images`: `[N, C, H, W]`, in [−1, 1]; values outside are clamped, as they are when an image is
    ///   saved
    /// - output: `[N, D]`
    ///
    /// # Errors
    /// Images of a shape that the network does not take, NaN or infinity among them, or a network that
    /// fails.
    fn features(
        &self,
        images: ArrayView4<'_, f32>,
        observe: &mut Observer<'_>,
    ) -> Result<Array2<f64>, EvaluationError>;
}

/// What a stage of making features is called.
const STAGE: &str = "features";

impl FeatureNetwork for DigitJudge {
    fn name(&self) -> &str {
        "judge's"
    }

    fn features(
        &self,
        images: ArrayView4<'_, f32>,
        observe: &mut Observer<'_>,
    ) -> Result<Array2<f64>, EvaluationError> {
        let (count, channels, height, width) = images.dim();
        if [channels, height, width] != [1, 28, 28] {
            return Err(EvaluationError::ImageShape {
                found: [channels, height, width],
            });
        }
        let mut tell = |done| {
            observe(Stage {
                what: STAGE,
                done,
                total: count,
            });
        };
        tell(0);
        let values: Vec<f32> = images.iter().copied().collect();
        let features = Self::features(self, &values, count)?;
        tell(count);
        Ok(features)
    }
}
