//! Reading ahead changes when a sample is read, not what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use data::{AugmentationKey, DataConfig, DataError, EpochOrder, ImageFolder, Prefetched, Source};
use tempfile::TempDir;

use super::write_png;

fn folder() -> (TempDir, DataConfig) {
    let dir = TempDir::new().unwrap();
    for number in 0..12_u32 {
        let path = dir.path().join(format!("{number:02}.png"));
        write_png(&path, 20 + number, 16, |x, y| {
            [x as u8 * 8, y as u8 * 11, number as u8]
        });
    }
    let toml = format!(
        "kind = \"image-folder\"\npath = {:?}\nsize = 8\nresize = 12\ncrop = \"random\"\nflip = true\n\
         cache_mib = 0\n",
        dir.path()
    );
    (dir, toml::from_str(&toml).unwrap())
}

/// What training sees in `steps`, each batch drawn in two parts, the later first.
fn seen(set: &dyn Source, seed: u64, steps: std::ops::Range<u64>) -> Vec<f32> {
    let order = EpochOrder::new(set.len(), seed).unwrap();
    let (mut indices, mut all) = (Vec::new(), Vec::new());
    for step in steps {
        order.indices(step, 5, &mut indices);
        let key = AugmentationKey {
            seed,
            step,
            first_sample: 0,
        };
        let mut late = Vec::new();
        set.write_augmented(&indices[2..], key.advanced(2), &mut late)
            .unwrap();
        set.write_augmented(&indices[..2], key, &mut all).unwrap();
        all.extend(late);
    }
    all
}

#[test]
fn one_thread_and_several_see_what_none_sees() {
    let (_dir, config) = folder();
    let expected = seen(&*config.open().unwrap(), 3, 0..12);
    for (threads, ahead) in [(0, 4), (1, 1), (1, 3), (4, 2), (7, 30)] {
        let set = Prefetched::new(config.open().unwrap(), 3, 5, ahead, threads).unwrap();
        assert_eq!(
            seen(&set, 3, 0..12),
            expected,
            "{threads} threads, {ahead} ahead"
        );
    }
}

#[test]
fn a_jump_to_another_step_or_seed_is_no_trouble() {
    let (_dir, config) = folder();
    let plain = config.open().unwrap();
    let set = Prefetched::new(config.open().unwrap(), 3, 5, 2, 2).unwrap();
    for (seed, steps) in [
        (3, 0..3),
        (3, 100..103),
        (3, 101..104),
        (3, 5..7),
        (4, 0..2),
        (3, 200..203),
    ] {
        assert_eq!(seen(&set, seed, steps.clone()), seen(&*plain, seed, steps));
    }
}

#[test]
fn a_cache_of_any_size_changes_nothing() {
    let (_dir, config) = folder();
    let expected = seen(&*config.open().unwrap(), 3, 0..8);
    let DataConfig::ImageFolder(mut folder) = config else {
        unreachable!()
    };
    folder.cache_mib = 64;
    folder.flip = false;
    let set = data::Flipped(ImageFolder::open(&folder).unwrap());
    assert_eq!(seen(&set, 3, 0..8), expected);
    assert!(set.0.cached_bytes() > 0);
    assert_eq!(seen(&set, 3, 0..8), expected);
}

/// Counts what is read, and fails at one sample.
struct Counting {
    read: Arc<AtomicUsize>,
    bad: usize,
}

impl Source for Counting {
    fn len(&self) -> usize {
        100
    }

    fn sample_shape(&self) -> [usize; 3] {
        [1, 1, 1]
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        let start = out.len();
        for &index in indices {
            self.read.fetch_add(1, Ordering::SeqCst);
            if index == self.bad {
                out.truncate(start);
                return Err(DataError::MissingFile {
                    path: "vanished.png".into(),
                });
            }
            out.push(index as f32);
        }
        Ok(())
    }

    fn label(&self, _index: usize) -> Option<u8> {
        None
    }
}

#[test]
fn no_more_is_read_than_was_asked_to_be_held() {
    let read = Arc::default();
    let source = Counting {
        read: Arc::clone(&read),
        bad: usize::MAX,
    };
    let set = Prefetched::new(source, 1, 10, 2, 3).unwrap();
    let first = seen_of(&set, 0).unwrap();
    assert_eq!(first.len(), 10);
    // The step itself and two ahead, once the threads are done with them.
    let start = std::time::Instant::now();
    while read.load(Ordering::SeqCst) < 30 && start.elapsed().as_secs() < 20 {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(read.load(Ordering::SeqCst), 30);
    seen_of(&set, 1).unwrap();
    seen_of(&set, 2).unwrap();
    // Nothing was read twice.
    drop(set);
    assert!(read.load(Ordering::SeqCst) <= 50);
}

fn seen_of(set: &dyn Source, step: u64) -> Result<Vec<f32>, DataError> {
    let order = EpochOrder::new(set.len(), 1).unwrap();
    let mut indices = Vec::new();
    order.indices(step, 10, &mut indices);
    let key = AugmentationKey {
        seed: 1,
        step,
        first_sample: 0,
    };
    let mut out = vec![-1.0];
    let outcome = set.write_augmented(&indices, key, &mut out);
    assert_eq!(out.len(), if outcome.is_ok() { 11 } else { 1 });
    outcome.map(|()| out.split_off(1))
}

#[test]
fn an_error_met_ahead_is_told_at_its_own_step() {
    let order = EpochOrder::new(100, 1).unwrap();
    let mut indices = Vec::new();
    order.indices(3, 10, &mut indices);
    for threads in [0, 1, 4] {
        let source = Counting {
            read: Arc::default(),
            bad: indices[6],
        };
        let set = Prefetched::new(source, 1, 10, 5, threads).unwrap();
        for step in 0..10 {
            let outcome = seen_of(&set, step);
            assert_eq!(
                outcome.is_err(),
                step == 3,
                "{threads} threads, step {step}"
            );
        }
    }
}
