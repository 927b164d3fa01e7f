//! Gradients against central differences, in f64.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Gradients, Tensor};
use score_net::{Network, NetworkConfig, Signature, TimeEmbedding, UNetConfig};

use super::parameters::{Change, Noise, Parameters, Stir, Track, map};
use super::{tiny_classifier, tiny_networks, tiny_unet};

const STEP: f64 = 1e-5;
const CLASSES: usize = 2;

/// Σ w·F(x, c_noise, class) for a fixed w, one sample of a class and one of none: what is differentiated.
struct Objective {
    network: Network,
    x: Tensor<4>,
    c_noise: Tensor<1>,
    weight: Tensor<4>,
}

impl Objective {
    fn new(config: &NetworkConfig, shape: [usize; 3]) -> Self {
        let signature = Signature {
            classes: CLASSES,
            ..shape.into()
        };
        let device = Device::flex();
        let noise = &mut Noise::new(1);
        let [channels, height, width] = shape;
        let mut draw = |shape: [usize; 4]| -> Tensor<4> {
            Tensor::from_data(noise.data(shape), (&device, DType::F64))
        };
        let network = map(
            &config.init(signature, 0, &device).unwrap(),
            Stir(Noise::new(2)),
        );
        let x = draw([2, channels, height, width]);
        let c_noise = Tensor::from_data([-0.7, 0.4], (&device, DType::F64));
        let output = network.forward(x.clone(), c_noise.clone());
        Self {
            weight: draw(output.dims()),
            network,
            x,
            c_noise,
        }
    }

    fn value(&self, network: &Network, x: Tensor<4>, c_noise: Tensor<1>) -> Tensor<1> {
        let classes = (!matches!(network, Network::Classifier(_)))
            .then(|| Tensor::from_data([1, CLASSES as i32], &Device::flex()));
        let output = network.forward_given(x, c_noise, classes);
        output.mul(self.weight.clone()).sum()
    }

    fn number(&self, network: &Network, x: Tensor<4>, c_noise: Tensor<1>) -> f64 {
        self.value(network, x, c_noise).into_scalar::<f64>()
    }

    /// The derivative along `direction` of one parameter, by central differences.
    fn difference(&self, id: ParamId, direction: &[f64]) -> f64 {
        let [plus, minus] = [STEP, -STEP].map(|step| {
            let nudged = map(
                &self.network,
                Nudge {
                    id,
                    direction,
                    step,
                },
            );
            self.number(&nudged, self.x.clone(), self.c_noise.clone())
        });
        (plus - minus) / (2.0 * STEP)
    }
}

/// Moves one parameter along a direction.
struct Nudge<'a> {
    id: ParamId,
    direction: &'a [f64],
    step: f64,
}

impl Change for Nudge<'_> {
    fn change<const D: usize>(&mut self, id: ParamId, value: Tensor<D>) -> Tensor<D> {
        if id != self.id {
            return value;
        }
        let place = (&value.device(), value.dtype());
        let direction = Tensor::<1>::from_data(self.direction, place).reshape(value.dims());
        value.add(direction.mul_scalar(self.step))
    }
}

/// Collects the gradient of every parameter, flat.
struct Collect<'a> {
    grads: &'a Gradients,
    list: Vec<Vec<f64>>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let grad = param
            .val()
            .grad(self.grads)
            .expect("every parameter has a gradient");
        self.list.push(flat(grad));
    }
}

fn flat<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn assert_close(name: &str, exact: f64, difference: f64) {
    assert!(
        (exact - difference).abs() < 1e-7 * (1.0 + exact.abs()),
        "{name}: {exact} by backward, {difference} by differences"
    );
}

/// Every parameter, x and c_noise, each along a direction of its own.
fn check(config: &NetworkConfig, shape: [usize; 3]) {
    let objective = Objective::new(config, shape);
    let network = map(&objective.network, Track);
    let x = objective.x.clone().autodiff().require_grad();
    let c_noise = objective.c_noise.clone().autodiff().require_grad();
    let grads = objective
        .value(&network, x.clone(), c_noise.clone())
        .backward();

    let mut collect = Collect {
        grads: &grads,
        list: Vec::new(),
    };
    network.visit(&mut collect);
    let parameters = Parameters::of(&objective.network);
    assert_eq!(parameters.len(), collect.list.len());
    let noise = &mut Noise::new(3);
    for ((name, id, _), grad) in parameters.iter().zip(&collect.list) {
        let direction: Vec<f64> = noise.data([grad.len()]).iter::<f64>().collect();
        assert!(grad.iter().any(|&g| g != 0.0), "{name} has no influence");
        assert_close(
            name,
            dot(grad, &direction),
            objective.difference(*id, &direction),
        );
    }

    let direction = noise.like(&objective.x);
    let along = |step: f64| {
        let x = objective.x.clone().add(direction.clone().mul_scalar(step));
        objective.number(&objective.network, x, objective.c_noise.clone())
    };
    let exact = dot(&flat(x.grad(&grads).unwrap()), &flat(direction.clone()));
    assert_close("x", exact, (along(STEP) - along(-STEP)) / (2.0 * STEP));

    // The embedding's frequencies reach 250: smaller steps, for the third derivative's sake.
    let step = 1e-7;
    let along = |step: f64| {
        let c_noise = objective.c_noise.clone().add_scalar(step);
        objective.number(&objective.network, objective.x.clone(), c_noise)
    };
    let exact: f64 = flat(c_noise.grad(&grads).unwrap()).iter().sum();
    let difference = (along(step) - along(-step)) / (2.0 * step);
    assert!(
        (exact / difference - 1.0).abs() < 1e-5,
        "c_noise: {exact} by backward, {difference} by differences"
    );
}

#[test]
fn gradients_of_every_parameter_agree_with_central_differences() {
    for config in tiny_networks() {
        check(&config, [1, 3, 5]);
    }
}

#[test]
fn a_classifier_s_gradients_agree_with_central_differences() {
    check(&NetworkConfig::Classifier(tiny_classifier()), [1, 4, 6]);
}

#[test]
fn gradients_agree_with_added_embedding_attention_and_patches() {
    let config = UNetConfig {
        patch: 2,
        attention: vec![4],
        scale_shift: false,
        time_embedding: TimeEmbedding::Fourier,
        ..tiny_unet()
    };
    check(&NetworkConfig::UNet(config), [2, 8, 6]);
}
