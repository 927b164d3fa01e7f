//! The layers that `kernels` computes itself, forward and backward, beside Burn's operations.
#![allow(missing_docs)]

use benches::{devices, noting_memory};
use burn::tensor::{Device, Distribution, Tensor};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use runtime::Selected;

/// A feature map of the default network: batch, height, width, channels.
const SHAPE: [usize; 4] = [32, 14, 14, 32];
const GROUPS: usize = 8;
const HEADS: usize = 4;

type Convolution = fn(Tensor<4>, Tensor<4>, Tensor<1>, usize) -> Tensor<4>;
type Normalisation = fn(Tensor<4>, Tensor<2>, Tensor<2>, usize, bool) -> Tensor<4>;
type Attention = fn(Tensor<3>, usize) -> Tensor<3>;
type Enlargement = fn(Tensor<4>, [usize; 2]) -> Tensor<4>;
type Joining = fn(Tensor<4>, Tensor<4>) -> Tensor<4>;

fn normal<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
        .autodiff()
        .require_grad()
}

/// Times one layer's forward and backward pass.
fn layer<const D: usize>(
    c: &mut Criterion,
    name: &str,
    selected: &Selected,
    forward: impl Fn() -> Tensor<D>,
) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(SHAPE[0] as u64));
    noting_memory(&format!("{name}/{}", selected.backend), selected, || {
        group.bench_function(BenchmarkId::from_parameter(selected.backend), |b| {
            let pass = || {
                let gradients = forward().sum().backward();
                selected.sync().unwrap();
                gradients
            };
            // A GPU's kernels are compiled when they are first used.
            pass();
            b.iter(pass);
        });
    });
    group.finish();
}

fn layers(c: &mut Criterion) {
    let [batch, height, width, channels] = SHAPE;
    for selected in devices() {
        let device = &selected.device;
        let x = normal(SHAPE, device);

        let weight = normal([channels, channels, 3, 3], device);
        let bias = normal([channels], device);
        let ways: [(&str, Convolution); 2] = [
            ("conv2d/kernels", kernels::conv2d),
            ("conv2d/plain", kernels::plain::conv2d),
        ];
        for (name, conv2d) in ways {
            layer(c, name, &selected, || {
                conv2d(x.clone(), weight.clone(), bias.clone(), 1)
            });
        }

        let [scale, shift] = [(); 2].map(|()| normal([batch, channels], device));
        let ways: [(&str, Normalisation); 2] = [
            ("group_norm/kernels", kernels::group_norm),
            ("group_norm/plain", kernels::plain::group_norm),
        ];
        for (name, group_norm) in ways {
            layer(c, name, &selected, || {
                group_norm(x.clone(), scale.clone(), shift.clone(), GROUPS, true)
            });
        }

        let qkv = normal([batch, height * width, 3 * channels], device);
        let ways: [(&str, Attention); 2] = [
            ("attention/kernels", kernels::attention),
            ("attention/plain", kernels::plain::attention),
        ];
        for (name, attention) in ways {
            layer(c, name, &selected, || attention(qkv.clone(), HEADS));
        }

        let ways: [(&str, Enlargement, Joining); 2] = [
            ("upsample/kernels", kernels::upsample, kernels::concat),
            (
                "upsample/plain",
                kernels::plain::upsample,
                kernels::plain::concat,
            ),
        ];
        let low = normal([batch, height / 2, width / 2, channels], device);
        for (name, upsample, concat) in ways {
            layer(c, name, &selected, || {
                concat(upsample(low.clone(), [height, width]), x.clone())
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = layers
}
criterion_main!(benches);
