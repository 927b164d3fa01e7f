//! The probability flow of a mixture, solved by something else.

use ndarray::Array2;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Marginal, Score, Sigma, Time};

type X = Array2<f64>;

/// From T to t_min, as [`exact_between`].
pub fn exact(sde: &dyn AffineSde, world: &GaussianMixture, x: &X) -> X {
    exact_between(sde, world, x, sde.t_max(), sde.t_min_sampling())
}

/// From one time to another by the classical Runge-Kutta method on d(x/α)/d ln σ̃ = −σ̃ σ s(x, t), the method of
/// `ode_orders`, at steps halved once and extrapolated: error of order 5.
pub fn exact_between(
    sde: &dyn AffineSde,
    world: &GaussianMixture,
    x: &X,
    from: Time,
    to: Time,
) -> X {
    let [coarse, fine] = [1000, 2000].map(|n| classical(sde, world, x, (from, to), n));
    &fine + &((&fine - &coarse) / 15.0)
}

fn classical(
    sde: &dyn AffineSde,
    world: &GaussianMixture,
    x: &X,
    (from, to): (Time, Time),
    steps: usize,
) -> X {
    let score = world.under(sde);
    let [first, last] = [from, to].map(|t| sde.marginal(t));
    let log = |m: Marginal| m.sigma_ratio().0.ln();
    let h = (log(last) - log(first)) / steps as f64;
    let slope = |x: &X, log_sigma: f64| {
        let t = sde.time_at_sigma(Sigma(log_sigma.exp()));
        let m = sde.marginal(t);
        score.score(&(m.alpha * x), t) * (-log_sigma.exp() * m.sigma)
    };
    let mut x = x / first.alpha;
    for i in 0..steps {
        let l = log(first) + i as f64 * h;
        let k1 = slope(&x, l);
        let k2 = slope(&(&x + &(0.5 * h * &k1)), l + 0.5 * h);
        let k3 = slope(&(&x + &(0.5 * h * &k2)), l + 0.5 * h);
        let k4 = slope(&(&x + &(h * &k3)), l + h);
        x = x + (h / 6.0) * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
    }
    x * last.alpha
}

/// The root mean square over `x` and `exact`, per sample.
pub fn distance(x: &X, exact: &X) -> f64 {
    ((x - exact).mapv(|d| d * d).sum() / x.nrows() as f64).sqrt()
}
