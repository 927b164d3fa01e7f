//! What was measured: in a file, and as a table.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MODES;
use super::measure::median;
use crate::table::{markdown, significant};

/// A mode that computes in another precision: it is no rival, and stands in the table for the record.
const OTHER_PRECISION: &str = "compile-bf16";

/// The share of the machine from which on other programs spoil a measurement. PyTorch's threads wait
/// for each other busily, and lose several times their speed to a single other busy thread.
const BUSY: f64 = 0.03;

/// A run of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// What the other side is made of, and with how many threads both worked.
    versions: Value,
    /// The rows, in the order of the table.
    pub rows: Vec<Row>,
}

/// A network, what is done with it, and how fast each side does it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub network: String,
    /// `train` or `evaluate`.
    pub work: String,
    /// Images in a batch.
    pub batch: u64,
    /// By the mode of the other side.
    pub peers: BTreeMap<String, Outcome>,
}

/// What came of measuring both sides in turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Measured(Measured),
    /// The other side could not do it, and why.
    Failed(String),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub pairs: Vec<Pair>,
    /// The most memory that our process held, in bytes; none where it cannot be told.
    pub ours_peak: Option<u64>,
    /// The other's.
    pub theirs_peak: Option<u64>,
    /// The memory layout that the other side worked in.
    pub layout: String,
    /// The share of the machine that other programs used meanwhile, from 0 to 1; none where it cannot
    /// be told.
    pub others: Option<f64>,
}

/// The time of one repetition on each side, one side after the other, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub ours: f64,
    pub theirs: f64,
}

impl Results {
    pub fn of(versions: Value) -> Self {
        Self {
            versions,
            rows: Vec::new(),
        }
    }

    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| {
            format!(
                "there are no results in {}: run `cargo xtask bench peers` without --table",
                path.display()
            )
        })?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is not this program's", path.display()))
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("could not write {}", path.display()))
    }

    /// A Markdown table, and a line on what it was measured with.
    pub fn render(&self) -> String {
        let modes: Vec<&str> = MODES
            .into_iter()
            .filter(|&mode| self.rows.iter().any(|row| row.peers.contains_key(mode)))
            .collect();
        let rivals = || modes.iter().filter(|&&mode| mode != OTHER_PRECISION);
        let mut header: Vec<String> = ["network", "work", "batch", "ours"]
            .map(str::to_owned)
            .to_vec();
        header.extend(modes.iter().map(|&mode| mode.to_owned()));
        header.extend(rivals().map(|mode| format!("ours / {mode}")));
        header.extend(["memory", "theirs"].map(str::to_owned));
        let mut cells = vec![header];
        cells.extend(self.rows.iter().map(|row| {
            let mut line = vec![row.network.clone(), row.work.clone(), row.batch.to_string()];
            line.push(row.ours());
            line.extend(modes.iter().map(|&mode| row.theirs(mode)));
            line.extend(rivals().map(|&mode| row.ratio(mode)));
            line.extend(row.memory());
            line
        }));
        let said = |field: &str| match &self.versions[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let others = self.rows.iter().flat_map(Row::measured);
        let others = others.filter_map(|(_, measured)| measured.others);
        let others = match others.reduce(f64::max) {
            Some(share) => format!(
                " Other programs used {:.0} % of the machine at most.",
                100.0 * share
            ),
            None => String::new(),
        };
        let at_rest = match self.versions["bytes_at_rest"].as_u64() {
            Some(bytes) => format!(
                " PyTorch takes {} before it does anything.",
                mebibytes(bytes)
            ),
            None => String::new(),
        };
        format!(
            "{}\nPyTorch {} ({}) under Python {}, {} threads on both sides.{at_rest}{others}\n",
            markdown(&cells, 2),
            said("torch"),
            said("cpu"),
            said("python"),
            said("threads"),
        )
    }
}

impl Row {
    /// A row with nothing measured yet; none if `batch` is no number.
    pub fn of(network: &str, work: &str, batch: &Value) -> Option<Self> {
        Some(Self {
            network: network.to_owned(),
            work: work.to_owned(),
            batch: batch.as_u64()?,
            peers: BTreeMap::new(),
        })
    }

    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.network, self.work, self.batch)
    }

    fn measured(&self) -> impl Iterator<Item = (&str, &Measured)> {
        self.peers
            .iter()
            .filter_map(|(mode, outcome)| match outcome {
                Outcome::Measured(measured) => Some((mode.as_str(), measured)),
                Outcome::Failed(_) => None,
            })
    }

    fn beside(&self, mode: &str) -> Option<&Measured> {
        self.measured()
            .find_map(|(name, measured)| (name == mode).then_some(measured))
    }

    /// Our images/s, over all the turns that we took.
    fn ours(&self) -> String {
        let pairs = self.measured().flat_map(|(_, measured)| &measured.pairs);
        let times: Vec<f64> = pairs.map(|pair| pair.ours).collect();
        match times.is_empty() {
            true => "-".to_owned(),
            false => significant(self.batch as f64 / median(times)),
        }
    }

    fn theirs(&self, mode: &str) -> String {
        match self.peers.get(mode) {
            Some(Outcome::Measured(measured)) => {
                significant(self.batch as f64 / measured.median(|pair| pair.theirs))
            }
            Some(Outcome::Failed(_)) => "failed".to_owned(),
            None => "-".to_owned(),
        }
    }

    fn ratio(&self, mode: &str) -> String {
        self.beside(mode)
            .map_or("-".to_owned(), Measured::describe_ratio)
    }

    /// The peaks beside the other's plainest mode.
    fn memory(&self) -> [String; 2] {
        let measured = MODES.iter().find_map(|mode| self.beside(mode));
        let cell = |of: fn(&Measured) -> Option<u64>| match measured.and_then(of) {
            Some(bytes) => mebibytes(bytes),
            None => "-".to_owned(),
        };
        [cell(|m| m.ours_peak), cell(|m| m.theirs_peak)]
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", significant(bytes as f64 / f64::from(1 << 20)))
}

impl Outcome {
    /// What the other side gave up with; the first line, for compilers add pages.
    pub fn failed(error: &anyhow::Error) -> Self {
        let text = format!("{error:#}");
        Self::Failed(text.lines().next().unwrap_or_default().to_owned())
    }

    /// One line for whoever watches.
    pub fn describe(&self, batch: u64) -> String {
        match self {
            Self::Measured(measured) => {
                let rate = |of| significant(batch as f64 / measured.median(of));
                format!(
                    "{} images/s, PyTorch {} ({}): {}",
                    rate(|pair: &Pair| pair.ours),
                    rate(|pair: &Pair| pair.theirs),
                    measured.layout,
                    measured.describe_ratio(),
                )
            }
            Self::Failed(error) => format!("PyTorch failed: {error}"),
        }
    }
}

impl Measured {
    fn median(&self, of: fn(&Pair) -> f64) -> f64 {
        median(self.pairs.iter().map(of).collect())
    }

    /// How many times as fast we are: by the medians, and the least and most of any pair; and how
    /// busy others were, where it spoils the result.
    fn describe_ratio(&self) -> String {
        let ratio = self.median(|pair| pair.theirs) / self.median(|pair| pair.ours);
        let pairs = || self.pairs.iter().map(|pair| pair.theirs / pair.ours);
        let least = pairs().fold(f64::INFINITY, f64::min);
        let most = pairs().fold(0.0, f64::max);
        let busy = match self.others {
            Some(share) if share > BUSY => format!(", busy {:.0} %", 100.0 * share),
            _ => String::new(),
        };
        format!("{ratio:.2} ({least:.2}-{most:.2}{busy})")
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use serde_json::json;

    use super::*;

    fn measured(times: &[(f64, f64)]) -> Outcome {
        let pairs = times.iter().map(|&(ours, theirs)| Pair { ours, theirs });
        Outcome::Measured(Measured {
            pairs: pairs.collect(),
            ours_peak: Some(100 << 20),
            theirs_peak: Some(800 << 20),
            layout: "contiguous".to_owned(),
            others: Some(0.024),
        })
    }

    fn results() -> Results {
        let mut results = Results::of(json!({
            "torch": "2.0", "cpu": "AVX2", "python": "3.11", "threads": 2, "bytes_at_rest": 500 << 20,
        }));
        let mut row = Row::of("default", "train", &json!(16)).unwrap();
        for (mode, outcome) in [
            ("eager", measured(&[(0.1, 0.2), (0.1, 0.18), (0.08, 0.2)])),
            ("compile", measured(&[(0.1, 0.1), (0.1, 0.09)])),
            ("compile-bf16", measured(&[(0.1, 0.08)])),
        ] {
            row.peers.insert(mode.to_owned(), outcome);
        }
        results.rows.push(row);
        let mut row = Row::of("default", "evaluate", &json!(1)).unwrap();
        row.peers
            .insert("eager".to_owned(), measured(&[(0.01, 0.005)]));
        let failed = Outcome::failed(&anyhow!("no compiler\nand more"));
        row.peers.insert("compile".to_owned(), failed);
        results.rows.push(row);
        results
    }

    #[test]
    fn the_table_has_rates_ratios_with_their_spread_and_memory() {
        assert_eq!(
            results().render(),
            "\
| network | work     | batch | ours | eager | compile | compile-bf16 |     ours / eager |   ours / compile |  memory |  theirs |
| ------- | -------- | ----: | ---: | ----: | ------: | -----------: | ---------------: | ---------------: | ------: | ------: |
| default | train    |    16 |  160 |  80.0 |     168 |          200 | 2.00 (1.80-2.50) | 0.95 (0.90-1.00) | 100 MiB | 800 MiB |
| default | evaluate |     1 |  100 |   200 |  failed |            - | 0.50 (0.50-0.50) |                - | 100 MiB | 800 MiB |

PyTorch 2.0 (AVX2) under Python 3.11, 2 threads on both sides. PyTorch takes 500 MiB before it does anything. Other programs used 2 % of the machine at most.
"
        );
    }

    #[test]
    fn results_are_read_back_as_they_were_written() {
        let path = std::env::temp_dir().join(format!("xtask-peers-{}.json", std::process::id()));
        let results = results();
        results.write(&path).unwrap();
        let read = Results::read(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.unwrap(), results);
        let error = Results::read(&path).unwrap_err().to_string();
        assert!(error.contains("without --table"), "{error}");
    }

    #[test]
    fn a_ratio_from_a_busy_machine_says_so() {
        let Outcome::Measured(mut measured) = measured(&[(0.5, 1.0)]) else {
            unreachable!();
        };
        measured.others = Some(0.4);
        assert_eq!(measured.describe_ratio(), "2.00 (2.00-2.00, busy 40 %)");
    }

    #[test]
    fn a_failure_is_told_in_one_line() {
        let failed = Outcome::failed(&anyhow!("no compiler\nand more"));
        assert_eq!(failed.describe(1), "PyTorch failed: no compiler");
        assert_eq!(
            measured(&[(0.5, 1.0)]).describe(8),
            "16.0 images/s, PyTorch 8.00 (contiguous): 2.00 (2.00-2.00)"
        );
    }
}
