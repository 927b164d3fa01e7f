//! Weights, inputs, outputs and gradients in one file, for the other implementation to compare with.

use std::error::Error;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore};
use burn::tensor::{Device, Tensor, TensorData};
use data::Source;
use score_net::{Model, Network};
use sde_core::noise::{Role, fill_standard_normal};
use sde_core::{Marginal, Prediction, Sigma};
use training::objective::Batch;
use training::{Draw, Objective};

use crate::cases::Case;

/// The seed of all that is drawn here.
const SEED: u64 = 7;

/// What the other implementation must agree with, each a tensor of the file by its field's name.
#[derive(Module, Debug)]
struct Agreement {
    /// Weights, none of them zero.
    network: Network,
    /// The loss's gradient with respect to each of them.
    gradients: Network,
    /// A training batch: images and noise `[batch, channels, height, width]`, noise levels `[batch]`.
    x0: Param<Tensor<4>>,
    noise: Param<Tensor<4>>,
    sigma: Param<Tensor<1>>,
    /// Its weighted loss, `[1]`.
    loss: Param<Tensor<1>>,
    /// The bare network F(input, c_noise).
    input: Param<Tensor<4>>,
    c_noise: Param<Tensor<1>>,
    output: Param<Tensor<4>>,
    /// x₀ as predicted from `input` as a state at the noise level `level`, `[1]`.
    level: Param<Tensor<1>>,
    denoised: Param<Tensor<4>>,
}

/// Writes weights, a batch of `batch` images, and what comes of it, as safetensors with the names and
/// layouts that PyTorch's layers have.
///
/// # Errors
/// A network that cannot be built or a file that cannot be written.
pub fn export(case: &Case, batch: usize, path: &Path) -> Result<(), Box<dyn Error>> {
    let agreement = agreement(case, batch, &Device::flex())?;
    let mut store = SafetensorsStore::from_file(path)
        .overwrite(true)
        .skip_enum_variants(true)
        .with_to_adapter(BurnToPyTorchAdapter);
    Ok(agreement.save_into(&mut store)?)
}

fn agreement(case: &Case, batch: usize, device: &Device) -> Result<Agreement, Box<dyn Error>> {
    let initial = case.model.init(SEED, device)?;
    let model = Model {
        network: initial.network.map(&mut Stir { parameters: 0 }),
        preconditioning: initial.preconditioning,
        classes: 0,
    };
    let source = benches::images(case.model.shape);
    let (drawn, noise) = draw(case, &model, &source, batch)?;
    let (loss, gradients) = gradients(&model, &drawn, case.model.shape, device);

    let [channels, height, width] = case.model.shape;
    let images = |values: Vec<f32>| -> Tensor<4> {
        let shape = [batch, channels, height, width];
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    let column = |of: &dyn Fn(Marginal) -> f64| -> Tensor<1> {
        let values: Vec<f32> = drawn.marginals.iter().map(|&m| of(m) as f32).collect();
        Tensor::from_data(TensorData::new(values, [batch]), device)
    };
    let mut x0 = Vec::new();
    source.write_samples(&(0..batch).collect::<Vec<_>>(), &mut x0)?;
    let c_in = column(&|m| model.preconditioning.c_in(m)).reshape([batch, 1, 1, 1]);
    let c_noise = column(&|m| model.preconditioning.c_noise(m));
    let input = images(drawn.noisy.clone()) * c_in;
    let sde = case.sde.build()?;
    let level = sde.marginal(sde.time_at_sigma(Sigma(1.0)));
    Ok(Agreement {
        gradients,
        x0: Param::from_tensor(images(x0)),
        noise: Param::from_tensor(images(noise)),
        sigma: Param::from_tensor(column(&|m| m.sigma_ratio().0)),
        loss: Param::from_tensor(loss),
        output: Param::from_tensor(model.network.forward(input.clone(), c_noise.clone())),
        c_noise: Param::from_tensor(c_noise),
        level: Param::from_tensor(Tensor::from_data([level.sigma_ratio().0 as f32], device)),
        denoised: Param::from_tensor(model.predict(Prediction::X0, &input, level)),
        input: Param::from_tensor(input),
        network: model.network,
    })
}

/// The batch of step 0 as [`training`] draws it, and the noise that is in it.
fn draw(
    case: &Case,
    model: &Model,
    source: &dyn Source,
    batch: usize,
) -> Result<(Batch, Vec<f32>), Box<dyn Error>> {
    let prediction = model.preconditioning.prediction();
    let sigma_data = case.model.preconditioning.sigma_data;
    let sde = case.sde.build()?;
    let objective = Objective::new(case.training.objective, sde, prediction, sigma_data)?;
    let indices: Vec<_> = (0..batch).collect();
    let drawn = objective.draw(source, &indices, Draw::whole(SEED, 0, indices.len() as u64))?;
    let mut noise = vec![0.0; drawn.noisy.len()];
    let len = noise.len() / batch;
    for (sample, noise) in noise.chunks_exact_mut(len).enumerate() {
        fill_standard_normal(SEED, sample as u64, 0, Role::Forward, noise);
    }
    Ok((drawn, noise.into_iter().map(|z| z as f32).collect()))
}

/// The loss of a batch, `[1]`, and its gradient in the place of each parameter.
fn gradients(
    model: &Model,
    drawn: &Batch,
    [channels, height, width]: [usize; 3],
    device: &Device,
) -> (Tensor<1>, Network) {
    let batch = drawn.weights.len();
    let images = |values: &[f32]| -> Tensor<4> {
        let shape = [batch, channels, height, width];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device).autodiff()
    };
    let model = Model {
        network: model.network.clone().train(),
        preconditioning: model.preconditioning,
        classes: 0,
    };
    let output = model.forward(images(&drawn.noisy), &drawn.marginals);
    let square = (output - images(&drawn.target)).square();
    let weights = TensorData::new(drawn.weights.clone(), [batch, 1, 1, 1]);
    let weights = Tensor::<4>::from_data(weights, device).autodiff();
    let loss = (square * weights).mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &model.network);
    let in_place = model.network.valid().map(&mut InPlace(gradients));
    (loss.without_autodiff(), in_place)
}

/// Adds noise to every parameter, so that none is zero as it would be at the start: behind a
/// convolution of zeros any two networks agree.
struct Stir {
    parameters: u64,
}

impl ModuleMapper for Stir {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.parameters += 1;
        param.map(|value| {
            let shape = value.dims();
            let count: usize = shape.iter().product();
            let mut noise = vec![0.0; count];
            fill_standard_normal(SEED, self.parameters, 0, Role::Prior, &mut noise);
            // Of a layer's weights the size that keeps its output's, roughly.
            let scale = if D == 1 {
                0.2
            } else {
                (0.3 * shape[0] as f64 / count as f64).sqrt()
            };
            let noise: Vec<f32> = noise.into_iter().map(|z| (scale * z) as f32).collect();
            let noise = Tensor::from_data(TensorData::new(noise, shape), &value.device());
            value + noise
        })
    }
}

/// Puts gradients where the parameters are, so that they get the same names in a file.
struct InPlace(GradientsParams);

impl ModuleMapper for InPlace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = self.0.remove::<D>(param.id);
        param.map(|_| gradient.expect("every parameter is in the loss"))
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ModuleVisitor;

    use super::*;
    use crate::cases;

    /// The absolute values of the parameters: the smallest of all, and the least of the largest ones.
    struct Sizes {
        smallest: f32,
        least_largest: f32,
    }

    impl ModuleVisitor for Sizes {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let sizes = param.val().abs();
            let smallest = sizes.clone().min().into_scalar::<f32>();
            self.smallest = self.smallest.min(smallest);
            let largest = sizes.max().into_scalar::<f32>();
            self.least_largest = self.least_largest.min(largest);
        }
    }

    fn sizes(network: &Network) -> Sizes {
        let mut sizes = Sizes {
            smallest: f32::INFINITY,
            least_largest: f32::INFINITY,
        };
        network.visit(&mut sizes);
        sizes
    }

    #[test]
    fn no_weight_is_zero_and_every_gradient_is_there() {
        let case = cases::named("default").unwrap();
        let agreement = agreement(&case, 2, &Device::flex()).unwrap();
        assert!(sizes(&agreement.network).smallest > 0.0);
        assert!(sizes(&agreement.gradients).least_largest > 0.0);
    }

    #[test]
    fn the_exported_noise_is_that_of_the_batch() {
        let case = cases::named("default").unwrap();
        let agreement = agreement(&case, 2, &Device::flex()).unwrap();
        let sigma = agreement.sigma.val().reshape([2, 1, 1, 1]);
        let noisy = agreement.x0.val() + agreement.noise.val() * sigma.clone();
        let sigma_data = case.model.preconditioning.sigma_data;
        let input = noisy / sigma.square().add_scalar(sigma_data * sigma_data).sqrt();
        let difference = (input - agreement.input.val()).abs().max();
        assert!(difference.into_scalar::<f32>() < 1e-5);
    }
}
