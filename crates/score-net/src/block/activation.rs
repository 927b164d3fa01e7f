//! SiLU, arranged for a backend whose exponential is the slowest thing it does.

use burn::tensor::Tensor;

/// SiLU (swish), x ↦ x·s(x) with s the logistic function (Elfwing et al. 2017).
///
/// Recorded step by step, the backward pass would evaluate the exponential a second time and keep
/// several full-size intermediates. The derivative s·(1 + x − f), with f = x·s, costs three cheap
/// passes while s is at hand. So it is computed with the value, outside the graph, and what is
/// recorded is the straight line x·f′ + (f − x·f′), whose constant is −f·(x − f): the value is f,
/// the gradient is f′, and the backward pass is a single product. Only first derivatives are
/// right, which is all that Burn can differentiate.
///
/// # Shapes
///
/// - input, output: any, the same
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !x.is_autodiff() {
        let denominator = x.clone().neg().exp().add_scalar(1.0);
        return x.div(denominator);
    }
    let point = x.clone().without_autodiff();
    let logistic = point.clone().neg().exp().add_scalar(1.0).recip();
    let value = point.clone().mul(logistic.clone());
    let rest = point.sub(value.clone());
    let offset = value.mul(rest.clone());
    let slope = rest.add_scalar(1.0).mul(logistic);
    x.mul(slope).sub(offset)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, TensorData, activation};

    use super::*;

    /// Points from far left, where e^{−x} overflows f32, to far right.
    fn points(dtype: DType) -> Tensor<1> {
        let values = vec![
            -120.0, -90.0, -20.0, -5.0, -1.278, -0.3, 0.0, 1e-4, 0.7, 2.0, 15.0, 90.0,
        ];
        let len = values.len();
        Tensor::from_data(TensorData::new(values, [len]), (&Device::flex(), dtype))
    }

    fn vec(x: Tensor<1>) -> Vec<f64> {
        x.into_data().iter::<f64>().collect()
    }

    fn close(a: &[f64], b: &[f64], tolerance: f64) {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} {b}");
        }
    }

    fn slope_by(f: impl Fn(Tensor<1>) -> Tensor<1>, x: Tensor<1>) -> Vec<f64> {
        let x = x.autodiff().require_grad();
        let grads = f(x.clone()).sum().backward();
        vec(x.grad(&grads).unwrap())
    }

    #[test]
    fn value_is_that_of_the_definition_with_and_without_a_graph() {
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-15)] {
            let exact: Vec<f64> = vec(points(dtype))
                .into_iter()
                .map(|x| x / (1.0 + (-x).exp()))
                .collect();
            close(&vec(silu(points(dtype))), &exact, tolerance);
            close(&vec(silu(points(dtype).autodiff())), &exact, tolerance);
        }
    }

    #[test]
    fn slope_is_that_of_burns_own_silu() {
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-15)] {
            close(
                &slope_by(silu, points(dtype)),
                &slope_by(activation::silu, points(dtype)),
                tolerance,
            );
        }
    }
}
