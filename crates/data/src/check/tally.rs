//! What a check counts while it goes over the samples.

use std::collections::{BTreeMap, HashMap};

use super::report::{ChannelMoments, ClassCount, Finding, Problem, Report, SizeCount};
use crate::error::DataError;
use crate::folder::PictureFault;

/// The first half of a SHA-256: enough that no two contents of a set share it by chance.
pub(super) type Digest = [u8; 16];

/// Sum and sum of squares of a channel, and how many numbers they are of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) squares: f64,
}

impl Sums {
    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn moments(self) -> ChannelMoments {
        let count = self.count as f64;
        let mean = self.sum / count;
        ChannelMoments {
            mean,
            std: (self.squares / count - mean * mean).max(0.0).sqrt(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    report: Report,
    counts: Vec<usize>,
    sizes: BTreeMap<[usize; 2], usize>,
    sums: Vec<Sums>,
    /// Where each content was met first.
    seen: HashMap<Digest, String>,
}

impl Tally {
    pub(super) fn new(kind: &str) -> Self {
        Self {
            report: Report {
                kind: kind.to_owned(),
                ..Report::default()
            },
            ..Self::default()
        }
    }

    pub(super) fn set_shape(&mut self, shape: [usize; 3]) {
        self.report.shape = Some(shape);
        self.sums = vec![Sums::default(); shape[0]];
    }

    /// Begins to count the samples of classes with these names, or numbers where a name is missing.
    pub(super) fn set_classes(&mut self, count: usize, names: &[String]) {
        self.counts = vec![0; count];
        let class = |label: usize| ClassCount {
            label,
            name: names.get(label).cloned().unwrap_or(label.to_string()),
            count: 0,
        };
        self.report.classes = (0..count).map(class).collect();
    }

    pub(super) fn set_ignored(&mut self, ignored: BTreeMap<String, usize>) {
        self.report.ignored = ignored;
    }

    pub(super) fn find(&mut self, problem: Problem, place: &str, detail: impl Into<String>) {
        self.report.findings.push(Finding {
            severity: problem.severity(),
            problem,
            place: place.to_owned(),
            detail: detail.into(),
        });
    }

    /// What an error says, under its kind and at its place.
    pub(super) fn error(&mut self, error: &DataError) {
        let at = |path: &std::path::Path| path.display().to_string();
        let message = error.to_string();
        let (problem, place) = match error {
            DataError::Picture { path, fault } => {
                let problem = match fault {
                    PictureFault::Unrecognised { .. } => Problem::Unrecognised,
                    PictureFault::Truncated => Problem::Truncated,
                    PictureFault::Damaged { .. } => Problem::Damaged,
                    PictureFault::TooLarge { .. } | PictureFault::TooLong { .. } => {
                        Problem::TooLarge
                    }
                    PictureFault::OtherSize { .. } | PictureFault::Proportions { .. } => {
                        Problem::OtherSize
                    }
                };
                (problem, at(path))
            }
            DataError::EmptyFile { path } => (Problem::Empty, at(path)),
            DataError::MissingFile { path }
            | DataError::NotAFile { path }
            | DataError::Unreadable { path, .. } => (Problem::Unreadable, at(path)),
            _ => (Problem::Unusable, String::new()),
        };
        let detail = message
            .strip_prefix(&format!("{place}: "))
            .unwrap_or(&message);
        self.find(problem, &place, detail);
    }

    /// Counts a usable sample.
    pub(super) fn sample(
        &mut self,
        place: &str,
        label: Option<u8>,
        digest: Digest,
        sums: &[Sums],
        blank: bool,
    ) {
        self.report.samples += 1;
        if let Some(count) = label.and_then(|label| self.counts.get_mut(usize::from(label))) {
            *count += 1;
        }
        for (all, sums) in self.sums.iter_mut().zip(sums) {
            all.add(*sums);
        }
        if blank {
            self.find(Problem::Blank, place, "");
        }
        match self.seen.get(&digest).cloned() {
            Some(first) => self.find(Problem::Duplicate, place, format!("the same as {first}")),
            None => {
                self.seen.insert(digest, place.to_owned());
            }
        }
    }

    pub(super) fn size(&mut self, [height, width]: [usize; 2]) {
        *self.sizes.entry([width, height]).or_default() += 1;
    }

    pub(super) fn finish(mut self) -> Report {
        self.few_samples();
        let mut report = self.report;
        let sizes = self.sizes.into_iter();
        report.sizes = sizes
            .map(|([width, height], count)| SizeCount {
                width,
                height,
                count,
            })
            .collect();
        report
            .sizes
            .sort_by_key(|size| std::cmp::Reverse(size.count));
        if report.samples > 0 {
            report.channels = self.sums.into_iter().map(Sums::moments).collect();
        }
        (report.findings).sort_by_key(|finding| (finding.severity, finding.problem));
        report
    }

    /// Names the classes with less than a tenth of the mean, or less than ten samples.
    fn few_samples(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        let mean = counts.iter().sum::<usize>() / counts.len().max(1);
        for (label, count) in counts.into_iter().enumerate() {
            self.report.classes[label].count = count;
            if count < 10.max(mean / 10) {
                let place = format!("class {}", self.report.classes[label].name);
                let detail = format!("{count} samples, the mean is {mean}");
                self.find(Problem::FewSamples, &place, detail);
            }
        }
    }
}
