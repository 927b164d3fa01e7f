//! One step of each solver without a network: what the integration itself costs, on 64 samples of
//! 28x28, with the score of a standard normal distribution (−x under VP). Of the solvers that choose their own
//! steps, what an evaluation costs beside the score.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Instant;

use benches::{devices, noting_memory};
use burn::tensor::Tensor;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sde_core::noise::CounterNoise;
use sde_core::{State, Time};
use solvers::{GridSpec, LastStep, Problem, SolverConfig, Unobserved, sample_prior};

const BATCH: usize = 64;

fn solver_step(c: &mut Criterion) {
    let sde = sde_core::SdeConfig::default().build().unwrap();
    let score = |x: &Tensor<4>, _: Time| x.clone().scale(-1.0);
    let problem = Problem::new(&*sde, &score);
    for selected in devices() {
        let like = Tensor::<4>::zeros([BATCH, 1, 28, 28], &selected.device);
        let noise = CounterNoise::new(0);
        let x = sample_prior(&*sde, &like, &noise);
        for name in SolverConfig::NAMES {
            let config: SolverConfig = name.parse().unwrap();
            let solver = config.build::<Tensor<4>>().unwrap();
            let grid = GridSpec::new(config.default_grid(sde.name()), 1)
                .ending_with(LastStep::Plain)
                .build(&*sde)
                .unwrap();
            let mut group = c.benchmark_group(format!("solver_step/{name}"));
            group.throughput(Throughput::Elements(BATCH as u64));
            let name = format!("solver_step/{name}/{}", selected.backend);
            noting_memory(&name, &selected, || {
                group.bench_function(BenchmarkId::from_parameter(selected.backend), |b| {
                    let pass = || {
                        let solution =
                            solver.solve(&problem, &grid, x.clone(), &noise, &mut Unobserved);
                        // A GPU returns as soon as the work is queued.
                        selected.sync().unwrap();
                        solution.unwrap()
                    };
                    // A GPU's kernels are compiled when they are first used; criterion's --quick
                    // does not warm up.
                    let solution = pass();
                    if config.with_tolerance(1.0).is_none() {
                        b.iter(pass);
                        return;
                    }
                    // One that chooses its own steps walks all the way: what is told is an
                    // evaluation's share.
                    let evaluations = u32::try_from(solution.nfe).unwrap();
                    b.iter_custom(|iterations| {
                        let started = Instant::now();
                        for _ in 0..iterations {
                            black_box(pass());
                        }
                        started.elapsed() / evaluations
                    });
                });
            });
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = solver_step
}
criterion_main!(benches);
