//! Depth, width and heads by name.

use serde::{Deserialize, Serialize};

use super::DiTConfig;
use crate::embedding::TimeEmbedding;

/// A size with a name: S, B, L and XL of Peebles & Xie 2023 (table 1), and two below them for images as
/// small as MNIST's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiTSize {
    /// 4 blocks of width 64.
    #[serde(rename = "tiny")]
    Tiny,
    /// 6 blocks of width 128.
    #[serde(rename = "mini")]
    Mini,
    /// 12 blocks of width 384: some 33 million parameters.
    S,
    /// 12 blocks of width 768: 130 million.
    B,
    /// 24 blocks of width 1024: 458 million.
    L,
    /// 28 blocks of width 1152: 675 million.
    #[serde(rename = "XL")]
    Xl,
}

impl DiTSize {
    /// From the smallest to the largest.
    pub const ALL: [Self; 6] = [Self::Tiny, Self::Mini, Self::S, Self::B, Self::L, Self::Xl];

    /// The name in an experiment file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Mini => "mini",
            Self::S => "S",
            Self::B => "B",
            Self::L => "L",
            Self::Xl => "XL",
        }
    }

    /// Depth, width and heads.
    #[must_use]
    pub fn dimensions(self) -> [usize; 3] {
        match self {
            Self::Tiny => [4, 64, 4],
            Self::Mini => [6, 128, 4],
            Self::S => [12, 384, 6],
            Self::B => [12, 768, 12],
            Self::L => [24, 1024, 16],
            Self::Xl => [28, 1152, 16],
        }
    }
}

/// A configuration as it may be written: with a size by name, which what is written beside it overrides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    size: Option<DiTSize>,
    patch: Option<usize>,
    depth: Option<usize>,
    width: Option<usize>,
    heads: Option<usize>,
    mlp_ratio: Option<usize>,
    embedding: Option<usize>,
    time_embedding: Option<TimeEmbedding>,
}

impl From<Written> for DiTConfig {
    fn from(written: Written) -> Self {
        let sized = written.size.map(Self::of).unwrap_or_default();
        Self {
            patch: written.patch.unwrap_or(sized.patch),
            depth: written.depth.unwrap_or(sized.depth),
            width: written.width.unwrap_or(sized.width),
            heads: written.heads.unwrap_or(sized.heads),
            mlp_ratio: written.mlp_ratio.unwrap_or(sized.mlp_ratio),
            embedding: written.embedding.unwrap_or(sized.embedding),
            time_embedding: written.time_embedding.unwrap_or(sized.time_embedding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DiTConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_size_by_name_is_its_dimensions_and_what_stands_beside_it_wins() {
        let base = read("size = 'B'\npatch = 4\nheads = 6").unwrap();
        let expected = DiTConfig {
            patch: 4,
            heads: 6,
            ..DiTConfig::of(DiTSize::B)
        };
        assert_eq!(base, expected);
        assert_eq!([base.depth, base.width, base.heads], [12, 768, 6]);
        assert_eq!(read("").unwrap(), DiTConfig::default());
    }

    #[test]
    fn every_name_is_read_and_another_one_is_refused_with_those_there_are() {
        for size in DiTSize::ALL {
            let text = format!("size = '{}'", size.name());
            assert_eq!(read(&text).unwrap(), DiTConfig::of(size));
        }
        let error = read("size = 'XXL'").unwrap_err();
        for size in DiTSize::ALL {
            assert!(error.contains(&format!("`{}`", size.name())), "{error}");
        }
    }

    #[test]
    fn what_is_written_out_has_plain_values_alone() {
        let text = toml::to_string(&DiTConfig::of(DiTSize::Xl)).unwrap();
        assert!(
            text.contains("depth = 28") && !text.contains("size"),
            "{text}"
        );
        assert_eq!(read(&text).unwrap(), DiTConfig::of(DiTSize::Xl));
    }
}
