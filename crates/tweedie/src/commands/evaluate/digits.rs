//! Digits, by a judge that reads them.

mod more;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use data::{ImageSet, Mnist, Source, Split};
use evaluation::{
    Bootstrap, DigitJudge, JudgeOptions, Readability, Verdict, frechet_distance_of_samples,
};
use ndarray::{Array2, Array4, Axis};

use super::asked::Asked;
use super::report::{Figure, Report, Style};
use super::spaces::{Compared, add_frechet};
use super::{Findings, Measure};
use crate::failure::Fault;
use crate::files::make_folder;
use crate::runs::RUNS;
use crate::terminal::{Progress, note};

/// Samples of MNIST.
pub struct Digits {
    judge: DigitJudge,
    train: ImageSet,
    test: ImageSet,
    test_features: OnceCell<Array2<f64>>,
}

impl Digits {
    /// With the digits in `path` and a judge of them, trained now if there is none yet.
    pub fn new(path: &Path, device: &Device) -> Result<Self> {
        let load = |split| {
            Mnist::load(path, split).with_context(|| {
                Fault::failed(format!("the data set at {} cannot be used", path.display())).hint(
                    "samples are measured against the data: data.path in the run's config.toml",
                )
            })
        };
        let (train, test) = (load(Split::Train)?, load(Split::Test)?);
        Ok(Self {
            judge: judge(&train, device)?,
            train,
            test,
            test_features: OnceCell::new(),
        })
    }
}

impl Digits {
    /// The squared Fréchet distance of images to the test set, and the share of those that cannot be
    /// read.
    pub fn judged(&self, images: &Array4<f32>) -> Result<(f64, f64)> {
        let samples: Vec<f32> = images.iter().copied().collect();
        let count = images.len_of(Axis(0));
        let readable = self.judge.readable_share(&samples, count)?;
        let features = self.judge.features(&samples, count)?;
        Ok((self.distance(&features)?, 1.0 - readable.readable))
    }

    /// The squared Fréchet distance of images to the test set, and of each digit in `classes` the share that is
    /// taken for it; none of a digit that is not among them.
    pub fn judged_by_class(
        &self,
        images: &Array4<f32>,
        classes: &[usize],
    ) -> Result<(f64, [Option<f64>; 10])> {
        let samples: Vec<f32> = images.iter().copied().collect();
        let count = images.len_of(Axis(0));
        let verdicts = self.judge.classify(&samples, count)?;
        let features = self.judge.features(&samples, count)?;
        Ok((self.distance(&features)?, shares(&verdicts, classes)))
    }

    /// The share of the test set that is taken for what it is labelled as, of all and of each digit.
    pub fn accuracy_on_test(&self) -> Result<(f64, [Option<f64>; 10])> {
        let (count, labels) = (self.test.len(), self.test_labels());
        let verdicts = self.judge.classify(&values(&self.test, count), count)?;
        let right = hits(&verdicts, &labels).filter(|hit| *hit).count();
        Ok((right as f64 / count as f64, shares(&verdicts, &labels)))
    }

    fn test_labels(&self) -> Vec<usize> {
        let labels = (0..self.test.len()).filter_map(|index| self.test.label(index));
        labels.map(usize::from).collect()
    }

    /// The squared Fréchet distance of `count` training images to the test set.
    pub fn real_distance(&self, count: usize) -> Result<f64> {
        let count = count.min(self.train.len());
        let features = self.judge.features(&values(&self.train, count), count)?;
        self.distance(&features)
    }

    /// The share of the test set that cannot be read.
    pub fn unreadable_share_of_test(&self) -> Result<f64> {
        let count = self.test.len();
        let readable = self
            .judge
            .readable_share(&values(&self.test, count), count)?;
        Ok(1.0 - readable.readable)
    }

    fn distance(&self, features: &Array2<f64>) -> Result<f64> {
        let test = self.test_features()?;
        let found = frechet_distance_of_samples(features.view(), test.view())?;
        Ok(found.squared())
    }

    /// The judge's features of the test set, computed once.
    fn test_features(&self) -> Result<&Array2<f64>> {
        if let Some(features) = self.test_features.get() {
            return Ok(features);
        }
        let count = self.test.len();
        let features = self.judge.features(&values(&self.test, count), count)?;
        Ok(self.test_features.get_or_init(|| features))
    }
}

/// Of each digit in `classes` the share of verdicts that are it.
fn shares(verdicts: &[Verdict], classes: &[usize]) -> [Option<f64>; 10] {
    std::array::from_fn(|digit| {
        let of_digit = hits(verdicts, classes)
            .zip(classes)
            .filter(|(_, class)| **class == digit);
        let hits: Vec<bool> = of_digit.map(|(hit, _)| hit).collect();
        let right = hits.iter().filter(|hit| **hit).count();
        (!hits.is_empty()).then(|| right as f64 / hits.len() as f64)
    })
}

/// Where a judge with these options is kept.
fn kept(options: &JudgeOptions) -> PathBuf {
    let name = format!("mnist-{}-steps-seed-{}", options.steps, options.seed);
    Path::new(RUNS).join(".judge").join(name)
}

fn judge(train: &ImageSet, device: &Device) -> Result<DigitJudge> {
    let options = JudgeOptions::default();
    let path = kept(&options);
    if path.exists() {
        match DigitJudge::load(&path, device) {
            Ok(judge) => return Ok(judge),
            Err(error) => note(format!(
                "the judge kept from before cannot be used: {error}"
            )),
        }
    }
    note(format!(
        "training the judge that reads digits, once, about a minute; it is kept in {}",
        path.display()
    ));
    let mut bar = Progress::new("judge", options.steps as u64, 0);
    let judge = DigitJudge::train(train, options, device, &mut |progress| {
        bar.advance(progress.step as u64);
        bar.tell(&format!("loss {:.4}", progress.loss));
    })?;
    drop(bar);
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    judge.save(&path)?;
    Ok(judge)
}

/// Digits, with what is asked of an evaluation of them.
pub struct Measured<'a> {
    /// What is measured with.
    pub digits: Digits,
    /// What is asked for beside it.
    pub asked: &'a Asked,
}

impl Measure for Measured<'_> {
    fn measure(&self, images: &Array4<f32>, classes: Option<&[usize]>) -> Result<Findings> {
        let samples: Vec<f32> = images.iter().copied().collect();
        let count = images.len_of(Axis(0));
        let Digits {
            judge, train, test, ..
        } = &self.digits;
        let asked = self.asked;
        let real_count = count.min(train.len());

        let of_samples = judge.classify(&samples, count)?;
        let of_test = judge.classify(&values(test, test.len()), test.len())?;
        let mut report = Report::new("test set");
        report.add(
            "readable",
            "readable",
            Style::Share,
            readable(&of_samples, &asked.bootstrap)?,
            Some(readable(&of_test, &asked.bootstrap)?),
        );
        if let Some(classes) = classes {
            let labels = self.digits.test_labels();
            report.add(
                "taken for the digit asked for",
                "of_class",
                Style::Share,
                right(&of_samples, classes, &asked.bootstrap)?,
                Some(right(&of_test, &labels, &asked.bootstrap)?),
            );
        }
        let features = judge.features(&samples, count)?;
        let of_train = judge.features(&values(train, real_count), real_count)?;
        let compared = Compared {
            samples: features.view(),
            data: of_train.view(),
        };
        let test_features = self.digits.test_features()?;
        let (name, key) = ("judge's", "frechet_squared");
        add_frechet(
            &mut report,
            name,
            key,
            &compared,
            test_features,
            &asked.bootstrap,
        )?;
        let (of_samples, of_test) = (Readability::of(&of_samples)?, Readability::of(&of_test)?);
        for digit in 0..10 {
            let read_as =
                |found: &Readability| Figure::new(found.per_class[digit] as f64 / found.n as f64);
            report.add(
                format!("read as {digit}"),
                format!("read_as_{digit}"),
                Style::Share,
                read_as(&of_samples),
                Some(read_as(&of_test)),
            );
        }
        report.note(format!(
            "Readable: one digit has a probability of at least {} to the judge, who also knows what \
             is no digit.\n\
             The Fréchet distance, squared, is to the test set; beside it that of {real_count} \
             training images.\n\
             It is larger for being taken of finite sets, the more the fewer they are; below it stands \
             what\nis left without that bias.",
            evaluation::digits::READABLE_CONFIDENCE
        ));
        let neighbours = self.more(images, &mut report)?;
        Ok(Findings { report, neighbours })
    }
}

/// The share whose most probable digit is the one in `classes`, with its standard error and its interval.
fn right(verdicts: &[Verdict], classes: &[usize], bootstrap: &Bootstrap) -> Result<Figure> {
    let shares: Vec<f64> = hits(verdicts, classes)
        .map(|hit| f64::from(u8::from(hit)))
        .collect();
    let share = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    Ok(Figure {
        spread: Some((share * (1.0 - share) / shares.len().max(1) as f64).sqrt()),
        ..bootstrap.of_mean(&shares)?.into()
    })
}

/// Whether each verdict is the digit in `classes`.
fn hits<'a>(verdicts: &'a [Verdict], classes: &'a [usize]) -> impl Iterator<Item = bool> + 'a {
    (verdicts.iter().zip(classes))
        .map(|(verdict, &class)| verdict.digit.map(usize::from) == Some(class))
}

/// The share that can be read, with its standard error and its interval.
fn readable(verdicts: &[Verdict], bootstrap: &Bootstrap) -> Result<Figure> {
    let read = |verdict: &Verdict| f64::from(u8::from(verdict.read().is_some()));
    let shares: Vec<f64> = verdicts.iter().map(read).collect();
    Ok(Figure {
        spread: Some(Readability::of(verdicts)?.standard_error),
        ..bootstrap.of_mean(&shares)?.into()
    })
}

fn values(images: &ImageSet, count: usize) -> Vec<f32> {
    let indices: Vec<usize> = (0..count).collect();
    let mut values = Vec::new();
    (images.write_samples(&indices, &mut values)).expect("what lies in memory can be read");
    values
}
