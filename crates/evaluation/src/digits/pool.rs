//! The real digits that non-digits are made from, by class.

use data::ImageSet;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::picture::{PIXELS, Picture, SIDE};
use crate::EvaluationError;

/// Labelled digits of 28x28, checked, and found by class.
#[derive(Debug)]
pub struct DigitPool<'a> {
    set: &'a ImageSet,
    labels: &'a [u8],
    by_digit: [Vec<usize>; 10],
}

impl<'a> DigitPool<'a> {
    /// The digits of a set with pixels `[N, 1, 28, 28]` and labels 0 to 9.
    ///
    /// # Errors
    /// Another shape, no labels, other labels, or a digit that does not occur.
    pub fn new(set: &'a ImageSet) -> Result<Self, EvaluationError> {
        let (count, channels, height, width) = set.pixels.dim();
        if [channels, height, width] != [1, SIDE, SIDE] {
            return Err(EvaluationError::ImageShape {
                found: [channels, height, width],
            });
        }
        let labels = set.labels.as_deref().ok_or(EvaluationError::NoLabels)?;
        if labels.len() != count {
            return Err(EvaluationError::LabelCount {
                images: count,
                labels: labels.len(),
            });
        }
        let mut by_digit: [Vec<usize>; 10] = Default::default();
        for (index, &label) in labels.iter().enumerate() {
            by_digit
                .get_mut(usize::from(label))
                .ok_or(EvaluationError::LabelOutOfRange { index, label })?
                .push(index);
        }
        if let Some(digit) = by_digit.iter().position(Vec::is_empty) {
            return Err(EvaluationError::MissingDigit { digit });
        }
        Ok(Self {
            set,
            labels,
            by_digit,
        })
    }

    /// How many digits there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: every digit occurs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Which digit picture `index` shows.
    pub(crate) fn label(&self, index: usize) -> u8 {
        self.labels[index]
    }

    /// Picture `index`.
    pub(crate) fn picture(&self, index: usize) -> Picture {
        let pixels = self.set.pixels.index_axis(ndarray::Axis(0), index);
        let mut picture = Picture::blank();
        debug_assert_eq!(pixels.len(), PIXELS);
        for (ink, pixel) in picture.0.iter_mut().zip(pixels) {
            *ink = f32::from(*pixel) / 255.0;
        }
        picture
    }

    /// The index of any picture.
    pub(crate) fn any(&self, random: &mut ChaCha8Rng) -> usize {
        random.random_range(0..self.len())
    }

    /// Any picture of `digit`, 0 to 9.
    pub(crate) fn any_of(&self, digit: usize, random: &mut ChaCha8Rng) -> Picture {
        let pictures = &self.by_digit[digit];
        self.picture(pictures[random.random_range(0..pictures.len())])
    }

    /// Pictures of K ≤ 10 digits, no two of one class.
    pub(crate) fn of_different_classes<const K: usize>(
        &self,
        random: &mut ChaCha8Rng,
    ) -> [Picture; K] {
        const { assert!(K <= 10) };
        let mut digits: [usize; 10] = std::array::from_fn(|digit| digit);
        std::array::from_fn(|k| {
            let chosen = random.random_range(k..10);
            digits.swap(k, chosen);
            self.any_of(digits[k], random)
        })
    }
}
