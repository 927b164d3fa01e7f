//! Checkpoints that are damaged, forged, of another format or another experiment.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use data::Toy;
use score_net::NetworkConfig;
use sde_core::{SdeConfig, families::Edm};
use sha2::{Digest, Sha256};
use training::{Checkpoint, NotFinitePolicy, Trainer, TrainingConfig, TrainingError};

use crate::small::{checkpoint, config, contents, model, points, trainer};

#[test]
fn a_manifest_of_a_newer_version_altered_or_no_json_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    checkpoint(&path);
    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let refused = |text: &str| {
        fs::write(&manifest, text).unwrap();
        Checkpoint::open(&path).unwrap_err().to_string()
    };
    for (altered, said) in [
        (
            text.replace("\"format\": 2", "\"format\": 99"),
            "version 99",
        ),
        (text.replace("\"format\": 2", "\"format\": 0"), "version 0"),
        (text.replace("\"step\": 1", "\"step\": 7"), "altered"),
        ("{".to_owned(), "not JSON"),
        ("{}".to_owned(), "no format version"),
        (text.replace("\"files\"", "\"fyles\""), "does not fit"),
        (String::new(), "not JSON"),
    ] {
        let message = refused(&altered);
        assert!(
            message.contains(said) && message.contains("manifest.json"),
            "{message}"
        );
    }
    fs::write(&manifest, &text).unwrap();
    Checkpoint::open(&path).unwrap();
    fs::remove_file(path.join("manifest.sha256")).unwrap();
    let message = Checkpoint::open(&path).unwrap_err().to_string();
    assert!(message.contains("manifest.sha256"), "{message}");
}

/// Alters a manifest, with a digest that fits: the work of a stranger, not of a disk.
fn forge(checkpoint: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = checkpoint.join("manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    let text = serde_json::to_vec(&manifest).unwrap();
    let digest: String = Sha256::digest(&text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    fs::write(&path, text).unwrap();
    fs::write(checkpoint.join("manifest.sha256"), digest).unwrap();
}

#[test]
fn a_checkpoint_of_the_first_format_can_be_sampled_from_and_says_that_it_cannot_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    checkpoint(&path);
    forge(&path, |manifest| {
        manifest["format"] = 1.into();
        manifest.as_object_mut().unwrap().remove("state");
        let files = manifest["files"].as_array_mut().unwrap();
        files.retain(|file| file["name"] == "ema.safetensors");
    });
    fs::remove_file(path.join("manifest.sha256")).unwrap();
    let old = Checkpoint::open(&path).unwrap();
    old.model(&Device::flex()).unwrap();
    let points = points();
    let error = old
        .restore(&mut trainer(&points, config(3)))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("format version 1") && error.contains("sampled"),
        "{error}"
    );
}

#[test]
fn a_manifest_that_promises_more_than_its_files_hold_allocates_nothing() {
    for (pointer, value) in [
        ("/model/network/width", 30_000_u64),
        ("/model/network/width", 1 << 40),
        ("/model/network/blocks", 1 << 40),
        ("/model/network/embedding", 1 << 62),
        ("/model/shape/0", u64::MAX),
        ("/model/shape/1", 1 << 33),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        checkpoint(&path);
        forge(&path, |manifest| {
            *manifest.pointer_mut(pointer).unwrap() = value.into()
        });
        let forged = Checkpoint::open(&path).unwrap();
        let error = forged.model(&Device::flex()).unwrap_err().to_string();
        assert!(
            error.contains("too few") || error.contains("at most"),
            "{pointer} = {value}: {error}"
        );
    }
}

#[test]
fn weights_that_do_not_fit_the_model_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    checkpoint(&path);
    // The moments instead of the weights, with digests that fit.
    fs::copy(
        path.join("optimizer.safetensors"),
        path.join("ema.safetensors"),
    )
    .unwrap();
    forge(&path, |manifest| {
        let files = manifest["files"].as_array_mut().unwrap();
        let mut swapped = files
            .iter()
            .find(|file| file["name"] == "optimizer.safetensors")
            .unwrap()
            .clone();
        swapped["name"] = "ema.safetensors".into();
        files.retain(|file| file["name"] != "ema.safetensors");
        files.push(swapped);
    });
    let error = Checkpoint::open(&path)
        .unwrap()
        .model(&Device::flex())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("ema.safetensors") && error.contains("is missing"),
        "{error}"
    );
}

#[test]
fn a_changed_experiment_is_refused_by_the_field_that_differs_and_free_keys_are_free() {
    let points = points();
    let folder = tempfile::tempdir().unwrap();
    let stored = checkpoint(&folder.path().join("checkpoint"));
    let refused = |error: TrainingError, field: &str| {
        let message = error.to_string();
        assert!(
            message.contains("another experiment") && message.contains(field),
            "{message}"
        );
    };
    let mut wider = model();
    if let NetworkConfig::Mlp(mlp) = &mut wider.network {
        mlp.width = 64;
    }
    let device = Device::flex();
    let vp = SdeConfig::default();
    let mut other = Trainer::new(config(3), vp, &wider, &points, &device).unwrap();
    refused(
        stored.restore(&mut other).unwrap_err(),
        "model.network.width is 32 in it, and 64 here",
    );
    let edm = SdeConfig::Edm(Edm::default());
    let mut other = Trainer::new(config(3), edm, &model(), &points, &device).unwrap();
    refused(stored.restore(&mut other).unwrap_err(), "sde.");
    let other = TrainingConfig {
        learning_rate: 2e-3,
        ..config(3)
    };
    refused(
        stored.restore(&mut trainer(&points, other)).unwrap_err(),
        "training.learning_rate is 0.001",
    );
    let fewer = Toy::TwoMoons.sample(255, 0);
    refused(
        stored.restore(&mut trainer(&fewer, config(3))).unwrap_err(),
        "data.samples is 256 in it, and 255",
    );
    let others = Toy::TwoMoons.sample(256, 1);
    refused(
        stored
            .restore(&mut trainer(&others, config(3)))
            .unwrap_err(),
        "data.sha256",
    );
    let free = TrainingConfig {
        steps: 99,
        log_every: 1,
        checkpoint_every: 9,
        keep_checkpoints: 7,
        keep_best: 2,
        not_finite: NotFinitePolicy::Skip,
        ..config(3)
    };
    stored.restore(&mut trainer(&points, free)).unwrap();
}

#[cfg(unix)]
#[test]
fn all_files_of_a_checkpoint_can_be_read_by_the_same_people() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    checkpoint(&path);
    let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode();
    for (name, _) in contents(&path) {
        assert_eq!(mode(&name), mode("manifest.json"), "{name}");
    }
}
