//! Checkpoints: a folder that is there whole or not at all, and says what it is.
//!
//! | file | what |
//! |---|---|
//! | `manifest.json` | format version, step, model, process, how and with what it was trained, and the SHA-256 of the others |
//! | `manifest.sha256` | the manifest's own, for `sha256sum -c` |
//! | `ema.safetensors` | the averaged weights, which one samples from |
//! | `weights.safetensors` | the weights in training |
//! | `optimizer.safetensors` | AdamW's moments and counts |
//!
//! It is written into a folder aside, each file flushed, and renamed when complete. All of it is JSON
//! and safetensors: to load it runs nothing, and takes no more memory than its files justify.

mod difference;
mod manifest;
mod parameters;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use score_net::{Model, ModelConfig, Network};

use self::difference::{as_read, difference};
pub use self::manifest::{
    CheckpointManifest, DataIdentity, FORMAT_VERSION, FileDigest, TrainingState,
};
use self::manifest::{MANIFEST, MANIFEST_DIGEST, digest};
pub(crate) use self::parameters::{Tensors, paths};
use crate::optimizer::Moment;
use crate::progress::Progress;
use crate::{Trainer, TrainingConfig, TrainingError, UncertaintyState};

const AVERAGE: &str = "ema.safetensors";
const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// What a trainer is made of, in memory.
pub(crate) struct Weights {
    pub step: u64,
    pub network: Network,
    pub average: Network,
    pub moments: Vec<Option<Moment>>,
    pub uncertainty: Option<UncertaintyState>,
    pub progress: Progress,
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
    /// [`TrainingError::Checkpoint`] names the file that is missing, cut short or altered, or the
    /// version of the format if it is not one of those that can be read.
    pub fn open(folder: &Path) -> Result<Self, TrainingError> {
        let checkpoint = Self {
            folder: folder.to_owned(),
            manifest: CheckpointManifest::read(folder)?,
        };
        checkpoint.verify()?;
        Ok(checkpoint)
    }

    fn verify(&self) -> Result<(), TrainingError> {
        let needed: &[&str] = match self.manifest.format {
            1 => &[AVERAGE],
            _ => &[AVERAGE, WEIGHTS, OPTIMIZER],
        };
        for &name in needed {
            let fault = |fault: &str| {
                self.fault(name, format!("{fault}; use an older checkpoint of the run"))
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

    fn fault(&self, name: &str, fault: String) -> TrainingError {
        TrainingError::Checkpoint {
            path: self.folder.join(name),
            fault,
        }
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
        let mut model = self.empty_model(AVERAGE, device)?;
        model.network = self.filled(AVERAGE, model.network)?;
        Ok(model)
    }

    /// A model with weights of any values, once `file` is known to be large enough for it.
    fn empty_model(&self, file: &str, device: &Device) -> Result<Model, TrainingError> {
        let model = &self.manifest.model;
        let parameters = (model.network)
            .parameter_count(model.signature())
            .map_err(score_net::ModelError::from)?;
        let listed = self
            .manifest
            .files
            .iter()
            .find(|listed| listed.name == file);
        let bytes = listed.map_or(0, |file| file.bytes);
        // Two bytes are the least that a number takes.
        if (parameters as u64).saturating_mul(2) > bytes {
            let fault = format!(
                "it has {bytes} bytes, too few for the {parameters} parameters of the manifest's model"
            );
            return Err(self.fault(file, fault));
        }
        Ok(self.manifest.model.init(0, device)?)
    }

    fn filled(&self, name: &str, network: Network) -> Result<Network, TrainingError> {
        Tensors::read(&self.folder.join(name))
            .and_then(|tensors| tensors.into_network(network))
            .map_err(|fault| self.fault(name, fault))
    }

    /// Writes a checkpoint of `trainer` to `folder`, which must not exist, whole or not at all.
    ///
    /// # Errors
    /// [`TrainingError::Io`] with the file that could not be written; weights that are not finite
    /// are not written at all.
    pub fn write(trainer: &mut Trainer<'_>, folder: &Path) -> Result<Self, TrainingError> {
        let weights = trainer.weights()?;
        let parent = folder.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(TrainingError::io(parent, "creating"))?;
        let aside = tempfile::Builder::new()
            .prefix(WRITING)
            .tempdir_in(parent)
            .map_err(TrainingError::io(parent, "creating a folder in it"))?;
        let manifest = write_files(trainer, weights, aside.path())?;
        flush(aside.path())?;
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
    /// [`TrainingError::Architecture`] if the checkpoint is of another model, process, data set, or
    /// training configuration, [`TrainingConfig::CHANGEABLE`] fields apart; it names the field and both
    /// values.
    pub fn restore(&self, trainer: &mut Trainer<'_>) -> Result<(), TrainingError> {
        let manifest = &self.manifest;
        let Some(state) = &manifest.state else {
            let fault = format!(
                "format version {}, which can be sampled from but not resumed; resume with the program that \
                 wrote it",
                manifest.format
            );
            return Err(self.fault(MANIFEST, fault));
        };
        let differences = [
            difference("model", &manifest.model, trainer.model_config()),
            difference("sde", &manifest.sde, &trainer.process_config()),
            difference(
                "training",
                &binding(&state.training),
                &binding(trainer.config()),
            ),
            difference("data", &state.data, trainer.data_identity()),
        ];
        if let Some(difference) = differences.into_iter().flatten().next() {
            return Err(TrainingError::Architecture {
                path: self.folder.clone(),
                difference,
            });
        }
        let device = trainer.device();
        let network = self.filled(WEIGHTS, self.empty_model(WEIGHTS, &device)?.network)?;
        let average = self.filled(AVERAGE, network.clone())?;
        let moments = Tensors::read(&self.folder.join(OPTIMIZER))
            .and_then(|tensors| tensors.into_moments(&network))
            .map_err(|fault| self.fault(OPTIMIZER, fault))?;
        trainer.restore(Weights {
            step: manifest.step,
            network,
            average,
            moments,
            uncertainty: state.uncertainty.clone(),
            progress: state.progress,
        })
    }
}

/// A network with the weights in the bytes of a safetensors file, as a checkpoint's `ema.safetensors` holds
/// them: every parameter by its path, in its shape, and nothing else.
///
/// # Errors
/// What is wrong with the model or the bytes, in words. Bytes too few for the model are refused before it is
/// built.
pub fn network_from_bytes(
    model: &ModelConfig,
    bytes: &[u8],
    device: &Device,
) -> Result<Network, String> {
    let tensors = Tensors::parse(bytes)?;
    let parameters = model.network.parameter_count(model.signature());
    let parameters = parameters.map_err(|error| error.to_string())?;
    if parameters.saturating_mul(2) > bytes.len() {
        return Err(format!("too few bytes for {parameters} parameters"));
    }
    let built = model.init(0, device).map_err(|error| error.to_string())?;
    tensors.into_network(built.network)
}

/// How the names of folders begin in which a checkpoint is being written.
pub(crate) const WRITING: &str = ".writing-";

/// A training configuration without what may change on the way.
fn binding(config: &TrainingConfig) -> serde_json::Value {
    let mut value = as_read(config);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !TrainingConfig::CHANGEABLE.contains(&name.as_str()));
    }
    value
}

/// Writes all files of a checkpoint, and flushes them.
fn write_files(
    trainer: &Trainer<'_>,
    weights: Weights,
    folder: &Path,
) -> Result<CheckpointManifest, TrainingError> {
    let average = Tensors::of(&weights.average);
    let moments = Tensors::of_moments(&weights.network, weights.moments);
    let network = Tensors::of(&weights.network);
    let mut files = Vec::new();
    for (name, tensors) in [(AVERAGE, average), (WEIGHTS, network), (OPTIMIZER, moments)] {
        let path = folder.join(name);
        (tensors.write(&path)).map_err(TrainingError::io(&path, "writing"))?;
        files.push(FileDigest::of(folder, name).map_err(TrainingError::io(&path, "reading back"))?);
    }
    let data = trainer.data_identity().clone();
    let (model, sde) = (trainer.model_config().clone(), trainer.process_config());
    let bound = as_read(&(&model, &sde, binding(trainer.config()), &data));
    let manifest = CheckpointManifest {
        format: FORMAT_VERSION,
        program: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
        step: weights.step,
        loss: weights.progress.running(),
        model,
        sde,
        state: Some(TrainingState {
            training: trainer.config().clone(),
            data,
            config_sha256: digest(bound.to_string().as_bytes()),
            progress: weights.progress,
            uncertainty: weights.uncertainty,
        }),
        files,
    };
    manifest.write(folder)?;
    // The library writes safetensors for their owner alone; they are to be read by whom the manifest is.
    let path = folder.join(MANIFEST);
    let metadata = fs::metadata(&path).map_err(TrainingError::io(&path, "reading back"))?;
    for name in [AVERAGE, WEIGHTS, OPTIMIZER] {
        let path = folder.join(name);
        fs::set_permissions(&path, metadata.permissions())
            .map_err(TrainingError::io(&path, "setting the permissions of"))?;
    }
    for name in [AVERAGE, WEIGHTS, OPTIMIZER, MANIFEST, MANIFEST_DIGEST] {
        flush(&folder.join(name))?;
    }
    Ok(manifest)
}

/// Waits until the file or folder is on the disk.
pub(crate) fn flush(path: &Path) -> Result<(), TrainingError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(TrainingError::io(path, "flushing"))
}
