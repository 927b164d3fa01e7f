//! Scratch.
#![allow(missing_docs, clippy::print_stdout)]
use burn::tensor::{Device, Distribution, Tensor, activation::relu, s};
use std::time::Instant;
fn cpu() -> f64 {
    let t = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = t
        .split(')')
        .next_back()
        .unwrap()
        .split_whitespace()
        .collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) * 10.0
}
fn time(name: &str, mut f: impl FnMut()) {
    f();
    f();
    let mut best = f64::MAX;
    let c = cpu();
    for _ in 0..30 {
        let s = Instant::now();
        f();
        best = best.min(s.elapsed().as_secs_f64() * 1e3);
    }
    println!("{name:40} {best:.2} ms, cpu {:.2}", (cpu() - c) / 30.0);
}
fn im2col(x: Tensor<4>, k: usize, st: usize) -> Tensor<2> {
    let [b, h, w, c] = x.dims();
    let (oh, ow) = ((h - k) / st + 1, (w - k) / st + 1);
    let mut parts = Vec::new();
    for i in 0..k {
        for j in 0..k {
            parts.push(
                x.clone()
                    .slice(s![.., i..i+(oh-1)*st+1; st, j..j+(ow-1)*st+1; st, ..]),
            );
        }
    }
    Tensor::cat(parts, 3).reshape([b * oh * ow, k * k * c])
}
fn main() {
    let dev = Device::flex();
    let ad = dev.clone().autodiff();
    let n = |r: usize, c: usize| {
        Tensor::<2>::random([r, c], Distribution::Normal(0.0, 0.1), &ad).require_grad()
    };
    let b = 96;
    for (p1, h1, k1, c1, c2) in [
        (169usize, 13usize, 25usize, 16usize, 32usize),
        (169, 13, 25, 24, 48),
        (225, 15, 25, 16, 32),
    ] {
        let x = Tensor::<2>::random([b * p1, k1], Distribution::Normal(0.0, 1.0), &ad);
        let w1 = n(k1, c1);
        let w2 = n(9 * c1, c2);
        let o = (h1 - 3) / 2 + 1;
        let w3 = n(o * o * c2, 64);
        let w4 = n(64, 11);
        let b1 = n(1, c1);
        let b2 = n(1, c2);
        time(&format!("l1 {p1} {c1}"), || {
            let _ = relu(x.clone().matmul(w1.clone()) + b1.clone())
                .sum()
                .backward();
        });
        let h = Tensor::<4>::random([b, h1, h1, c1], Distribution::Normal(0.0, 1.0), &ad);
        time("im2col fwd", || {
            let _ = im2col(h.clone(), 3, 2).sum().into_scalar::<f32>();
        });
        time("im2col f+b", || {
            let hr = h.clone().detach().require_grad();
            let _ = im2col(hr, 3, 2).sum().backward();
        });
        time("all", || {
            let y = relu(x.clone().matmul(w1.clone()) + b1.clone()).reshape([b, h1, h1, c1]);
            let y = relu(im2col(y, 3, 2).matmul(w2.clone()) + b2.clone()).reshape([b, o * o * c2]);
            let y = relu(y.matmul(w3.clone())).matmul(w4.clone());
            let _ = y.sum().backward();
        });
    }
}
