//! One step of AdamW and of the weights' moving average, and the global norm of a gradient: one pass
//! each over the memory of all parameters, in place.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, Shape, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::profile::operation;
use crate::{Kernels, chosen};

/// Numbers that a thread works through at a time. Where a tensor is cut depends on nothing else, so
/// sums do not depend on the number of threads.
const CHUNK: usize = 8192;

/// Numbers whose gradient is summed at a time, on the stack.
const BLOCK: usize = 512;

/// A parameter of a network with all that changes with it in a step: AdamW's moments, and its moving
/// average. The tensors that it is made of and gives out share its memory; while one of them is alive
/// a step works on a copy.
#[derive(Clone, Debug)]
pub struct Parameter {
    value: FlexTensor,
    average: FlexTensor,
    first: FlexTensor,
    second: FlexTensor,
    updates: usize,
}

/// AdamW's moving averages of a parameter's gradient, of any shape.
#[derive(Clone, Debug)]
pub struct Moments<const D: usize> {
    /// m, the average of the gradient.
    pub first: Tensor<D>,
    /// v, the average of its square.
    pub second: Tensor<D>,
    /// How many gradients there have been.
    pub updates: usize,
}

impl Parameter {
    /// A parameter that has seen no gradient yet. None where there is no kernel: on another backend
    /// than Flex, under autodiff, in another number type than f32, or where [`Kernels::Plain`] is chosen.
    ///
    /// # Panics
    ///
    /// If the average has another shape.
    pub fn new<const D: usize>(value: Tensor<D>, average: Tensor<D>) -> Option<Self> {
        assert_eq!(value.dims(), average.dims(), "shape of the average");
        if chosen() == Kernels::Plain {
            return None;
        }
        let (value, average) = (memory(value)?, memory(average)?);
        let zeros = || FlexTensor::zeros(value.shape(), DType::F32);
        Some(Self {
            first: zeros(),
            second: zeros(),
            value,
            average,
            updates: 0,
        })
    }

    /// The same parameter, going on from moments of its shape.
    ///
    /// # Panics
    ///
    /// If they have another shape, number type or backend.
    #[must_use]
    pub fn with_moments<const D: usize>(mut self, moments: Moments<D>) -> Self {
        let Moments {
            first,
            second,
            updates,
        } = moments;
        let moment = |name: &str, moment: Tensor<D>| {
            assert_eq!(moment.shape(), self.shape(), "shape of the {name} moment");
            memory(moment).unwrap_or_else(|| panic!("the {name} moment is not in f32 on Flex"))
        };
        let (first, second) = (moment("first", first), moment("second", second));
        self.first = first;
        self.second = second;
        self.updates = updates;
        self
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.value.shape()
    }

    /// Its value.
    pub fn value<const D: usize>(&self) -> Tensor<D> {
        Tensor::from_primitive::<Flex>(self.value.clone())
    }

    /// Its moving average.
    pub fn average<const D: usize>(&self) -> Tensor<D> {
        Tensor::from_primitive::<Flex>(self.average.clone())
    }

    /// Its moments.
    pub fn moments<const D: usize>(&self) -> Moments<D> {
        Moments {
            first: Tensor::from_primitive::<Flex>(self.first.clone()),
            second: Tensor::from_primitive::<Flex>(self.second.clone()),
            updates: self.updates,
        }
    }
}

/// The gradient of one parameter, as the sum of parts that are added in the step itself. Without
/// parts there is no gradient, and a step changes the parameter's average alone.
#[derive(Clone, Debug, Default)]
pub struct Gradient(Vec<FlexTensor>);

impl Gradient {
    /// Adds a part.
    ///
    /// # Panics
    ///
    /// If it is not in f32 on Flex, without autodiff.
    pub fn push<const D: usize>(&mut self, part: Tensor<D>) {
        let part = memory(part).expect("a gradient in f32 on Flex, without autodiff");
        self.0.push(part);
    }

    /// The parts as slices of `len` numbers, cut out of it from `start`.
    fn parts(&self, start: usize, len: usize) -> Vec<&[f32]> {
        let cut = |part| &slice(part)[start..start + len];
        self.0.iter().map(cut).collect()
    }
}

/// What a step does, the same for every parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// γ, the learning rate.
    pub learning_rate: f64,
    /// β₁ and β₂, each at least 0 and below 1; they are rounded to f32, then used as they are then.
    pub betas: [f64; 2],
    /// ε.
    pub epsilon: f64,
    /// λ, the decoupled weight decay.
    pub weight_decay: f64,
    /// What gradients are multiplied by first, such as the factor that clips their norm.
    pub gradient_scale: f64,
    /// d, the decay of the moving average, at least 0 and below 1.
    pub average_decay: f64,
}

/// The norm of all gradients together, ‖(g₁, g₂, …)‖₂, each the sum of its parts.
///
/// # Panics
///
/// If parts of a gradient differ in shape.
pub fn global_norm(gradients: &[Gradient]) -> f64 {
    let _span = operation!("global_norm", format!("{} tensors", gradients.len()));
    norm(Arch::new(), gradients)
}

/// One step of AdamW (Loshchilov & Hutter 2019, algorithm 2, with PyTorch's schedule: λ is multiplied
/// by γ), then one of the moving average, for every parameter with its gradient g:
///
/// m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,
/// w ← w − γλw − γ·m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε),  average ← average + (1 − d)(w − average).
///
/// # Panics
///
/// If there is not one gradient a parameter, or a shape differs.
pub fn adamw_ema(parameters: &mut [Parameter], gradients: &[Gradient], step: &Step) {
    let _span = operation!("adamw_ema", format!("{} tensors", gradients.len()));
    update(Arch::new(), parameters, gradients, step);
}

fn norm(arch: Arch, gradients: &[Gradient]) -> f64 {
    let chunks: Vec<Vec<&[f32]>> = (gradients.iter())
        .filter_map(|gradient| Some((gradient, gradient.0.first()?.shape())))
        .flat_map(|(gradient, shape)| {
            for part in &gradient.0 {
                assert_eq!(part.shape(), shape, "shapes of a gradient's parts");
            }
            cuts(shape.num_elements()).map(|(start, len)| gradient.parts(start, len))
        })
        .collect();
    let sums: Vec<f64> = (chunks.par_iter())
        .map(|parts| arch.dispatch(SumOfSquares { parts }))
        .collect();
    // One after the other, on one thread.
    sums.iter().sum::<f64>().sqrt()
}

fn update(arch: Arch, parameters: &mut [Parameter], gradients: &[Gradient], step: &Step) {
    assert_eq!(
        parameters.len(),
        gradients.len(),
        "one gradient a parameter"
    );
    let chunks: Vec<Chunk<'_>> = (parameters.iter_mut().zip(gradients))
        .flat_map(|(parameter, gradient)| Chunk::of(parameter, gradient, step))
        .collect();
    chunks
        .into_par_iter()
        .for_each(|chunk| arch.dispatch(chunk));
}

/// Start and length of each chunk of `len` numbers.
fn cuts(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len)
        .step_by(CHUNK)
        .map(move |start| (start, CHUNK.min(len - start)))
}

/// Writes the sum of `parts` at `start` to `sum`, times `scale`.
#[inline(always)]
fn add_up(parts: &[&[f32]], start: usize, scale: f32, sum: &mut [f32]) {
    let end = start + sum.len();
    let (first, rest) = parts.split_first().expect("a gradient has a part");
    sum.copy_from_slice(&first[start..end]);
    for part in rest {
        for (sum, part) in sum.iter_mut().zip(&part[start..end]) {
            *sum += part;
        }
    }
    for sum in sum {
        *sum *= scale;
    }
}

/// Σ(Σ parts)² of one chunk.
struct SumOfSquares<'a> {
    parts: &'a [&'a [f32]],
}

impl WithSimd for SumOfSquares<'_> {
    type Output = f64;

    // Lanes that are written out, so that every instruction set adds in the same order; in f32 over
    // a block, 16 numbers a lane, and in f64 beyond.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        const LANES: usize = 32;
        let len = self.parts[0].len();
        let mut sum = [0.0; BLOCK];
        let mut total = 0.0;
        for start in (0..len).step_by(BLOCK) {
            let sum = &mut sum[..BLOCK.min(len - start)];
            add_up(self.parts, start, 1.0, sum);
            let mut lanes = [0.0; LANES];
            let rows = sum.chunks_exact(LANES);
            let rest = rows.remainder();
            for row in rows {
                for (lane, x) in lanes.iter_mut().zip(row) {
                    *lane += x * x;
                }
            }
            for (lane, x) in lanes.iter_mut().zip(rest) {
                *lane += x * x;
            }
            total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        }
        total
    }
}

/// The numbers that a step multiplies by.
#[derive(Clone, Copy)]
struct Factors {
    gradient_scale: f32,
    beta: [f32; 2],
    rest_of_beta: [f32; 2],
    /// γλ. Not 1 − γλ, which rounded is another decay.
    decay: f32,
    /// γ/(1 − β₁ᵗ).
    rate: f32,
    /// 1/√(1 − β₂ᵗ).
    root: f32,
    epsilon: f32,
    /// 1 − d. Not d too: their sum, rounded, is not 1, and would be the limit of average/w.
    approach: f32,
}

impl Factors {
    /// Of the step that is a parameter's `updates`-th.
    fn new(step: &Step, updates: usize) -> Self {
        let beta = step.betas.map(|beta| beta as f32);
        // Of the β that is multiplied by, or the bias would be corrected for another one.
        let exact = beta.map(f64::from);
        let bias = exact.map(|beta| 1.0 - beta.powf(updates as f64));
        Self {
            gradient_scale: step.gradient_scale as f32,
            beta,
            rest_of_beta: exact.map(|beta| (1.0 - beta) as f32),
            decay: (step.learning_rate * step.weight_decay) as f32,
            rate: (step.learning_rate / bias[0]) as f32,
            root: bias[1].sqrt().recip() as f32,
            epsilon: step.epsilon as f32,
            approach: (1.0 - step.average_decay) as f32,
        }
    }
}

/// A piece of a parameter, of its moments, its average and its gradient.
struct Chunk<'a> {
    value: &'a mut [f32],
    average: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    /// None if there is no gradient.
    parts: Vec<&'a [f32]>,
    factors: Factors,
}

impl<'a> Chunk<'a> {
    /// The chunks of a parameter, whose updates are counted here.
    fn of(
        parameter: &'a mut Parameter,
        gradient: &'a Gradient,
        step: &Step,
    ) -> impl Iterator<Item = Self> {
        let shape = parameter.shape();
        for part in &gradient.0 {
            assert_eq!(part.shape(), shape, "shape of a parameter's gradient");
        }
        parameter.updates += usize::from(!gradient.0.is_empty());
        let factors = Factors::new(step, parameter.updates);
        // Each a copy, and no longer shared, where another tensor has the memory too.
        let slices = [
            &mut parameter.value,
            &mut parameter.average,
            &mut parameter.first,
            &mut parameter.second,
        ]
        .map(|tensor| tensor.storage_mut::<f32>().chunks_mut(CHUNK));
        let [value, average, first, second] = slices;
        (value.zip(average).zip(first.zip(second)))
            .zip(cuts(shape.num_elements()))
            .map(
                move |(((value, average), (first, second)), (start, len))| Self {
                    value,
                    average,
                    first,
                    second,
                    parts: gradient.parts(start, len),
                    factors,
                },
            )
    }
}

impl WithSimd for Chunk<'_> {
    type Output = ();

    // Plain loops without fused multiply-adds, so that every instruction set rounds alike.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let f = self.factors;
        if self.parts.is_empty() {
            for (average, value) in self.average.iter_mut().zip(&*self.value) {
                *average += (value - *average) * f.approach;
            }
            return;
        }
        let mut gradient = [0.0; BLOCK];
        let blocks = (self
            .value
            .chunks_mut(BLOCK)
            .zip(self.average.chunks_mut(BLOCK)))
        .zip(
            self.first
                .chunks_mut(BLOCK)
                .zip(self.second.chunks_mut(BLOCK)),
        );
        for (block, ((value, average), (first, second))) in blocks.enumerate() {
            let gradient = &mut gradient[..value.len()];
            add_up(&self.parts, block * BLOCK, f.gradient_scale, gradient);
            let numbers = (value.iter_mut().zip(average)).zip(first.iter_mut().zip(second));
            for (((w, average), (m, v)), g) in numbers.zip(&*gradient) {
                *m = *m * f.beta[0] + g * f.rest_of_beta[0];
                *v = *v * f.beta[1] + (g * g) * f.rest_of_beta[1];
                *w -= *w * f.decay + f.rate * *m / (v.sqrt() * f.root + f.epsilon);
                *average += (*w - *average) * f.approach;
            }
        }
    }
}

/// A tensor of f32 on Flex, contiguous and alone in its memory.
fn memory<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    if tensor.dtype() != DType::F32 {
        return None;
    }
    let tensor = tensor.try_into_primitive::<Flex>().ok()?;
    Some(tensor.to_contiguous())
}

/// The values of a tensor from [`memory`].
fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::instruction_sets;

    /// A tensor of numbers of very different sizes, and both signs.
    fn tensor(seed: f32, len: usize) -> Tensor<1> {
        let number = |i: usize| (seed + i as f32 * 0.7).sin().powi(7);
        let values: Vec<f32> = (0..len).map(number).collect();
        Tensor::from_data(TensorData::new(values, [len]), &Device::flex())
    }

    /// The bits of everything after three steps, and of the norms on the way.
    fn three_steps(arch: Arch) -> Vec<u64> {
        let lens = [1, 5, BLOCK + 31, 2 * CHUNK + 77];
        let mut parameters: Vec<Parameter> = (lens.iter())
            .map(|&len| Parameter::new(tensor(0.1, len), tensor(0.2, len)).unwrap())
            .collect();
        let step = Step {
            learning_rate: 3e-3,
            betas: [0.9, 0.99],
            epsilon: 1e-8,
            weight_decay: 0.1,
            gradient_scale: 0.37,
            average_decay: 0.9,
        };
        let mut bits = Vec::new();
        for round in 0..3 {
            let gradient = |&len: &usize| {
                let part = |n: usize| tensor((7 * round + n) as f32, len);
                Gradient((0..=round).filter_map(|n| memory(part(n))).collect())
            };
            let gradients: Vec<Gradient> = lens.iter().map(gradient).collect();
            bits.push(norm(arch, &gradients).to_bits());
            update(arch, &mut parameters, &gradients, &step);
        }
        for parameter in parameters {
            let Parameter {
                value,
                average,
                first,
                second,
                ..
            } = parameter;
            for tensor in [value, average, first, second] {
                bits.extend(slice(&tensor).iter().map(|x| u64::from(x.to_bits())));
            }
        }
        bits
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let scalar = three_steps(Arch::Scalar);
        for (name, arch) in instruction_sets() {
            assert!(three_steps(arch) == scalar, "{name}");
        }
    }
}
