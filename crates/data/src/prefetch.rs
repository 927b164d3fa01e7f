//! Samples of the next training steps, read ahead by threads.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::augmentation::AugmentationKey;
use crate::error::DataError;
use crate::order::EpochOrder;
use crate::source::Source;

/// A set whose samples for the next training steps are read while a step is computed.
///
/// It knows which samples a step takes as training does, from an [`EpochOrder`] of (length, seed), so
/// whoever trains asks for nothing else than without it, and gets the same numbers bit for bit: a
/// sample that was not read ahead is read when it is asked for, and the number of threads changes when
/// a sample is read, not what it is.
///
/// It holds `ahead` batches at most, and what its threads are at.
#[derive(Debug)]
pub struct Prefetched<S: Source + 'static> {
    shared: Arc<Shared<S>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<S> {
    source: S,
    order: EpochOrder,
    seed: u64,
    batch: usize,
    ahead: u64,
    state: Mutex<State>,
    /// Told of new jobs, of finished ones and of the end.
    changed: Condvar,
}

/// A sample of a step: the step, and the place in its batch.
type Place = (u64, u64);

#[derive(Debug, Default)]
struct State {
    /// The steps that were planned: from the one that is trained to before this.
    steps: std::ops::Range<u64>,
    /// What is to be read, by place: the index.
    waiting: BTreeMap<Place, usize>,
    /// What is being read.
    started: HashSet<Place>,
    /// What was read, with its index.
    done: HashMap<Place, (usize, Result<Vec<f32>, DataError>)>,
    stopped: bool,
}

impl<S: Source + 'static> Prefetched<S> {
    /// Reads `source` ahead for a training with `seed` and batches of `batch` samples, `ahead` steps
    /// with `threads` threads. Without threads nothing is read ahead.
    ///
    /// # Errors
    /// [`DataError::UnorderableLength`] if the set is empty or too large, [`DataError::Threads`] if the
    /// threads cannot be started.
    pub fn new(
        source: S,
        seed: u64,
        batch: usize,
        ahead: usize,
        threads: usize,
    ) -> Result<Self, DataError> {
        let shared = Arc::new(Shared {
            order: EpochOrder::new(source.len(), seed)?,
            source,
            seed,
            batch,
            ahead: if threads == 0 { 0 } else { ahead as u64 },
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut prefetched = Self {
            shared: Arc::clone(&shared),
            threads: Vec::new(),
        };
        for number in 0..threads {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().name(format!("data-{number}"));
            let thread = thread.spawn(move || shared.work());
            // Those that were started before are stopped by the drop.
            (prefetched.threads).push(thread.map_err(|source| DataError::Threads { source })?);
        }
        Ok(prefetched)
    }

    /// The set that is read ahead.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.shared.source
    }
}

impl<S: Source + 'static> Drop for Prefetched<S> {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

/// Takes a place off the list of started ones, even if reading it panicked, so that nobody waits for it.
struct Started<'a, S: Source> {
    shared: &'a Shared<S>,
    place: Place,
}

impl<S: Source> Drop for Started<'_, S> {
    fn drop(&mut self) {
        self.shared.state().started.remove(&self.place);
        self.shared.changed.notify_all();
    }
}

impl<S: Source> Shared<S> {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is whole before anything can panic, so a poisoned lock is as good as any.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        (self.changed.wait(state)).unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.state();
        while !state.stopped {
            let Some((place, index)) = state.waiting.pop_first() else {
                state = self.wait(state);
                continue;
            };
            state.started.insert(place);
            drop(state);
            let started = Started {
                shared: self,
                place,
            };
            let sample = self.read(place, index);
            let mut finished = self.state();
            if finished.steps.contains(&place.0) {
                finished.done.insert(place, (index, sample));
            }
            drop(finished);
            drop(started);
            state = self.state();
        }
    }

    fn read(&self, (step, place): Place, index: usize) -> Result<Vec<f32>, DataError> {
        let key = AugmentationKey {
            seed: self.seed,
            step,
            first_sample: place,
        };
        let mut sample = Vec::new();
        self.source.write_augmented(&[index], key, &mut sample)?;
        Ok(sample)
    }

    /// Forgets the steps before `step`, and plans those after it.
    fn plan(&self, step: u64) {
        let mut state = self.state();
        // A step that was left behind is asked for again: whatever for, it is not training's next.
        if self.ahead == 0 || (step < state.steps.start) {
            return;
        }
        let end = step.saturating_add(1).saturating_add(self.ahead);
        let planned = state.steps.end.max(step.saturating_add(1));
        if planned == end && state.steps.start == step {
            return;
        }
        state.steps = step..end;
        state.waiting = state.waiting.split_off(&(step, 0));
        state.done.retain(|place, _| place.0 >= step);
        let mut indices = Vec::new();
        for step in planned..end {
            self.order.indices(step, self.batch, &mut indices);
            let places = (0..).zip(&indices);
            let places = places.map(|(place, &index)| ((step, place), index));
            state.waiting.extend(places);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// What became of each of the places, whose samples are those at `indices`. As whoever asks has to
    /// wait anyway, it reads itself what no thread has begun.
    fn claim(&self, key: AugmentationKey, indices: &[usize]) -> Vec<Claim> {
        let mut state = self.state();
        let claims = indices.iter().enumerate().map(|(place, &index)| {
            let key = key.advanced(place);
            let place = (key.step, key.first_sample);
            match state.done.remove(&place) {
                Some((read, sample)) if read == index => Claim::Done(sample),
                None if state.started.contains(&place) => Claim::Started(place),
                _ => {
                    state.waiting.remove(&place);
                    Claim::Mine
                }
            }
        });
        claims.collect()
    }

    /// Waits for a sample that a thread is reading; none if it read another.
    fn wait_for(&self, place: Place, index: usize) -> Option<Result<Vec<f32>, DataError>> {
        let mut state = self.state();
        while state.started.contains(&place) {
            state = self.wait(state);
        }
        let (read, sample) = state.done.remove(&place)?;
        (read == index).then_some(sample)
    }

    /// Appends the samples that were claimed. Neighbours that nobody has read are read together, before
    /// anything is waited for.
    fn gather(
        &self,
        indices: &[usize],
        key: AugmentationKey,
        mut claims: Vec<Claim>,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let mut read = Vec::new();
        let mut place = 0;
        while place < claims.len() {
            let mine = |claim: &&Claim| matches!(claim, Claim::Mine);
            let run = claims[place..].iter().take_while(mine).count();
            if run > 0 {
                let indices = &indices[place..place + run];
                (self.source).write_augmented(indices, key.advanced(place), &mut read)?;
            }
            place += run.max(1);
        }
        let len: usize = self.source.sample_shape().iter().product();
        let mut read = &read[..];
        for (place, claim) in claims.drain(..).enumerate() {
            let sample = match claim {
                Claim::Mine => {
                    let (sample, rest) = read.split_at(len);
                    out.extend_from_slice(sample);
                    read = rest;
                    continue;
                }
                Claim::Done(sample) => Some(sample),
                Claim::Started(at) => self.wait_for(at, indices[place]),
            };
            match sample {
                Some(sample) => out.extend(sample?),
                None => {
                    let indices = &indices[place..=place];
                    (self.source).write_augmented(indices, key.advanced(place), out)?;
                }
            }
        }
        Ok(())
    }
}

/// Who reads a sample.
enum Claim {
    Done(Result<Vec<f32>, DataError>),
    Started(Place),
    Mine,
}

impl<S: Source + 'static> Source for Prefetched<S> {
    fn len(&self) -> usize {
        self.shared.source.len()
    }

    fn sample_shape(&self) -> [usize; 3] {
        self.shared.source.sample_shape()
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        self.shared.source.write_samples(indices, out)
    }

    fn write_augmented(
        &self,
        indices: &[usize],
        key: AugmentationKey,
        out: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let shared = &*self.shared;
        if key.seed != shared.seed || shared.ahead == 0 {
            return shared.source.write_augmented(indices, key, out);
        }
        shared.plan(key.step);
        let claims = shared.claim(key, indices);
        let start = out.len();
        let outcome = shared.gather(indices, key, claims, out);
        if outcome.is_err() {
            out.truncate(start);
        }
        outcome
    }

    fn label(&self, index: usize) -> Option<u8> {
        self.shared.source.label(index)
    }

    fn class_count(&self) -> usize {
        self.shared.source.class_count()
    }

    fn class_names(&self) -> &[String] {
        self.shared.source.class_names()
    }
}
