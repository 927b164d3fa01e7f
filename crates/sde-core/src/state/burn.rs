//! States as Burn tensors of any rank above one, on any device: `[batch, ...]`.

use burn::tensor::{Tensor, TensorData};

use super::State;

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
        assert_eq!(b.len(), self.batch(), "one coefficient a sample");
        assert_eq!(self.dims(), y.dims(), "states of one shape");
        let mut shape = [1; D];
        shape[0] = b.len();
        let b = Tensor::<D>::from_data(
            TensorData::new(b.to_vec(), shape),
            (&self.device(), self.dtype()),
        );
        self + y.clone() * b
    }

    fn norms(&self) -> Vec<f64> {
        let [batch, len] = [self.batch(), self.sample_len()];
        self.clone()
            .reshape([batch, len])
            .square()
            .sum_dim(1)
            .into_data()
            .iter::<f64>()
            .map(f64::sqrt)
            .collect()
    }

    fn is_finite(&self) -> bool {
        // An infinity or a NaN anywhere makes 0·x summed a NaN; a sum of zeros cannot overflow.
        let probe = self.clone().mul_scalar(0.0).sum();
        probe.into_data().iter::<f64>().all(f64::is_finite)
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
        assert_eq!(x.norms(), [5f64.sqrt(), 5.0]);
        // Named in full: a tensor has an elementwise `is_finite` of its own.
        assert!(State::is_finite(&x));
        assert!(!State::is_finite(&x.clone().div_scalar(0.0)));
        let filled = x.filled_like(&mut |i, buffer| buffer.fill(i as f64));
        assert_eq!(values(filled), [0.0, 0.0, 1.0, 1.0]);
    }
}
