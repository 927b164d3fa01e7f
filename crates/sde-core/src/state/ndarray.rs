//! States as `ndarray` arrays: the first axis counts samples, the others are the sample's shape.

use ndarray::{Array, Axis, Dimension, NdFloat, RemoveAxis, Zip};

use super::State;

/// Rounds a host coefficient to the array's element type.
fn element<A: NdFloat>(value: f64) -> A {
    A::from(value).expect("every f64 converts to a float type")
}

impl<A, D> State for Array<A, D>
where
    A: NdFloat,
    D: Dimension + RemoveAxis,
{
    fn batch(&self) -> usize {
        self.len_of(Axis(0))
    }

    fn sample_len(&self) -> usize {
        self.shape()[1..].iter().product()
    }

    fn scale(mut self, a: f64) -> Self {
        let a = element::<A>(a);
        self.mapv_inplace(|x| a * x);
        self
    }

    fn lincomb(mut self, a: f64, y: &Self, b: f64) -> Self {
        let (a, b) = (element::<A>(a), element::<A>(b));
        Zip::from(&mut self)
            .and(y)
            .for_each(|x, &y| *x = a * *x + b * y);
        self
    }

    fn axpy(mut self, b: f64, y: &Self) -> Self {
        // Left to itself, `scaled_add` would broadcast y.
        assert_eq!(self.shape(), y.shape(), "states of one shape");
        self.scaled_add(element::<A>(b), y);
        self
    }

    fn axpy_per_sample(mut self, b: &[f64], y: &Self) -> Self {
        assert_eq!(b.len(), self.batch(), "one coefficient a sample");
        assert_eq!(self.shape(), y.shape(), "states of one shape");
        for ((mut x, y), &b) in self.outer_iter_mut().zip(y.outer_iter()).zip(b) {
            x.scaled_add(element::<A>(b), &y);
        }
        self
    }

    fn norms(&self) -> Vec<f64> {
        let square = |x: &A| {
            let x = x.to_f64().expect("every float type converts to f64");
            x * x
        };
        self.outer_iter()
            .map(|sample| sample.iter().map(square).sum::<f64>().sqrt())
            .collect()
    }

    fn is_finite(&self) -> bool {
        self.iter().all(|x| x.is_finite())
    }

    fn filled_like(&self, fill: &mut dyn FnMut(usize, &mut [f64])) -> Self {
        let mut buffer = vec![0.0; self.sample_len()];
        let mut filled = Self::zeros(self.raw_dim());
        for (i, mut sample) in filled.outer_iter_mut().enumerate() {
            fill(i, &mut buffer);
            for (x, &value) in sample.iter_mut().zip(&buffer) {
                *x = element::<A>(value);
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3, array};

    use super::*;

    #[test]
    fn linear_combinations_are_elementwise() {
        let x = array![[1.0, 2.0], [3.0, 4.0]];
        let y = array![[10.0, 20.0], [30.0, 40.0]];
        assert_eq!(
            x.clone().lincomb(2.0, &y, 0.5),
            array![[7.0, 14.0], [21.0, 28.0]]
        );
        assert_eq!(x.clone().axpy(0.1, &y), array![[2.0, 4.0], [6.0, 8.0]]);
        assert_eq!(x.clone().scale(-1.0), array![[-1.0, -2.0], [-3.0, -4.0]]);
        assert_eq!(
            x.axpy_per_sample(&[0.0, 0.1], &y),
            array![[1.0, 2.0], [6.0, 8.0]]
        );
    }

    #[test]
    fn norms_and_filling_go_sample_by_sample() {
        let like = Array3::<f32>::zeros((2, 3, 4));
        let filled = like.filled_like(&mut |i, buffer| buffer.fill(i as f64));
        assert_eq!(filled.shape(), &[2, 3, 4]);
        let norms = filled.norms();
        assert_eq!(norms[0], 0.0);
        assert!((norms[1] - 12f64.sqrt()).abs() < 1e-12);
        assert!(filled.is_finite());
        assert!(!Array2::from_elem((1, 1), f64::NAN).is_finite());
    }

    #[test]
    #[should_panic(expected = "states of one shape")]
    fn states_of_two_shapes_are_not_added() {
        let _ = Array2::<f64>::zeros((3, 4)).axpy(1.0, &Array2::zeros((1, 4)));
    }
}
