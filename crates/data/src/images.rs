//! Pictures in memory, and the one place where a pixel becomes a number in [−1, 1] and back.

use ndarray::{Array4, Axis};

use crate::error::DataError;
use crate::source::Source;

/// Half of a pixel's range: one step between neighbouring bytes is 1/127.5 after scaling, and
/// the bits per dimension of the bytes are those of the scaled values plus log₂ 127.5.
pub const PIXEL_HALF_RANGE: f32 = 127.5;

/// A byte in [0, 255] scaled to [−1, 1]: x/127.5 − 1.
#[must_use]
pub fn pixel_to_unit(pixel: u8) -> f32 {
    f32::from(pixel) / PIXEL_HALF_RANGE - 1.0
}

/// The byte nearest to a number in [−1, 1]; the inverse of [`pixel_to_unit`]. What lies outside
/// is clamped, and NaN becomes 0.
#[must_use]
pub fn unit_to_pixel(value: f32) -> u8 {
    // The cast saturates, and takes NaN to 0.
    ((value + 1.0) * PIXEL_HALF_RANGE).round() as u8
}

/// Pictures of one size, with classes or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    /// The pixels as bytes, `[N, C, H, W]`.
    pub pixels: Array4<u8>,
    /// One class a picture, `[N]`.
    pub labels: Option<Vec<u8>>,
}

impl ImageSet {
    /// Pixels `[N, C, H, W]` with labels `[N]` or none.
    ///
    /// # Errors
    /// [`DataError::UnevenLabels`] where the two lengths differ.
    pub fn new(pixels: Array4<u8>, labels: Option<Vec<u8>>) -> Result<Self, DataError> {
        let image_count = pixels.len_of(Axis(0));
        match &labels {
            Some(labels) if labels.len() != image_count => Err(DataError::UnevenLabels {
                image_count,
                label_count: labels.len(),
            }),
            _ => Ok(Self { pixels, labels }),
        }
    }
}

impl Source for ImageSet {
    fn len(&self) -> usize {
        self.pixels.len_of(Axis(0))
    }

    fn sample_shape(&self) -> [usize; 3] {
        let (_, channels, height, width) = self.pixels.dim();
        [channels, height, width]
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        out.reserve(indices.len() * self.sample_shape().iter().product::<usize>());
        for &index in indices {
            let image = self.pixels.index_axis(Axis(0), index);
            match image.as_slice() {
                Some(pixels) => out.extend(pixels.iter().map(|&pixel| pixel_to_unit(pixel))),
                None => out.extend(image.iter().map(|&pixel| pixel_to_unit(pixel))),
            }
        }
        Ok(())
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.labels.as_ref()?.get(index).copied()
    }

    fn class_count(&self) -> usize {
        let largest = self.labels.iter().flatten().max();
        largest.map_or(0, |&label| usize::from(label) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array;

    fn ramp() -> ImageSet {
        let pixels = Array::from_shape_fn((3, 2, 2, 4), |(n, c, h, w)| {
            (n * 16 + c * 8 + h * 4 + w) as u8 * 5
        });
        ImageSet::new(pixels, Some(vec![7, 8, 9])).unwrap()
    }

    #[test]
    fn every_byte_survives_scaling_and_back() {
        for pixel in 0..=u8::MAX {
            assert_eq!(unit_to_pixel(pixel_to_unit(pixel)), pixel);
        }
    }

    #[test]
    fn scaling_is_affine_from_minus_one_to_one() {
        assert_eq!(pixel_to_unit(0), -1.0);
        assert_eq!(pixel_to_unit(255), 1.0);
        for pixel in 0..u8::MAX {
            let step = f64::from(pixel_to_unit(pixel + 1)) - f64::from(pixel_to_unit(pixel));
            assert!((step - 2.0 / 255.0).abs() < 1.2e-7, "{pixel}: {step}");
        }
    }

    #[test]
    fn numbers_outside_the_range_are_clamped() {
        assert_eq!(unit_to_pixel(-1.7), 0);
        assert_eq!(unit_to_pixel(f32::NEG_INFINITY), 0);
        assert_eq!(unit_to_pixel(1.01), 255);
        assert_eq!(unit_to_pixel(f32::INFINITY), 255);
        assert_eq!(unit_to_pixel(f32::NAN), 0);
    }

    #[test]
    fn samples_are_appended_in_the_order_asked_for() {
        let set = ramp();
        let mut out = vec![42.0];
        set.write_samples(&[2, 0, 2], &mut out).unwrap();
        assert_eq!(out.len(), 1 + 3 * 16);
        assert_eq!(out[0], 42.0);
        let expected = |n: usize, offset: usize| ((n * 16 + offset) * 5) as f32 / 127.5 - 1.0;
        for offset in 0..16 {
            assert_eq!(out[1 + offset], expected(2, offset));
            assert_eq!(out[17 + offset], expected(0, offset));
            assert_eq!(out[33 + offset], expected(2, offset));
        }
    }

    #[test]
    fn memory_layout_does_not_change_the_samples() {
        let set = ramp();
        let mut channels_last = set.pixels.clone().permuted_axes([0, 2, 3, 1]);
        channels_last = channels_last.as_standard_layout().into_owned();
        let same = ImageSet {
            pixels: channels_last.permuted_axes([0, 3, 1, 2]),
            labels: None,
        };
        assert!(!same.pixels.is_standard_layout());
        let (mut a, mut b) = (Vec::new(), Vec::new());
        set.write_samples(&[0, 1, 2], &mut a).unwrap();
        same.write_samples(&[0, 1, 2], &mut b).unwrap();
        assert_eq!(a, b);
        assert_eq!(same.sample_shape(), [2, 2, 4]);
    }

    #[test]
    fn a_label_is_found_only_where_there_is_one() {
        let mut set = ramp();
        assert_eq!(set.label(1), Some(8));
        assert_eq!(set.label(3), None);
        set.labels = None;
        assert_eq!(set.label(1), None);
    }

    #[test]
    fn labels_of_another_length_are_refused() {
        let pixels = Array4::zeros((3, 1, 2, 2));
        let error = ImageSet::new(pixels, Some(vec![0; 2])).unwrap_err();
        assert!(matches!(
            error,
            DataError::UnevenLabels {
                image_count: 3,
                label_count: 2
            }
        ));
    }
}
