//! The optimiser's step against the same formulae in f64, written out number by number, and against
//! Burn's own AdamW.

use burn::backend::Flex;
use burn::module::{Module, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{DType, Device, Tensor, TensorData};
use kernels::{Gradient, Moments, Parameter, Step, adamw_ema, global_norm};

/// Numbers from a seed, uniform on ±√3 (of variance one).
fn values(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / (1 << 24) as f32 - 0.5) * 2.0 * 3.0_f32.sqrt()
    };
    (0..len).map(|_| next()).collect()
}

fn tensor<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(values(seed, shape.iter().product()), shape);
    Tensor::from_data(data, (&Device::flex(), DType::F32))
}

fn flat<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

fn gradient(parts: impl IntoIterator<Item = Tensor<2>>) -> Gradient {
    let mut gradient = Gradient::default();
    parts.into_iter().for_each(|part| gradient.push(part));
    gradient
}

const STEP: Step = Step {
    learning_rate: 2e-3,
    betas: [0.9, 0.99],
    epsilon: 1e-8,
    weight_decay: 0.05,
    gradient_scale: 0.75,
    average_decay: 0.97,
};

/// One number's way through AdamW and the moving average, in f64.
#[derive(Clone, Copy)]
struct Exact {
    w: f64,
    average: f64,
    m: f64,
    v: f64,
}

impl Exact {
    /// Step `t`, counted from 1 (Loshchilov & Hutter 2019, algorithm 2, lines 5 to 12; PyTorch's
    /// AdamW, whose weight decay is multiplied by the learning rate).
    fn step(&mut self, g: f64, t: i32, step: &Step) {
        let [b1, b2] = step.betas.map(|beta| f64::from(beta as f32));
        let g = g * step.gradient_scale;
        self.m = b1 * self.m + (1.0 - b1) * g;
        self.v = b2 * self.v + (1.0 - b2) * g.powi(2);
        let m_hat = self.m / (1.0 - b1.powi(t));
        let v_hat = self.v / (1.0 - b2.powi(t));
        self.w -= step.learning_rate * step.weight_decay * self.w;
        self.w -= step.learning_rate * m_hat / (v_hat.sqrt() + step.epsilon);
        self.average = step.average_decay * self.average + (1.0 - step.average_decay) * self.w;
    }
}

/// Shapes with an end that fills no vector, and more numbers than one thread takes at a time.
const SHAPES: [[usize; 2]; 4] = [[1, 1], [3, 7], [37, 101], [129, 257]];

#[test]
fn three_hundred_steps_are_those_of_f64() {
    const STEPS: u64 = 300;
    let mut parameters: Vec<Parameter> = SHAPES
        .map(|shape| Parameter::new(tensor(1, shape), tensor(2, shape)).unwrap())
        .into();
    let mut exact: Vec<Vec<Exact>> = SHAPES
        .map(|[rows, columns]| {
            let numbers = values(1, rows * columns)
                .into_iter()
                .zip(values(2, rows * columns));
            let exact = numbers.map(|(w, average)| Exact {
                w: w.into(),
                average: average.into(),
                m: 0.0,
                v: 0.0,
            });
            exact.collect()
        })
        .into();
    for t in 0..STEPS {
        // A learning rate that changes; one to three parts; gradients of very different sizes.
        let step = Step {
            learning_rate: STEP.learning_rate * (1.0 - t as f64 / STEPS as f64),
            ..STEP
        };
        let parts: Vec<u64> = (0..=t % 3).map(|part| 1000 + 10 * t + part).collect();
        let size = |i: usize| 10.0_f32.powi(-2 * i as i32);
        let gradients: Vec<Gradient> = (SHAPES.iter().enumerate())
            .map(|(i, &shape)| gradient(parts.iter().map(|&seed| tensor(seed, shape) * size(i))))
            .collect();
        adamw_ema(&mut parameters, &gradients, &step);
        for (i, numbers) in exact.iter_mut().enumerate() {
            let mut sum = vec![0.0; numbers.len()];
            for &seed in &parts {
                for (sum, g) in sum.iter_mut().zip(values(seed, numbers.len())) {
                    *sum += f64::from(g * size(i));
                }
            }
            for (number, g) in numbers.iter_mut().zip(sum) {
                number.step(g, t as i32 + 1, &step);
            }
        }
    }
    for (i, (parameter, exact)) in parameters.iter().zip(&exact).enumerate() {
        let Moments {
            first,
            second,
            updates,
        } = parameter.moments::<2>();
        assert_eq!(updates, STEPS as usize);
        let largest = |of: fn(&Exact) -> f64| exact.iter().map(of).fold(0.0, f64::max);
        let near = |name: &str, found: Tensor<2>, of: fn(&Exact) -> f64, bound: f64| {
            for (found, exact) in flat(found).into_iter().zip(exact) {
                let error = (found - of(exact)).abs();
                assert!(
                    error < bound,
                    "{name} of {i}: {found}, exactly {}",
                    of(exact)
                );
            }
        };
        // A moment is an average over 1/(1 − β) steps, each rounded to 6·10⁻⁸ of what there is.
        near("m", first, |n| n.m, 1e-6 * largest(|n| n.m.abs()));
        near("v", second, |n| n.v, 1e-5 * largest(|n| n.v));
        // 300 roundings of a number below 2, half of 1.2·10⁻⁷ each: at worst 1.8·10⁻⁵, and their
        // square root many if they are independent.
        near("w", parameter.value(), |n| n.w, 4e-6);
        near("average", parameter.average(), |n| n.average, 4e-6);
    }
}

#[test]
fn it_is_burns_adamw() {
    let device = Device::flex();
    let shape = [37, 101];
    let mut optimizer = AdamWConfig::new()
        .with_beta_1(STEP.betas[0] as f32)
        .with_beta_2(STEP.betas[1] as f32)
        .with_epsilon(STEP.epsilon as f32)
        .with_weight_decay(STEP.weight_decay as f32)
        .init();
    let mut burns: Param<Tensor<2>> = Param::from_tensor(tensor(1, shape).autodiff()).train();
    let mut parameters = [Parameter::new(tensor(1, shape), tensor(1, shape)).unwrap()];
    for t in 0..100 {
        let mut gradients = GradientsParams::new();
        gradients.register(burns.id, tensor::<2>(100 + t, shape));
        burns = optimizer.step(STEP.learning_rate, burns, gradients);
        let step = Step {
            gradient_scale: 1.0,
            ..STEP
        };
        adamw_ema(
            &mut parameters,
            &[gradient([tensor(100 + t, shape)])],
            &step,
        );
    }
    let found = flat(parameters[0].value::<2>());
    for (found, burns) in found.iter().zip(flat(burns.val().without_autodiff())) {
        // 100 roundings on either side; and Burn rounds 1 − γλ, by up to 3·10⁻⁸, which adds up to
        // 5·10⁻⁶ for numbers up to √3.
        assert!((found - burns).abs() < 1e-5, "{found} {burns}");
    }
    // It did move: by some 100 steps of the learning rate, in random directions.
    let moved = (found.iter().zip(flat(tensor::<2>(1, shape)))).map(|(a, b)| (a - b).abs());
    assert!(moved.sum::<f64>() / found.len() as f64 > 5.0 * STEP.learning_rate);
    assert_eq!(parameters[0].value::<2>().device(), device);
}

#[test]
fn the_norm_is_that_of_all_sums_together() {
    let parts = |i: usize| (0..=i as u64).map(move |part| tensor(3 + part, SHAPES[i]));
    let gradients: Vec<Gradient> = (0..SHAPES.len()).map(|i| gradient(parts(i))).collect();
    let exact: f64 = (0..SHAPES.len())
        .flat_map(|i| {
            let sum = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(b).map(|(a, b)| a + b).collect();
            parts(i).map(flat).reduce(sum).unwrap()
        })
        .map(|x| x * x)
        .sum::<f64>()
        .sqrt();
    // 35,000 squares, of which no more than 16 are added in f32.
    assert!((global_norm(&gradients) / exact - 1.0).abs() < 1e-7);
    assert_eq!(global_norm(&[]), 0.0);
    assert_eq!(global_norm(&[Gradient::default()]), 0.0);
    let broken = tensor::<2>(1, SHAPES[2]).slice_fill([36..37, 100..101], f32::NAN);
    assert!(global_norm(&[gradient([broken])]).is_nan());
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let mut parameters: Vec<Parameter> = SHAPES
                .map(|shape| Parameter::new(tensor(1, shape), tensor(2, shape)).unwrap())
                .into();
            let gradients = SHAPES.map(|s| gradient([tensor(3, s), tensor(4, s)]));
            adamw_ema(&mut parameters, &gradients, &STEP);
            let mut bits = vec![global_norm(&gradients).to_bits()];
            for parameter in &parameters {
                let Moments { first, second, .. } = parameter.moments::<2>();
                for tensor in [parameter.value(), parameter.average(), first, second] {
                    bits.extend(flat(tensor).iter().map(|x| x.to_bits()));
                }
            }
            bits
        })
    };
    let one = run(1);
    for threads in [2, 3, 7] {
        assert!(run(threads) == one, "{threads}");
    }
}

/// Where a tensor's numbers are.
fn address(tensor: Tensor<2>) -> *const f32 {
    let tensor = tensor.try_into_primitive::<Flex>().unwrap();
    tensor.storage::<f32>().as_ptr()
}

#[test]
fn memory_is_changed_in_place_unless_another_tensor_has_it_too() {
    let shape = SHAPES[2];
    let mut parameters = [Parameter::new(tensor(1, shape), tensor(2, shape)).unwrap()];
    let gradients = [gradient([tensor(3, shape)])];
    let addresses = |p: &Parameter| {
        let Moments { first, second, .. } = p.moments();
        [p.value(), p.average(), first, second].map(address)
    };
    let before = addresses(&parameters[0]);
    adamw_ema(&mut parameters, &gradients, &STEP);
    assert_eq!(addresses(&parameters[0]), before);

    let kept = parameters[0].value::<2>();
    let numbers = flat(kept.clone());
    adamw_ema(&mut parameters, &gradients, &STEP);
    assert_eq!(flat(kept), numbers);
    assert_ne!(flat(parameters[0].value::<2>()), numbers);
}

#[test]
fn without_a_gradient_only_the_average_moves() {
    let shape = SHAPES[2];
    let mut parameters = [Parameter::new(tensor(1, shape), tensor(2, shape)).unwrap()];
    adamw_ema(&mut parameters, &[Gradient::default()], &STEP);
    let [parameter] = parameters;
    assert_eq!(flat(parameter.value::<2>()), flat(tensor(1, shape)));
    let Moments {
        first,
        second,
        updates,
    } = parameter.moments::<2>();
    assert!(updates == 0 && [first, second].into_iter().flat_map(flat).all(|x| x == 0.0));
    let d = STEP.average_decay;
    let numbers = flat(tensor(2, shape))
        .into_iter()
        .zip(flat(tensor(1, shape)));
    for (found, (average, w)) in flat(parameter.average::<2>()).into_iter().zip(numbers) {
        assert!((found - (d * average + (1.0 - d) * w)).abs() < 3e-7);
    }
}

#[test]
fn the_average_of_what_stands_still_stands_still() {
    // d·average + (1 − d)·w with a rounded d and 1 − d would move away from w, at this d by 10⁻⁴·w.
    let shape = SHAPES[2];
    let mut parameters = [Parameter::new(tensor(1, shape), tensor(1, shape)).unwrap()];
    let step = Step {
        average_decay: 0.9999,
        ..STEP
    };
    for _ in 0..10_000 {
        adamw_ema(&mut parameters, &[Gradient::default()], &step);
    }
    let [parameter] = parameters;
    assert_eq!(flat(parameter.average::<2>()), flat(tensor(1, shape)));
}

#[test]
fn a_view_is_as_good_as_a_tensor_of_its_own() {
    // A transposed value, an average that is part of a larger tensor, a gradient that is both.
    let whole = tensor::<2>(1, [64, 50]);
    let value = whole.clone().transpose();
    let average = tensor::<2>(2, [60, 64]).slice([7..57, 0..64]);
    let part = tensor::<2>(3, [70, 50]).slice([3..67, 0..50]).transpose();
    let own = |view: &Tensor<2>| Tensor::from_data(view.clone().into_data(), &Device::flex());
    let run = |value: Tensor<2>, average: Tensor<2>, part: Tensor<2>| {
        let mut parameters = [Parameter::new(value, average).unwrap()];
        adamw_ema(&mut parameters, &[gradient([part])], &STEP);
        let [parameter] = parameters;
        [parameter.value::<2>(), parameter.average::<2>()].map(flat)
    };
    assert_eq!(
        run(value.clone(), average.clone(), part.clone()),
        run(own(&value), own(&average), own(&part))
    );
    // And what they are views of has not changed.
    assert_eq!(flat(whole), flat(tensor::<2>(1, [64, 50])));
}

#[test]
fn there_is_none_for_another_number_type_or_a_graph() {
    let f32 = tensor::<2>(1, [2, 3]);
    let f64 = f32.clone().cast(burn::tensor::FloatDType::F64);
    assert!(Parameter::new(f64.clone(), f64).is_none());
    assert!(Parameter::new(f32.clone().autodiff(), f32).is_none());
}

#[test]
#[should_panic(expected = "shape of a parameter's gradient")]
fn a_gradient_of_another_shape_is_refused() {
    let mut parameters = [Parameter::new(tensor(1, [2, 3]), tensor(2, [2, 3])).unwrap()];
    adamw_ema(&mut parameters, &[gradient([tensor(3, [3, 2])])], &STEP);
}
