//! The transformer against the published one: as diffusers runs it, on numbers that a formula gives, and
//! by its sizes. `tests/published/make.py` writes what is compared with.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, FloatDType, Gradients, Tensor, TensorData};
use score_net::{DiTConfig, DiTSize, Network, NetworkConfig, Signature};
use serde_json::Value;

use super::parameters::{Change, Track, map};

const BATCH: usize = 2;
const SIGNATURE: Signature = Signature {
    shape: [2, 8, 8],
    channels_out: 4,
    classes: 0,
};

fn reference() -> Value {
    serde_json::from_str(include_str!("../published/reference.json")).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

/// sin(0.37·i + ordinal).
fn numbers<const D: usize>(shape: [usize; D], ordinal: f64, dtype: FloatDType) -> Tensor<D> {
    let count = shape.iter().product::<usize>();
    let values = (0..count).map(|i| (0.37 * i as f64 + ordinal).sin());
    let data = TensorData::new(values.collect::<Vec<f64>>(), shape);
    Tensor::from_data(data, (&Device::flex(), dtype.into()))
}

/// The n-th parameter becomes 0.3·sin(0.37·i + n).
struct Formula(f64, FloatDType);

impl Change for Formula {
    fn change<const D: usize>(&mut self, _: ParamId, value: Tensor<D>) -> Tensor<D> {
        let value = numbers(value.dims(), self.0, self.1).mul_scalar(0.3);
        self.0 += 1.0;
        value
    }
}

/// Norm of each parameter's gradient, and its product with sin(0.37·i + 300).
struct Gathered<'a>(&'a Gradients, Vec<[f64; 2]>);

impl ModuleVisitor for Gathered<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.0).expect("every parameter has one");
        let dtype = gradient.dtype().into();
        let along = gradient.clone().mul(numbers(gradient.dims(), 300.0, dtype));
        let norm = gradient.square().sum().sqrt();
        self.1.push([norm, along.sum()].map(|x| flat(x)[0]));
    }
}

fn flat<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn assert_close(what: &str, found: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs() / largest;
        assert!(error < bound, "{what}: {found} for {expected}");
    }
}

/// In f32 by the kernels, in f64 by Burn's operations.
#[test]
fn output_and_gradients_are_those_of_diffusers() {
    let config = NetworkConfig::DiT(DiTConfig {
        patch: 2,
        depth: 2,
        width: 16,
        heads: 2,
        embedding: 8,
        ..DiTConfig::default()
    });
    let expected = &reference()["small"];
    for (dtype, bound) in [(FloatDType::F32, 1e-5), (FloatDType::F64, 1e-11)] {
        let network = config.init(SIGNATURE, 0, &Device::flex()).unwrap();
        let network: Network = map(&map(&network, Formula(0.0, dtype)), Track);
        let x = numbers([BATCH, 2, 8, 8], 100.0, dtype)
            .autodiff()
            .require_grad();
        let c_noise = Tensor::<1>::from_data([-0.75, 0.5], (&Device::flex(), dtype.into()));
        let output = network.forward(x.clone(), c_noise);
        assert_close(
            "output",
            &flat(output.clone()),
            &list(&expected["output"]),
            bound,
        );
        let target = numbers([BATCH, 4, 8, 8], 200.0, dtype);
        let loss = output.sub(target).square().mean();
        let value = expected["loss"].as_f64().unwrap();
        assert_close("loss", &flat(loss.clone()), &[value], bound);

        let gradients = loss.backward();
        let of_x = flat(x.grad(&gradients).unwrap());
        assert_close("x", &of_x, &list(&expected["gradient_of_x"]), bound);
        let mut gathered = Gathered(&gradients, Vec::new());
        network.visit(&mut gathered);
        let parameters = expected["gradients"].as_array().unwrap();
        assert_eq!(gathered.1.len(), parameters.len());
        for (found, expected) in gathered.1.iter().zip(parameters) {
            let name = expected["name"].as_str().unwrap();
            let expected = ["norm", "along"].map(|key| expected[key].as_f64().unwrap());
            assert_close(name, found, &expected, bound);
        }
    }
}

/// 4×32×32 latents of ImageNet, a learned variance: 33, 130, 458 and 675 million in table 1 of Peebles &
/// Xie (2023) with its 1000 classes and the null one.
#[test]
fn the_sizes_with_a_name_have_as_many_parameters_as_published() {
    let sizes = &reference()["sizes"];
    let signature = Signature {
        shape: [4, 32, 32],
        channels_out: 8,
        classes: 1000,
    };
    for (size, millions) in [
        (DiTSize::S, 33),
        (DiTSize::B, 130),
        (DiTSize::L, 458),
        (DiTSize::Xl, 675),
    ] {
        let published = &sizes[size.name()];
        let count = |key: &str| published[key].as_u64().unwrap() as usize;
        let ours = DiTConfig::of(size).parameter_count(signature).unwrap();
        assert_eq!(ours, count("parameters"), "{size:?}");
        assert_eq!((count("parameters") + 500_000) / 1_000_000, millions);
    }
}
