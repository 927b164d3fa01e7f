//! The networks to compare, and at which batch sizes.

use std::collections::BTreeMap;

use benches::Experiment;
use score_net::ModelConfig;
use sde_core::SdeConfig;
use serde::{Deserialize, Serialize};
use training::TrainingConfig;

/// What is done with a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One step of training: draw, forward, loss, backward, clip, AdamW, EMA.
    Train,
    /// One evaluation as a denoiser, without gradients.
    Evaluate,
}

/// The batch sizes of each kind of work: one image, where overhead shows; a few; and as many as fill
/// the caches. 32 is what configs/mnist.toml trains with, 64 what it samples.
const BATCHES: [(Kind, &[usize]); 2] = [
    (Kind::Train, &[1, 16, 32, 64]),
    (Kind::Evaluate, &[1, 16, 64]),
];

/// A network with all that it takes to train it: enough for another implementation to do the same.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// Its name in a row.
    pub name: String,
    /// Network, preconditioning and the shape of its images.
    pub model: ModelConfig,
    /// The process.
    pub sde: SdeConfig,
    /// Objective and optimiser.
    pub training: TrainingConfig,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// What to measure, at which batch sizes.
    pub batches: [(Kind, &'static [usize]); 2],
}

/// The default network and those of `cases.toml`, by name.
///
/// # Panics
/// If a file that ships with the workspace is wrong.
pub fn all() -> Vec<Case> {
    let experiment = Experiment::default_of_workspace();
    let mut models: BTreeMap<String, ModelConfig> =
        toml::from_str(include_str!("cases.toml")).expect("cases.toml is valid");
    for model in models.values_mut() {
        model.preconditioning = experiment.model().preconditioning;
    }
    models.insert("default".to_owned(), experiment.model());
    let case = |(name, model): (String, ModelConfig)| Case {
        name,
        parameters: model
            .network
            .parameter_count(model.shape)
            .expect("a network that fits its images"),
        model,
        sde: experiment.sde,
        training: experiment.training.clone(),
        batches: BATCHES,
    };
    models.into_iter().map(case).collect()
}

/// The case of that name.
///
/// # Errors
/// Names those that there are.
pub fn named(name: &str) -> Result<Case, String> {
    let cases = all();
    let names: Vec<_> = cases.iter().map(|case| case.name.clone()).collect();
    let mut cases = cases.into_iter();
    cases
        .find(|case| case.name == name)
        .ok_or_else(|| format!("there is no case `{name}`, but {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_the_sizes_that_their_names_say() {
        let sizes: Vec<_> = all()
            .into_iter()
            .map(|case| (case.name, case.parameters))
            .collect();
        let expected = [("default", 0.72e6), ("unet-1m", 1.1e6), ("unet-4m", 4.1e6)];
        assert_eq!(sizes.len(), expected.len());
        for ((name, size), (expected_name, expected_size)) in sizes.iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!((*size as f64 / expected_size - 1.0).abs() < 0.03, "{size}");
        }
    }
}
