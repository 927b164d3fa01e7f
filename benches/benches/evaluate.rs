//! One evaluation of the default U-Net as a score, the NFE that every sampler counts.
#![allow(missing_docs)]

use benches::{Experiment, devices, noting_memory};
use burn::tensor::Tensor;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sde_core::noise::{CounterNoise, Noise, Role};
use sde_core::{Score, StepIndex, Time};

const BATCH: usize = 64;

fn evaluate(c: &mut Criterion) {
    let experiment = Experiment::default_of_workspace();
    let config = experiment.model();
    let sde = experiment.sde.build().unwrap();
    for selected in devices() {
        let model = config.init(0, &selected.device).unwrap().valid();
        let [channels, height, width] = config.shape;
        let like = Tensor::<4>::zeros([BATCH, channels, height, width], &selected.device);
        let x = CounterNoise::new(0).standard_normal(&like, StepIndex(0), Role::Prior);
        let score = model.under(&*sde);
        let t = Time(0.5 * sde.t_max().0);
        let mut group = c.benchmark_group("evaluate/unet");
        group.throughput(Throughput::Elements(BATCH as u64));
        let name = format!("evaluate/unet/{}", selected.backend);
        noting_memory(&name, &selected, || {
            group.bench_function(BenchmarkId::from_parameter(selected.backend), |b| {
                let pass = || {
                    let answer = score.score(&x, t);
                    selected.sync().unwrap();
                    answer
                };
                // A GPU's kernels are compiled when they are first used; criterion's --quick does
                // not warm up.
                pass();
                b.iter(pass);
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = evaluate
}
criterion_main!(benches);
