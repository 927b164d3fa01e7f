//! What a run survives: kills, damage, strangers' files, failing data, numbers that are none.
#![allow(missing_docs)]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use data::{DataError, PointSet, Source, Toy};
use score_net::{MlpConfig, ModelConfig, NetworkConfig, PreconditioningConfig};
use sde_core::{SdeConfig, families::Edm};
use sha2::{Digest, Sha256};
use training::{
    Checkpoint, MetricsRecord, NotFinitePolicy, RunFolder, Trainer, TrainingConfig, TrainingError,
    Watch, run,
};

use burn::tensor::Device;

fn points() -> PointSet {
    Toy::TwoMoons.sample(256, 0)
}

fn model() -> ModelConfig {
    ModelConfig {
        shape: [2, 1, 1],
        network: NetworkConfig::Mlp(MlpConfig {
            width: 16,
            blocks: 1,
            embedding: 8,
            ..MlpConfig::default()
        }),
        preconditioning: PreconditioningConfig {
            sigma_data: 1.0,
            ..Default::default()
        },
    }
}

fn config(steps: u64) -> TrainingConfig {
    TrainingConfig {
        steps,
        batch_size: 16,
        warmup_steps: 10,
        learning_rate: 1e-3,
        ema_decay: 0.9,
        log_every: 5,
        checkpoint_every: 4,
        sample_every: 0,
        ..Default::default()
    }
}

fn trainer(source: &dyn Source, config: TrainingConfig) -> Trainer<'_> {
    Trainer::new(
        config,
        SdeConfig::default(),
        &model(),
        source,
        &Device::flex(),
    )
    .unwrap()
}

/// A trainer after `steps` steps.
fn after(source: &dyn Source, steps: u64) -> Trainer<'_> {
    let mut trainer = trainer(source, config(steps));
    for _ in 0..steps {
        trainer.step().unwrap();
    }
    trainer
}

fn checkpoint(folder: &Path) -> Checkpoint {
    let points = points();
    Checkpoint::write(&mut after(&points, 1), folder).unwrap()
}

/// The metrics without what a clock put there.
fn measured(folder: &RunFolder) -> Vec<MetricsRecord> {
    let timeless = |record: MetricsRecord| MetricsRecord {
        samples_per_second: 0.0,
        seconds: 0.0,
        ..record
    };
    folder
        .metrics()
        .unwrap()
        .into_iter()
        .map(timeless)
        .collect()
}

fn contents(checkpoint: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = (fs::read_dir(checkpoint).unwrap())
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

/// Breaks a run off after a step.
struct Until(u64);

impl Watch for Until {
    fn step(&mut self, step: u64) -> std::ops::ControlFlow<()> {
        if step >= self.0 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    }
}

#[test]
fn a_run_that_is_stopped_again_and_again_leaves_the_same_files_and_metrics() {
    let points = points();
    let folder = tempfile::tempdir().unwrap();
    let whole = RunFolder::create(&folder.path().join("whole"), "").unwrap();
    run(&mut trainer(&points, config(30)), &whole, &mut ()).unwrap();

    let path = folder.path().join("broken");
    drop(RunFolder::create(&path, "").unwrap());
    // Neither at a line of the metrics nor at a checkpoint.
    for until in [3, 7, 13, 22, 40] {
        let broken = RunFolder::open(&path).unwrap().lock().unwrap();
        let mut trainer = trainer(&points, config(30));
        if let Ok(checkpoint) = broken.latest_checkpoint() {
            checkpoint.restore(&mut trainer).unwrap();
        }
        match run(&mut trainer, &broken, &mut Until(until)) {
            Err(TrainingError::Stopped { step }) => assert_eq!(step, until),
            other => {
                other.unwrap();
                assert_eq!(until, 40);
            }
        }
    }
    let broken = RunFolder::open(&path).unwrap();
    assert_eq!(measured(&broken), measured(&whole));
    assert_eq!(
        contents(&broken.checkpoint_path(30)),
        contents(&whole.checkpoint_path(30))
    );
    let names: Vec<String> = contents(&whole.checkpoint_path(30))
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "ema.safetensors",
            "manifest.json",
            "manifest.sha256",
            "optimizer.safetensors",
            "weights.safetensors"
        ]
    );
}

#[test]
fn a_folder_has_one_trainer_at_a_time_and_a_lock_left_behind_is_known_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let first = RunFolder::create(&path, "").unwrap();
    assert_eq!(first.left_behind(), None);
    let error = RunFolder::open(&path)
        .unwrap()
        .lock()
        .unwrap_err()
        .to_string();
    let me = std::process::id().to_string();
    assert!(
        error.contains(&format!("process {me} is training")),
        "{error}"
    );
    drop(first);
    let second = RunFolder::open(&path).unwrap().lock().unwrap();
    assert_eq!(second.left_behind(), None);
    drop(second);
    // As a process that was killed leaves it.
    fs::write(path.join("run.lock"), "4194305\n").unwrap();
    let third = RunFolder::open(&path).unwrap().lock().unwrap();
    assert_eq!(third.left_behind(), Some("4194305"));
}

#[test]
fn what_a_killed_process_left_half_made_is_cleared_away_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let run = RunFolder::create(&path, "").unwrap();
    checkpoint(&run.checkpoint_path(3));
    let half_made =
        [".writing-x1y2", ".removing-00000002"].map(|name| run.checkpoints_path().join(name));
    for half in &half_made {
        fs::create_dir(half).unwrap();
        fs::write(half.join("ema.safetensors"), "half").unwrap();
    }
    fs::write(path.join("metrics.jsonl.writing"), "half").unwrap();
    fs::write(path.join("notes.txt"), "mine").unwrap();
    drop(run);
    let run = RunFolder::open(&path).unwrap().lock().unwrap();
    assert!(half_made.iter().all(|half| !half.exists()));
    assert!(!path.join("metrics.jsonl.writing").exists() && path.join("notes.txt").exists());
    assert_eq!(run.checkpoint_steps().unwrap(), [3]);
}

#[test]
fn the_newest_the_milestones_and_the_best_checkpoints_are_kept() {
    let points = points();
    let folder = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&folder.path().join("run"), "").unwrap();
    let config = TrainingConfig {
        keep_checkpoints: 1,
        keep_every: 8,
        keep_best: 1,
        ..config(30)
    };
    run(&mut trainer(&points, config), &folder, &mut ()).unwrap();
    let kept = folder.checkpoint_steps().unwrap();
    assert!(
        [8, 16, 24, 30].iter().all(|step| kept.contains(step)),
        "{kept:?}"
    );
    assert!(kept.len() <= 5);
    let loss = |&step: &u64| {
        Checkpoint::open(&folder.checkpoint_path(step))
            .unwrap()
            .manifest()
            .loss
            .unwrap()
    };
    let losses: Vec<f64> = kept.iter().map(loss).collect();
    assert!(
        losses.iter().all(|loss| loss.is_finite() && *loss > 0.0),
        "{losses:?}"
    );
}

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
        "model.network.width is 16 in it, and 64 here",
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

/// Points that turn bad: from some read on they are not numbers, cannot be read, or do not fit.
struct Failing {
    points: PointSet,
    reads: AtomicU64,
    from: u64,
    fault: Fault,
}

#[derive(Clone, Copy)]
enum Fault {
    NotANumber,
    Vanished,
    OutOfMemory,
}

impl Failing {
    fn from(read: u64, fault: Fault) -> Self {
        Self {
            points: points(),
            reads: AtomicU64::new(0),
            from: read,
            fault,
        }
    }
}

impl Source for Failing {
    fn len(&self) -> usize {
        self.points.len()
    }

    fn sample_shape(&self) -> [usize; 3] {
        self.points.sample_shape()
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        let start = out.len();
        self.points.write_samples(indices, out)?;
        // Whoever asks for all probes asks for the identity of the set.
        let read = match indices.len() {
            65.. => 0,
            _ => self.reads.fetch_add(1, Ordering::Relaxed) + 1,
        };
        match self.fault {
            _ if read < self.from => {}
            Fault::NotANumber if read == self.from => out[start] = f32::NAN,
            Fault::NotANumber => {}
            Fault::Vanished => {
                out.truncate(start);
                return data::idx::read::<1>(Path::new("/nowhere/images.idx")).map(|_| ());
            }
            Fault::OutOfMemory => panic!("wgpu error: Out of Memory\nand much more"),
        }
        Ok(())
    }

    fn label(&self, _: usize) -> Option<u8> {
        None
    }
}

fn one_part(steps: u64) -> TrainingConfig {
    TrainingConfig {
        shards: Some(1),
        ..config(steps)
    }
}

#[test]
fn numbers_that_are_none_stop_the_run_with_step_layer_and_time_or_are_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let strict = RunFolder::create(&folder.path().join("strict"), "").unwrap();
    let failing = Failing::from(10, Fault::NotANumber);
    let error = run(&mut trainer(&failing, one_part(20)), &strict, &mut ()).unwrap_err();
    let message = error.to_string();
    for part in ["the loss", "step 10", "first in Mlp.", "t = ", "not_finite"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(strict.latest_checkpoint().unwrap().manifest().step, 8);

    let lenient = RunFolder::create(&folder.path().join("lenient"), "").unwrap();
    let failing = Failing::from(10, Fault::NotANumber);
    let skipping = TrainingConfig {
        not_finite: NotFinitePolicy::Skip,
        ..one_part(20)
    };
    run(&mut trainer(&failing, skipping), &lenient, &mut ()).unwrap();
    let skipped: Vec<(u64, u64)> = lenient
        .metrics()
        .unwrap()
        .iter()
        .map(|r| (r.step, r.skipped))
        .collect();
    assert_eq!(skipped, [(5, 0), (10, 1), (15, 0), (20, 0)]);
    assert_eq!(lenient.latest_checkpoint().unwrap().manifest().step, 20);
}

#[test]
fn a_run_of_steps_that_are_not_finite_stops_even_one_that_leaves_them_out() {
    let points = points();
    let hopeless = TrainingConfig {
        learning_rate: 1e30,
        clip_norm: 0.0,
        warmup_steps: 0,
        not_finite: NotFinitePolicy::Skip,
        ..one_part(200)
    };
    let mut trainer = trainer(&points, hopeless);
    let error = (0..200).find_map(|_| trainer.step().err()).unwrap();
    assert!(
        matches!(error, TrainingError::NotFinite { step, .. } if step < 40),
        "{error}"
    );
}

#[test]
fn data_that_vanish_end_the_run_with_their_name_and_no_step_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let run_folder = RunFolder::create(&folder.path().join("run"), "").unwrap();
    let failing = Failing::from(11, Fault::Vanished);
    let error = run(&mut trainer(&failing, one_part(20)), &run_folder, &mut ()).unwrap_err();
    assert!(error.to_string().contains("images.idx"), "{error}");
    // Ten steps were taken, the last regular checkpoint was at eight.
    let kept = run_folder.latest_checkpoint().unwrap();
    assert_eq!(kept.manifest().step, 10);

    let points = points();
    let mut resumed = trainer(&points, one_part(20));
    kept.restore(&mut resumed).unwrap();
    run(&mut resumed, &run_folder, &mut ()).unwrap();
    let whole = RunFolder::create(&folder.path().join("whole"), "").unwrap();
    run(&mut trainer(&points, one_part(20)), &whole, &mut ()).unwrap();
    assert_eq!(
        contents(&run_folder.checkpoint_path(20)),
        contents(&whole.checkpoint_path(20))
    );
}

#[test]
fn a_device_without_memory_is_an_error_that_says_which_batch_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&folder.path().join("run"), "").unwrap();
    let failing = Failing::from(6, Fault::OutOfMemory);
    let error = run(&mut trainer(&failing, one_part(20)), &folder, &mut ())
        .unwrap_err()
        .to_string();
    for part in [
        "step 6",
        "batch_size = 16",
        "batch_size = 8",
        "Out of Memory",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(folder.latest_checkpoint().unwrap().manifest().step, 4);
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

#[test]
fn metrics_tell_norms_extremes_and_spikes() {
    let points = points();
    let folder = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&folder.path().join("run"), "").unwrap();
    run(&mut trainer(&points, config(20)), &folder, &mut ()).unwrap();
    for record in folder.metrics().unwrap() {
        assert!(record.loss_max >= record.loss && record.grad_norm_max >= record.grad_norm);
        assert!(record.weight_norm > 1.0 && record.ema_norm > 1.0);
        assert_eq!(record.skipped, 0);
    }
}
