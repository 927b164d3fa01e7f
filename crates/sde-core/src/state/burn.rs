//! States as Burn tensors of any rank above one, on any device: `[batch, ...]`.

use burn::tensor::{Int, Tensor, TensorData};

use super::State;

/// One coefficient a sample as a tensor `[batch, 1, ...]` beside `x`.
fn per_sample<const D: usize>(x: &Tensor<D>, coefficients: &[f64]) -> Tensor<D> {
    assert_eq!(coefficients.len(), x.batch(), "one coefficient a sample");
    let mut shape = [1; D];
    shape[0] = coefficients.len();
    Tensor::from_data(
        TensorData::new(coefficients.to_vec(), shape),
        (&x.device(), x.dtype()),
    )
}

/// The sum over each sample's elements, on the host.
fn sums<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    let [batch, len] = [x.batch(), x.sample_len()];
    x.reshape([batch, len])
        .sum_dim(1)
        .into_data()
        .iter::<f64>()
        .collect()
}

impl<const D: usize> State for Tensor<D> {
    fn batch(&self) -> usize {
        self.dims()[0]
    }

    fn sample_len(&self) -> usize {
        self.dims()[1..].iter().product()
    }

    fn scale(self, a: f64) -> Self {
        self.mul_scalar(a)
    }

    fn lincomb(self, a: f64, y: &Self, b: f64) -> Self {
        assert_eq!(self.dims(), y.dims(), "states of one shape");
        self.mul_scalar(a) + y.clone().mul_scalar(b)
    }

    fn axpy(self, b: f64, y: &Self) -> Self {
        assert_eq!(self.dims(), y.dims(), "states of one shape");
        self + y.clone().mul_scalar(b)
    }

    fn axpy_per_sample(self, b: &[f64], y: &Self) -> Self {
        assert_eq!(self.dims(), y.dims(), "states of one shape");
        let b = per_sample(&self, b);
        self + y.clone() * b
    }

    fn lincomb_per_sample(self, a: &[f64], y: &Self, b: &[f64]) -> Self {
        assert_eq!(self.dims(), y.dims(), "states of one shape");
        let (a, b) = (per_sample(&self, a), per_sample(&self, b));
        self * a + y.clone() * b
    }

    fn axpy_exp(self, [a, b]: [f64; 2], v: &Self, y: &Self) -> Self {
        assert_eq!(self.dims(), v.dims(), "states of one shape");
        assert_eq!(self.dims(), y.dims(), "states of one shape");
        self + v.clone().mul_scalar(b).add_scalar(a).exp() * y.clone()
    }

    fn clamped(self, low: f64, high: f64) -> Self {
        self.clamp(low, high)
    }

    fn dots(&self, y: &Self) -> Vec<f64> {
        assert_eq!(self.dims(), y.dims(), "states of one shape");
        sums(self.clone() * y.clone())
    }

    fn error_norms(&self, x: &Self, y: &Self, absolute: f64, relative: f64) -> Vec<f64> {
        assert_eq!(self.dims(), x.dims(), "states of one shape");
        assert_eq!(self.dims(), y.dims(), "states of one shape");
        let scale = (x.clone().abs())
            .max_pair(y.clone().abs())
            .mul_scalar(relative)
            .add_scalar(absolute);
        let len = self.sample_len() as f64;
        sums((self.clone() / scale).square())
            .into_iter()
            .map(|sum| (sum / len).sqrt())
            .collect()
    }

    fn select_samples(&self, samples: &[usize]) -> Self {
        assert!(!samples.is_empty(), "at least one sample");
        let places: Vec<i64> = samples.iter().map(|&i| i as i64).collect();
        let places = TensorData::new(places, [samples.len()]);
        let places = Tensor::<1, Int>::from_data(places, &self.device());
        self.clone().select(0, places)
    }

    fn concatenate_samples(parts: &[Self]) -> Self {
        Self::cat(parts.to_vec(), 0)
    }

    fn is_finite(&self) -> bool {
        // An infinity or a NaN anywhere makes 0·x summed a NaN; a sum of zeros cannot overflow.
        let probe = self.clone().mul_scalar(0.0).sum();
        probe.into_data().iter::<f64>().all(f64::is_finite)
    }

    fn to_host(&self) -> Vec<f64> {
        self.clone().into_data().iter::<f64>().collect()
    }

    fn filled_like(&self, fill: &mut dyn FnMut(usize, &mut [f64])) -> Self {
        let [batch, len] = [self.batch(), self.sample_len()];
        let mut buffer = vec![0.0; len];
        let mut values = Vec::with_capacity(batch * len);
        for i in 0..batch {
            fill(i, &mut buffer);
            values.extend_from_slice(&buffer);
        }
        let data = TensorData::new(values, self.dims());
        Self::from_data(data, (&self.device(), self.dtype()))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn values(x: Tensor<2>) -> Vec<f64> {
        x.into_data().iter::<f64>().collect()
    }

    #[test]
    fn tensors_follow_the_same_algebra_as_arrays() {
        let device = Device::flex();
        let x = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device);
        let y = Tensor::<2>::from_data([[10.0, 20.0], [30.0, 40.0]], &device);
        assert_eq!(
            values(x.clone().lincomb(2.0, &y, 0.5)),
            [7.0, 14.0, 21.0, 28.0]
        );
        assert_eq!(values(x.clone().axpy(0.5, &y)), [6.0, 12.0, 18.0, 24.0]);
        assert_eq!(
            values(x.clone().axpy_per_sample(&[0.0, 0.5], &y)),
            [1.0, 2.0, 18.0, 24.0]
        );
        assert_eq!(
            values(x.clone().lincomb_per_sample(&[2.0, 0.0], &y, &[0.5, 1.0])),
            [7.0, 14.0, 30.0, 40.0]
        );
        assert_eq!(values(x.clone().clamped(1.5, 3.5)), [1.5, 2.0, 3.0, 3.5]);
        assert_eq!(x.dots(&y), [50.0, 250.0]);
        assert_eq!(x.error_norms(&x, &y, 0.0, 0.1), [1.0, 1.0]);
        let swapped = x.select_samples(&[1, 0]);
        assert_eq!(values(swapped.clone()), [3.0, 4.0, 1.0, 2.0]);
        let joined = State::concatenate_samples(&[swapped, y.select_samples(&[0])]);
        assert_eq!(values(joined), [3.0, 4.0, 1.0, 2.0, 10.0, 20.0]);
        assert_eq!(x.norms(), [5f64.sqrt(), 5.0]);
        // Named in full: a tensor has an elementwise `is_finite` of its own.
        assert!(State::is_finite(&x));
        assert!(!State::is_finite(&x.clone().div_scalar(0.0)));
        let filled = x.filled_like(&mut |i, buffer| buffer.fill(i as f64));
        assert_eq!(values(filled), [0.0, 0.0, 1.0, 1.0]);
    }
}
