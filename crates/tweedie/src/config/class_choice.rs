//! Which classes are sampled.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The classes of samples: `all` in turn, `none`, or one by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassChoice {
    /// As many of each class as of any other, one class after the other; of a model without classes, none.
    #[default]
    All,
    /// The model's unconditional score.
    None,
    /// All of one class.
    One(usize),
}

impl ClassChoice {
    /// The class of each range of `count` samples, for a model that knows `classes`; one range where no class
    /// is told.
    pub fn groups(self, classes: usize, count: usize) -> Vec<(Option<usize>, Range<usize>)> {
        match self {
            Self::All if classes > 0 => (0..classes)
                .map(|class| {
                    let bound = |class| count * class / classes;
                    (Some(class), bound(class)..bound(class + 1))
                })
                .filter(|(_, range)| !range.is_empty())
                .collect(),
            Self::All | Self::None => vec![(None, 0..count)],
            Self::One(class) => vec![(Some(class), 0..count)],
        }
    }
}

impl fmt::Display for ClassChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::None => f.write_str("none"),
            Self::One(class) => write!(f, "{class}"),
        }
    }
}

impl FromStr for ClassChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            number => (number.parse().map(Self::One))
                .map_err(|_| "a class is a number from 0, or `all`, or `none`".to_owned()),
        }
    }
}

impl Serialize for ClassChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(class) => serializer.serialize_u64(*class as u64),
            named => serializer.collect_str(named),
        }
    }
}

impl<'de> Deserialize<'de> for ClassChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_classes_share_the_samples_evenly_and_in_order() {
        let groups = ClassChoice::All.groups(10, 64);
        assert_eq!(groups.len(), 10);
        assert_eq!(groups[0].1.start, 0);
        assert_eq!(groups[9].1.end, 64);
        for (class, (told, range)) in groups.iter().enumerate() {
            assert_eq!(*told, Some(class));
            assert!((6..=7).contains(&range.len()));
        }
        // Fewer samples than classes.
        assert_eq!(ClassChoice::All.groups(10, 3).len(), 3);
        assert_eq!(ClassChoice::All.groups(0, 3), [(None, 0..3)]);
        assert_eq!(ClassChoice::One(7).groups(10, 3), [(Some(7), 0..3)]);
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        #[derive(PartialEq, Debug, Serialize, Deserialize)]
        struct File {
            class: ClassChoice,
        }
        for class in [ClassChoice::All, ClassChoice::None, ClassChoice::One(7)] {
            let text = toml::to_string(&File { class }).unwrap();
            assert_eq!(toml::from_str::<File>(&text).unwrap(), File { class });
        }
        assert!("seven".parse::<ClassChoice>().is_err());
        assert!("-1".parse::<ClassChoice>().is_err());
    }
}
