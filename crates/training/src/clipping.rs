//! Clipping by the global norm of the gradient (Pascanu et al. 2013, algorithm 1): one norm over all
//! parameters, not one each.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

/// What a gradient of global norm `norm` is multiplied by, so that it has at most `max_norm` (0: any).
pub(crate) fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    if max_norm > 0.0 {
        // As PyTorch's clip_grad_norm_: the 1e-6 guards a norm of zero.
        (max_norm / (norm + 1e-6)).min(1.0)
    } else {
        1.0
    }
}

/// Scales `gradients` so that their global norm is at most `max_norm` (0: never), and returns the
/// norm that they had, on the device: nothing here waits for it.
///
/// # Shapes
/// - output: `[1]`
pub fn clip_global_norm<M: Module>(
    module: &M,
    gradients: &mut GradientsParams,
    max_norm: f64,
    device: &Device,
) -> Tensor<1> {
    let mut squares = SumOfSquares {
        gradients,
        sum: Tensor::zeros([1], device),
    };
    module.visit(&mut squares);
    let norm = squares.sum.sqrt();
    if max_norm > 0.0 {
        // As `clip_factor`, but on the device.
        let factor = norm.clone().add_scalar(1e-6).recip().mul_scalar(max_norm);
        let factor = factor.clamp_max(1.0);
        module.visit(&mut Scaling { gradients, factor });
    }
    norm
}

struct SumOfSquares<'a> {
    gradients: &'a GradientsParams,
    sum: Tensor<1>,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sum = self.sum.clone() + gradient.square().sum();
        }
    }
}

struct Scaling<'a> {
    gradients: &'a mut GradientsParams,
    factor: Tensor<1>,
}

impl ModuleVisitor for Scaling<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let factor = self.factor.clone().reshape([1; D]);
            self.gradients.register(param.id, gradient * factor);
        }
    }
}
