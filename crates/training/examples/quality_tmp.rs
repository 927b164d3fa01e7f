//! scratch
#![allow(missing_docs, clippy::print_stdout)]
use burn::tensor::{Device, Tensor};
use data::*;
use sde_core::noise::CounterNoise;
use solvers::*;
use std::time::Instant;
use training::*;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
#[derive(serde::Deserialize)]
struct Exp {
    sde: sde_core::SdeConfig,
    network: score_net::NetworkConfig,
    #[serde(default)]
    preconditioning: score_net::PreconditioningConfig,
    training: TrainingConfig,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&args[1]).unwrap();
    let out = &args[2];
    let minutes: f64 = args[3].parse().unwrap();
    let exp: Exp = toml::from_str(&text).unwrap();
    let source = Mnist::load(std::path::Path::new("datasets/mnist"), Split::Train).unwrap();
    let model = score_net::ModelConfig { shape: [1, 28, 28], network: exp.network.clone(), preconditioning: exp.preconditioning };
    println!("{}", exp.network.describe([1, 28, 28]).unwrap());
    let device = Device::flex();
    let mut tr = Trainer::new(exp.training.clone(), exp.sde, &model, &source, &device).unwrap();
    let mut seconds = 0.0;
    let steps = exp.training.steps;
    while tr.step_count() < steps && seconds < minutes * 60.0 {
        let s = Instant::now();
        for _ in 0..50 {
            tr.step().unwrap();
            if tr.step_count() >= steps { break; }
        }
        seconds += s.elapsed().as_secs_f64();
        let m = tr.take_means().unwrap().unwrap();
        if tr.step_count() % 200 == 0 {
            println!("{out} step {} loss {:.4} norm {:.3} clipped {:.2} img/s {:.1} sec {:.0}", tr.step_count(), m.loss, m.grad_norm, m.clipped,
                tr.step_count() as f64 * exp.training.batch_size as f64 / seconds, seconds);
        }
    }
    println!("{out} step {} img/s {:.1} sec {:.0}", tr.step_count(), tr.step_count() as f64 * exp.training.batch_size as f64 / seconds, seconds);
    let model = tr.averaged_model();
    let edm = sde_core::families::Edm::default();
    let score = model.under(&edm);
    let like = Tensor::<4>::zeros([256, 1, 28, 28], &device);
    let noise = CounterNoise::new(1);
    let s = Instant::now();
    let solver = SolverConfig::Edm(Default::default()).build::<Tensor<4>>().unwrap();
    let grid = TimeGrid::karras(&edm, 18, 7.0).unwrap();
    let x = sample_prior(&edm, &like, &noise);
    let sol = solver.solve(&Problem::new(&edm, &score), &grid, x, &noise, &mut Unobserved).unwrap();
    println!("{out} sampled {} nfe in {:.1}", sol.nfe, s.elapsed().as_secs_f64());
    let v: Vec<f32> = sol.x.into_data().iter::<f32>().collect();
    let bytes: Vec<u8> = v.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(out, bytes).unwrap();
}
