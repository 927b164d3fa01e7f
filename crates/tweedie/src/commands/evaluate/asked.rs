//! What is asked of an evaluation beside what it always measures.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use evaluation::{Bootstrap, FeatureNetwork, Observer, Stage};

use super::super::sample::at_least;
use crate::terminal::Progress;

/// Arguments that ask for more measures.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Measures")]
pub struct AskedArgs {
    /// A network in an ONNX file, of images [N, C, H, W], whose features distances are taken in as well
    #[arg(long, value_name = "FILE.onnx")]
    pub features: Option<PathBuf>,
    /// What images look like to that network: TOML with `size = [H, W]`, `resize = "bilinear"` or
    /// `"bicubic"`, `range = "signed"` (the default, -1 to 1), `"unit"`, `"byte"`, `"image-net"` or
    /// `{ normalised = { mean = [..], std = [..] } }`, `output = "NAME"`, all of them optional
    #[arg(long, value_name = "FILE.toml", requires = "features")]
    pub features_input: Option<PathBuf>,
    /// Precision, recall, density and coverage
    #[arg(long)]
    pub precision_recall: bool,
    /// Look for copies: every sample's K nearest neighbours in the training set, with a picture; 2 or more
    #[arg(long, value_name = "K", value_parser = at_least(2))]
    pub neighbours: Option<usize>,
    /// Images that the model did not learn from, to measure its own against: a folder, an npy, npz or IDX file
    /// [default: the data set's test part, else a part of the training data]
    #[arg(long, value_name = "PATH")]
    pub against: Option<PathBuf>,
    /// Replicates of the bootstrap that intervals of 95 % are made of, 2 or more
    #[arg(long, value_name = "N", default_value = "200", value_parser = at_least(2))]
    pub replicates: usize,
}

/// The same, ready for use.
pub struct Asked {
    /// The network of `--features`.
    pub features: Option<Box<dyn FeatureNetwork>>,
    /// Whether precision and recall are asked for.
    pub precision_recall: bool,
    /// How many neighbours are.
    pub neighbours: Option<usize>,
    /// Where held-out data are.
    pub against: Option<PathBuf>,
    /// How intervals are made.
    pub bootstrap: Bootstrap,
}

impl AskedArgs {
    /// Loads what is named.
    pub fn open(&self) -> Result<Asked> {
        let features = match &self.features {
            Some(path) => Some(network(path, self.features_input.as_deref())?),
            None => None,
        };
        Ok(Asked {
            features,
            precision_recall: self.precision_recall,
            neighbours: self.neighbours,
            against: self.against.clone(),
            bootstrap: Bootstrap {
                replicates: self.replicates,
                ..Bootstrap::default()
            },
        })
    }
}

#[cfg(feature = "onnx")]
fn network(path: &Path, input: Option<&Path>) -> Result<Box<dyn FeatureNetwork>> {
    use crate::failure::Fault;
    use crate::terminal::note;
    use evaluation::{InputConvention, OnnxFeatures};

    let convention = match input {
        None => InputConvention::default(),
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| {
                Fault::usage(format!("{}: cannot be read: {error}", file.display()))
            })?;
            toml::from_str(&text)
                .map_err(|error| Fault::usage(format!("{}: {error}", file.display())))?
        }
    };
    let network = OnnxFeatures::load(path, convention)?;
    note(format!(
        "images are given to {} as {:?}",
        path.display(),
        network.convention()
    ));
    Ok(Box::new(network))
}

#[cfg(not(feature = "onnx"))]
fn network(path: &Path, _: Option<&Path>) -> Result<Box<dyn FeatureNetwork>> {
    Err(crate::failure::Fault::usage(format!(
        "--features {}: this program was built without networks in ONNX files",
        path.display()
    ))
    .hint("build it with --features onnx")
    .into())
}

/// A stage is shown if it takes longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does something that reports its stages, and shows them.
pub fn observed<T>(
    work: impl FnOnce(&mut Observer<'_>) -> Result<T, evaluation::EvaluationError>,
) -> Result<T> {
    let mut begun: Option<(&'static str, Instant)> = None;
    let mut bar: Option<Progress> = None;
    let mut show = |stage: Stage| {
        let since = match begun {
            Some((what, since)) if what == stage.what && stage.done > 0 => since,
            _ => {
                bar = None;
                let now = Instant::now();
                begun = Some((stage.what, now));
                now
            }
        };
        if since.elapsed() < PATIENCE {
            return;
        }
        let bar = bar.get_or_insert_with(|| Progress::new(stage.what, stage.total as u64, 0));
        bar.advance(stage.done as u64);
        bar.tell("");
    };
    Ok(work(&mut show)?)
}
