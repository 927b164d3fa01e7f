//! Known pixels.

use std::ops::Range;

use super::{EditError, Projection, require};

/// The elements that are known: inpainting, or outpainting if they are in the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    known: Vec<bool>,
}

impl Mask {
    /// Whether each element of a sample is known, in row-major order. All may be, or none.
    ///
    /// # Errors
    /// There must be an element.
    pub fn new(known: Vec<bool>) -> Result<Self, EditError> {
        let reason = "a mask has as many elements as a sample, one at least";
        require(!known.is_empty(), "mask.len", 0.0, reason)?;
        Ok(Self { known })
    }

    /// Whether each pixel is known, with all of its channels, for samples of shape `[channels, pixels...]`.
    ///
    /// # Errors
    /// There must be a channel and a pixel.
    pub fn of_pixels(channels: usize, pixels: &[bool]) -> Result<Self, EditError> {
        require(channels > 0, "mask.channels", 0.0, "it must be 1 at least")?;
        Self::new(pixels.repeat(channels))
    }

    /// The pixels of a box are unknown (inpainting), for samples of shape `[channels, height, width]`.
    /// [`Mask::inverted`] makes it outpainting.
    ///
    /// # Errors
    /// The box must lie in the picture.
    pub fn without_box(
        [channels, height, width]: [usize; 3],
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Result<Self, EditError> {
        for (field, range, len) in [
            ("mask.rows.end", &rows, height),
            ("mask.columns.end", &columns, width),
        ] {
            let reason = "the box must lie in the picture, and not end before it begins";
            let holds = range.start <= range.end && range.end <= len;
            require(holds, field, range.end as f64, reason)?;
        }
        let pixels: Vec<bool> = (0..height)
            .flat_map(|row| (0..width).map(move |column| (row, column)))
            .map(|(row, column)| !(rows.contains(&row) && columns.contains(&column)))
            .collect();
        Self::of_pixels(channels, &pixels)
    }

    /// What is unknown here is known there, and the other way about.
    #[must_use]
    pub fn inverted(&self) -> Self {
        Self {
            known: self.known.iter().map(|known| !known).collect(),
        }
    }

    /// Whether each element is known.
    #[must_use]
    pub fn known(&self) -> &[bool] {
        &self.known
    }
}

impl Projection for Mask {
    fn sample_len(&self) -> usize {
        self.known.len()
    }

    fn project(&self, sample: &mut [f64]) {
        for (x, known) in sample.iter_mut().zip(&self.known) {
            if !known {
                *x = 0.0;
            }
        }
    }
}
