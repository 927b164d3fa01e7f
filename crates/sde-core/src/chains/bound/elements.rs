//! States whose elements can be read on the host.

use crate::State;

/// A state whose elements the host can read: the decoder and learned variances work on each by itself.
pub trait Elements: State {
    /// All elements, sample after sample, each in row-major order; it synchronises with the device.
    fn elements(&self) -> Vec<f64>;
}

#[cfg(feature = "ndarray")]
impl<A, D> Elements for ndarray::Array<A, D>
where
    A: ndarray::NdFloat,
    D: ndarray::Dimension + ndarray::RemoveAxis,
{
    fn elements(&self) -> Vec<f64> {
        let host = |x: &A| x.to_f64().expect("every float type converts to f64");
        self.iter().map(host).collect()
    }
}

#[cfg(feature = "burn")]
impl<const D: usize> Elements for burn::tensor::Tensor<D> {
    fn elements(&self) -> Vec<f64> {
        self.clone().into_data().iter::<f64>().collect()
    }
}
