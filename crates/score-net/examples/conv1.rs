//! Scratch
#![allow(missing_docs, clippy::print_stdout, unused)]
use burn::tensor::{Device, Distribution, Tensor, activation, module::*, ops::*};
fn cpu() -> f64 {
    std::fs::read_dir("/proc/self/task").unwrap().map(|d| std::fs::read_to_string(d.unwrap().path().join("schedstat")).unwrap().split(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>() / 1e6
}
fn time(name: &str, gflop: f64, mut f: impl FnMut()) {
    f();
    let mut best = f64::MAX;
    for _ in 0..6 { let s = cpu(); f(); best = best.min(cpu() - s); }
    println!("{name:40} best cpu {best:8.2} ms {:8.1} GFLOP/s", gflop / best * 1e3);
}
fn rnd<const D: usize>(s: [usize; D]) -> Tensor<D> { Tensor::random(s, Distribution::Normal(0.0, 1.0), &Device::flex()) }
fn conv(x: Tensor<4>, w: Tensor<4>) -> Tensor<4> { let k = w.dims()[2]; conv2d(x, w, None::<Tensor<1>>, ConvOptions::new([1; 2], [k / 2; 2], [1, 1], 1)) }
fn mm(x: Tensor<4>, w: Tensor<4>) -> Tensor<4> {
    let [b, c, h, wd] = x.dims(); let o = w.dims()[0];
    w.reshape([1, o, c]).matmul(x.reshape([b, c, h * wd])).reshape([b, o, h, wd])
}
/// channels-last single gemm
fn mm_last(x: Tensor<4>, w: Tensor<4>) -> Tensor<4> {
    let [b, c, h, wd] = x.dims(); let o = w.dims()[0];
    x.reshape([b, c, h * wd]).permute([0, 2, 1]).reshape([b * h * wd, c]).matmul(w.reshape([o, c]).transpose()).reshape([b, h * wd, o]).permute([0, 2, 1]).reshape([b, o, h, wd])
}
fn unf(x: Tensor<4>, w: Tensor<4>) -> Tensor<4> {
    let [b, c, h, wd] = x.dims(); let o = w.dims()[0];
    let p: Tensor<4> = x.pad([(0, 0), (0, 0), (1, 1), (1, 1)], 0.0);
    let u: Tensor<5> = p.unfold(2, 3, 1);
    let u: Tensor<6> = u.unfold(3, 3, 1);
    let col = u.permute([0, 1, 4, 5, 2, 3]).reshape([b, 9 * c, h * wd]);
    w.reshape([1, o, 9 * c]).matmul(col).reshape([b, o, h, wd])
}
type F = fn(Tensor<4>, Tensor<4>) -> Tensor<4>;
fn main() {
    for (b, c, o, h, k) in [(64usize, 64usize, 32usize, 14usize, 1usize), (64, 64, 64, 7, 1), (64, 32, 32, 14, 3), (64, 64, 64, 7, 3), (64, 64, 64, 14, 3), (16, 32, 32, 14, 3)] {
        let x = rnd([b, c, h, h]);
        let w = rnd([o, c, k, k]);
        let gy = rnd([b, o, h, h]);
        let g = 2.0 * (b * o * h * h * c * k * k) as f64 / 1e9;
        println!("b{b} {c}->{o} {h}x{h} k{k}: {g:.2} GFLOP");
        let fs: Vec<(&str, F)> = if k == 1 { vec![("conv", conv), ("matmul", mm), ("matmul last", mm_last)] } else { vec![("conv", conv), ("unfold", unf)] };
        for (n, f) in fs {
            println!("  diff {:e}", (f(x.clone(), w.clone()) - conv(x.clone(), w.clone())).abs().max().into_scalar::<f32>());
            time(&format!("{n} fwd"), g, || { let _ = f(x.clone(), w.clone()); });
            let both = |bx: bool, bw: bool| {
                let mut xr = x.clone(); let mut wr = w.clone();
                if bx { xr = xr.autodiff().require_grad(); }
                if bw { wr = wr.autodiff().require_grad(); }
                let gr = (f(xr.clone(), wr.clone()) * gy.clone()).sum().backward();
            };
            time(&format!("{n} fwd+bx"), 2.0 * g, || both(true, false));
            time(&format!("{n} fwd+bw"), 2.0 * g, || both(false, true));
        }
    }
}
