//! Are samples copies of training data? Their nearest neighbours in the training set, and two figures.
//!
//! **Copies** are samples whose nearest training point is nearer than a third of the second nearest one
//! (Yoon et al. 2023, "Diffusion probabilistic models generalize when they fail to memorize"): a new
//! sample has several neighbours about equally far. A training set that holds a picture twice hides its
//! copies from this, unless they are exact.
//!
//! **Nearer than held-out** is the chance that a sample is nearer to the training set than a held-out
//! point of the data is, ties counting half: the Mann-Whitney statistic of Meehan, Chaudhuri & Dasgupta
//! 2020, "A non-parametric test to detect data-copying in generative models", over the whole space. A
//! model that draws from the data's distribution has ½, one that copies more; one whose samples are off
//! the data has less, which can hide copies among them. With its standard score, below −3 in case of
//! copying as in the paper.

use ndarray::{Array2, ArrayView2, Axis};
use serde::Serialize;

use crate::bootstrap::{Bootstrap, Estimate};
use crate::nearest::{Coordinate, Neighbours, nearest_neighbours};
use crate::progress::{Observer, unobserved};
use crate::{EvaluationError, samples};

/// A sample is a copy if its nearest training point is nearer than this times the second nearest.
pub const COPY_RATIO: f64 = 1.0 / 3.0;

/// How near samples are to a training set.
#[derive(Clone, Debug, PartialEq)]
pub struct Memorisation {
    /// The samples' neighbours in the training set, `[N, k]`, k 2 or more.
    pub neighbours: Neighbours,
    /// The figures.
    pub figures: MemorisationFigures,
}

/// Figures of samples' distances to a training set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MemorisationFigures {
    /// The share of samples that are copies. Its interval draws from the samples.
    pub copies: Estimate,
    /// P(d(sample) < d(held-out)) + ½ P(equal), d being the distance to the training set. Its interval
    /// draws from the samples and from the held-out points.
    pub nearer: Estimate,
    /// Meehan et al.'s Z: how many standard deviations the number of pairs whose sample is *farther* is
    /// above its mean under equality.
    pub z: f64,
    /// The median distance of the held-out points to the training set, in the points' unit.
    pub held_out_distance: f64,
}

impl Memorisation {
    /// The distance of sample `index` to its nearest training point over that to the second nearest; 1
    /// if both are at its very place.
    #[must_use]
    pub fn ratio(&self, index: usize) -> f64 {
        let [nearest, second] = [0, 1].map(|rank| self.neighbours.distances[[index, rank]]);
        if second == 0.0 { 1.0 } else { nearest / second }
    }

    /// Whether sample `index` is a copy: exact, or much nearer to one training point than to all others.
    #[must_use]
    pub fn is_copy(&self, index: usize) -> bool {
        is_copy(
            self.neighbours.distances[[index, 0]],
            self.neighbours.distances[[index, 1]],
        )
    }

    /// The samples' indices, those first that are most like copies: by ratio, exact copies at the head.
    #[must_use]
    pub fn most_suspicious(&self) -> Vec<usize> {
        let suspicion = |&index: &usize| match self.neighbours.distances[[index, 0]] {
            0.0 => -1.0,
            _ => self.ratio(index),
        };
        let mut order: Vec<usize> = (0..self.neighbours.distances.nrows()).collect();
        order.sort_by(|a, b| suspicion(a).total_cmp(&suspicion(b)));
        order
    }
}

fn is_copy(nearest: f64, second: f64) -> bool {
    nearest == 0.0 || nearest < COPY_RATIO * second
}

/// Points whose nearness to a training set `[M, D]` is looked at.
#[derive(Clone, Copy, Debug)]
pub enum Points<'a, A> {
    /// Points `[N, D]` that are none of the set's: samples, or held-out data.
    Other(ArrayView2<'a, A>),
    /// The set's points at these places, each of which is left out of the set for itself. Where nothing
    /// was held out, they tell how near new data would be: each is one more draw beside the M − 1 others.
    Training(&'a [usize]),
}

impl<'a, A> From<ArrayView2<'a, A>> for Points<'a, A> {
    fn from(points: ArrayView2<'a, A>) -> Self {
        Self::Other(points)
    }
}

impl<A: Coordinate> Points<'_, A> {
    /// Their `k` nearest points of `training`.
    fn neighbours(
        self,
        training: ArrayView2<'_, A>,
        k: usize,
        observe: &mut Observer<'_>,
    ) -> Result<Neighbours, EvaluationError> {
        let places = match self {
            Self::Other(points) => return nearest_neighbours(points, training, k, observe),
            Self::Training(places) => places,
        };
        let points = training.select(Axis(0), places);
        let found = nearest_neighbours(points.view(), training, k.saturating_add(1), observe)?;
        let mut others = Neighbours {
            indices: Array2::zeros((places.len(), k)),
            distances: Array2::zeros((places.len(), k)),
        };
        for (row, own) in places.iter().enumerate() {
            // Among more than k others at its very place a point may miss itself: any of them will do.
            let indices = found.indices.row(row);
            let left_out = indices.iter().position(|index| index == own).unwrap_or(k);
            let kept = (0..=k).filter(|&rank| rank != left_out);
            for (to, from) in kept.enumerate() {
                others.indices[[row, to]] = indices[from];
                others.distances[[row, to]] = found.distances[[row, from]];
            }
        }
        Ok(others)
    }

    /// Refuses places that the set does not have, and no points at all.
    fn check(
        self,
        name: &'static str,
        training: &ArrayView2<'_, A>,
    ) -> Result<(), EvaluationError> {
        let places = match self {
            Self::Other(points) => return samples::check(name, &points, 1),
            Self::Training(places) => places,
        };
        let needed = places.iter().map(|&place| place.saturating_add(1)).max();
        match needed {
            None => Err(EvaluationError::TooFewSamples {
                set: name,
                found: 0,
                needed: 1,
            }),
            Some(needed) if needed > training.nrows() => Err(EvaluationError::TooFewSamples {
                set: "the training set",
                found: training.nrows(),
                needed,
            }),
            Some(_) => Ok(()),
        }
    }
}

/// How near `samples` `[N, D]` are to the points `training` `[M, D]` that a model learned from, against
/// points `held_out` `[P, D]` that it did not, or against [training points](Points::Training) beside the
/// others; each sample's `k` nearest training points are found, 2 at least.
///
/// # Errors
/// `k` below 2 or above M, an empty set, NaN or infinity, different D, fewer than two replicates; training
/// points that the set does not have, or of a set with no more than `k`.
pub fn memorisation<'a, 'b, A: Coordinate + 'a + 'b>(
    samples: impl Into<Points<'a, A>>,
    training: ArrayView2<'_, A>,
    held_out: impl Into<Points<'b, A>>,
    k: usize,
    bootstrap: &Bootstrap,
    observe: &mut Observer<'_>,
) -> Result<Memorisation, EvaluationError> {
    let (samples, held_out) = (samples.into(), held_out.into());
    bootstrap.check()?;
    if k < 2 {
        return Err(EvaluationError::Option {
            option: "neighbours",
            value: k.to_string(),
            expected: "2 or more: the second nearest tells whether the first is a copy",
        });
    }
    held_out.check("the held-out set", &training)?;
    samples.check("the first set", &training)?;
    let neighbours = samples.neighbours(training, k, observe)?;
    let of_held_out = held_out.neighbours(training, 1, observe)?;
    let distances = &neighbours.distances;
    let copies: Vec<f64> = distances
        .outer_iter()
        .map(|row| f64::from(u8::from(is_copy(row[0], row[1]))))
        .collect();
    let mut held_out = of_held_out.distances.index_axis_move(Axis(1), 0).to_vec();
    held_out.sort_unstable_by(f64::total_cmp);
    let mut own = distances.column(0).to_vec();
    own.sort_unstable_by(f64::total_cmp);
    let (n, m) = (own.len(), held_out.len());
    let value = nearer(&own, &held_out, &vec![1; n], &vec![1; m]);
    let figure = |own_counts: &[u32], held_out_counts: &[u32]| {
        Ok(nearer(&own, &held_out, own_counts, held_out_counts))
    };
    let nearer = bootstrap.of_two_sets(value, [n, m], figure, &mut unobserved)?;
    let (pairs, total) = (n as f64 * m as f64, (n + m) as f64);
    Ok(Memorisation {
        figures: MemorisationFigures {
            copies: bootstrap.of_mean(&copies)?,
            nearer,
            z: pairs * (0.5 - value) / (pairs * (total + 1.0) / 12.0).sqrt(),
            held_out_distance: crate::bootstrap::quantile(&held_out, 0.5),
        },
        neighbours,
    })
}

/// P(x < y) + ½ P(x = y) of sorted `x` and `y` whose values count so many times.
fn nearer(x: &[f64], y: &[f64], x_counts: &[u32], y_counts: &[u32]) -> f64 {
    let (mut below, mut total) = (0.0, 0.0);
    // Those of x below the present y end at i, those equal to it at j; and the sums of their counts.
    let (mut i, mut j) = (0, 0);
    let (mut less, mut equal) = (0.0, 0.0);
    let all: f64 = x_counts.iter().copied().map(f64::from).sum();
    for (&y, &count) in y.iter().zip(y_counts) {
        let before = i;
        while i < x.len() && x[i] < y {
            less += f64::from(x_counts[i]);
            i += 1;
        }
        if i > before {
            (j, equal) = (i, 0.0);
        }
        while j < x.len() && x[j] == y {
            equal += f64::from(x_counts[j]);
            j += 1;
        }
        below += f64::from(count) * (less + equal / 2.0);
        total += f64::from(count);
    }
    below / (all * total)
}

#[cfg(test)]
mod tests;
