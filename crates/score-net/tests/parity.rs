//! wgpu answers as flex does: forward, gradient, and a short sampling run.
//!
//! Runs with `--features wgpu` on any adapter, Mesa's software one included; shapes are tiny because
//! that one is slow. The reference is flex in f32, so the bound 1e-4 is on the difference of two
//! roundings, relative to the largest value.

#![cfg(feature = "wgpu")]

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, DeviceType, Tensor};
use score_net::{Model, ModelConfig, NetworkConfig, PreconditioningConfig, UNetConfig};
use sde_core::families::Edm;
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{AffineSde, Marginal, Sigma, StepIndex};
use solvers::{GridConfig, GridSpec, Problem, SolverConfig, Unobserved, sample_prior};

const BOUND: f64 = 1e-4;

/// One device for the whole process: opening an adapter twice costs seconds.
fn wgpu() -> Device {
    let found = Device::enumerate(DeviceType::Wgpu);
    let device = found.into_iter().next();
    device.expect(
        "a wgpu adapter; on Debian, `apt-get install mesa-vulkan-drivers` gives a software one",
    )
}

/// A small network of every kind of layer, its last layer not zero, so that there is something to
/// compare.
fn model(device: &Device) -> Model {
    let config = ModelConfig {
        shape: [1, 8, 8],
        network: NetworkConfig::UNet(UNetConfig {
            channels: 8,
            multipliers: vec![1, 2],
            blocks: 1,
            heads: 2,
            groups: 4,
            embedding: 16,
            ..UNetConfig::default()
        }),
        preconditioning: PreconditioningConfig::default(),
        classes: 0,
    };
    let mut model = config.init(3, device).unwrap();
    model.network = model.network.map(&mut Shaken);
    model
}

/// Adds a fixed wave to every parameter, the zero-initialised ones above all.
struct Shaken;

impl burn::module::ModuleMapper for Shaken {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weights| {
            let count = weights.shape().num_elements();
            let wave: Vec<f32> = (0..count).map(|i| 0.1 * (1.3 * i as f32).sin()).collect();
            let data = burn::tensor::TensorData::new(wave, weights.dims());
            let wave = Tensor::<D>::from_data(data, &weights.device());
            let tracked = weights.is_require_grad();
            (weights.without_autodiff() + wave.without_autodiff())
                .autodiff()
                .set_require_grad(tracked)
        })
    }
}

fn input(device: &Device) -> (Tensor<4>, Vec<Marginal>) {
    let like = Tensor::zeros([2, 1, 8, 8], device);
    let x = CounterNoise::new(5).standard_normal(&like, StepIndex(0), Role::Forward);
    let edm = Edm::default();
    let marginals = [0.3, 4.0].map(|sigma| edm.marginal(edm.time_at_sigma(Sigma(sigma))));
    (x, marginals.to_vec())
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn assert_close(what: &str, wgpu: &[f64], flex: &[f64]) {
    assert_eq!(wgpu.len(), flex.len());
    let scale = flex.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    assert!(
        scale > 1e-3,
        "{what}: nothing to compare, the largest value is {scale}"
    );
    let largest = wgpu.iter().zip(flex).map(|(a, b)| (a - b).abs());
    let error = largest.fold(0.0, f64::max) / scale;
    assert!(error < BOUND, "{what}: relative error {error:e}");
}

fn forward(device: &Device) -> Vec<f64> {
    let (x, marginals) = input(device);
    values(model(device).valid().forward(x, &marginals))
}

/// The gradients of the mean square of the output, all parameters in a row.
fn gradients(device: &Device) -> Vec<f64> {
    struct Collected(GradientsParams, Vec<f64>);
    impl ModuleVisitor for Collected {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.0.remove::<D>(param.id);
            self.1
                .extend(values(gradient.expect("every parameter has a gradient")));
        }
    }
    let device = device.clone().autodiff();
    let (x, marginals) = input(&device);
    let model = model(&device);
    let loss = model.forward(x, &marginals).square().mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &model.network);
    let mut collected = Collected(gradients, Vec::new());
    model.network.visit(&mut collected);
    collected.1
}

fn samples(device: &Device) -> Vec<f64> {
    let sde = Edm::default();
    let model = model(device).valid();
    let score = model.under(&sde);
    let solver = "edm"
        .parse::<SolverConfig>()
        .unwrap()
        .build::<Tensor<4>>()
        .unwrap();
    let grid = GridSpec::new(GridConfig::karras(), 3).build(&sde).unwrap();
    let noise = CounterNoise::new(9);
    let x = sample_prior(&sde, &Tensor::zeros([2, 1, 8, 8], device), &noise);
    let problem = Problem::new(&sde, &score);
    let solution = solver.solve(&problem, &grid, x, &noise, &mut Unobserved);
    values(solution.unwrap().x)
}

#[test]
fn wgpu_agrees_with_flex_forward_in_gradients_and_in_a_sampling_run() {
    let (wgpu, flex) = (wgpu(), Device::flex());
    assert_close("forward", &forward(&wgpu), &forward(&flex));
    assert_close("gradients", &gradients(&wgpu), &gradients(&flex));
    assert_close("samples", &samples(&wgpu), &samples(&flex));
}
