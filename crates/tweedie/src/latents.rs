//! The space that the prior of a run learns in: its autoencoder, and how its latents are standardised.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use burn::tensor::{Device, Tensor};
use data::{LatentSet, Standardisation};
use ndarray::{Array4, Axis, Slice, concatenate};
use score_net::{Autoencoder, Network, NetworkConfig};
use serde::{Deserialize, Serialize};
use training::checkpoint::DataIdentity;
use training::{Checkpoint, RunFolder};

use crate::dataset::Dataset;
use crate::failure::Fault;
use crate::files::write_whole;
use crate::interrupt;
use crate::runs::Run;
use crate::sampling::{to_array, to_tensor};
use crate::terminal::Progress;

/// The folder of a run in which its autoencoder is a run of its own.
pub const FOLDER: &str = "autoencoder";
/// What a run's prior was trained on.
const RECORD: &str = "latent.json";
/// Images that are encoded or decoded at once.
const BATCH: usize = 256;

/// What a prior was trained on, as it stands in `latent.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The latents' shape, [channels, height, width].
    pub shape: [usize; 3],
    /// How they were standardised.
    pub standardisation: Standardisation,
    /// The step of the autoencoder's checkpoint.
    pub step: u64,
    /// SHA-256 of its averaged weights, `ema.safetensors`.
    pub autoencoder: String,
}

impl Record {
    fn path(root: &Path) -> PathBuf {
        root.join(RECORD)
    }

    /// That of the run in `root`; none if its prior has not been begun.
    pub fn read(root: &Path) -> Result<Option<Self>> {
        let path = Self::path(root);
        if !path.exists() {
            return Ok(None);
        }
        let unusable = || {
            Fault::failed(format!(
                "{}: what the prior was trained on cannot be read",
                path.display()
            ))
            .hint("put the file back as it was written; without it the prior cannot be used")
        };
        let text = fs::read_to_string(&path).with_context(unusable)?;
        let record: Self = serde_json::from_str(&text).with_context(unusable)?;
        let [channels, ..] = record.shape;
        let Standardisation { shift, scale } = &record.standardisation;
        let possible = shift.len() == channels
            && shift.iter().all(|shift| shift.is_finite())
            && *scale > 0.0
            && scale.is_finite();
        match possible {
            true => Ok(Some(record)),
            false => Err(anyhow!(
                "a scale above 0 and a shift for each of {channels} channels are needed"
            )
            .context(unusable())),
        }
    }

    /// Writes it beside the run's configuration.
    pub fn write(&self, root: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        write_whole(&Self::path(root), text.as_bytes())
    }
}

/// An autoencoder with its averaged weights, and what they are recognised by.
#[derive(Clone, Debug)]
pub struct Coder {
    network: Network,
    /// The images' shape, [channels, height, width].
    pub image: [usize; 3],
    /// The latents'.
    pub latent: [usize; 3],
    /// The step of its checkpoint.
    pub step: u64,
    /// SHA-256 of its weights.
    pub digest: String,
}

impl Coder {
    /// From a checkpoint.
    pub fn of(checkpoint: &Checkpoint, device: &Device) -> Result<Self> {
        let manifest = checkpoint.manifest();
        let folder = checkpoint.folder().display();
        let NetworkConfig::Autoencoder(config) = &manifest.model.network else {
            return Err(Fault::failed(format!("{folder}: this is no autoencoder")).into());
        };
        let weights = manifest
            .files
            .iter()
            .find(|file| file.name == "ema.safetensors");
        let weights = weights.ok_or_else(|| anyhow!("{folder}: the manifest lists no weights"))?;
        Ok(Self {
            network: checkpoint.model(device)?.network,
            image: manifest.model.shape,
            latent: config.latent_shape(manifest.model.shape)?,
            step: manifest.step,
            digest: weights.sha256.clone(),
        })
    }

    /// The network.
    pub fn autoencoder(&self) -> &Autoencoder {
        let autoencoder = self.network.as_autoencoder();
        autoencoder.expect("it was seen to be one when this was made")
    }

    /// q(z | x) of every sample of a set, as a set of its own, standardised by what is found of it.
    pub fn encode(&self, dataset: &Dataset, device: &Device) -> Result<LatentSet> {
        let source = dataset.source();
        if source.sample_shape() != self.image {
            return Err(Fault::failed(format!(
                "the data has samples of shape {:?}, the autoencoder is of {:?}",
                source.sample_shape(),
                self.image
            ))
            .into());
        }
        let places: Vec<usize> = (0..source.len()).collect();
        let mut bar = Progress::new("encoding", source.len() as u64, 0);
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        for batch in places.chunks(BATCH) {
            let x = to_tensor(&dataset.at(batch)?, device);
            let posterior = self.autoencoder().encode(x);
            deviations.push(to_array(posterior.deviation())?);
            means.push(to_array(posterior.mean)?);
            bar.advance(batch.last().map_or(0, |last| *last as u64 + 1));
            bar.show("latents");
            interrupt::stop_if_requested()?;
        }
        drop(bar);
        let fingerprint = format!("{} of {}", self.digest, DataIdentity::of(source)?.sha256);
        Ok(LatentSet::new(
            joined(&means)?,
            joined(&deviations)?,
            source,
            fingerprint,
        ))
    }
}

fn joined(parts: &[Array4<f32>]) -> Result<Array4<f32>> {
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    Ok(concatenate(Axis(0), &views)?)
}

/// A space of latents, in which a prior was trained.
#[derive(Clone, Debug)]
pub struct LatentSpace {
    coder: Coder,
    standardisation: Standardisation,
}

impl LatentSpace {
    /// Of an autoencoder whose latents are so standardised.
    pub fn new(coder: Coder, standardisation: Standardisation) -> Self {
        Self {
            coder,
            standardisation,
        }
    }

    /// That of a run; none if its model is of the data themselves. `latents` is the shape that its prior is of.
    pub fn of(run: &Run, latents: [usize; 3], device: &Device) -> Result<Option<Self>> {
        if run.config.autoencoder.is_none() {
            return Ok(None);
        }
        Self::in_run(run.folder.root(), latents, device).map(Some)
    }

    /// That of the run in `root`, whose prior is of the shape `latents`.
    pub fn in_run(root: &Path, latents: [usize; 3], device: &Device) -> Result<Self> {
        let record = Record::read(root)?.ok_or_else(|| {
            let path = Record::path(root);
            Fault::failed(format!(
                "{}: it is missing, and says what the prior was trained on",
                path.display()
            ))
            .hint("put it back; without it the prior cannot be used")
        })?;
        Self::fitting(root, &record, latents, device)
    }

    /// The autoencoder of the run in `root`, if it is the one that the prior was trained with.
    fn fitting(root: &Path, record: &Record, latents: [usize; 3], device: &Device) -> Result<Self> {
        let folder = root.join(FOLDER);
        let wanted = format!(
            "the prior in {} was trained on latents {} of the autoencoder of step {} with SHA-256 {}…",
            root.display(),
            shape(record.shape),
            record.step,
            short(&record.autoencoder)
        );
        let misfit = |fault: String| {
            Fault::failed(format!("{}: {fault}, and {wanted}", folder.display())).hint(
                "put back the autoencoder that the prior was trained with, or train the prior anew, in another run",
            )
        };
        if !folder.is_dir() {
            return Err(misfit("there is no autoencoder".into()).into());
        }
        let path = RunFolder::open(&folder)
            .with_context(|| misfit("there is no autoencoder".into()))?
            .checkpoint_path(record.step);
        let checkpoint = Checkpoint::open(&path).with_context(|| {
            misfit(format!(
                "there is no whole checkpoint of step {}",
                record.step
            ))
        })?;
        let coder = Coder::of(&checkpoint, device)?;
        if coder.digest != record.autoencoder {
            let digest = short(&coder.digest);
            return Err(misfit(format!("the autoencoder's weights have SHA-256 {digest}…")).into());
        }
        for (whose, found) in [
            ("this autoencoder's", coder.latent),
            ("the model's", latents),
        ] {
            if found != record.shape {
                return Err(misfit(format!("{whose} latents are {}", shape(found))).into());
            }
        }
        Ok(Self::new(coder, record.standardisation.clone()))
    }

    /// The autoencoder.
    pub fn coder(&self) -> &Coder {
        &self.coder
    }

    /// How latents are standardised.
    pub fn standardisation(&self) -> &Standardisation {
        &self.standardisation
    }

    /// ln p(z) of a sample's latents from that of the same standardised, as the prior knows them.
    pub fn log_density(&self, of_standardised: f64) -> f64 {
        let len = self.coder.latent.iter().product();
        self.standardisation.log_density(of_standardised, len)
    }

    /// z standardised, as the prior knows it.
    pub fn standardised(&self, z: Tensor<4>, device: &Device) -> Result<Tensor<4>> {
        let mut z = to_array(z)?;
        for mut sample in z.axis_iter_mut(Axis(0)) {
            let latents = sample.as_slice_mut().expect("in standard layout");
            self.standardisation.apply(latents);
        }
        Ok(to_tensor(&z, device))
    }

    /// The images of latents as the prior draws them, `[N, C, H, W]` both.
    pub fn decode(&self, latents: &Array4<f32>, device: &Device) -> Result<Array4<f32>> {
        let count = latents.len_of(Axis(0));
        let mut parts = Vec::new();
        for first in (0..count).step_by(BATCH) {
            let rows = Slice::from(first..(first + BATCH).min(count));
            let mut z = latents.slice_axis(Axis(0), rows).to_owned();
            for mut sample in z.axis_iter_mut(Axis(0)) {
                let latents = sample.as_slice_mut().expect("in standard layout");
                self.standardisation.undo(latents);
            }
            let images = self.coder.autoencoder().decode(to_tensor(&z, device));
            // The centre of a pixel's distribution may lie beyond what a pixel can be.
            parts.push(to_array(images)?.mapv(|value| value.clamp(-1.0, 1.0)));
        }
        joined(&parts)
    }
}

fn shape([channels, height, width]: [usize; 3]) -> String {
    format!("{channels}x{height}x{width}")
}

/// The first digits of a digest, enough to tell two apart.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
