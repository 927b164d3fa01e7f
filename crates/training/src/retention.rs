//! Which checkpoints are kept.

use std::collections::BTreeSet;

use crate::config::Retention;

/// The steps of those that need not be kept: neither among the newest, nor at a multiple, nor among the
/// best. `steps` are in order, `losses` beside them.
pub(crate) fn dispensable(steps: &[u64], losses: &[Option<f64>], keep: Retention) -> Vec<u64> {
    let newest = steps.iter().rev().take(keep.newest).copied();
    let milestones = steps
        .iter()
        .copied()
        .filter(|step| keep.every > 0 && step.is_multiple_of(keep.every));
    let mut by_loss: Vec<(f64, u64)> = (steps.iter().zip(losses))
        .filter_map(|(&step, loss)| Some((loss.filter(|loss| loss.is_finite())?, step)))
        .collect();
    by_loss.sort_by(|a, b| a.0.total_cmp(&b.0));
    let best = by_loss.into_iter().take(keep.best).map(|(_, step)| step);
    let kept: BTreeSet<u64> = newest.chain(milestones).chain(best).collect();
    steps
        .iter()
        .copied()
        .filter(|step| !kept.contains(step))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_every_kth_and_the_best_are_kept() {
        let steps = [10, 20, 30, 40, 50, 60];
        let losses = [
            Some(3.0),
            Some(0.5),
            Some(2.0),
            None,
            Some(f64::NAN),
            Some(1.0),
        ];
        let keep = |newest, every, best| {
            dispensable(
                &steps,
                &losses,
                Retention {
                    newest,
                    every,
                    best,
                },
            )
        };
        assert_eq!(keep(2, 0, 0), [10, 20, 30, 40]);
        assert_eq!(keep(1, 30, 0), [10, 20, 40, 50]);
        assert_eq!(keep(1, 0, 1), [10, 30, 40, 50]);
        assert_eq!(keep(1, 0, 3), [10, 40, 50]);
        assert!(keep(6, 0, 0).is_empty());
    }
}
