//! The judge and its verdicts.

use burn::tensor::{Device, Tensor};
use data::ImageSet;
use ndarray::Array2;
use serde::Serialize;

use super::network::{Network, windows};
use super::picture::PIXELS;
use super::pool::DigitPool;
use super::training::{self, JudgeOptions, Progress};
use super::{CLASSES, FEATURES, NOT_A_DIGIT, READABLE_CONFIDENCE, to_host};
use crate::EvaluationError;

/// Pictures that go through the network at a time.
const CHUNK: usize = 250;

/// What the judge takes a picture for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The most probable class: a digit, or `None` for "not a digit".
    pub digit: Option<u8>,
    /// The probability of that class.
    pub confidence: f64,
}

impl Verdict {
    /// The digit if its probability is at least [`READABLE_CONFIDENCE`].
    #[must_use]
    pub fn read(&self) -> Option<u8> {
        self.digit
            .filter(|_| self.confidence >= READABLE_CONFIDENCE)
    }
}

/// How many of a set of pictures can be read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Readability {
    /// The share that can be read, in [0, 1].
    pub readable: f64,
    /// How many were read as each digit. Among samples of a model of MNIST they should be about
    /// even; one digit over and over is a collapse that the share alone does not show.
    pub per_class: [usize; 10],
    /// How many pictures there are.
    pub n: usize,
    /// The binomial standard error of the share, √(p(1 − p)/n): what another draw of as many
    /// pictures would change. It is 0 where all or none are readable, and then says too little.
    pub standard_error: f64,
}

impl Readability {
    /// The share among verdicts.
    ///
    /// # Errors
    /// [`EvaluationError::TooFewSamples`] if there are none.
    pub fn of(verdicts: &[Verdict]) -> Result<Self, EvaluationError> {
        let n = verdicts.len();
        if n == 0 {
            return Err(EvaluationError::TooFewSamples {
                set: "the set of pictures",
                found: 0,
                needed: 1,
            });
        }
        let mut per_class = [0; 10];
        for digit in verdicts.iter().filter_map(Verdict::read) {
            per_class[usize::from(digit)] += 1;
        }
        let readable = per_class.iter().sum::<usize>() as f64 / n as f64;
        Ok(Self {
            readable,
            per_class,
            n,
            standard_error: (readable * (1.0 - readable) / n as f64).sqrt(),
        })
    }
}

/// A classifier that knows the ten digits and "not a digit".
#[derive(Clone, Debug)]
pub struct DigitJudge {
    pub(super) network: Network,
    pub(super) device: Device,
    pub(super) options: JudgeOptions,
}

impl DigitJudge {
    /// Trains a judge on labelled digits `[N, 1, 28, 28]` and on non-digits made from them
    /// ([`NonDigit::SEEN`](super::NonDigit::SEEN)). `progress` is told the loss every 20 steps and at
    /// the end.
    ///
    /// # Errors
    /// Options out of range; pictures of another shape, without labels or without one of the ten
    /// digits; a loss that diverges; a device that fails.
    pub fn train(
        train: &ImageSet,
        options: JudgeOptions,
        device: &Device,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, EvaluationError> {
        let pool = DigitPool::new(train)?;
        Ok(Self {
            network: training::train(&pool, &options, device, progress)?,
            device: device.clone().without_autodiff(),
            options,
        })
    }

    /// What the judge was trained with.
    #[must_use]
    pub fn options(&self) -> &JudgeOptions {
        &self.options
    }

    /// What each of `count` pictures shows. `images` are their values in [−1, 1], `[count, 28, 28]`
    /// row by row; values outside are clamped, as they are when a picture is saved.
    ///
    /// # Errors
    /// A buffer of another length, NaN or infinity in it, or a device that fails.
    pub fn classify(&self, images: &[f32], count: usize) -> Result<Vec<Verdict>, EvaluationError> {
        let mut verdicts = Vec::new();
        self.for_chunks(images, count, |features| {
            let logits = to_host("the logits", self.network.logits(features))?;
            verdicts.extend(logits.chunks_exact(CLASSES).map(verdict));
            Ok(())
        })?;
        Ok(verdicts)
    }

    /// The share of `count` pictures that can be read; `images` as in [`classify`](Self::classify).
    ///
    /// A picture can be read if a digit has a probability of at least [`READABLE_CONFIDENCE`].
    ///
    /// # Errors
    /// As for [`classify`](Self::classify), and if there are no pictures.
    pub fn readable_share(
        &self,
        images: &[f32],
        count: usize,
    ) -> Result<Readability, EvaluationError> {
        Readability::of(&self.classify(images, count)?)
    }

    /// The penultimate layer's output for `count` pictures, `[count, 64]`; `images` as in
    /// [`classify`](Self::classify).
    ///
    /// A [Fréchet distance](crate::frechet_distance_of_samples) between these of samples and of test
    /// digits is a distance *in this judge's features*. It is no FID, and compares only with
    /// distances taken with the same judge and the same numbers of pictures.
    ///
    /// # Errors
    /// As for [`classify`](Self::classify).
    pub fn features(&self, images: &[f32], count: usize) -> Result<Array2<f64>, EvaluationError> {
        let mut values = Vec::new();
        self.for_chunks(images, count, |features| {
            let features = to_host("the features", features)?;
            values.extend(features.into_iter().map(f64::from));
            Ok(())
        })?;
        Ok(Array2::from_shape_vec((count, FEATURES), values)
            .expect("the network gives each picture its features"))
    }

    fn for_chunks(
        &self,
        images: &[f32],
        count: usize,
        mut take: impl FnMut(Tensor<2>) -> Result<(), EvaluationError>,
    ) -> Result<(), EvaluationError> {
        let expected = count.saturating_mul(PIXELS);
        if images.len() != expected {
            return Err(EvaluationError::BufferLength {
                count,
                expected,
                found: images.len(),
            });
        }
        if let Some(index) = images.iter().position(|value| !value.is_finite()) {
            return Err(EvaluationError::NonFinite {
                set: "the set of pictures",
                sample: index / PIXELS,
                coordinate: index % PIXELS,
                value: f64::from(images[index]),
            });
        }
        for chunk in images.chunks(CHUNK * PIXELS) {
            let clamped: Vec<f32> = chunk.iter().map(|value| value.clamp(-1.0, 1.0)).collect();
            take(self.network.features(windows(&clamped, &self.device)))?;
        }
        Ok(())
    }
}

/// The most probable class, from its logits. The softmax is taken in double precision.
fn verdict(logits: &[f32]) -> Verdict {
    let class = (0..CLASSES)
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .expect("there are classes");
    let largest = f64::from(logits[class]);
    let total: f64 = logits.iter().map(|l| (f64::from(*l) - largest).exp()).sum();
    Verdict {
        digit: (class != NOT_A_DIGIT).then_some(class as u8),
        confidence: 1.0 / total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::test_digits::bars;
    use rand::SeedableRng;

    fn untrained() -> DigitJudge {
        let device = Device::flex();
        DigitJudge {
            network: Network::new(3, &device),
            device,
            options: JudgeOptions::default(),
        }
    }

    fn verdict_of(digit: Option<u8>, confidence: f64) -> Verdict {
        Verdict { digit, confidence }
    }

    #[test]
    fn a_verdict_is_the_largest_logit_and_its_softmax() {
        let mut logits = [0.0; CLASSES];
        logits[4] = 2.0;
        let found = verdict(&logits);
        assert_eq!(found.digit, Some(4));
        let expected = 2_f64.exp() / (2_f64.exp() + 10.0);
        assert!((found.confidence - expected).abs() < 1e-15);
        logits[NOT_A_DIGIT] = 400.0;
        assert_eq!(verdict(&logits), verdict_of(None, 1.0));
    }

    #[test]
    fn only_sure_digits_can_be_read() {
        let verdicts = [
            verdict_of(Some(3), 0.95),
            verdict_of(Some(3), READABLE_CONFIDENCE),
            verdict_of(Some(3), 0.89),
            verdict_of(None, 0.99),
            verdict_of(Some(9), 1.0),
        ];
        let found = Readability::of(&verdicts).unwrap();
        assert_eq!(found.per_class, [0, 0, 0, 2, 0, 0, 0, 0, 0, 1]);
        assert_eq!((found.n, found.readable), (5, 0.6));
        assert!((found.standard_error - (0.24_f64 / 5.0).sqrt()).abs() < 1e-15);
        assert!(matches!(
            Readability::of(&[]),
            Err(EvaluationError::TooFewSamples { .. })
        ));
    }

    #[test]
    fn verdicts_and_features_of_a_picture_do_not_depend_on_its_neighbours() {
        let judge = untrained();
        // More than one chunk.
        let count = CHUNK + 7;
        let values = |i: usize| ((i * 31 + i / 784 * 17) % 199) as f32 / 99.0 - 1.0;
        let images: Vec<f32> = (0..count * PIXELS).map(values).collect();
        let together = judge.features(&images, count).unwrap();
        assert_eq!(together.dim(), (count, FEATURES));
        for index in [0, CHUNK - 1, CHUNK, count - 1] {
            let alone = &images[index * PIXELS..(index + 1) * PIXELS];
            let features = judge.features(alone, 1).unwrap();
            let gaps = &features.row(0) - &together.row(index);
            assert!(gaps.iter().all(|gap| gap.abs() < 1e-5));
            let (one, all) = (
                judge.classify(alone, 1).unwrap()[0],
                judge.classify(&images, count).unwrap()[index],
            );
            assert_eq!(one.digit, all.digit);
            assert!((one.confidence - all.confidence).abs() < 1e-5);
        }
    }

    #[test]
    fn values_beyond_the_range_are_those_of_its_ends() {
        let judge = untrained();
        let images: Vec<f32> = (0..PIXELS).map(|i| (i % 7) as f32 - 3.0).collect();
        let clamped: Vec<f32> = images.iter().map(|v| v.clamp(-1.0, 1.0)).collect();
        assert_eq!(
            judge.features(&images, 1).unwrap(),
            judge.features(&clamped, 1).unwrap()
        );
    }

    #[test]
    fn bad_buffers_are_refused() {
        let judge = untrained();
        assert!(matches!(
            judge.classify(&[0.0; PIXELS], 2),
            Err(EvaluationError::BufferLength {
                count: 2,
                found: PIXELS,
                ..
            })
        ));
        assert!(judge.classify(&[], usize::MAX).is_err());
        let mut images = vec![0.0; 2 * PIXELS];
        images[PIXELS + 5] = f32::NAN;
        assert!(matches!(
            judge.features(&images, 2),
            Err(EvaluationError::NonFinite {
                sample: 1,
                coordinate: 5,
                ..
            })
        ));
        assert!(judge.classify(&[], 0).unwrap().is_empty());
        assert!(judge.readable_share(&[], 0).is_err());
    }

    #[test]
    fn bars_are_learned_in_a_hundred_steps_and_blank_paper_is_no_bar() {
        let options = JudgeOptions {
            steps: 100,
            batch: 32,
            ..JudgeOptions::default()
        };
        let set = bars(20);
        let device = Device::flex();
        let judge = DigitJudge::train(&set, options, &device, &mut |_| {}).unwrap();
        let pool = DigitPool::new(&set).unwrap();
        let mut random = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
        let mut images = Vec::new();
        (0..10).for_each(|i| pool.picture(i).write(0.0, &mut random, &mut images));
        let digits = judge.classify(&images, 10).unwrap();
        let right = (0..10)
            .filter(|&i| digits[i].digit == Some(i as u8))
            .count();
        assert!(right >= 9, "{digits:?}");
        let blank = judge.readable_share(&[-1.0; 3 * PIXELS], 3).unwrap();
        assert_eq!(blank.readable, 0.0);
    }
}
