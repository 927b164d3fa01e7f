//! Scratch: speed of convolutions.
#![allow(missing_docs, clippy::print_stdout, unused)]
use burn::tensor::{Device, Distribution, Tensor, activation, module::*, ops::*};
use std::time::Instant;

fn time(name: &str, gflop: f64, mut f: impl FnMut()) {
    f();
    let mut best = f64::MAX;
    let n = 6;
    for _ in 0..n {
        let s = Instant::now();
        f();
        best = best.min(s.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "{name:40} best {best:8.2} ms {:8.1} GFLOP/s",
        gflop / best * 1e3
    );
}
fn rnd<const D: usize>(s: [usize; D]) -> Tensor<D> {
    Tensor::random(s, Distribution::Normal(0.0, 1.0), &Device::flex())
}
fn conv(x: Tensor<4>, w: Tensor<4>, stride: usize, pad: usize) -> Tensor<4> {
    conv2d(
        x,
        w,
        None::<Tensor<1>>,
        ConvOptions::new([stride; 2], [pad; 2], [1, 1], 1),
    )
}
/// im2col by cat of nine shifted slices in channel dim, NCHW: [B, 9C, HW], then batched matmul
fn conv_cat(x: Tensor<4>, w: Tensor<4>) -> Tensor<4> {
    let [b, c, h, wd] = x.dims();
    let [o, _, _, _] = w.dims();
    let p = x.pad([(0, 0), (0, 0), (1, 1), (1, 1)], 0.0);
    let mut v = vec![];
    for i in 0..3 {
        for j in 0..3 {
            v.push(p.clone().slice([0..b, 0..c, i..i + h, j..j + wd]));
        }
    }
    let col = Tensor::cat(v, 1).reshape([b, 9 * c, h * wd]);
    let wm = w.permute([0, 2, 3, 1]).reshape([1, o, 9 * c]);
    wm.matmul(col).reshape([b, o, h, wd])
}
fn main() {
    for (b, c, o, h, k, s) in [
        (64usize, 64usize, 64usize, 14usize, 3usize, 1usize),
        (64, 128, 128, 7, 3, 1),
        (64, 32, 32, 28, 3, 1),
        (8, 64, 64, 14, 3, 1),
        (64, 128, 64, 14, 3, 1),
        (64, 128, 64, 14, 1, 1),
        (64, 64, 64, 14, 3, 2),
        (64, 4, 64, 14, 3, 1),
        (64, 64, 4, 14, 3, 1),
    ] {
        let x = rnd([b, c, h, h]);
        let w = rnd([o, c, k, k]);
        let y = conv(x.clone(), w.clone(), s, k / 2);
        let gy = rnd(y.dims());
        let g = 2.0 * (y.dims().iter().product::<usize>() * c * k * k) as f64 / 1e9;
        println!("b{b} {c}->{o} {h}x{h} k{k} s{s}: {g:.2} GFLOP");
        time("forward", g, || {
            let _ = conv(x.clone(), w.clone(), s, k / 2);
        });
        time("fwd + backward x only", 2.0 * g, || {
            let xr = x.clone().autodiff().require_grad();
            let gr = (conv(xr.clone(), w.clone().autodiff(), s, k / 2) * gy.clone().autodiff())
                .sum()
                .backward();
            let _ = xr.grad(&gr).unwrap();
        });
        time("fwd + backward w only", 2.0 * g, || {
            let wr = w.clone().autodiff().require_grad();
            let gr = (conv(x.clone().autodiff(), wr.clone(), s, k / 2) * gy.clone().autodiff())
                .sum()
                .backward();
            let _ = wr.grad(&gr).unwrap();
        });
        if k == 3 && s == 1 {
            let y2 = conv_cat(x.clone(), w.clone());
            println!(
                "   diff {:e}",
                (y.clone() - y2).abs().max().into_scalar::<f32>()
            );
            time("cat forward", g, || {
                let _ = conv_cat(x.clone(), w.clone());
            });
            time("cat fwd + backward both", 3.0 * g, || {
                let xr = x.clone().autodiff().require_grad();
                let wr = w.clone().autodiff().require_grad();
                let gr = (conv_cat(xr.clone(), wr.clone()) * gy.clone().autodiff())
                    .sum()
                    .backward();
                let _ = xr.grad(&gr).unwrap();
            });
            time("plain fwd + backward both", 3.0 * g, || {
                let xr = x.clone().autodiff().require_grad();
                let wr = w.clone().autodiff().require_grad();
                let gr = (conv(xr.clone(), wr.clone(), 1, 1) * gy.clone().autodiff())
                    .sum()
                    .backward();
                let _ = xr.grad(&gr).unwrap();
            });
        }
    }
    for (b, c, h) in [(64usize, 128usize, 7usize), (64, 64, 14)] {
        let x = rnd([b, c, h, h]);
        println!("up {c} {h}");
        let up_i = |x: Tensor<4>| {
            interpolate(
                x,
                InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([2 * h, 2 * h]),
            )
        };
        let up_r = |x: Tensor<4>| {
            x.reshape([b * c, h, 1, h, 1])
                .expand([b * c, h, 2, h, 2])
                .reshape([b, c, 2 * h, 2 * h])
        };
        let up_m = |x: Tensor<4>| {
            x.reshape([b * c, h, h, 1])
                .repeat_dim(3, 2)
                .reshape([b * c, h, 1, 2 * h])
                .repeat_dim(2, 2)
                .reshape([b, c, 2 * h, 2 * h])
        };
        let down = |x: Tensor<4>| avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_ceil_mode(true));
        let fs: [(&str, &dyn Fn(Tensor<4>) -> Tensor<4>); 4] = [
            ("interp", &up_i),
            ("expand", &up_r),
            ("repeat", &up_m),
            ("avgpool", &down),
        ];
        for (n, f) in fs {
            time(&format!("{n} fwd"), 0.0, || {
                let _ = f(x.clone());
            });
            time(&format!("{n} fwd+bwd"), 0.0, || {
                let xr = x.clone().autodiff().require_grad();
                let gr = f(xr.clone()).sum().backward();
                let _ = xr.grad(&gr).unwrap();
            });
        }
    }
    // attention
    for (b, h, n, d) in [(64usize, 4usize, 49usize, 32usize), (64, 4, 196, 16)] {
        println!("attention b{b} heads{h} n{n} d{d}");
        let q = rnd([b, h, n, d]);
        let by_hand = |q: Tensor<4>, k: Tensor<4>, v: Tensor<4>| {
            let a = activation::softmax(q.mul_scalar(0.2).matmul(k.transpose()), 3);
            a.matmul(v)
        };
        time("fwd", 0.0, || {
            let _ = by_hand(q.clone(), q.clone(), q.clone());
        });
        time("fwd+bwd", 0.0, || {
            let xr = q.clone().autodiff().require_grad();
            let gr = by_hand(xr.clone(), xr.clone(), xr.clone()).sum().backward();
            let _ = xr.grad(&gr).unwrap();
        });
    }
}
