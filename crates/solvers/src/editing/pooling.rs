//! Known means over squares of pixels.

use super::{EditError, Projection, require};

/// The means of squares of `factor` × `factor` pixels are known, that is the picture in a smaller size:
/// super-resolution. Samples have the shape `[channels, height, width]`; the known picture has every mean in
/// all pixels of its square.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AveragePooling {
    channels: usize,
    height: usize,
    width: usize,
    factor: usize,
}

impl AveragePooling {
    /// Squares of `factor` × `factor` pixels.
    ///
    /// # Errors
    /// Nothing may be 0, and height and width must be multiples of the factor.
    pub fn new([channels, height, width]: [usize; 3], factor: usize) -> Result<Self, EditError> {
        for (field, value) in [
            ("pooling.channels", channels),
            ("pooling.height", height),
            ("pooling.width", width),
            ("pooling.factor", factor),
        ] {
            require(value > 0, field, value as f64, "it must be 1 at least")?;
        }
        for (field, value) in [("pooling.height", height), ("pooling.width", width)] {
            let reason = "it must be a multiple of pooling.factor";
            require(value.is_multiple_of(factor), field, value as f64, reason)?;
        }
        Ok(Self {
            channels,
            height,
            width,
            factor,
        })
    }
}

impl Projection for AveragePooling {
    fn sample_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    fn project(&self, sample: &mut [f64]) {
        let (factor, width) = (self.factor, self.width);
        for plane in sample.chunks_exact_mut(self.height * width) {
            for top in (0..self.height).step_by(factor) {
                for left in (0..width).step_by(factor) {
                    let square = (top..top + factor).flat_map(|row| {
                        (left..left + factor).map(move |column| row * width + column)
                    });
                    let sum: f64 = square.clone().map(|place| plane[place]).sum();
                    let mean = sum / (factor * factor) as f64;
                    square.for_each(|place| plane[place] = mean);
                }
            }
        }
    }
}
