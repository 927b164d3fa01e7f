//! States as `ndarray` arrays: the first axis counts samples, the others are the sample's shape.

use ndarray::{Array, Axis, Dimension, NdFloat, RemoveAxis, Zip, concatenate};

use super::State;

/// Rounds a host coefficient to the array's element type.
fn element<A: NdFloat>(value: f64) -> A {
    A::from(value).expect("every f64 converts to a float type")
}

/// An element on the host.
fn host<A: NdFloat>(value: &A) -> f64 {
    value.to_f64().expect("every float type converts to f64")
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

    fn lincomb_per_sample(mut self, a: &[f64], y: &Self, b: &[f64]) -> Self {
        assert_eq!(a.len(), self.batch(), "one coefficient a sample");
        assert_eq!(b.len(), self.batch(), "one coefficient a sample");
        assert_eq!(self.shape(), y.shape(), "states of one shape");
        for (((mut x, y), &a), &b) in self.outer_iter_mut().zip(y.outer_iter()).zip(a).zip(b) {
            let (a, b) = (element::<A>(a), element::<A>(b));
            x.zip_mut_with(&y, |x, &y| *x = a * *x + b * y);
        }
        self
    }

    fn axpy_exp(mut self, [a, b]: [f64; 2], v: &Self, y: &Self) -> Self {
        let (a, b) = (element::<A>(a), element::<A>(b));
        Zip::from(&mut self)
            .and(v)
            .and(y)
            .for_each(|x, &v, &y| *x += (a + b * v).exp() * y);
        self
    }

    fn clamped(mut self, low: f64, high: f64) -> Self {
        let (low, high) = (element::<A>(low), element::<A>(high));
        // Not `clamp`, which panics for low > high; a NaN stays one.
        self.mapv_inplace(|x| {
            if x < low {
                low
            } else if x > high {
                high
            } else {
                x
            }
        });
        self
    }

    fn dots(&self, y: &Self) -> Vec<f64> {
        assert_eq!(self.shape(), y.shape(), "states of one shape");
        self.outer_iter()
            .zip(y.outer_iter())
            .map(|(x, y)| x.iter().zip(y).map(|(x, y)| host(x) * host(y)).sum())
            .collect()
    }

    fn error_norms(&self, x: &Self, y: &Self, absolute: f64, relative: f64) -> Vec<f64> {
        assert_eq!(self.shape(), x.shape(), "states of one shape");
        assert_eq!(self.shape(), y.shape(), "states of one shape");
        let len = self.sample_len() as f64;
        (self.outer_iter().zip(x.outer_iter()).zip(y.outer_iter()))
            .map(|((e, x), y)| {
                let square = |((e, x), y): ((&A, &A), &A)| {
                    let scale = absolute + relative * host(x).abs().max(host(y).abs());
                    (host(e) / scale).powi(2)
                };
                let sum: f64 = e.iter().zip(&x).zip(&y).map(square).sum();
                (sum / len).sqrt()
            })
            .collect()
    }

    fn select_samples(&self, samples: &[usize]) -> Self {
        assert!(!samples.is_empty(), "at least one sample");
        self.select(Axis(0), samples)
    }

    fn concatenate_samples(parts: &[Self]) -> Self {
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        concatenate(Axis(0), &views).expect("batches of samples of one shape")
    }

    fn is_finite(&self) -> bool {
        self.iter().all(|x| x.is_finite())
    }

    fn to_host(&self) -> Vec<f64> {
        self.iter().map(host).collect()
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
    fn samples_have_coefficients_products_and_places_of_their_own() {
        let x = array![[1.0, 2.0], [3.0, 4.0], [5.0, -6.0]];
        let y = array![[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]];
        assert_eq!(
            x.clone()
                .lincomb_per_sample(&[1.0, 0.0, 2.0], &y, &[0.1, 1.0, 0.0]),
            array![[2.0, 4.0], [30.0, 40.0], [10.0, -12.0]]
        );
        assert_eq!(x.dots(&y), [50.0, 250.0, -110.0]);
        assert_eq!(x.norms()[1], 5.0);
        assert_eq!(
            x.clone().clamped(-1.0, 3.0),
            array![[1.0, 2.0], [3.0, 3.0], [3.0, -1.0]]
        );
        let picked = x.select_samples(&[2, 0]);
        assert_eq!(picked, array![[5.0, -6.0], [1.0, 2.0]]);
        let joined = Array2::concatenate_samples(&[picked, y.select_samples(&[1])]);
        assert_eq!(joined, array![[5.0, -6.0], [1.0, 2.0], [30.0, 40.0]]);
    }

    #[test]
    fn an_error_is_measured_in_units_of_its_tolerance() {
        let e = array![[0.3, -0.4]];
        let (x, y) = (array![[-1.0, 2.0]], array![[0.5, -3.0]]);
        // Tolerances 0.1 + 0.2·1 and 0.1 + 0.2·3.
        let expected = ((1.0f64.powi(2) + (0.4f64 / 0.7).powi(2)) / 2.0).sqrt();
        assert!((e.error_norms(&x, &y, 0.1, 0.2)[0] - expected).abs() < 1e-15);
    }

    #[test]
    fn samples_are_mapped_in_row_major_order_whatever_the_layout() {
        let x = Array3::from_shape_fn((2, 2, 3), |(i, j, k)| (100 * i + 10 * j + k) as f32);
        let turned = x.clone().permuted_axes([0, 2, 1]);
        assert_eq!(turned.to_host()[..4], [0.0, 10.0, 1.0, 11.0]);
        let mapped = turned.map_samples(&mut |i, sample| {
            assert_eq!(sample.len(), 6);
            sample[1] = -(i as f64);
        });
        assert_eq!(mapped[[0, 0, 1]], 0.0);
        assert_eq!(mapped[[1, 0, 1]], -1.0);
        assert_eq!(mapped[[1, 2, 1]], 112.0);
        assert_eq!(mapped[[1, 2, 0]], 102.0);
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
