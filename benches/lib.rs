//! What the benchmarks share: the networks they measure, the devices they measure them on, and a
//! record of the memory that each took.
//!
//! Run them all with `cargo xtask bench`, which prints a table; or one with
//! `cargo bench -p benches --profile dev --bench train_step`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use data::ImageSet;
use ndarray::Array4;
use runtime::Selected;
use score_net::ModelConfig;
use sde_core::SdeConfig;
use serde::Deserialize;
use training::TrainingConfig;

/// That of the `tweedie` binary, so that what is measured is what is used.
#[path = "../crates/tweedie/src/allocator.rs"]
mod allocator;

pub use allocator::keep_freed_memory;

/// The parts of the default experiment that a benchmark needs, from `configs/mnist.toml` itself, so
/// that what is measured is what is trained.
#[derive(Deserialize)]
pub struct Experiment {
    /// The process.
    pub sde: SdeConfig,
    network: score_net::NetworkConfig,
    #[serde(default)]
    preconditioning: score_net::PreconditioningConfig,
    /// The optimiser and the batch.
    pub training: TrainingConfig,
}

impl Experiment {
    /// The default experiment.
    ///
    /// # Panics
    /// If the file that ships with the workspace cannot be read: then there is nothing to measure.
    pub fn default_of_workspace() -> Self {
        toml::from_str(include_str!("../configs/mnist.toml")).expect("configs/mnist.toml is valid")
    }

    /// Its model, for MNIST's shape.
    pub fn model(&self) -> ModelConfig {
        ModelConfig {
            shape: [1, 28, 28],
            network: self.network.clone(),
            preconditioning: self.preconditioning,
            classes: 0,
        }
    }
}

/// The devices to measure: the one that `TWEEDIE_BACKEND` asks for, else each backend that is
/// compiled in and present, but no software adapter.
///
/// What is not measured is said on stderr, so that a missing row has a reason.
#[allow(clippy::print_stderr)]
pub fn devices() -> Vec<Selected> {
    keep_freed_memory();
    let variable = runtime::BACKEND_VARIABLE;
    let asked = std::env::var(variable).is_ok_and(|name| !name.trim().is_empty());
    let found = match asked {
        true => vec![runtime::select(None)],
        false => runtime::compiled()
            .into_iter()
            .map(|backend| runtime::select(Some(backend)))
            .collect(),
    };
    let mut devices = Vec::new();
    for selected in found {
        match selected {
            Ok(selected) if selected.software && !asked => eprintln!(
                "benches: {selected} is not measured; with {variable}={} it is, and nothing else",
                selected.backend
            ),
            Ok(selected) => devices.push(selected),
            Err(error) => eprintln!("benches: not measured: {error}"),
        }
    }
    devices
}

/// Images of `shape`, channels × height × width, to learn from that need no file: what a step costs
/// does not depend on what they show.
///
/// # Panics
/// Never: the images have no classes to be uneven with.
pub fn images([channels, height, width]: [usize; 3]) -> ImageSet {
    let pixels = Array4::from_shape_fn((256, channels, height, width), |(n, c, y, x)| {
        ((n * 31 + c * 13 + y * 28 + x * 7) % 256) as u8
    });
    ImageSet::new(pixels, None).expect("images without classes")
}

/// Runs `work` and notes under the benchmark's name, in `target/criterion/memory.json`, where
/// `cargo xtask bench` finds it, how much memory it took: on a GPU backend what the device's
/// allocator has reserved by then, on flex the most that the process held meanwhile (on Linux
/// alone).
///
/// # Panics
/// If the note cannot be written.
pub fn noting_memory(benchmark: &str, selected: &Selected, work: impl FnOnce()) {
    let resettable = runtime::reset_peak_memory();
    work();
    let bytes = match selected.memory() {
        Some(device) => Some(device.reserved),
        None => runtime::process_memory()
            .filter(|_| resettable)
            .map(|process| process.peak),
    };
    let Some(bytes) = bytes else {
        return;
    };
    let path = criterion_folder().join("memory.json");
    let mut notes: BTreeMap<String, u64> = std::fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    notes.insert(benchmark.to_owned(), bytes);
    let text = serde_json::to_vec_pretty(&notes).expect("a map of numbers is JSON");
    std::fs::create_dir_all(criterion_folder()).expect("the target folder can be written");
    std::fs::write(path, text).expect("the target folder can be written");
}

fn criterion_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    target.join("criterion")
}
