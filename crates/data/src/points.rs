//! Points of the plane in memory.

use ndarray::{Array2, Axis};

use crate::error::DataError;
use crate::source::Source;

/// Points `[N, 2]`, without classes.
#[derive(Clone, Debug, PartialEq)]
pub struct PointSet {
    /// The coordinates, `[N, 2]`.
    pub points: Array2<f32>,
}

impl Source for PointSet {
    fn len(&self) -> usize {
        self.points.len_of(Axis(0))
    }

    fn sample_shape(&self) -> [usize; 3] {
        [self.points.len_of(Axis(1)), 1, 1]
    }

    fn write_samples(&self, indices: &[usize], out: &mut Vec<f32>) -> Result<(), DataError> {
        out.reserve(indices.len() * self.points.len_of(Axis(1)));
        for &index in indices {
            out.extend(self.points.row(index).iter());
        }
        Ok(())
    }

    fn label(&self, _index: usize) -> Option<u8> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn points_are_written_unscaled_and_without_labels() {
        let set = PointSet {
            points: array![[1.0, -2.0], [3.5, 4.0], [5.0, 6.0]],
        };
        let mut out = vec![0.25];
        set.write_samples(&[2, 0], &mut out).unwrap();
        assert_eq!(out, [0.25, 5.0, 6.0, 1.0, -2.0]);
        assert_eq!(set.len(), 3);
        assert!(!set.is_empty());
        assert_eq!(set.sample_shape(), [2, 1, 1]);
        assert_eq!(set.label(0), None);
    }
}
