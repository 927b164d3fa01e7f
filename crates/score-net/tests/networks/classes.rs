//! Models that are told a class, and classifiers that tell one.

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use score_net::{ClassError, Model, ModelConfig, NetworkConfig, PreconditioningConfig};
use sde_core::families::VariancePreserving;
use sde_core::guidance::{ClassifierFree, ClassifierGradient};
use sde_core::{AffineSde, DifferentiableScore, Prediction, Score, State, Time};

use super::parameters::{Noise, Stir, map};
use super::{tiny_classifier, tiny_networks};

const SHAPE: [usize; 3] = [2, 6, 5];
const CLASSES: usize = 3;

fn model(network: NetworkConfig, classes: usize) -> Model {
    let config = ModelConfig {
        shape: SHAPE,
        network,
        preconditioning: PreconditioningConfig::default(),
        classes,
    };
    let model = config.init(0, &Device::flex()).unwrap();
    Model {
        network: map(&model.network, Stir(Noise::new(7))),
        ..model
    }
}

fn state(seed: u64, batch: usize) -> Tensor<4> {
    let [channels, height, width] = SHAPE;
    let data = Noise::new(seed).data([batch, channels, height, width]);
    Tensor::<4>::from_data(data, &Device::flex()).cast(FloatDType::F64)
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn distance(a: &Tensor<4>, b: &Tensor<4>) -> f64 {
    f64::from((a.clone() - b.clone()).abs().max().into_scalar::<f32>())
}

#[test]
fn the_score_of_a_class_is_the_network_told_that_class() {
    let vp = VariancePreserving::default();
    for config in tiny_networks() {
        let model = model(config, CLASSES);
        let (x, t) = (state(1, 9), Time(0.3));
        let marginal = vp.marginal(t);
        let told = |class: i32| {
            let place = (&x.device(), x.dtype());
            let c_in = model.preconditioning.c_in(marginal);
            let c_noise = vec![model.preconditioning.c_noise(marginal); 9];
            let c_noise = Tensor::<1>::from_data(TensorData::new(c_noise, [9]), place);
            let classes = Tensor::from_data(TensorData::new(vec![class; 9], [9]), &x.device());
            let network = &model.network;
            let output = network.forward_given(x.clone().mul_scalar(c_in), c_noise, Some(classes));
            let own = model.preconditioning.prediction();
            own.convert(Prediction::Score, marginal, &x, output)
        };
        let score = model.under(&vp);
        let none = score.score(&x, t);
        // The last row of the table stands for no class.
        assert!(distance(&none, &told(CLASSES as i32)) < 1e-9);
        let mut others = vec![none];
        for class in 0..CLASSES {
            let of_class = score.of_class(class).unwrap();
            let s = of_class.score(&x, t);
            assert!(distance(&s, &told(class as i32)) < 1e-9);
            assert!(others.iter().all(|other| distance(&s, other) > 1e-3));
            let each = of_class.score_each(&x, &[t; 9]);
            assert!(distance(&s, &each) < 1e-9);
            let (with_product, _) = of_class.score_and_vjp(&x, &[t; 9], &state(2, 9));
            assert!(distance(&s, &with_product) < 1e-9);
            others.push(s);
        }
    }
}

#[test]
fn a_batch_of_several_classes_is_each_sample_s_own() {
    let vp = VariancePreserving::default();
    for config in tiny_networks() {
        let model = model(config, CLASSES);
        let x = state(1, 4);
        let marginals = [0.1, 0.3, 0.5, 0.7].map(|t| vp.marginal(Time(t)));
        let classes = [Some(2), None, Some(0), None];
        let together = model.outputs_of(x.clone(), &marginals, &classes).prediction;
        for i in 0..4 {
            let (one, marginal) = (x.select_samples(&[i]), &marginals[i..=i]);
            let alone = match classes[i] {
                None => model.outputs(one, marginal),
                told => model.outputs_of(one, marginal, &[told]),
            };
            let together = together.select_samples(&[i]);
            assert!(distance(&together, &alone.prediction) < 1e-9);
        }
    }
}

#[test]
fn classifier_free_guidance_of_a_network_is_the_combination_of_its_two_answers() {
    let vp = VariancePreserving::default();
    let [config, ..] = tiny_networks();
    let model = model(config, CLASSES);
    let (x, t) = (state(1, 5), Time(0.4));
    let all = model.under(&vp);
    let one = all.of_class(1).unwrap();
    let guided = ClassifierFree::new(2.5).guide(&vp, &one, &all).unwrap();
    let expected = all.score(&x, t).mul_scalar(-1.5) + one.score(&x, t).mul_scalar(2.5);
    assert!(distance(&guided.score(&x, t), &expected) < 1e-5);
    assert_eq!(guided.cost(&[t; 5]), 2);
}

#[test]
fn classes_that_a_model_does_not_have_are_refused() {
    let vp = VariancePreserving::default();
    let [config, ..] = tiny_networks();
    let unconditional = model(config.clone(), 0);
    let error = unconditional.under(&vp).of_class(7).err();
    assert_eq!(error, Some(ClassError::Unconditional { class: 7 }));
    let few = model(config, CLASSES);
    let error = few.under(&vp).of_class(3).err().unwrap();
    assert_eq!(
        error.to_string(),
        "there is no class 3: this model has 3, from 0 to 2"
    );
    assert!(matches!(
        few.classifier_under(&vp, 0).err(),
        Some(ClassError::Kind { .. })
    ));
    let classifier = model(NetworkConfig::Classifier(tiny_classifier()), CLASSES);
    assert!(classifier.classifier_under(&vp, 3).is_err());
}

#[test]
fn a_model_without_classes_has_the_weights_that_it_always_had() {
    for config in tiny_networks() {
        let build = |classes| {
            let config = ModelConfig {
                shape: SHAPE,
                network: config.clone(),
                preconditioning: PreconditioningConfig::default(),
                classes,
            };
            config.init(0, &Device::flex()).unwrap().network
        };
        let (without, with) = (build(0), build(CLASSES));
        let table = (CLASSES + 1) * 8;
        assert_eq!(without.num_params() + table, with.num_params());
        let signature = score_net::Signature {
            classes: CLASSES,
            ..SHAPE.into()
        };
        assert_eq!(
            config.parameter_count(signature).unwrap(),
            with.num_params()
        );
    }
}

#[test]
fn a_classifier_s_probabilities_sum_to_one_and_its_gradient_is_that_of_finite_differences() {
    let vp = VariancePreserving::default();
    let model = model(NetworkConfig::Classifier(tiny_classifier()), CLASSES);
    let times: Vec<Time> = (1..=9).map(|i| Time(0.1 * f64::from(i))).collect();
    let marginals: Vec<_> = times.iter().map(|&t| vp.marginal(t)).collect();
    let (x, v) = (state(3, 9), state(4, 9));
    let sums = model
        .log_probabilities(x.clone(), &marginals)
        .exp()
        .sum_dim(1);
    assert!(values(sums).iter().all(|sum| (sum - 1.0).abs() < 1e-12));

    for class in 0..CLASSES {
        let gradient = model.classifier_under(&vp, class).unwrap();
        let log = |h: f64| {
            let x = x.clone().axpy(h, &v);
            values(model.log_probabilities(x, &marginals).narrow(1, class, 1))
        };
        let h = 1e-4;
        let along = gradient.gradient_each(&x, &times).dots(&v);
        for ((up, down), exact) in log(h).into_iter().zip(log(-h)).zip(along) {
            let slope = (up - down) / (2.0 * h);
            assert!(
                (exact - slope).abs() < 1e-6 * (1.0 + slope.abs()),
                "{exact} {slope}"
            );
        }
    }
    let at_one = model.classifier_under(&vp, 0).unwrap();
    let same = at_one.gradient(&x, Time(0.3));
    let each = at_one.gradient_each(&x, &[Time(0.3); 9]);
    assert!(distance(&same, &each) < 1e-12);
}

#[test]
fn a_new_classifier_finds_every_class_alike_and_counts_its_parameters() {
    let config = ModelConfig {
        shape: SHAPE,
        network: NetworkConfig::Classifier(tiny_classifier()),
        preconditioning: PreconditioningConfig::default(),
        classes: CLASSES,
    };
    let model = config.init(0, &Device::flex()).unwrap();
    let signature = config.signature();
    let counted = config.network.parameter_count(signature).unwrap();
    assert_eq!(counted, model.network.num_params());
    let marginal = VariancePreserving::default().marginal(Time(0.5));
    let log = model.log_probabilities(state(1, 2).cast(FloatDType::F32), &[marginal; 2]);
    let third = -(CLASSES as f64).ln();
    assert!(values(log).iter().all(|log| (log - third).abs() < 1e-6));

    let one = ModelConfig {
        classes: 1,
        ..config
    };
    let error = one.init(0, &Device::flex()).unwrap_err().to_string();
    assert!(
        error.starts_with("model.classes = 1: a classifier tells at least 2"),
        "{error}"
    );
}
