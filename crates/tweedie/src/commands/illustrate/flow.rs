//! The probability flow in both directions, and the divergence along it.

use ndarray::{Array2, Axis, concatenate, s};
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, ProbabilityFlow, State, Time};
use solvers::{GridConfig, GridError, GridSpec, LastStep};

/// Methods of Runge and Kutta, by their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Heun's, of order 2.
    Heun,
    /// The classical one, of order 4.
    Rk4,
}

/// The times of `steps` steps from the data to the noise, spaced as the family was published.
pub fn rising_times(sde: &dyn AffineSde, steps: usize) -> Result<Vec<Time>, GridError> {
    let grid = GridSpec::new(GridConfig::published(sde.name()), steps)
        .ending_with(LastStep::Plain)
        .build(sde)?;
    Ok(grid.times().iter().rev().copied().collect())
}

/// The solution of dy/dt = `rate`(y, t) at each of `times`, which may rise or fall; shape
/// `[batch, ...]` each.
pub fn integrate(
    method: Method,
    rate: impl Fn(&Array2<f64>, Time) -> Array2<f64>,
    times: &[Time],
    start: Array2<f64>,
) -> Vec<Array2<f64>> {
    let mut states = vec![start];
    for ends in times.windows(2) {
        let [from, to] = [ends[0], ends[1]];
        let h = to.0 - from.0;
        let y = states.last().expect("it begins with the start");
        let at = |share: f64, slope: &Array2<f64>| y.clone().axpy(share * h, slope);
        let first = rate(y, from);
        let next = match method {
            Method::Heun => {
                let second = rate(&at(1.0, &first), to);
                at(0.5, &(first + second))
            }
            Method::Rk4 => {
                let middle = Time(from.0 + 0.5 * h);
                let second = rate(&at(0.5, &first), middle);
                let third = rate(&at(0.5, &second), middle);
                let fourth = rate(&at(1.0, &third), to);
                at(1.0 / 6.0, &(first + 2.0 * second + 2.0 * third + fourth))
            }
        };
        states.push(next);
    }
    states
}

/// Where the flow takes `x`, shape `[batch, dim]`, at each of `times`.
pub fn trajectory(
    world: &GaussianMixture,
    sde: &dyn AffineSde,
    method: Method,
    times: &[Time],
    x: Array2<f64>,
) -> Vec<Array2<f64>> {
    let score = world.under(sde);
    let flow = ProbabilityFlow::new(sde, &score);
    integrate(method, |x, t| flow.velocity(x, t), times, x)
}

/// The same with a last column more: the integral from the first time of ∇·f̃, the divergence of the
/// flow's velocity f̃ = f − ½ g² ∇log p_t, which is how much ln p_t(x_t) has fallen (Song et al. 2021,
/// eq. 39).
pub fn trajectory_with_divergence(
    world: &GaussianMixture,
    sde: &dyn AffineSde,
    method: Method,
    times: &[Time],
    x: Array2<f64>,
) -> Vec<Array2<f64>> {
    let score = world.under(sde);
    let flow = ProbabilityFlow::new(sde, &score);
    let dim = world.dim();
    let rate = |y: &Array2<f64>, t: Time| {
        let x = y.slice(s![.., ..dim]).to_owned();
        let (marginal, g) = (sde.marginal(t), sde.diffusion(t));
        let divergence = x.map_axis(Axis(1), |x| {
            sde.drift_rate(t) * dim as f64 - 0.5 * g * g * world.divergence(marginal, x)
        });
        joined(&flow.velocity(&x, t), &divergence.insert_axis(Axis(1)))
    };
    let start = joined(&x, &Array2::zeros((x.nrows(), 1)));
    integrate(method, rate, times, start)
}

fn joined(left: &Array2<f64>, right: &Array2<f64>) -> Array2<f64> {
    concatenate(Axis(1), &[left.view(), right.view()]).expect("columns of one length")
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use sde_core::families::VariancePreserving;

    use super::*;

    #[test]
    fn both_methods_have_their_order_on_a_gaussian_whose_flow_is_known() {
        let sde = VariancePreserving::default();
        let world = GaussianMixture::gaussian(&[0.7], 0.4).unwrap();
        let x = array![[0.2], [1.5]];
        let error = |method: Method, steps: usize| {
            let times = rising_times(&sde, steps).unwrap();
            let ends = [times[0], times[steps]].map(|t| sde.marginal(t));
            let exact = world.flow(ends[0], ends[1], &x).unwrap();
            let states = trajectory(&world, &sde, method, &times, x.clone());
            (&states[steps] - &exact).mapv(f64::abs).sum()
        };
        for (method, order) in [(Method::Heun, 2.0), (Method::Rk4, 4.0)] {
            let measured = (error(method, 80) / error(method, 160)).log2();
            assert!((measured - order).abs() < 0.3, "{method:?}: {measured}");
        }
    }

    #[test]
    fn on_the_line_the_flow_keeps_every_quantile() {
        let sde = VariancePreserving::default();
        let world = super::super::worlds::two_on_a_line().unwrap();
        let times = rising_times(&sde, 400).unwrap();
        let x = array![[-1.6], [-1.2], [0.1], [0.6], [1.1]];
        let states = trajectory(&world, &sde, Method::Rk4, &times, x);
        // The distribution function by the trapezoidal rule, whose error on what vanishes at both ends
        // is at its other end alone: h²/12 p′.
        let below = |t: Time, x: f64| {
            let noised = world.noised(sde.marginal(t));
            let cells = 20_000;
            let h = (x + 8.0) / f64::from(cells);
            let sum: f64 = (0..=cells)
                .map(|i| {
                    let weight = if i == 0 || i == cells { 0.5 } else { 1.0 };
                    let at = -8.0 + f64::from(i) * h;
                    weight * noised.log_pdf(array![at].view()).exp()
                })
                .sum();
            h * sum
        };
        for row in 0..5 {
            let start = below(times[0], states[0][[row, 0]]);
            for step in [100, 250, 400] {
                let later = below(times[step], states[step][[row, 0]]);
                assert!((later - start).abs() < 1e-6, "{start} became {later}");
            }
        }
    }
}
