//! Runs that stop and go on: what they leave, who may train, what is kept.

use std::fs;
use std::ops::ControlFlow;

use training::{Checkpoint, MetricsRecord, RunFolder, TrainingConfig, TrainingError, Watch, run};

use crate::small::{checkpoint, config, contents, points, trainer};

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

/// Breaks a run off after a step.
struct Until(u64);

impl Watch for Until {
    fn step(&mut self, step: u64) -> ControlFlow<()> {
        if step >= self.0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
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
