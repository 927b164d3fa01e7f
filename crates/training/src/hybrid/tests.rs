use burn::tensor::{DType, Device};
use data::Toy;
use ndarray::Array2;
use score_net::{MlpConfig, ModelConfig, NetworkConfig, PreconditioningConfig, VarianceKind};
use sde_core::SdeConfig;
use sde_core::chains::bound::DiscreteBound;
use sde_core::chains::{BetaSchedule, Ddpm};
use sde_core::noise::{Role, fill_standard_normal};

use super::*;
use crate::Draw;
use crate::gradient::gradient;
use crate::{Objective, ObjectiveConfig};

fn chain(steps: usize) -> Ddpm {
    // The linear schedule needs more than 20 steps.
    let schedule = BetaSchedule::cosine();
    Ddpm { steps, schedule }
}

/// Standard normal numbers.
fn draw(place: u64, len: usize) -> Vec<f64> {
    let mut values = vec![0.0; len];
    fill_standard_normal(9, place, 0, Role::Data, &mut values);
    values
}

/// One sample a step of a chain, as the theory has it and as training does.
struct Case {
    chain: DdpmChain,
    decoder: Decoder,
    prediction: Prediction,
    shape: [usize; 3],
    x0: Vec<f32>,
    x: Vec<f32>,
    /// The network's prediction and its v.
    output: Vec<f64>,
    v: Vec<f64>,
}

impl Case {
    fn new(steps: usize, prediction: Prediction, shape: [usize; 3], decoder: Decoder) -> Self {
        let chain = chain(steps).chain().unwrap();
        let len: usize = shape.iter().product();
        let x0: Vec<f32> = draw(0, steps * len)
            .iter()
            .map(|z| (0.6 * z).clamp(-1.0, 1.0) as f32)
            .collect();
        let noise = draw(1, steps * len);
        let x = (x0.iter().zip(noise).enumerate())
            .map(|(i, (&x0, z))| {
                let marginal = chain.marginal_at(StepIndex(i / len));
                (marginal.alpha * f64::from(x0) + marginal.sigma * z) as f32
            })
            .collect();
        Self {
            chain,
            decoder,
            prediction,
            shape,
            x0,
            x,
            output: draw(2, steps * len),
            // Beyond 0 and 1 too: nothing holds it there.
            v: draw(3, steps * len).iter().map(|z| 0.5 + 0.4 * z).collect(),
        }
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// λ N L_t/(dim ln 2) of every sample by `sde_core`'s f64 formula, at some v.
    fn reference(&self, weight: f64, v: &[f64]) -> Vec<f64> {
        let bound = DiscreteBound::new(&self.chain, self.decoder).unwrap();
        let (steps, len) = (self.chain.steps(), self.len());
        let objective = HybridObjective { vlb_weight: weight };
        (0..steps)
            .map(|step| {
                let row = |values: &[f64]| {
                    let row = values[step * len..(step + 1) * len].to_vec();
                    Array2::from_shape_vec((1, len), row).unwrap()
                };
                let wide = |values: &[f32]| -> Vec<f64> {
                    values.iter().map(|&value| f64::from(value)).collect()
                };
                let (x0, x) = (row(&wide(&self.x0)), row(&wide(&self.x)));
                let index = StepIndex(step);
                let epsilon = self.prediction.convert(
                    Prediction::Epsilon,
                    self.chain.marginal_at(index),
                    &x,
                    row(&self.output),
                );
                let reverse = self.chain.learned_step(index, &x, epsilon, &row(v));
                let term = bound.term(index, &x0, &x, &reverse);
                // Without the error of ε, which is not L_vlb's.
                let same = Array2::<f64>::zeros((1, len));
                objective.per_sample(steps, &same, &same, &term)[0]
            })
            .collect()
    }

    /// The same by training's tensors, with the gradients that reach v and the prediction.
    fn found(&self, vlb_weight: f64) -> (Vec<f64>, Vec<f64>, Option<Vec<f64>>) {
        let (steps, len) = (self.chain.steps(), self.len());
        let config = HybridConfig {
            vlb_weight,
            decoder: Some(self.decoder),
        };
        let hybrid = Hybrid::new(config, self.chain.clone(), self.prediction, self.shape);
        let samples = |values: &[f32], step: usize| values[step * len..(step + 1) * len].to_vec();
        let terms: Vec<BoundTerm> = (0..steps)
            .map(|step| {
                let (x0, x) = (samples(&self.x0, step), samples(&self.x, step));
                hybrid.term(StepIndex(step), &x0, &x)
            })
            .collect();
        let target = (self.x0.iter().zip(&self.x).enumerate()).map(|(i, (&x0, &x))| {
            let marginal = self.chain.marginal_at(StepIndex(i / len));
            let data = self.prediction.conversion(Prediction::X0, marginal);
            (f64::from(x0) - data.x * f64::from(x)) / data.p
        });
        let [channels, height, width] = self.shape;
        let device = Device::flex().autodiff();
        let upload = |values: Vec<f64>| -> Tensor<4> {
            let data = TensorData::new(values, [steps, channels, height, width]);
            Tensor::from_data(data, (&device, DType::F64))
        };
        let output = upload(self.output.clone()).require_grad();
        let v = upload(self.v.clone()).require_grad();
        let error = output.clone() - upload(target.collect());
        let losses = losses(&terms, &output, &error, v.clone());
        let values = |x: Tensor<4>| -> Vec<f64> { x.into_data().iter::<f64>().collect() };
        let mut gradients = losses.clone().sum().backward();
        let of_v = values(v.grad_remove(&mut gradients).unwrap());
        let of_output = output.grad_remove(&mut gradients).map(values);
        (losses.into_data().iter::<f64>().collect(), of_v, of_output)
    }
}

fn cases() -> [Case; 3] {
    let edm = Prediction::Edm { sigma_data: 0.6 };
    [
        Case::new(12, edm, [2, 1, 1], Decoder::Density {}),
        Case::new(7, Prediction::Epsilon, [1, 3, 4], Decoder::default()),
        Case::new(
            30,
            Prediction::V,
            [3, 2, 2],
            Decoder::Discretised { levels: 8 },
        ),
    ]
}

#[test]
fn a_term_at_every_step_is_the_bound_s_and_its_gradient_reaches_the_variance_alone() {
    for case in cases() {
        let (found, slopes, of_output) = case.found(0.02);
        let expected = case.reference(0.02, &case.v);
        for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - expected).abs();
            assert!(
                error < 1e-10 * expected.abs(),
                "step {step}: {found} {expected}"
            );
        }
        assert!(of_output.is_none_or(|slopes| slopes.iter().all(|&slope| slope == 0.0)));
        let len = case.len();
        let h = 1e-3;
        for element in 0..len * case.chain.steps() {
            let at = |shift: f64| {
                let mut v = case.v.clone();
                v[element] += shift;
                case.reference(0.02, &v)[element / len]
            };
            let slope = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            let error = (slopes[element] - slope).abs();
            let scale = slope.abs().max(1e-3 * expected[element / len].abs());
            assert!(
                error < 1e-6 * scale,
                "{element}: {} {slope}",
                slopes[element]
            );
        }
    }
}

#[test]
fn the_loss_of_a_batch_is_the_hybrid_objective_of_the_theory() {
    let points = Toy::TwoMoons.sample(64, 0);
    let steps = 5;
    let model = ModelConfig {
        shape: [2, 1, 1],
        network: NetworkConfig::Mlp(MlpConfig {
            width: 8,
            blocks: 1,
            embedding: 4,
            ..MlpConfig::default()
        }),
        preconditioning: PreconditioningConfig {
            prediction: score_net::PredictionKind::Epsilon,
            sigma_data: 1.0,
            variance: VarianceKind::Learned,
            velocity: None,
        },
        classes: 0,
    };
    let config = ObjectiveConfig {
        hybrid: Some(HybridConfig {
            vlb_weight: 0.3,
            decoder: None,
        }),
        ..ObjectiveConfig::default()
    };
    let sde = SdeConfig::Ddpm(chain(steps));
    let objective = Objective::of_model(config, sde, &model).unwrap();
    let indices: Vec<usize> = (0..32).collect();
    let batch = objective
        .draw(&points, &indices, Draw::whole(3, 0, 32))
        .unwrap();
    // Every step is drawn, at the chain's own times.
    let chain = chain(steps).chain().unwrap();
    let drawn: Vec<StepIndex> = batch.times.iter().map(|&t| chain.step_at(t)).collect();
    for step in (0..steps).map(StepIndex) {
        assert!(drawn.contains(&step));
    }
    assert!(
        drawn
            .iter()
            .zip(&batch.times)
            .all(|(&s, &t)| chain.time_of(s) == t)
    );

    // A fresh network predicts ε = 0, and lies halfway.
    let bound = DiscreteBound::new(&chain, Decoder::Density {}).unwrap();
    let row = |values: &[f32], i: usize| {
        Array2::from_shape_fn((1, 2), |(_, j)| f64::from(values[2 * i + j]))
    };
    let expected: Vec<f64> = (drawn.iter().enumerate())
        .map(|(i, &step)| {
            let (x, epsilon) = (row(&batch.noisy, i), row(&batch.target, i));
            let marginal = chain.marginal_at(step);
            let x0 = Prediction::Epsilon.convert(Prediction::X0, marginal, &x, epsilon.clone());
            let (zero, half) = (Array2::zeros((1, 2)), Array2::from_elem((1, 2), 0.5));
            let reverse = chain.learned_step(step, &x, zero.clone(), &half);
            let term = bound.term(step, &x0, &x, &reverse);
            let objective = HybridObjective { vlb_weight: 0.3 };
            objective.per_sample(steps, &epsilon, &zero, &term)[0]
        })
        .collect();
    let device = Device::flex().autodiff();
    let fresh = model.init(0, &device).unwrap();
    let part = gradient(&fresh, batch, 32, [2, 1, 1], &device);
    let found: Vec<f64> = part.losses.into_data().iter::<f64>().collect();
    for (found, expected) in found.iter().zip(&expected) {
        // Sums of f32.
        let error = (found - expected).abs();
        assert!(error < 1e-5 * (1.0 + expected.abs()), "{found} {expected}");
    }
}

#[test]
fn a_uniform_time_draws_every_step_alike() {
    let (steps, prediction) = (8, Prediction::Epsilon);
    let chain = chain(steps).chain().unwrap();
    let hybrid = Hybrid::new(HybridConfig::default(), chain, prediction, [2, 1, 1]);
    let mut counts = vec![0; steps];
    for i in 0..800 {
        counts[hybrid.step(Time((f64::from(i) + 0.5) / 800.0)).0] += 1;
    }
    assert_eq!(counts, vec![100; steps]);
    assert_eq!(hybrid.step(Time(1.0)), StepIndex(steps - 1));
    assert_eq!(hybrid.step(Time(0.0)), StepIndex(0));
}
