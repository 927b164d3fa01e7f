//! Checkpoints: a folder that is there whole or not at all, and says what it is.
//!
//! | file | what |
//! |---|---|
//! | `manifest.json` | format version, step, model, process, and the SHA-256 of the others |
//! | `ema.safetensors` | the averaged weights, which one samples from; readable by other tools |
//! | `weights.bpk` | the weights in training, with the ids by which the optimiser knows them |
//! | `optimizer.bpk` | AdamW's moments |
//!
//! It is written into a folder aside, each file flushed, and renamed when complete.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::OptimizerRecord;
use burn::store::{ModuleRecord, ModuleSnapshot, SafetensorsStore};
use burn::tensor::Device;
use score_net::{Model, ModelConfig, Network};
use sde_core::ProcessConfig;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Trainer, TrainingError, UncertaintyState};

/// The version of the format; a checkpoint of another version is refused by both sides.
pub const FORMAT_VERSION: u32 = 1;

const MANIFEST: &str = "manifest.json";
const AVERAGE: &str = "ema.safetensors";
const WEIGHTS: &str = "weights.bpk";
const OPTIMIZER: &str = "optimizer.bpk";

/// What a checkpoint says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointManifest {
    /// [`FORMAT_VERSION`] of whoever wrote it.
    pub format: u32,
    /// The number of steps done.
    pub step: u64,
    /// The model.
    pub model: ModelConfig,
    /// The process that it was trained under.
    pub sde: ProcessConfig,
    /// The learned weighting, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<UncertaintyState>,
    /// The files beside the manifest.
    pub files: Vec<FileDigest>,
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

/// What a trainer is made of, in memory.
pub(crate) struct Weights {
    pub step: u64,
    pub network: Network,
    pub average: Network,
    pub optimizer: OptimizerRecord,
    pub uncertainty: Option<UncertaintyState>,
}

/// A checkpoint on disk whose files were found whole.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    manifest: CheckpointManifest,
}

impl Checkpoint {
    /// Opens the checkpoint in `folder` and verifies the digest of every file.
    ///
    /// # Errors
    /// [`TrainingError::Checkpoint`] names the file that is missing, cut short or altered.
    pub fn open(folder: &Path) -> Result<Self, TrainingError> {
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
        let text = fs::read_to_string(&path).map_err(TrainingError::io(&path, "reading"))?;
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| fault(format!("not JSON ({e})")))?;
        let version = value.get("format").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(FORMAT_VERSION)) {
            let found = version.map_or("none".into(), |v| v.to_string());
            return Err(fault(format!(
                "format version {found}, this program reads {FORMAT_VERSION}; use the program that wrote it"
            )));
        }
        let manifest: CheckpointManifest = serde_json::from_value(value)
            .map_err(|e| fault(format!("the manifest does not fit its format ({e})")))?;
        let checkpoint = Self {
            folder: folder.to_owned(),
            manifest,
        };
        checkpoint.verify()?;
        Ok(checkpoint)
    }

    fn verify(&self) -> Result<(), TrainingError> {
        for name in [AVERAGE, WEIGHTS, OPTIMIZER] {
            let path = self.folder.join(name);
            let fault = |fault: &str| TrainingError::Checkpoint {
                path: path.clone(),
                fault: format!("{fault}; use an older checkpoint of the run"),
            };
            let listed = self.manifest.files.iter().find(|file| file.name == name);
            let listed = listed.ok_or_else(|| fault("the manifest does not list it"))?;
            let found = FileDigest::of(&self.folder, name)
                .map_err(|e| fault(&format!("it cannot be read ({e})")))?;
            if found != *listed {
                return Err(fault("it is cut short or was altered (SHA-256 differs)"));
            }
        }
        Ok(())
    }

    /// What it says about itself.
    pub fn manifest(&self) -> &CheckpointManifest {
        &self.manifest
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The model with the averaged weights, ready for sampling on `device`.
    ///
    /// # Errors
    /// A model that cannot be built, or weights that do not fit it.
    pub fn model(&self, device: &Device) -> Result<Model, TrainingError> {
        let mut model = self.manifest.model.init(0, device)?;
        let path = self.folder.join(AVERAGE);
        load_average(&mut model.network, &path)?;
        Ok(model)
    }

    /// Writes a checkpoint of `trainer` to `folder`, which must not exist, whole or not at all.
    ///
    /// # Errors
    /// [`TrainingError::Io`] with the file that could not be written; weights that are not finite
    /// are not written at all.
    pub fn write(
        trainer: &mut Trainer<'_>,
        model: &ModelConfig,
        sde: impl Into<ProcessConfig>,
        folder: &Path,
    ) -> Result<Self, TrainingError> {
        let weights = trainer.weights()?;
        let parent = folder.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(TrainingError::io(parent, "creating"))?;
        let aside = tempfile::Builder::new()
            .prefix(".writing-")
            .tempdir_in(parent)
            .map_err(TrainingError::io(parent, "creating a folder in it"))?;
        let (step, uncertainty) = (weights.step, weights.uncertainty.clone());
        write_files(weights, aside.path())?;
        let files = [AVERAGE, WEIGHTS, OPTIMIZER].map(|name| {
            FileDigest::of(aside.path(), name)
                .map_err(TrainingError::io(aside.path().join(name), "reading back"))
        });
        let manifest = CheckpointManifest {
            format: FORMAT_VERSION,
            step,
            model: model.clone(),
            sde: sde.into(),
            uncertainty,
            files: files.into_iter().collect::<Result<_, _>>()?,
        };
        let path = aside.path().join(MANIFEST);
        let text = serde_json::to_vec_pretty(&manifest).map_err(std::io::Error::other);
        text.and_then(|text| fs::write(&path, text))
            .map_err(TrainingError::io(&path, "writing"))?;
        for name in [AVERAGE, WEIGHTS, OPTIMIZER, MANIFEST] {
            let path = aside.path().join(name);
            flush(&path)?;
        }
        let aside = aside.keep();
        let renamed =
            fs::rename(&aside, folder).map_err(TrainingError::io(folder, "renaming to it"));
        if renamed.is_err() {
            // Only the half-made copy goes; its loss is not worth a second error.
            let _ = fs::remove_dir_all(&aside);
        }
        renamed?;
        flush(parent)?;
        Ok(Self {
            folder: folder.to_owned(),
            manifest,
        })
    }

    /// Sets `trainer` to where this checkpoint was written.
    ///
    /// # Errors
    /// [`TrainingError::Architecture`] if the checkpoint is of another model or process.
    pub fn restore(
        &self,
        trainer: &mut Trainer<'_>,
        model: &ModelConfig,
        sde: impl Into<ProcessConfig>,
    ) -> Result<(), TrainingError> {
        self.require_same("model", &self.manifest.model, model)?;
        self.require_same("sde", &self.manifest.sde, &sde.into())?;
        let device = trainer.device();
        let unreadable = |name: &str, fault: String| TrainingError::Checkpoint {
            path: self.folder.join(name),
            fault,
        };
        let record = ModuleRecord::load(self.folder.join(WEIGHTS))
            .map_err(|e| unreadable(WEIGHTS, e.to_string()))?;
        let network = model.init(0, &device)?.network;
        let network = network
            .try_load_record(record)
            .map_err(|e| unreadable(WEIGHTS, e.to_string()))?;
        let mut average = network.clone();
        load_average(&mut average, &self.folder.join(AVERAGE))?;
        let optimizer = OptimizerRecord::load(self.folder.join(OPTIMIZER))
            .map_err(|e| unreadable(OPTIMIZER, e.to_string()))?;
        trainer.restore(Weights {
            step: self.manifest.step,
            network,
            average,
            optimizer,
            uncertainty: self.manifest.uncertainty.clone(),
        })
    }

    fn require_same<T: Serialize + PartialEq>(
        &self,
        field: &str,
        stored: &T,
        wanted: &T,
    ) -> Result<(), TrainingError> {
        if stored == wanted {
            return Ok(());
        }
        let json = |value: &T| serde_json::to_value(value).unwrap_or_default();
        Err(TrainingError::Architecture {
            path: self.folder.clone(),
            difference: difference(field, &json(stored), &json(wanted)),
        })
    }
}

/// The first field in which two JSON values differ, with both values.
fn difference(path: &str, stored: &serde_json::Value, wanted: &serde_json::Value) -> String {
    use serde_json::Value::Object;

    if let (Object(a), Object(b)) = (stored, wanted) {
        let differing = a
            .keys()
            .chain(b.keys())
            .find(|key| a.get(*key) != b.get(*key));
        if let Some(key) = differing {
            let null = serde_json::Value::Null;
            return difference(
                &format!("{path}.{key}"),
                a.get(key).unwrap_or(&null),
                b.get(key).unwrap_or(&null),
            );
        }
    }
    format!("{path} is {stored} in it, and {wanted} here")
}

fn write_files(weights: Weights, folder: &Path) -> Result<(), TrainingError> {
    let path = folder.join(AVERAGE);
    let mut store = SafetensorsStore::from_file(&path);
    let failed = |path: PathBuf, fault: String| TrainingError::Io {
        path,
        action: "writing",
        source: std::io::Error::other(fault),
    };
    weights
        .average
        .save_into(&mut store)
        .map_err(|e| failed(path, e.to_string()))?;
    let path = folder.join(WEIGHTS);
    weights
        .network
        .into_record()
        .save(&path)
        .map_err(|e| failed(path, e.to_string()))?;
    let path = folder.join(OPTIMIZER);
    weights
        .optimizer
        .save(&path)
        .map_err(|e| failed(path, e.to_string()))
}

fn load_average(network: &mut Network, path: &Path) -> Result<(), TrainingError> {
    let mut store = SafetensorsStore::from_file(path).allow_partial(false);
    let fault = |fault: String| TrainingError::Checkpoint {
        path: path.to_owned(),
        fault,
    };
    let result = network
        .load_from(&mut store)
        .map_err(|e| fault(e.to_string()))?;
    if let Some(error) = result.errors.first() {
        return Err(fault(error.to_string()));
    }
    Ok(())
}

/// Waits until the file or folder is on the disk.
fn flush(path: &Path) -> Result<(), TrainingError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(TrainingError::io(path, "flushing"))
}

impl FileDigest {
    fn of(folder: &Path, name: &str) -> std::io::Result<Self> {
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
        let sha256 = hasher
            .finalize()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Ok(Self {
            name: name.to_owned(),
            bytes,
            sha256,
        })
    }
}
