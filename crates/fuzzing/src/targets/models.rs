//! Checkpoints and experiments: what a stranger may send.

use burn::tensor::Device;
use score_net::{MlpConfig, ModelConfig, NetworkConfig, PreconditioningConfig};
use sde_core::ProcessConfig;
use serde::Deserialize;
use solvers::{GridConfig, SolverConfig};
use training::checkpoint::network_from_bytes;
use training::{CheckpointManifest, Task, TrainingConfig};

use crate::Target;

pub(super) static TARGETS: [Target; 3] = [
    Target {
        name: "manifest",
        seeds: || Vec::new(),
        run: |bytes| {
            let Ok(manifest) = CheckpointManifest::parse(bytes) else {
                return;
            };
            // What is asked of a manifest before anything is allocated.
            let ModelConfig { shape, network, .. } = &manifest.model;
            let _ = network.parameter_count(*shape);
            let _ = manifest.model.preconditioning.build();
            let _ = manifest.sde.build();
        },
        dictionary: &[
            b"\"format\": 2",
            b"\"step\":",
            b"\"model\":",
            b"\"network\":",
            b"\"kind\": \"unet\"",
            b"\"kind\": \"mlp\"",
            b"\"kind\": \"dit\"",
            b"\"size\": \"XL\"",
            b"\"depth\":",
            b"\"channels\":",
            b"\"multipliers\": [",
            b"\"blocks\":",
            b"\"width\":",
            b"\"steps\":",
            b"18446744073709551615",
            b"4294967296",
            b"-1",
            b"1e308",
            b"null",
            b"{",
            b"}",
            b"[[[[[[[[",
        ],
        repair: None,
    },
    Target {
        name: "safetensors",
        seeds: || Vec::new(),
        run: |bytes| {
            let _ = network_from_bytes(&tiny(), bytes, &Device::flex());
        },
        dictionary: &[
            b"\"__metadata__\":",
            b"\"dtype\":\"F32\"",
            b"\"dtype\":\"F16\"",
            b"\"dtype\":\"I64\"",
            b"\"dtype\":\"F8_E4M3\"",
            b"\"shape\":[",
            b"\"data_offsets\":[",
            b"Mlp.input.weight",
            b"18446744073709551615",
            b"4294967296",
            b",",
        ],
        repair: Some(|bytes| mend_header_length(bytes)),
    },
    Target {
        name: "experiment",
        seeds: || {
            EXPERIMENTS
                .iter()
                .map(|text| text.as_bytes().to_vec())
                .collect()
        },
        run: experiment,
        dictionary: &[
            b"kind = \"ddpm\"",
            b"kind = \"damped-langevin\"",
            b"steps = ",
            b"9223372036854775807",
            b"-1",
            b"1e999",
            b"nan",
            b"[training.objective]",
            b"[sde.schedule]",
            b"\n",
            b"= ",
        ],
        repair: None,
    },
];

/// The network that the seeds of `safetensors` are of.
fn tiny() -> ModelConfig {
    ModelConfig {
        shape: [2, 1, 1],
        network: NetworkConfig::Mlp(MlpConfig {
            width: 4,
            blocks: 1,
            embedding: 4,
            ..MlpConfig::default()
        }),
        preconditioning: PreconditioningConfig::default(),
        classes: 0,
    }
}

/// Has the first eight bytes say where the header ends: at the last brace before the numbers.
fn mend_header_length(bytes: &mut [u8]) {
    let end = bytes
        .windows(2)
        .rposition(|pair| pair == b"}}")
        .map(|at| at + 2);
    if let Some(length) = end.and_then(|end| end.checked_sub(8))
        && let Some(prefix) = bytes.first_chunk_mut::<8>()
    {
        *prefix = (length as u64).to_le_bytes();
    }
}

/// The sections of an experiment's file that are not a data set.
#[derive(Deserialize)]
struct Experiment {
    #[serde(default)]
    sde: ProcessConfig,
    #[serde(default)]
    model: Told,
    network: NetworkConfig,
    #[serde(default)]
    preconditioning: PreconditioningConfig,
    #[serde(default)]
    training: TrainingConfig,
    #[serde(default)]
    sampling: Sampling,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    classes: usize,
}

#[derive(Default, Deserialize)]
struct Sampling {
    solver: Option<SolverConfig>,
    #[expect(dead_code, reason = "to be read is all that can happen to it")]
    grid: Option<GridConfig>,
}

/// All that is asked of an experiment before data are loaded.
fn experiment(bytes: &[u8]) {
    let Ok(experiment) = toml::from_slice::<Experiment>(bytes) else {
        return;
    };
    let _ = experiment.training.validate();
    let _ = experiment.network.validate();
    let model = ModelConfig {
        shape: [1, 28, 28],
        network: experiment.network,
        preconditioning: experiment.preconditioning,
        classes: experiment.model.classes,
    };
    let _ = model.network.parameter_count(model.signature());
    let _ = model.preconditioning.build();
    let _ = Task::new(experiment.training.objective, experiment.sde, &model);
    if let Some(solver) = experiment.sampling.solver {
        let _ = solver.build::<burn::tensor::Tensor<4>>();
    }
}

const EXPERIMENTS: [&str; 9] = [
    include_str!("../../../../configs/mnist-dit.toml"),
    include_str!("../../../../configs/mnist-classes.toml"),
    include_str!("../../../../configs/mnist-classifier.toml"),
    include_str!("../../../../configs/mnist-latent.toml"),
    include_str!("../../../../configs/mnist.toml"),
    include_str!("../../../../configs/two-moons.toml"),
    include_str!("../../../../configs/two-moons-damped.toml"),
    include_str!("../../../../configs/mnist-learned-variance.toml"),
    "[sde]\nkind = 'ddpm'\nsteps = 50\n[sde.schedule]\nkind = 'cosine'\ns = 0.008\n[network]\nkind = 'unet'\n\
     channels = 16\nmultipliers = [1, 2]\nattention = [7]\n[sampling]\ngrid = { name = 'karras', rho = 7 }\n\
     solver = { name = 'dpm-solver++-2m' }\n",
];
