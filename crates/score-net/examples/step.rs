//! Scratch: one training step.
#![allow(missing_docs, clippy::print_stdout, unused)]
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor};
use score_net::*;
use std::time::Instant;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let config: NetworkConfig = toml::from_str(&args[1].replace(";", "\n")).unwrap();
    let batch: usize = args[2].parse().unwrap();
    let shape = [1, 28, 28];
    println!("{}", config.describe(shape).unwrap());
    let plain = Device::flex();
    let dev = plain.clone().autodiff();
    let s = Instant::now();
    let mut net = config.init(shape, 0, &dev).unwrap();
    println!("init {:?}", s.elapsed());
    let x = Tensor::<4>::random([batch, 1, 28, 28], Distribution::Normal(0., 1.), &plain);
    let c = Tensor::<1>::random([batch], Distribution::Normal(0., 1.), &plain);
    let mut opt = AdamConfig::new().init();
    for i in 0..6 {
        let s = Instant::now();
        let y = net.forward(x.clone(), c.clone());
        let f = s.elapsed();
        let loss = (y - x.clone()).square().mean();
        let g = loss.backward();
        let b = s.elapsed();
        let grads = GradientsParams::from_grads(g, &net);
        net = opt.step(1e-3, net, grads);
        println!("fwd {:6.1} ms bwd {:6.1} opt {:6.1}", f.as_secs_f64()*1e3, (b-f).as_secs_f64()*1e3, (s.elapsed()-b).as_secs_f64()*1e3);
    }
    let v = net.valid();
    for _ in 0..3 {
        let s = Instant::now();
        let y = v.forward(x.clone(), c.clone());
        println!("eval fwd {:6.1} ms", s.elapsed().as_secs_f64()*1e3);
    }
}
