//! What a checkpoint says about itself, and how one knows that it is whole.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use data::Source;
use score_net::ModelConfig;
use sde_core::ProcessConfig;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::progress::Progress;
use crate::{TrainingConfig, TrainingError, UncertaintyState};

/// The version of the format that is written. Version 1, whose weights in training were in another
/// format, can be sampled from, but not resumed.
pub const FORMAT_VERSION: u32 = 2;

pub(super) const MANIFEST: &str = "manifest.json";
/// The manifest's own digest, as `sha256sum` writes and checks it.
pub(super) const MANIFEST_DIGEST: &str = "manifest.sha256";

/// What a checkpoint says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointManifest {
    /// [`FORMAT_VERSION`] of whoever wrote it.
    pub format: u32,
    /// Who wrote it.
    #[serde(default)]
    pub program: String,
    /// The number of steps done.
    pub step: u64,
    /// The running mean of the loss, by which the best checkpoint is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The model.
    pub model: ModelConfig,
    /// The process that it was trained under.
    pub sde: ProcessConfig,
    /// What a run needs to go on, beside the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TrainingState>,
    /// The files beside the manifest.
    pub files: Vec<FileDigest>,
}

/// What a run needs to go on, beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// How it was trained.
    pub training: TrainingConfig,
    /// What with.
    pub data: DataIdentity,
    /// SHA-256 of all that a run may not change on its way: model, process, data, and the training
    /// configuration without [`TrainingConfig::CHANGEABLE`].
    pub config_sha256: String,
    pub(crate) progress: Progress,
    /// The learned weighting, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<UncertaintyState>,
}

/// By what a data set is recognised: its size, and a digest of some of its samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataIdentity {
    /// The number of samples.
    pub samples: u64,
    /// The shape of each, `[C, H, W]`.
    pub shape: [usize; 3],
    /// SHA-256 of [`DataIdentity::PROBES`] samples spread over the set, or all if there are fewer, with their
    /// classes where those are learned from; of a set that has a [fingerprint](Source::fingerprint), of that in
    /// place of samples.
    pub sha256: String,
}

impl DataIdentity {
    /// How many samples are looked at.
    pub const PROBES: usize = 64;

    /// That of `source`.
    ///
    /// # Errors
    /// A sample that cannot be read.
    pub fn of(source: &dyn Source) -> Result<Self, TrainingError> {
        Self::with(source, false)
    }

    /// That of `source` and its classes, for a model that learns from them.
    ///
    /// # Errors
    /// A sample that cannot be read.
    pub fn labelled(source: &dyn Source) -> Result<Self, TrainingError> {
        Self::with(source, true)
    }

    fn with(source: &dyn Source, labels: bool) -> Result<Self, TrainingError> {
        let (len, probes) = (source.len(), source.len().min(Self::PROBES));
        let mut indices: Vec<usize> = (0..probes).map(|i| i * len / probes).collect();
        indices.extend(len.checked_sub(1));
        let mut hasher = Sha256::new();
        match source.fingerprint() {
            Some(fingerprint) => hasher.update(fingerprint),
            None => {
                let mut values = Vec::new();
                source.write_samples(&indices, &mut values)?;
                for value in values {
                    hasher.update(value.to_le_bytes());
                }
            }
        }
        if labels {
            let labels = indices.iter().filter_map(|&index| source.label(index));
            hasher.update(labels.collect::<Vec<u8>>());
        }
        Ok(Self {
            samples: len as u64,
            shape: source.sample_shape(),
            sha256: hexadecimal(hasher),
        })
    }
}

/// A file of a checkpoint and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

impl FileDigest {
    pub(super) fn of(folder: &Path, name: &str) -> std::io::Result<Self> {
        let mut file = File::open(folder.join(name))?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            bytes += read as u64;
        }
        Ok(Self {
            name: name.to_owned(),
            bytes,
            sha256: hexadecimal(hasher),
        })
    }
}

/// SHA-256 of bytes, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    hexadecimal(Sha256::new_with_prefix(bytes))
}

fn hexadecimal(hasher: Sha256) -> String {
    hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl CheckpointManifest {
    /// The manifest in the bytes of its file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|e| format!("not JSON ({e})"))?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(version) if (1..=u64::from(FORMAT_VERSION)).contains(&version) => {}
            Some(version) => {
                return Err(format!(
                    "format version {version}, this program reads 1 to {FORMAT_VERSION}; use the program \
                     that wrote it, or a newer one"
                ));
            }
            None => return Err("it has no format version".to_owned()),
        }
        serde_json::from_value(value)
            .map_err(|e| format!("the manifest does not fit its format ({e})"))
    }

    /// Reads the manifest in `folder` and checks it against its digest, which version 1 had not.
    pub(super) fn read(folder: &Path) -> Result<Self, TrainingError> {
        let path = folder.join(MANIFEST);
        let fault = |fault: String| TrainingError::Checkpoint {
            path: path.clone(),
            fault,
        };
        if !path.is_file() {
            return Err(fault(
                "there is no such file; name a checkpoint's folder".into(),
            ));
        }
        let bytes = fs::read(&path).map_err(TrainingError::io(&path, "reading"))?;
        let manifest = Self::parse(&bytes).map_err(fault)?;
        if manifest.format > 1 {
            let beside = folder.join(MANIFEST_DIGEST);
            let text = fs::read_to_string(&beside).map_err(|e| {
                fault(format!(
                    "{MANIFEST_DIGEST} beside it cannot be read ({e}); use an older checkpoint of the run"
                ))
            })?;
            if text.split_whitespace().next() != Some(&digest(&bytes)) {
                return Err(fault(
                    "it was altered (SHA-256 differs); use an older checkpoint of the run".into(),
                ));
            }
        }
        Ok(manifest)
    }

    /// Writes the manifest and its digest to `folder`.
    pub(super) fn write(&self, folder: &Path) -> Result<(), TrainingError> {
        let path = folder.join(MANIFEST);
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::other)
            .map_err(TrainingError::io(&path, "writing"))?;
        fs::write(&path, &bytes).map_err(TrainingError::io(&path, "writing"))?;
        let path = folder.join(MANIFEST_DIGEST);
        fs::write(&path, format!("{}  {MANIFEST}\n", digest(&bytes)))
            .map_err(TrainingError::io(&path, "writing"))
    }
}
