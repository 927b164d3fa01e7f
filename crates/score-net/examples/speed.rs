//! Scratch: speed of formulations.
#![allow(missing_docs, clippy::print_stdout, unused)]
use burn::tensor::{Device, Distribution, Tensor, activation};
use std::time::Instant;

fn time(name: &str, mut f: impl FnMut()) {
    f();
    f();
    let mut best = f64::MAX;
    let mut total = 0.0;
    let n = 8;
    for _ in 0..n {
        let s = Instant::now();
        f();
        let e = s.elapsed().as_secs_f64() * 1e3;
        best = best.min(e);
        total += e;
    }
    println!(
        "{name:50} best {best:8.2} ms mean {:8.2} ms",
        total / n as f64
    );
}

type F = fn(Tensor<4>) -> Tensor<4>;

fn silu_sigmoid(x: Tensor<4>) -> Tensor<4> {
    activation::silu(x)
}
fn silu_exp_div(x: Tensor<4>) -> Tensor<4> {
    let e = x.clone().neg().exp().add_scalar(1.0);
    x / e
}
fn silu_tanh(x: Tensor<4>) -> Tensor<4> {
    let h = x.mul_scalar(0.5);
    h.clone().tanh() * h.clone() + h
}
/// value f, derivative d detached
fn silu_detach(x: Tensor<4>) -> Tensor<4> {
    if !x.is_autodiff() {
        return silu_exp_div(x);
    }
    let p = x.clone().without_autodiff();
    let s = p.clone().neg().exp().add_scalar(1.0).recip();
    let f = p.clone() * s.clone();
    let u = p - f.clone();
    let fu = f * u.clone();
    let d = u.add_scalar(1.0) * s;
    x * d.autodiff() - fu.autodiff()
}
fn param(t: Tensor<2>, x: &Tensor<4>) -> Tensor<2> {
    if x.is_autodiff() {
        t.autodiff().require_grad()
    } else {
        t
    }
}
fn gelu(x: Tensor<4>) -> Tensor<4> {
    activation::gelu(x)
}
fn relu(x: Tensor<4>) -> Tensor<4> {
    activation::relu(x)
}

fn gn_burn(x: Tensor<4>) -> Tensor<4> {
    let dev = x.device();
    let [b, c, h, w] = x.dims();
    let g = burn::nn::GroupNormConfig::new(8, c).init(&dev);
    g.forward(x)
}
fn gb(x: &Tensor<4>) -> (Tensor<2>, Tensor<2>) {
    let [b, c, h, w] = x.dims();
    let dev = Device::flex();
    (
        param(Tensor::ones([1, c], &dev), x),
        param(Tensor::zeros([1, c], &dev), x),
    )
}
/// y = a x + b with E[x²] − E[x]²
fn gn_moments(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let g = 8;
    let (gamma, beta) = gb(&x);
    let n = c / g * h * w;
    let r = x.reshape([b * g, n]);
    let mean = r.clone().mean_dim(1);
    let sq = (r.clone() * r.clone()).mean_dim(1);
    let var = sq - mean.clone() * mean.clone();
    let rstd = var.add_scalar(1e-5).sqrt().recip();
    let a = (rstd.reshape([b, g, 1]) * gamma.reshape([1, g, c / g]));
    let bb = beta.reshape([1, g, c / g]) - mean.reshape([b, g, 1]) * a.clone();
    (r.reshape([b * c, h * w]) * a.reshape([b * c, 1]) + bb.reshape([b * c, 1]))
        .reshape([b, c, h, w])
}
/// moments by matmul
fn gn_matmul(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let g = 8;
    let (gamma, beta) = gb(&x);
    let n = c / g * h * w;
    let r = x.reshape([b * g, n]);
    let p = r.clone().without_autodiff();
    let mean = p.clone().mean_dim(1);
    let d = p - mean.clone();
    let auto = r.is_autodiff();
    let wrap = |t: Tensor<3>| if auto { t.autodiff() } else { t };
    let ones = Tensor::<3>::full([1, n, 1], 1.0 / n as f64, &Device::flex()).expand([b * g, n, 1]);
    let mean = r.clone().reshape([b * g, 1, n]).matmul(wrap(ones));
    let twice = r
        .clone()
        .reshape([b * g, 1, n])
        .matmul(wrap(d.mul_scalar(1.0 / n as f64).reshape([b * g, n, 1])));
    let var = twice.clone().mul_scalar(2.0) - wrap(twice.without_autodiff());
    let rstd = var.add_scalar(1e-5).sqrt().recip();
    let a = (rstd.reshape([b, g, 1]) * gamma.reshape([1, g, c / g]));
    let bb = beta.reshape([1, g, c / g]) - mean.reshape([b, g, 1]) * a.clone();
    (r.reshape([b * c, h * w]) * a.reshape([b * c, 1]) + bb.reshape([b * c, 1]))
        .reshape([b, c, h, w])
}
/// sums as tracked sum_dim
fn gn_detach(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let g = 8;
    let (gamma, beta) = gb(&x);
    let n = c / g * h * w;
    let r = x.reshape([b * g, n]);
    let p = r.clone().without_autodiff();
    let mean = p.clone().mean_dim(1);
    let d = p - mean.clone();
    let auto = r.is_autodiff();
    let wrap = |t: Tensor<2>| if auto { t.autodiff() } else { t };
    let mean = r.clone().mean_dim(1);
    let twice = (r.clone() * wrap(d)).mean_dim(1);
    let var = twice.clone().mul_scalar(2.0) - wrap(twice.without_autodiff());
    let rstd = var.add_scalar(1e-5).sqrt().recip();
    let a = (rstd.reshape([b, g, 1]) * gamma.reshape([1, g, c / g]));
    let bb = beta.reshape([1, g, c / g]) - mean.reshape([b, g, 1]) * a.clone();
    (r.reshape([b * c, h * w]) * a.reshape([b * c, 1]) + bb.reshape([b * c, 1]))
        .reshape([b, c, h, w])
}

fn finish(
    r: Tensor<2>,
    dims: [usize; 4],
    mean: Tensor<2>,
    var: Tensor<2>,
    gamma: Tensor<2>,
    beta: Tensor<2>,
) -> Tensor<4> {
    let [b, c, h, w] = dims;
    let g = 8;
    let rstd = var.add_scalar(1e-5).sqrt().recip();
    let a = (rstd.reshape([b, g, 1]) * gamma.reshape([1, g, c / g]));
    let bb = beta.reshape([1, g, c / g]) - mean.reshape([b, g, 1]) * a.clone();
    (r.reshape([b * c, h * w]) * a.reshape([b * c, 1]) + bb.reshape([b * c, 1]))
        .reshape([b, c, h, w])
}
fn gn_a(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let g = 8;
    let (gamma, beta) = gb(&x);
    let n = c / g * h * w;
    let r = x.reshape([b * g, n]);
    let auto = r.is_autodiff();
    let wrap = |t: Tensor<2>| if auto { t.autodiff() } else { t };
    let p = r.clone().without_autodiff();
    let mean = r.clone().mean_dim(1);
    let t = (r.clone() * wrap(p)).mean_dim(1);
    let sq = t.clone().mul_scalar(2.0) - wrap(t.without_autodiff());
    let var = sq - mean.clone() * mean.clone();
    finish(r, [b, c, h, w], mean, var, gamma, beta)
}
fn gn_b(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let g = 8;
    let (gamma, beta) = gb(&x);
    let n = c / g * h * w;
    let r = x.reshape([b * g, n]);
    let auto = r.is_autodiff();
    let wrap = |t: Tensor<2>| if auto { t.autodiff() } else { t };
    let p = r.clone().without_autodiff();
    let ones = wrap(Tensor::<2>::full([n, 1], 1.0 / n as f64, &Device::flex()));
    let mean = r.clone().matmul(ones.clone());
    let t = (r.clone() * wrap(p)).matmul(ones);
    let sq = t.clone().mul_scalar(2.0) - wrap(t.without_autodiff());
    let var = sq - mean.clone() * mean.clone();
    finish(r, [b, c, h, w], mean, var, gamma, beta)
}
/// one stat op: [r, r*p] handled by per-channel sums first
fn gn_c(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let g = 8;
    let (gamma, beta) = gb(&x);
    let n = c / g * h * w;
    let r = x.reshape([b * g, n]);
    let auto = r.is_autodiff();
    let wrap = |t: Tensor<2>| if auto { t.autodiff() } else { t };
    let p = r.clone().without_autodiff();
    let m0 = p.clone().mean_dim(1);
    let d = p - m0.clone();
    let v0 = (d.clone() * d.clone()).mean_dim(1);
    let ones = wrap(Tensor::<2>::full([n, 1], 1.0 / n as f64, &Device::flex()));
    let mean = r.clone().matmul(ones.clone());
    let t = (r.clone() * wrap(d)).matmul(ones).mul_scalar(2.0);
    let var = t.clone() - wrap(t.without_autodiff() - v0);
    finish(r, [b, c, h, w], mean, var, gamma, beta)
}
fn gn_silu(x: Tensor<4>) -> Tensor<4> {
    silu_detach(gn_a(x))
}
fn gn_silu_b(x: Tensor<4>) -> Tensor<4> {
    silu_detach(gn_b(x))
}
fn gn_silu_burn(x: Tensor<4>) -> Tensor<4> {
    activation::silu(gn_burn(x))
}
trait Inner {
    fn inner(self) -> Device;
}
impl Inner for Device {
    fn inner(self) -> Device {
        Device::flex()
    }
}

fn main() {
    let dev = Device::flex();
    let ad = dev.clone().autodiff();
    for shape in [[64, 64, 14, 14], [64, 64, 28, 28], [8, 64, 14, 14]] {
        println!("{shape:?}");
        let n: usize = shape.iter().product();
        let x = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &dev);
        println!("sum {}", x.clone().sum().into_scalar::<f32>());
        time("copy (mul_scalar)", || {
            let _ = x.clone().mul_scalar(2.0);
        });
        time("add", || {
            let _ = x.clone() + x.clone();
        });
        time("exp", || {
            let _ = x.clone().exp();
        });
        time("tanh", || {
            let _ = x.clone().tanh();
        });
        time("sigmoid", || {
            let _ = activation::sigmoid(x.clone());
        });
        let fs: [(&str, F); 16] = [
            ("silu sigmoid", silu_sigmoid),
            ("silu exp div", silu_exp_div),
            ("silu tanh", silu_tanh),
            ("silu detach", silu_detach),
            ("gelu", gelu),
            ("relu", relu),
            ("gn burn", gn_burn),
            ("gn moments", gn_moments),
            ("gn matmul", gn_matmul),
            ("gn detach", gn_detach),
            ("gn a", gn_a),
            ("gn b", gn_b),
            ("gn c", gn_c),
            ("gxn_silu a", gn_silu),
            ("gxn_silu b", gn_silu_b),
            ("gxn_silu burn", gn_silu_burn),
        ];
        for (name, f) in fs {
            {
                time(&format!("{name} fwd"), || {
                    let _ = f(x.clone());
                });
            }
            let xa = Tensor::<4>::from_data(x.to_data(), &ad);
            let w = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &dev);
            let run = || {
                let xr = xa.clone().detach().require_grad();
                let y = f(xr.clone());
                let l = (y * w.clone().autodiff()).sum();
                let g = l.backward();
                xr.grad(&g).unwrap()
            };
            time(&format!("{name} fwd+bwd"), || {
                let _ = run();
            });
            let reference: F = if name.starts_with("silu") {
                silu_sigmoid
            } else if name.starts_with("gn") {
                gn_burn
            } else {
                f
            };
            let w2 = w.clone();
            let eval = |h: F| {
                let xr = x.clone().autodiff().require_grad();
                let y = h(xr.clone());
                let v = y.clone().without_autodiff();
                let g = (y * w2.clone().autodiff()).sum().backward();
                (v, xr.grad(&g).unwrap())
            };
            let (v0, g0) = eval(reference);
            let (v1, g1) = eval(f);
            println!(
                "   dv {:.2e} dg {:.2e}",
                (v0 - v1).abs().max().into_scalar::<f32>(),
                (g0 - g1).abs().max().into_scalar::<f32>()
            );
        }
        let run = || {
            let xr = xa_new(&x, &ad);
            let l = (xr.clone() * x.clone().autodiff()).sum();
            let g = l.backward();
            xr.grad(&g).unwrap()
        };
        time("loss overhead fwd+bwd", || {
            let _ = run();
        });
    }
}
fn xa_new(x: &Tensor<4>, _ad: &Device) -> Tensor<4> {
    x.clone().autodiff().require_grad()
}
