//! One training step of the default U-Net: draw, forward, loss, backward, clip, AdamW, EMA.
#![allow(missing_docs)]

use benches::{Experiment, devices, images, noting_memory};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use training::Trainer;

fn train_step(c: &mut Criterion) {
    let experiment = Experiment::default_of_workspace();
    let model = experiment.model();
    let source = images(model.shape);
    for selected in devices() {
        let config = training::TrainingConfig {
            steps: u64::MAX,
            check_every: 1,
            ..experiment.training.clone()
        };
        let mut group = c.benchmark_group("train_step/unet");
        group.throughput(Throughput::Elements(config.batch_size as u64));
        let mut trainer =
            Trainer::new(config, experiment.sde, &model, &source, &selected.device).unwrap();
        let name = format!("train_step/unet/{}", selected.backend);
        noting_memory(&name, &selected, || {
            group.bench_function(BenchmarkId::from_parameter(selected.backend), |b| {
                let mut pass = || {
                    trainer.step().unwrap();
                    // The loss is read, but a GPU may still be at the weights.
                    selected.sync().unwrap();
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
    targets = train_step
}
criterion_main!(benches);
