//! All pairs of two sets, in blocks: memory for some blocks of pairs a thread, whatever the sets' sizes.

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, NdFloat, s};
use rayon::prelude::*;

use crate::progress::{Observer, Stage};

/// Points of the first set in a block.
const ROWS: usize = 128;
/// Points of the second set in a block.
const COLUMNS: usize = 1024;

/// What a coordinate may be: f32 or f64.
pub trait Coordinate: NdFloat + Into<f64> {
    /// The nearest coordinate to a number.
    fn nearest_to(value: f64) -> Self;
}

impl Coordinate for f32 {
    fn nearest_to(value: f64) -> Self {
        value as Self
    }
}

impl Coordinate for f64 {
    fn nearest_to(value: f64) -> Self {
        value
    }
}

/// Two sets `[N, D]` and `[M, D]` whose pairs are looked at.
pub(crate) struct Pairs<'a, A> {
    first: ArrayView2<'a, A>,
    second: ArrayView2<'a, A>,
    /// The second set's mean: about it coordinates are small, and fewer digits cancel.
    centre: Array1<A>,
}

/// |x − y|² of one pair, known to within `error`; the difference itself is taken only where that is not
/// enough.
pub(crate) struct Pair<'a, A> {
    x: ArrayView1<'a, A>,
    y: ArrayView1<'a, A>,
    estimate: f64,
    error: f64,
}

impl<A: Coordinate> Pair<'_, A> {
    /// |x − y|², from the differences of the coordinates.
    pub fn squared(&self) -> f64 {
        squared_distance(self.x, self.y)
    }

    /// Whether |x − y|² is at most `square`.
    pub fn within(&self, square: f64) -> bool {
        let (low, high) = (self.estimate - self.error, self.estimate + self.error);
        high <= square || (low <= square && self.squared() <= square)
    }

    /// Whether |x − y|² may be below `square`; if not, it is not.
    pub fn may_be_below(&self, square: f64) -> bool {
        self.estimate - self.error < square
    }
}

/// |x − y|² in double precision. x and y can change places: the same operations are done.
pub(crate) fn squared_distance<A: Coordinate>(x: ArrayView1<'_, A>, y: ArrayView1<'_, A>) -> f64 {
    x.iter().zip(y).fold(0.0, |sum, (&x, &y)| {
        let difference: f64 = x.into() - y.into();
        sum + difference * difference
    })
}

impl<'a, A: Coordinate> Pairs<'a, A> {
    /// The pairs of two sets of one dimension, neither of them empty.
    pub fn new(first: ArrayView2<'a, A>, second: ArrayView2<'a, A>) -> Self {
        let mut sum = Array1::<f64>::zeros(second.ncols());
        for point in second.outer_iter() {
            sum.zip_mut_with(&point, |sum, &value| *sum += value.into());
        }
        let count = second.nrows() as f64;
        let centre = sum.mapv(|sum| A::nearest_to(sum / count));
        Self {
            first,
            second,
            centre,
        }
    }

    /// Cuts the first set into blocks and calls `work` with each, on several threads; `work` looks at the
    /// block's pairs with [`visit`](Self::visit). The results come in the blocks' order.
    pub fn by_blocks<T: Send>(
        &self,
        what: &'static str,
        work: impl Fn(Range<usize>) -> T + Sync,
        observe: &mut Observer<'_>,
    ) -> Vec<T> {
        let total = self.first.nrows();
        let blocks: Vec<Range<usize>> = (0..total)
            .step_by(ROWS)
            .map(|from| from..(from + ROWS).min(total))
            .collect();
        let mut results = Vec::with_capacity(blocks.len());
        let mut tell = |done| observe(Stage { what, done, total });
        tell(0);
        for some in blocks.chunks(rayon::current_num_threads()) {
            let found: Vec<T> = some.par_iter().map(|rows| work(rows.clone())).collect();
            results.extend(found);
            tell(some.last().map_or(0, |rows| rows.end));
        }
        results
    }

    /// Calls `take` with (i, j, pair) for every i in `rows` and every j of the second set, in the order
    /// of j for each i.
    pub fn visit(&self, rows: Range<usize>, mut take: impl FnMut(usize, usize, &Pair<'_, A>)) {
        let x = self.centred(self.first, rows.clone());
        let x_norms = norms(&x);
        let mut products = Array2::zeros((x.nrows(), COLUMNS));
        // |x|² + |y|² − 2x·y in the coordinates' precision is off by less than (D + 4)ε(|x| + |y|)²,
        // which is at most twice that of the squares (Higham 2002, eq. 3.5).
        let dimension = self.first.ncols() as f64;
        let relative = 4.0 * (dimension + 4.0) * A::epsilon().into();
        for from in (0..self.second.nrows()).step_by(COLUMNS) {
            let columns = from..(from + COLUMNS).min(self.second.nrows());
            let y = self.centred(self.second, columns.clone());
            let y_norms = norms(&y);
            let mut products = products.slice_mut(s![.., ..columns.len()]);
            general_mat_mul(A::one(), &x, &y.t(), A::zero(), &mut products);
            for (i, (row, x_norm)) in rows.clone().zip(products.outer_iter().zip(&x_norms)) {
                for (j, (&product, y_norm)) in columns.clone().zip(row.iter().zip(&y_norms)) {
                    let norms = x_norm + y_norm;
                    take(
                        i,
                        j,
                        &Pair {
                            x: self.first.row(i),
                            y: self.second.row(j),
                            estimate: norms - 2.0 * product.into(),
                            error: relative * norms,
                        },
                    );
                }
            }
        }
    }

    fn centred(&self, set: ArrayView2<'_, A>, range: Range<usize>) -> Array2<A> {
        &set.slice(s![range, ..]) - &self.centre
    }
}

fn norms<A: Coordinate>(points: &Array2<A>) -> Vec<f64> {
    points
        .outer_iter()
        .map(|point| {
            point.iter().fold(0.0, |sum, &value| {
                let value: f64 = value.into();
                sum + value * value
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::unobserved;
    use sde_core::noise::{Role, fill_standard_normal};

    fn points(seed: u64, count: usize, offset: f64) -> Array2<f32> {
        let mut values = vec![0.0; count * 7];
        fill_standard_normal(seed, 0, 0, Role::Data, &mut values);
        let values = values.into_iter().map(|v| (v + offset) as f32).collect();
        Array2::from_shape_vec((count, 7), values).unwrap()
    }

    #[test]
    fn every_pair_is_seen_once_and_known_to_within_its_error() {
        // More than a block of rows and of columns; far from 0, where single precision is coarse.
        let (first, second) = (points(1, 150, 300.0), points(2, 1100, 302.0));
        let pairs = Pairs::new(first.view(), second.view());
        let seen = pairs.by_blocks(
            "pairs",
            |rows| {
                let mut seen = Vec::new();
                pairs.visit(rows, |i, j, pair| {
                    let exact = squared_distance(first.row(i), second.row(j));
                    assert!((pair.estimate - exact).abs() <= pair.error);
                    assert!(pair.within(exact) && !pair.within(exact * (1.0 - 1e-12)));
                    assert!(pair.may_be_below(exact * (1.0 + 1e-12)));
                    seen.push((i, j));
                });
                seen
            },
            &mut unobserved,
        );
        let mut seen = seen.concat();
        seen.sort_unstable();
        let all = (0..150).flat_map(|i| (0..1100).map(move |j| (i, j)));
        assert!(seen.into_iter().eq(all));
    }

    #[test]
    fn the_observer_is_told_the_beginning_and_the_end() {
        let set = points(3, 300, 0.0);
        let pairs = Pairs::new(set.view(), set.view());
        let mut told = Vec::new();
        let work = |rows: Range<usize>| rows.len();
        let found = pairs.by_blocks("it", work, &mut |stage| told.push(stage));
        assert_eq!(found, [128, 128, 44]);
        let stage = |done| Stage {
            what: "it",
            done,
            total: 300,
        };
        assert_eq!(told.first(), Some(&stage(0)));
        assert_eq!(told.last(), Some(&stage(300)));
    }
}
