//! The autoencoder: shapes, the bound's terms, gradients, learning.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, FloatDType, Gradients, Tensor, TensorData};
use score_net::{Autoencoder, AutoencoderConfig, NetworkConfig, log_discretised_logistic};

use super::parameters::{Change, Noise, Parameters, Stir, Track, map};

fn config() -> AutoencoderConfig {
    AutoencoderConfig {
        channels: 4,
        multipliers: vec![1, 2],
        latent_channels: 2,
        ..AutoencoderConfig::default()
    }
}

/// Levels of pixels, from a generator.
fn images(shape: [usize; 4]) -> Tensor<4> {
    let data = Noise::new(5).data(shape);
    let levels: Vec<f64> = data
        .iter::<f64>()
        .map(|value| ((value + 1.0) * 127.5).round() / 127.5 - 1.0)
        .collect();
    Tensor::from_data(TensorData::new(levels, shape), &Device::flex())
}

/// Single precision, with no parameter at zero.
fn stirred(shape: [usize; 3]) -> Autoencoder {
    let network = config().init(shape, 0, &Device::flex()).unwrap();
    let network = map(&network, Stir(Noise::new(7)));
    map(&network, Narrow)
}

struct Narrow;

impl Change for Narrow {
    fn change<const D: usize>(&mut self, _: ParamId, value: Tensor<D>) -> Tensor<D> {
        value.cast(FloatDType::F32)
    }
}

fn host<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

#[test]
fn images_go_to_latents_and_back_to_their_size_odd_sizes_included() {
    let device = Device::flex();
    for blocks in [1, 2] {
        for multipliers in [vec![1], vec![1, 2, 4]] {
            let config = AutoencoderConfig {
                multipliers,
                blocks,
                ..config()
            };
            for shape in [[1, 28, 28], [3, 15, 9], [1, 1, 1]] {
                let network = config.init(shape, 0, &device).unwrap();
                assert_eq!(network.num_params(), config.parameter_count(shape).unwrap());
                let [channels, height, width] = shape;
                let posterior = network.encode(images([2, channels, height, width]));
                let [latent_channels, latent_height, latent_width] =
                    config.latent_shape(shape).unwrap();
                let latents = [2, latent_channels, latent_height, latent_width];
                assert_eq!(posterior.mean.dims(), latents);
                assert_eq!(posterior.log_variance.dims(), latents);
                let decoded = network.decode(posterior.mean);
                assert_eq!(decoded.dims(), [2, channels, height, width]);
                // The last layer starts at zero, as every network's does.
                assert_eq!(decoded.abs().max().into_scalar::<f32>(), 0.0);
            }
        }
    }
}

#[test]
fn an_image_is_encoded_and_decoded_alike_in_every_batch() {
    let network = stirred([1, 6, 5]);
    let x = images([9, 1, 6, 5]);
    let whole = network.encode(x.clone());
    let decoded = network.decode(whole.mean.clone());
    for image in [0, 4, 8] {
        let one = network.encode(x.clone().narrow(0, image, 1));
        let of = |batch: &Tensor<4>| host(batch.clone().narrow(0, image, 1));
        assert_eq!(host(one.mean.clone()), of(&whole.mean));
        assert_eq!(host(one.log_variance), of(&whole.log_variance));
        assert_eq!(host(network.decode(one.mean)), of(&decoded));
    }
}

#[test]
fn the_terms_of_training_are_those_of_the_host() {
    let network = stirred([1, 6, 5]);
    let x = images([3, 1, 6, 5]);
    let epsilon = Noise::new(9).like(&network.encode(x.clone()).mean);
    let elbo = network.elbo(x.clone(), epsilon.clone());
    let posterior = network.encode(x.clone());
    let z = posterior.draw(epsilon);
    let exact = network.reconstruction(&x, z.clone());
    let pixels: Vec<f64> = host(x);
    let means = host(network.decode(z));
    for (image, found) in host(elbo.reconstruction).into_iter().enumerate() {
        // A hundred and more pixels' rounding in single precision.
        assert!((found / exact[image] - 1.0).abs() < 1e-5);
        let each = 30 * image..30 * (image + 1);
        let by_hand: f64 = each
            .map(|i| -log_discretised_logistic(pixels[i], means[i], network.log_scale()))
            .sum();
        assert!((exact[image] - by_hand).abs() < 1e-9);
    }
    assert_eq!(host(elbo.kl), host(posterior.kl()));
}

/// Σ reconstruction + 0.3 Σ KL, in f64.
struct Objective {
    network: Autoencoder,
    x: Tensor<4>,
    epsilon: Tensor<4>,
}

impl Objective {
    fn value(&self, network: &Autoencoder) -> Tensor<1> {
        let elbo = network.elbo(self.x.clone(), self.epsilon.clone());
        elbo.reconstruction.sum() + elbo.kl.sum().mul_scalar(0.3)
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
struct Collect<'a>(&'a Gradients, Vec<Vec<f64>>);

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let grad = param.val().grad(self.0).expect("a gradient");
        self.1.push(host(grad));
    }
}

#[test]
fn gradients_of_the_bound_agree_with_central_differences() {
    let shape = [1, 3, 5];
    let network = config().init(shape, 0, &Device::flex()).unwrap();
    let x = images([2, 1, 3, 5]).cast(FloatDType::F64);
    let epsilon = Noise::new(3).data([2, 2, 2, 3]);
    let objective = Objective {
        network: map(&network, Stir(Noise::new(2))),
        x: x.clone(),
        epsilon: Tensor::from_data(epsilon, (&Device::flex(), DType::F64)),
    };
    let tracked = map(&objective.network, Track);
    let on_graph = Objective {
        network: tracked.clone(),
        x: objective.x.clone().autodiff(),
        epsilon: objective.epsilon.clone().autodiff(),
    };
    let gradients = on_graph.value(&on_graph.network).backward();
    let mut collect = Collect(&gradients, Vec::new());
    tracked.visit(&mut collect);
    let noise = &mut Noise::new(11);
    let parameters = Parameters::of(&objective.network);
    assert_eq!(parameters.len(), collect.1.len());
    for ((name, id, _), gradient) in parameters.iter().zip(&collect.1) {
        let direction: Vec<f64> = noise.data([gradient.len()]).iter::<f64>().collect();
        assert!(
            gradient.iter().any(|&g| g != 0.0),
            "{name} has no influence"
        );
        let exact: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let nudged = |step: f64| {
            let nudge = Nudge {
                id: *id,
                direction: &direction,
                step,
            };
            let network = map(&objective.network, nudge);
            objective.value(&network).into_scalar::<f64>()
        };
        let difference = (nudged(1e-6) - nudged(-1e-6)) / 2e-6;
        assert!(
            (exact - difference).abs() < 1e-6 * (10.0 + exact.abs()),
            "{name}: {exact} by backward, {difference} by differences"
        );
    }
}

#[test]
fn it_learns_to_reconstruct_and_its_bound_falls() {
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    let x = images([4, 1, 8, 8]);
    let config = AutoencoderConfig {
        channels: 8,
        ..config()
    };
    let mut network = config.init([1, 8, 8], 0, &device).unwrap();
    let mut optimiser = AdamConfig::new().with_epsilon(1e-8).init();
    let mut bounds = Vec::new();
    for step in 0..120 {
        let data = Noise::new(step).data([4, 2, 4, 4]);
        let epsilon = Tensor::<4>::from_data(data, &device);
        let elbo = network.elbo(Tensor::from_data(x.to_data(), &device), epsilon);
        let loss = (elbo.reconstruction + elbo.kl).mean();
        bounds.push(loss.clone().into_scalar::<f32>() / (64.0 * 2.0_f32.ln()));
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimiser.step(5e-3, network, gradients);
    }
    // Eight bits are what a uniform distribution over the levels takes, and these are uniform.
    assert!(bounds[0] > 10.0 && bounds[119] < 8.6, "{bounds:?}");
}

#[test]
fn the_configuration_names_itself_in_a_file() {
    let config: NetworkConfig = toml::from_str(
        "kind = 'autoencoder'\nchannels = 4\nmultipliers = [1, 2]\nlatent_channels = 2",
    )
    .unwrap();
    assert_eq!(config, NetworkConfig::Autoencoder(self::config()));
    let network = config.init([1, 28, 28], 0, &Device::flex()).unwrap();
    assert!(network.as_autoencoder().is_some());
    let text = config.describe([1, 28, 28]).unwrap();
    assert!(text.contains("latents of 2x14x14"), "{text}");
}
