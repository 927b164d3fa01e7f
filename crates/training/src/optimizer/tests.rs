//! The pass in place against Burn's own operations, and each going on from the other's record.

use burn::backend::Flex;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, TensorData};
use score_net::{Model, ModelConfig, UNetConfig};
use sde_core::{Marginal, Time};

use super::*;
use crate::ema::values;
use crate::gradient::gradient;
use crate::objective::Batch;

/// A U-Net with every kind of parameter.
fn model() -> Model {
    let config = ModelConfig {
        shape: [1, 8, 8],
        network: score_net::NetworkConfig::UNet(UNetConfig {
            channels: 8,
            multipliers: vec![1, 2],
            blocks: 1,
            embedding: 16,
            ..UNetConfig::default()
        }),
        preconditioning: Default::default(),
        classes: 0,
    };
    config.init(3, &Device::flex()).unwrap()
}

const CONSTANTS: Constants = Constants {
    betas: [0.9, 0.99],
    epsilon: 1e-8,
    weight_decay: 0.01,
    clip_norm: 200.0,
    wait_for_norm: false,
};

fn in_place(network: &Network) -> Optimizer {
    let state = State::InPlace(InPlace::new(network, network).unwrap().into());
    Optimizer {
        constants: CONSTANTS,
        state,
    }
}

fn plain(network: &Network) -> Optimizer {
    let network = network.clone();
    let state = State::Plain(Plain::new(CONSTANTS, network.clone(), network, None).into());
    Optimizer {
        constants: CONSTANTS,
        state,
    }
}

/// Calls a function with every parameter's number, id and shape, and registers what it returns.
struct Making<F> {
    count: usize,
    make: F,
    made: GradientsParams,
}

impl<F: FnMut(usize, usize) -> Vec<f32>> ModuleVisitor for Making<F> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.val().dims();
        let values = (self.make)(self.count, shape.iter().product());
        let tensor = Tensor::<D>::from_data(TensorData::new(values, shape), &Device::flex());
        self.made.register(param.id, tensor);
        self.count += 1;
    }
}

/// Two parts of a gradient, of norm 137 or 274 in turn, so that every other step is clipped.
fn parts(network: &Network, step: u64) -> Vec<GradientsParams> {
    let size = 0.5 + 0.5 * (step % 2) as f32;
    let part = |part: u64| {
        let make = |count: usize, len: usize| {
            let phase = step as f32 * 1.3 + part as f32 * 0.4 + count as f32;
            (0..len).map(|i| size * (phase + i as f32).sin()).collect()
        };
        let mut making = Making {
            count: 0,
            make,
            made: GradientsParams::new(),
        };
        network.visit(&mut making);
        making.made
    };
    vec![part(0), part(1)]
}

fn schedule(step: u64) -> Schedule {
    Schedule {
        learning_rate: 2e-3 / (1.0 + step as f64 / 20.0),
        average_decay: crate::ema::warmed_up_decay(0.99, step),
    }
}

/// Takes the steps of a range, and returns the norms.
fn steps(optimizer: &mut Optimizer, network: &Network, range: std::ops::Range<u64>) -> Vec<f64> {
    let step = |k| {
        let norm = optimizer.step(parts(network, k), schedule(k)).unwrap();
        norm.read().unwrap()
    };
    range.map(step).collect()
}

/// All numbers of a network, parameter by parameter.
fn numbers(network: &Network) -> Vec<f32> {
    struct Reading(Vec<f32>);
    impl ModuleVisitor for Reading {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f32>());
        }
    }
    let mut reading = Reading(Vec::new());
    network.visit(&mut reading);
    reading.0
}

#[track_caller]
fn assert_near(a: &Network, b: &Network, bound: f32) {
    let (a, b) = (numbers(a), numbers(b));
    assert_eq!(a.len(), b.len());
    let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
    let worst = worst.fold(0.0, |worst: f32, x| if x <= worst { worst } else { x });
    assert!(worst < bound, "{worst}");
}

#[test]
fn both_ways_take_the_same_steps() {
    let network = model().network;
    let (mut in_place, mut plain) = (in_place(&network), plain(&network));
    let norms = [&mut in_place, &mut plain].map(|o| steps(o, &network, 0..40));
    for (a, b) in norms[0].iter().zip(&norms[1]) {
        assert!((a / b - 1.0).abs() < 1e-5, "{a} {b}");
    }
    let clipped = norms[0].iter().filter(|&&norm| norm > CONSTANTS.clip_norm);
    assert_eq!(clipped.count(), 20, "{norms:?}");
    // 40 roundings of numbers of about 1, on both sides.
    assert_near(&in_place.network(), &plain.network(), 2e-6);
    assert_near(&in_place.average(), &plain.average(), 2e-6);
    // And they went a thousand times as far.
    let moved = numbers(&network).into_iter().zip(numbers(&plain.network()));
    let moved = moved.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(moved > 2e-3, "{moved}");
}

/// The moments by way of the bytes of a file.
fn stored(optimizer: &Optimizer) -> Vec<Option<Moment>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moments");
    let network = optimizer.network();
    let moments = crate::checkpoint::Tensors::of_moments(&network, optimizer.moments());
    moments.write(&path).unwrap();
    crate::checkpoint::Tensors::read(&path)
        .unwrap()
        .into_moments(&network)
        .unwrap()
}

#[test]
fn either_goes_on_from_the_others_record_and_from_its_own_bit_by_bit() {
    let network = model().network;
    let (mut mine, mut burns) = (in_place(&network), plain(&network));
    steps(&mut mine, &network, 0..15);
    steps(&mut burns, &network, 0..15);
    let (mine_record, burns_record) = (stored(&mine), stored(&burns));
    assert_eq!(mine_record.len(), burns_record.len());

    // Mine goes on with Burn's moments, Burn's with mine.
    let mut crossed = in_place(&network);
    crossed.restore(burns.network(), burns.average(), burns_record);
    assert!(matches!(crossed.state, State::InPlace(_)));
    let (network_then, average_then) = (mine.network(), mine.average());
    let state = Plain::new(CONSTANTS, network_then, average_then, Some(mine_record));
    let mut back = Optimizer {
        constants: CONSTANTS,
        state: State::Plain(Box::new(state)),
    };
    // And mine with my own.
    let mut resumed = in_place(&network);
    resumed.restore(mine.network(), mine.average(), stored(&mine));

    for optimizer in [&mut mine, &mut burns, &mut crossed, &mut back, &mut resumed] {
        steps(optimizer, &network, 15..30);
    }
    for optimizer in [&crossed, &back] {
        assert_near(&optimizer.network(), &burns.network(), 2e-6);
        assert_near(&optimizer.average(), &burns.average(), 2e-6);
    }
    assert_eq!(numbers(&resumed.network()), numbers(&mine.network()));
    assert_eq!(numbers(&resumed.average()), numbers(&mine.average()));
    // Which would not be so without moments.
    let mut forgetful = in_place(&network);
    forgetful.restore(mine.network(), mine.average(), Vec::new());
    steps(&mut forgetful, &network, 15..30);
    let without = numbers(&forgetful.network()).into_iter();
    let differs = without
        .zip(numbers(&mine.network()))
        .map(|(a, b)| (a - b).abs());
    assert!(differs.fold(0.0, f32::max) > 1e-4);
}

#[test]
fn a_parameter_without_a_gradient_stays_where_it_is_both_ways() {
    let network = model().network;
    let some = |skip: usize| {
        let mut making = Making {
            count: 0,
            make: |_: usize, len: usize| vec![0.5; len],
            made: GradientsParams::new(),
        };
        network.visit(&mut making);
        struct Removing(usize, GradientsParams);
        impl ModuleVisitor for Removing {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if self.0 == 0 {
                    self.1.remove::<D>(param.id);
                }
                self.0 = self.0.wrapping_sub(1);
            }
        }
        let mut removing = Removing(skip, making.made);
        network.visit(&mut removing);
        removing.1
    };
    let (mut in_place, mut plain) = (in_place(&network), plain(&network));
    for optimizer in [&mut in_place, &mut plain] {
        for k in 0..3 {
            // The fourth is missing from both parts, then from one of them.
            optimizer.step(vec![some(3), some(3)], schedule(k)).unwrap();
        }
        optimizer.step(vec![some(3), some(0)], schedule(3)).unwrap();
        let record = stored(optimizer);
        optimizer.restore(optimizer.network(), optimizer.average(), record);
        optimizer.step(vec![some(0), some(0)], schedule(4)).unwrap();
    }
    assert_near(&in_place.network(), &plain.network(), 1e-6);
    assert_near(&in_place.average(), &plain.average(), 1e-6);
}

/// Where each parameter's numbers are.
fn addresses(network: &Network) -> Vec<(ParamId, *const f32)> {
    struct Locating(Vec<(ParamId, *const f32)>);
    impl ModuleVisitor for Locating {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val().try_into_primitive::<Flex>().unwrap();
            self.0.push((param.id, tensor.storage::<f32>().as_ptr()));
        }
    }
    let mut locating = Locating(Vec::new());
    network.visit(&mut locating);
    locating.0
}

#[test]
fn a_forward_and_a_backward_pass_leave_the_memory_to_the_step() {
    let model = model();
    let mut optimizer = in_place(&model.network);
    let preconditioning = model.preconditioning;
    drop(model);
    let step = |optimizer: &mut Optimizer| {
        let leaves = Model {
            network: optimizer.leaves(),
            preconditioning,
            classes: 0,
        };
        let marginal = Marginal {
            alpha: 1.0,
            sigma: 0.5,
        };
        let batch = Batch {
            noisy: (0..128).map(|i| (i as f32).sin()).collect(),
            target: (0..128).map(|i| (i as f32).cos()).collect(),
            weights: vec![1.0; 2],
            marginals: vec![marginal; 2],
            times: vec![Time(0.5); 2],
            ..Batch::default()
        };
        let device = Device::flex().autodiff();
        let part = gradient(&leaves, batch, 2, [1, 8, 8], &device);
        drop(leaves);
        optimizer.step(vec![part.gradient], schedule(0)).unwrap();
    };
    // The first step moves out of the memory that the model above had.
    step(&mut optimizer);
    let before = [optimizer.network(), optimizer.average()].map(|n| addresses(&n));
    let numbers_before = numbers(&optimizer.network());
    for _ in 0..3 {
        step(&mut optimizer);
    }
    let after = [optimizer.network(), optimizer.average()].map(|n| addresses(&n));
    assert_eq!(before, after);
    assert_ne!(numbers(&optimizer.network()), numbers_before);
    // A network that was handed out keeps its numbers.
    let kept = optimizer.network();
    let numbers_kept = numbers(&kept);
    step(&mut optimizer);
    assert_eq!(numbers(&kept), numbers_kept);
    assert_ne!(numbers(&optimizer.network()), numbers_kept);
    assert_eq!(values(&kept).len(), addresses(&kept).len());
}

#[test]
fn a_gradient_that_is_not_finite_changes_nothing_and_its_parameter_is_named() {
    let network = model().network;
    let poisoned = |value: f32| {
        let mut making = Making {
            count: 0,
            make: |count: usize, len: usize| vec![if count == 5 { value } else { 0.1 }; len],
            made: GradientsParams::new(),
        };
        network.visit(&mut making);
        vec![making.made]
    };
    let waiting = Constants {
        wait_for_norm: true,
        ..CONSTANTS
    };
    let mut cautious = plain(&network);
    cautious.constants = waiting;
    for optimizer in [&mut in_place(&network), &mut cautious] {
        steps(optimizer, &network, 0..3);
        let before = (numbers(&optimizer.network()), optimizer.moments());
        for value in [f32::NAN, f32::INFINITY] {
            let refused = optimizer.step(poisoned(value), schedule(3)).unwrap_err();
            assert_eq!(refused.parameter, Some(5));
        }
        assert_eq!(before, (numbers(&optimizer.network()), optimizer.moments()));
    }
    // Who does not wait finds it out by reading.
    let mut hasty = plain(&network);
    let norm = hasty.step(poisoned(f32::NAN), schedule(0)).unwrap();
    assert_eq!(norm.read().unwrap_err().parameter, Some(5));
}
