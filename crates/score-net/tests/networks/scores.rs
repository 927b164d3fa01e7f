//! Models as scores: a time for each sample, and the Jacobian's products.

use burn::tensor::{Device, FloatDType, Tensor};
use score_net::{Model, NetworkConfig, PreconditioningConfig};
use sde_core::families::{Cosine, Edm, VariancePreserving};
use sde_core::{AffineSde, DifferentiableScore, Score, State, Time};

use super::parameters::{Noise, Stir, map};
use super::tiny_networks;

const SHAPE: [usize; 3] = [2, 6, 5];

/// In f64, with no parameter at zero.
fn model(config: &NetworkConfig) -> Model {
    let network = config.init(SHAPE, 0, &Device::flex()).unwrap();
    Model {
        network: map(&network, Stir(Noise::new(7))),
        preconditioning: PreconditioningConfig::default().build().unwrap(),
        classes: 0,
    }
}

fn state(seed: u64, batch: usize) -> Tensor<4> {
    let [channels, height, width] = SHAPE;
    let data = Noise::new(seed).data([batch, channels, height, width]);
    Tensor::<4>::from_data(data, &Device::flex()).cast(FloatDType::F64)
}

fn values(x: Tensor<4>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn close(a: Tensor<4>, b: Tensor<4>, bound: f64) {
    let (a, b) = (values(a), values(b));
    let largest = b.iter().fold(0.0f64, |m, b| m.max(b.abs()));
    assert!(largest > 0.0);
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() <= bound * largest, "{a} for {b}");
    }
}

fn processes() -> [Box<dyn AffineSde>; 3] {
    [
        Box::new(VariancePreserving::default()),
        Box::new(Cosine::default()),
        Box::new(Edm::default()),
    ]
}

#[test]
fn a_batch_of_times_gives_each_sample_the_score_at_its_own() {
    for config in tiny_networks() {
        let model = model(&config);
        for sde in processes() {
            let score = model.under(&*sde);
            // More than one part of them on every machine with two cores.
            let times: Vec<Time> = (1..=9).map(|i| Time(0.1 * f64::from(i))).collect();
            let x = state(3, times.len());
            let each = score.score_each(&x, &times);
            for (i, &t) in times.iter().enumerate() {
                let alone = score.score(&x.select_samples(&[i]), t);
                close(each.select_samples(&[i]), alone, 1e-12);
            }
        }
    }
}

/// ∂/∂h of vᵀ s(x + h w) at 0 is (vᵀ J) w, for any w.
#[test]
fn the_jacobian_s_products_are_those_of_finite_differences() {
    for config in tiny_networks() {
        let model = model(&config);
        for sde in processes() {
            let score = model.under(&*sde);
            let times: Vec<Time> = (1..=9).map(|i| Time(0.1 * f64::from(i))).collect();
            let [x, v, w] = [3, 4, 5].map(|seed| state(seed, times.len()));
            let (s, product) = score.score_and_vjp(&x, &times, &v);
            close(s, score.score_each(&x, &times), 1e-12);
            assert!(!product.is_autodiff());

            let along = |h: f64| v.dots(&score.score_each(&x.clone().axpy(h, &w), &times));
            let h = 1e-3;
            let [near, far] = [h, 2.0 * h].map(|h| {
                let (up, down) = (along(h), along(-h));
                let pairs = up.into_iter().zip(down);
                pairs.map(|(up, down)| up - down).collect::<Vec<f64>>()
            });
            for ((near, far), product) in near.iter().zip(&far).zip(product.dots(&w)) {
                let slope = (8.0 * near - far) / (12.0 * h);
                let error = (product - slope).abs();
                assert!(error < 1e-6 * (1.0 + slope.abs()), "{product} for {slope}");
            }
        }
    }
}
