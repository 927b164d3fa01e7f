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
    let norm = square_norms(module, gradients, device).sum().sqrt();
    clip_by(module, gradients, norm.clone(), max_norm);
    norm
}

/// The squared norm of each parameter's gradient, on the device; 0 for one that has none.
///
/// # Shapes
/// - output: `[parameters]`
pub(crate) fn square_norms<M: Module>(
    module: &M,
    gradients: &GradientsParams,
    device: &Device,
) -> Tensor<1> {
    let mut squares = Squares {
        gradients,
        device,
        squares: Vec::new(),
    };
    module.visit(&mut squares);
    Tensor::cat(squares.squares, 0)
}

/// Scales gradients of global norm `norm`, `[1]`, so that it becomes `max_norm` at most (0: any).
pub(crate) fn clip_by<M: Module>(
    module: &M,
    gradients: &mut GradientsParams,
    norm: Tensor<1>,
    max_norm: f64,
) {
    if max_norm > 0.0 {
        // As `clip_factor`, but on the device.
        let factor = norm.add_scalar(1e-6).recip().mul_scalar(max_norm);
        let factor = factor.clamp_max(1.0);
        module.visit(&mut Scaling { gradients, factor });
    }
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    device: &'a Device,
    squares: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.squares.push(match self.gradients.get::<D>(param.id) {
            Some(gradient) => gradient.square().sum(),
            None => Tensor::zeros([1], self.device),
        });
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
