//! What a check found, as data.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Training would stop at it.
    Error,
    /// Training would go on, with something else than was meant, perhaps.
    Warning,
    /// Something is converted on the way.
    Note,
}

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Problem {
    /// The set cannot be opened.
    Unusable,
    /// A file is missing or cannot be read.
    Unreadable,
    /// A file of zero bytes.
    Empty,
    /// A file of no format that is read.
    Unrecognised,
    /// A picture that is cut short.
    Truncated,
    /// A picture that the decoder refuses.
    Damaged,
    /// A picture or file that promises more than its size justifies.
    TooLarge,
    /// A picture of another size in a set that is not resized, or of proportions that no crop takes.
    OtherSize,
    /// A class with far fewer samples than the others, or none.
    FewSamples,
    /// A sample with the same content as an earlier one.
    Duplicate,
    /// A sample whose numbers are all the same.
    Blank,
    /// Numbers that look like those of another range.
    Range,
    /// A name that ends in one format on a file of another.
    WrongEnding,
    /// An animation, of which the first picture is taken.
    Animated,
    /// A picture that is enlarged to the size of the set.
    Enlarged,
    /// A picture with an alpha channel, which is dropped.
    Alpha,
    /// A grey picture in a set of colours.
    Grey,
    /// A colour picture in a set of grey ones.
    Colour,
    /// A picture with 16 bits a channel, which are rounded to 8.
    SixteenBits,
    /// A picture that is turned or mirrored as its EXIF data ask for.
    Turned,
}

impl Problem {
    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Unusable
            | Self::Unreadable
            | Self::Empty
            | Self::Unrecognised
            | Self::Truncated
            | Self::Damaged
            | Self::TooLarge
            | Self::OtherSize => Severity::Error,
            Self::FewSamples
            | Self::Duplicate
            | Self::Blank
            | Self::Range
            | Self::WrongEnding
            | Self::Animated
            | Self::Enlarged => Severity::Warning,
            Self::Alpha | Self::Grey | Self::Colour | Self::SixteenBits | Self::Turned => {
                Severity::Note
            }
        }
    }

    /// What it means for training, in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Unusable => "the set cannot be opened",
            Self::Unreadable => "missing or unreadable",
            Self::Empty => "empty",
            Self::Unrecognised => "neither PNG nor JPEG nor WebP",
            Self::Truncated => "cut short",
            Self::Damaged => "damaged",
            Self::TooLarge => "larger than its file justifies",
            Self::OtherSize => "of another size than the set, or strips",
            Self::FewSamples => "classes with few samples",
            Self::Duplicate => "same content as an earlier one",
            Self::Blank => "all of one value",
            Self::Range => "values of another range, perhaps",
            Self::WrongEnding => "of another format than the name says",
            Self::Animated => "animated: the first picture is taken",
            Self::Enlarged => "smaller than the set's size: enlarged",
            Self::Alpha => "with an alpha channel, which is dropped",
            Self::Grey => "grey in a set of colours: three equal channels",
            Self::Colour => "in colour in a grey set: converted",
            Self::SixteenBits => "of 16 bits a channel: rounded to 8",
            Self::Turned => "turned as their EXIF data ask for",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Its kind.
    pub problem: Problem,
    /// Where: a file, `sample 17` or `class cat`.
    pub place: String,
    /// What exactly, and what to do about it; empty where the kind says all.
    pub detail: String,
}

/// How many samples a class has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCount {
    /// Its label.
    pub label: usize,
    /// Its name, or the label again.
    pub name: String,
    /// Its samples.
    pub count: usize,
}

/// How many pictures have a size, before they are cropped and resized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeCount {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pictures of this size.
    pub count: usize,
}

/// Mean and standard deviation of a channel, over pixels scaled to [−1, 1] (or points as they are).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelMoments {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, over all numbers of the channel.
    pub std: f64,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The kind of the set, as in its configuration.
    pub kind: String,
    /// How many samples can be used.
    pub samples: usize,
    /// Their shape, `[C, H, W]`; none if the set could not be opened.
    pub shape: Option<[usize; 3]>,
    /// What is wrong or odd, the worst first, each kind in the order of the samples.
    pub findings: Vec<Finding>,
    /// How many files of which endings are in the folder and are no pictures.
    pub ignored: BTreeMap<String, usize>,
    /// The classes by label; empty if there are none.
    pub classes: Vec<ClassCount>,
    /// The sizes of the pictures in the folder, the most frequent first.
    pub sizes: Vec<SizeCount>,
    /// The moments of each channel, of usable samples as training sees them, without augmentation.
    pub channels: Vec<ChannelMoments>,
}

impl Report {
    /// Whether training would stop at nothing that was found.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.samples > 0 && self.count(Severity::Error) == 0
    }

    /// How many findings are so bad.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    }
}

/// The report for a terminal.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}
