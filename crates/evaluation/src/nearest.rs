//! Nearest neighbours by the Euclidean distance, found exactly.
//!
//! All pairs are looked at, in blocks, through a matrix product that knows their distances to within a
//! bound on its rounding; where that does not decide, the difference itself is taken. So a distance of
//! zero is found as zero, in single precision too.

mod pairs;

use ndarray::{Array2, ArrayView2};

use crate::progress::Observer;
use crate::{EvaluationError, samples};

pub use pairs::Coordinate;
pub(crate) use pairs::{Pairs, squared_distance};

/// The nearest neighbours of each of N points.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// Which points of the other set, `[N, k]`, the nearest first; of equally near ones that with the
    /// smaller index.
    pub indices: Array2<usize>,
    /// How far they are, `[N, k]`, in the points' unit.
    pub distances: Array2<f64>,
}

/// The `k` points of `base` `[M, D]` nearest to each of `points` `[N, D]`.
///
/// Takes N·M·D multiplications, on all of rayon's threads, and memory for a few blocks of pairs.
///
/// # Errors
/// No points, `k` = 0 or above M, NaN or infinity, different D.
pub fn nearest_neighbours<A: Coordinate>(
    points: ArrayView2<'_, A>,
    base: ArrayView2<'_, A>,
    k: usize,
    observe: &mut Observer<'_>,
) -> Result<Neighbours, EvaluationError> {
    at_least_one(k)?;
    samples::check(samples::SETS[0], &points, 1)?;
    samples::check(samples::SETS[1], &base, k)?;
    samples::same_dimension(points.ncols(), base.ncols())?;
    Ok(search(points, base, k, false, observe))
}

/// The `k` points of `set` `[N, D]` nearest to each of its points, which is none of its own neighbours;
/// a second point at the same place is.
///
/// # Errors
/// As for [`nearest_neighbours`]; the set must have more than `k` points.
pub fn nearest_others<A: Coordinate>(
    set: ArrayView2<'_, A>,
    k: usize,
    observe: &mut Observer<'_>,
) -> Result<Neighbours, EvaluationError> {
    at_least_one(k)?;
    samples::check("the set", &set, k.saturating_add(1))?;
    Ok(search(set, set, k, true, observe))
}

fn at_least_one(k: usize) -> Result<(), EvaluationError> {
    if k > 0 {
        return Ok(());
    }
    Err(EvaluationError::Option {
        option: "k",
        value: "0".to_owned(),
        expected: "1 or more neighbours",
    })
}

fn search<A: Coordinate>(
    points: ArrayView2<'_, A>,
    base: ArrayView2<'_, A>,
    k: usize,
    others: bool,
    observe: &mut Observer<'_>,
) -> Neighbours {
    let pairs = Pairs::new(points, base);
    let blocks = pairs.by_blocks(
        "nearest neighbours",
        |rows| {
            let first = rows.start;
            let mut nearest: Vec<Nearest> = rows.clone().map(|_| Nearest::new(k)).collect();
            pairs.visit(rows, |i, j, pair| {
                let nearest = &mut nearest[i - first];
                if pair.may_be_below(nearest.farthest()) && !(others && i == j) {
                    nearest.offer(pair.squared(), j);
                }
            });
            nearest
        },
        observe,
    );
    let found: Vec<(f64, usize)> = (blocks.into_iter().flatten())
        .flat_map(|nearest| nearest.found)
        .collect();
    let shape = (points.nrows(), k);
    Neighbours {
        indices: Array2::from_shape_fn(shape, |(i, rank)| found[i * k + rank].1),
        distances: Array2::from_shape_fn(shape, |(i, rank)| found[i * k + rank].0.sqrt()),
    }
}

/// The `k` nearest so far, by squared distance and index, sorted.
struct Nearest {
    k: usize,
    found: Vec<(f64, usize)>,
}

impl Nearest {
    fn new(k: usize) -> Self {
        Self {
            k,
            found: Vec::with_capacity(k + 1),
        }
    }

    /// Nothing that is not nearer than this has a place.
    fn farthest(&self) -> f64 {
        match self.found.get(self.k - 1) {
            Some((squared, _)) => *squared,
            None => f64::INFINITY,
        }
    }

    /// Indices are offered in their order, so an equally near one comes behind.
    fn offer(&mut self, squared: f64, index: usize) {
        let place = self.found.partition_point(|(other, _)| *other <= squared);
        if place < self.k {
            self.found.insert(place, (squared, index));
            self.found.truncate(self.k);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::unobserved;
    use ndarray::array;
    use proptest::prelude::*;
    use sde_core::noise::{Role, fill_standard_normal};

    fn points(seed: u64, count: usize, dimension: usize) -> Array2<f64> {
        let mut points = Array2::zeros((count, dimension));
        let values = points.as_slice_mut().unwrap();
        fill_standard_normal(seed, 0, 0, Role::Data, values);
        points
    }

    /// By sorting all distances.
    fn by_sorting(points: &Array2<f64>, base: &Array2<f64>, k: usize, others: bool) -> Vec<usize> {
        let mut indices = Vec::new();
        for (i, x) in points.outer_iter().enumerate() {
            let mut all: Vec<(f64, usize)> = (base.outer_iter().enumerate())
                .filter(|(j, _)| !(others && i == *j))
                .map(|(j, y)| (x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum(), j))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            indices.extend(all[..k].iter().map(|(_, j)| *j));
        }
        indices
    }

    #[test]
    fn on_the_line_they_are_those_one_sees() {
        let (points, base) = (array![[0.9], [7.0]], array![[5.0], [0.0], [1.0], [9.0]]);
        let found = nearest_neighbours(points.view(), base.view(), 2, &mut unobserved).unwrap();
        // 5 and 9 are equally near to 7.
        assert_eq!(found.indices, array![[2, 1], [0, 3]]);
        let expected = array![[0.1, 0.9], [2.0, 2.0]];
        assert!(
            (&found.distances - &expected)
                .iter()
                .all(|gap| gap.abs() < 1e-15)
        );
        let found = nearest_others(base.view(), 1, &mut unobserved).unwrap();
        assert_eq!(found.indices, array![[2], [2], [1], [0]]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn they_are_those_found_by_sorting_all_distances(
            seed in 0_u64..1 << 40, count in 5_usize..200, dimension in 1_usize..9, k in 1_usize..5,
        ) {
            // Far from the origin, and with points that coincide.
            let mut base = points(seed, count, dimension) + 1000.0;
            let last = base.row(count - 1).to_owned();
            base.row_mut(0).assign(&last);
            let mut queries = points(seed + 1, 150, dimension) + 1000.0;
            queries.row_mut(3).assign(&last);
            let found = nearest_neighbours(queries.view(), base.view(), k, &mut unobserved).unwrap();
            let expected = by_sorting(&queries, &base, k, false);
            prop_assert!(found.indices.iter().eq(&expected));
            prop_assert_eq!(found.distances[[3, 0]], 0.0);
            let found = nearest_others(base.view(), k, &mut unobserved).unwrap();
            prop_assert!(found.indices.iter().eq(&by_sorting(&base, &base, k, true)));
            prop_assert_eq!(found.distances[[0, 0]], 0.0);
        }
    }

    #[test]
    fn in_single_precision_they_are_those_of_the_rounded_points_in_double() {
        let [queries, base] = [1, 2].map(|seed| (points(seed, 300, 20) + 50.0).mapv(|v| v as f32));
        let wide = |set: &Array2<f32>| set.mapv(f64::from);
        let found = nearest_neighbours(queries.view(), base.view(), 3, &mut unobserved).unwrap();
        let (queries, base) = (wide(&queries), wide(&base));
        let expected = nearest_neighbours(queries.view(), base.view(), 3, &mut unobserved).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn more_neighbours_than_points_and_none_at_all_are_refused() {
        let set = points(1, 3, 2);
        let refused = |k| nearest_neighbours(set.view(), set.view(), k, &mut unobserved).is_err();
        assert!(refused(0) && refused(4) && refused(usize::MAX) && !refused(3));
        assert!(matches!(
            nearest_others(set.view(), 3, &mut unobserved),
            Err(EvaluationError::TooFewSamples {
                found: 3,
                needed: 4,
                ..
            })
        ));
        assert!(nearest_others(set.view(), usize::MAX, &mut unobserved).is_err());
        let other = points(1, 3, 5);
        assert!(nearest_neighbours(set.view(), other.view(), 1, &mut unobserved).is_err());
    }
}
