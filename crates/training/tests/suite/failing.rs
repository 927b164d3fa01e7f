//! Data and numbers that turn bad while a run trains.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use data::{DataError, PointSet, Source};
use training::{NotFinitePolicy, RunFolder, TrainingConfig, TrainingError, run};

use crate::small::{config, contents, points, trainer};

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
        // The first read is of the set's identity; read k is of step k.
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
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
        "batch_size = 32",
        "batch_size = 16",
        "Out of Memory",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(folder.latest_checkpoint().unwrap().manifest().step, 4);
}
