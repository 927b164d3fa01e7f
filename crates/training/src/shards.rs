//! Threads for the parts of a batch.

use std::ops::Range;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tracing::trace_span;

use crate::TrainingError;

/// Cuts batches into parts and works on them at the same time; in one part, on the caller's thread.
///
/// Each part has a pool of its own, for the whole run: what is parallelised inside an operation then
/// stays on the part's share of the cores, so that parts do not wait for each other.
pub(crate) struct Shards(Vec<ThreadPool>);

impl Shards {
    pub fn new(parts: usize) -> Result<Self, TrainingError> {
        if parts <= 1 {
            return Ok(Self(Vec::new()));
        }
        let threads = (cores() / parts).max(1);
        let pool = |_| ThreadPoolBuilder::new().num_threads(threads).build();
        let pools: Result<_, _> = (0..parts).map(pool).collect();
        pools.map(Self).map_err(|source| TrainingError::Threads {
            shards: parts,
            source,
        })
    }

    /// What `work` makes of each part of a batch of `samples`, in their order.
    pub fn map<T: Send>(&self, samples: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
        let parts = self.0.len();
        if parts == 0 {
            return vec![work(0..samples)];
        }
        let bounds = |part: usize| samples * part / parts..samples * (part + 1) / parts;
        let mut results: Vec<Option<T>> = (0..parts).map(|_| None).collect();
        let parts: Vec<_> = (self.0.iter().zip(&mut results).enumerate())
            .map(|(part, (pool, result))| (pool, result, bounds(part)))
            .collect();
        // This thread waits meanwhile.
        trace_span!(target: "profile::waiting", "parts").in_scope(|| on_each_pool(parts, &work));
        let done = |result: Option<T>| result.expect("every part is worked on");
        results.into_iter().map(done).collect()
    }
}

/// Starts each part on its pool, and waits for all of them.
fn on_each_pool<T: Send>(
    mut parts: Vec<(&ThreadPool, &mut Option<T>, Range<usize>)>,
    work: &(impl Fn(Range<usize>) -> T + Sync),
) {
    if let Some((pool, result, range)) = parts.pop() {
        pool.in_place_scope(|scope| {
            scope.spawn(move |_| *result = Some(work(range)));
            on_each_pool(parts, work);
        });
    }
}

/// The number of threads that this machine runs at the same time.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn parts_are_even_in_order_and_worked_on_at_the_same_time() {
        for parts in [1, 2, 5] {
            let shards = Shards::new(parts).unwrap();
            // If one part had to wait for another, none would get past it.
            let all = Barrier::new(parts);
            for samples in [5, 12, 64] {
                let ranges = shards.map(samples, |range| {
                    all.wait();
                    range
                });
                assert_eq!(ranges.len(), parts);
                assert_eq!((ranges[0].start, ranges[parts - 1].end), (0, samples));
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
                let lens = ranges.iter().map(ExactSizeIterator::len);
                assert!(lens.clone().max().unwrap() - lens.min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn each_part_has_its_share_of_the_cores() {
        for parts in [2, 3] {
            let shards = Shards::new(parts).unwrap();
            let threads = shards.map(parts, |_| rayon::current_num_threads());
            assert_eq!(threads, vec![(cores() / parts).max(1); parts]);
        }
    }
}
