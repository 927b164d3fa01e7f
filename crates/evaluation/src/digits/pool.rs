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

    /// Picture `index`, one time in five with up to a fifth of another one's ink: a faint ghost
    /// makes a digit no less readable.
    pub(crate) fn with_ghost(&self, index: usize, random: &mut ChaCha8Rng) -> Picture {
        let mut digit = self.picture(index);
        if random.random_bool(0.2) {
            let ghost = self.picture(self.any(random));
            let share = random.random_range(0.0..0.2);
            for (ink, other) in digit.0.iter_mut().zip(ghost.0.iter()) {
                *ink = (1.0 - share) * *ink + share * other;
            }
        }
        digit
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::test_digits::bars;
    use ndarray::Array4;
    use rand::SeedableRng;

    #[test]
    fn pictures_and_labels_are_those_of_the_set() {
        let set = bars(3);
        let pool = DigitPool::new(&set).unwrap();
        assert_eq!(pool.len(), 30);
        assert_eq!(pool.label(17), 7);
        for (ink, pixel) in pool
            .picture(17)
            .0
            .iter()
            .zip(set.pixels.index_axis(ndarray::Axis(0), 17))
        {
            assert_eq!(*ink, f32::from(*pixel) / 255.0);
        }
    }

    #[test]
    fn pictures_of_different_classes_are_of_different_classes_and_all_come_up() {
        let set = bars(2);
        let pool = DigitPool::new(&set).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let class = |picture: &Picture| {
            (0..20)
                .find(|&i| pool.picture(i) == *picture)
                .map(|i| pool.label(i))
                .unwrap()
        };
        let mut seen = [0; 10];
        for _ in 0..500 {
            let mut classes = pool
                .of_different_classes::<4>(&mut random)
                .map(|picture| class(&picture));
            classes.sort_unstable();
            assert!(classes.windows(2).all(|w| w[0] < w[1]));
            classes.iter().for_each(|&c| seen[usize::from(c)] += 1);
        }
        // 200 each, give or take five deviations of √(500 · 0.4 · 0.6).
        assert!(seen.iter().all(|&s| (145..=255).contains(&s)), "{seen:?}");
    }

    #[test]
    fn sets_that_no_judge_can_learn_from_are_refused() {
        let wide = ImageSet {
            pixels: Array4::zeros((1, 3, 32, 32)),
            labels: Some(vec![0]),
        };
        assert!(matches!(
            DigitPool::new(&wide),
            Err(EvaluationError::ImageShape { found: [3, 32, 32] })
        ));
        let with = |change: fn(&mut Vec<u8>)| {
            let mut set = bars(1);
            change(set.labels.as_mut().unwrap());
            DigitPool::new(&set).unwrap_err()
        };
        assert!(matches!(
            with(|labels| labels[4] = 10),
            EvaluationError::LabelOutOfRange {
                index: 4,
                label: 10
            }
        ));
        assert!(matches!(
            with(|labels| labels[4] = 5),
            EvaluationError::MissingDigit { digit: 4 }
        ));
        assert!(matches!(
            with(|labels| labels.truncate(9)),
            EvaluationError::LabelCount {
                images: 10,
                labels: 9
            }
        ));
        let mut unlabelled = bars(1);
        unlabelled.labels = None;
        assert!(matches!(
            DigitPool::new(&unlabelled),
            Err(EvaluationError::NoLabels)
        ));
    }
}
