//! ln p_t(x_t) along the probability flow: accumulated from the divergence, and in closed form.

use anyhow::Result;
use ndarray::Array2;
use sde_core::worlds::GaussianMixture;
use sde_core::{AffineSde, Time};

use super::flow::{Method, rising_times, trajectory_with_divergence};
use super::worlds::two_on_a_line;
use crate::pictures::{
    BLUE, Curve, CurvePanel, CurvePlot, INK, Look, ORANGE, Picture, Stroke, TEAL, curve_plot,
};

/// x_0 of the trajectories.
const STARTS: [f64; 6] = [-1.9, -1.35, -0.6, 0.1, 0.675, 1.5];
/// Steps of the curves.
const STEPS: usize = 64;
/// Numbers of steps whose errors are compared.
const COSTS: [usize; 6] = [16, 32, 64, 128, 256, 512];

/// The curves with their closed form, and the largest error against the number of steps.
pub fn picture(sde: &dyn AffineSde) -> Result<Picture> {
    let world = two_on_a_line()?;
    let along = Along::new(&world, sde, Method::Rk4, STEPS)?;
    let log_time = sde.t_max().0 > 1.0;
    let mut curves = Vec::new();
    for row in 0..STARTS.len() {
        let pairs = |values: &Array2<f64>| -> Vec<(f64, f64)> {
            let points = along.times.iter().zip(values.column(row));
            points.map(|(t, value)| (t.0, *value)).collect()
        };
        curves.push(Curve {
            legend: 0,
            points: pairs(&along.accumulated),
        });
        curves.push(Curve {
            legend: 1,
            points: pairs(&along.exact).into_iter().step_by(4).collect(),
        });
    }
    let errors = |legend, method| -> Result<Curve> {
        let error = |steps: usize| {
            Ok((
                steps as f64,
                Along::new(&world, sde, method, steps)?.error(),
            ))
        };
        Ok(Curve {
            legend,
            points: COSTS.into_iter().map(error).collect::<Result<_>>()?,
        })
    };
    curve_plot(&CurvePlot {
        title: format!(
            "ln p at (x, t) along the probability flow under {}",
            sde.name()
        ),
        legend: vec![
            (
                format!("accumulated ({STEPS} steps of RK4)"),
                Look::new(BLUE, Stroke::Solid),
            ),
            ("closed form".into(), Look::new(ORANGE, Stroke::Dots)),
            ("Heun's error".into(), Look::new(TEAL, Stroke::Dashed)),
            ("RK4's error".into(), Look::new(INK, Stroke::Solid)),
        ],
        panels: vec![
            CurvePanel {
                x_name: if log_time { "t (log scale)" } else { "t" }.into(),
                y_name: "ln p, nats".into(),
                log: (log_time, false),
                curves,
            },
            CurvePanel {
                x_name: "steps (log scale)".into(),
                y_name: "largest error, nats (log scale)".into(),
                log: (true, true),
                curves: vec![errors(2, Method::Heun)?, errors(3, Method::Rk4)?],
            },
        ],
    })
}

/// ln p_t(x_t) of every trajectory at every time, shape `[times, starts]`.
struct Along {
    times: Vec<Time>,
    accumulated: Array2<f64>,
    exact: Array2<f64>,
}

impl Along {
    /// Follows the flow up to T and comes back down with ln p_T(x_T), which is known, plus what the
    /// divergence adds: ln p_t(x_t) = ln p_T(x_T) + ∫_t^T ∇·f̃ (Song et al. 2021, eq. 39).
    fn new(
        world: &GaussianMixture,
        sde: &dyn AffineSde,
        method: Method,
        steps: usize,
    ) -> Result<Self> {
        let times = rising_times(sde, steps)?;
        let starts = Array2::from_shape_fn((STARTS.len(), 1), |(row, _)| STARTS[row]);
        let states = trajectory_with_divergence(world, sde, method, &times, starts);
        let shape = (times.len(), STARTS.len());
        let exact = Array2::from_shape_fn(shape, |(step, row)| {
            let x = states[step].slice(ndarray::s![row, ..1]);
            world.log_density(sde.marginal(times[step]), x)
        });
        let accumulated = Array2::from_shape_fn(shape, |(step, row)| {
            let left = states[steps][[row, 1]] - states[step][[row, 1]];
            exact[[steps, row]] + left
        });
        Ok(Self {
            times,
            accumulated,
            exact,
        })
    }

    /// The largest |accumulated − exact|, in nats.
    fn error(&self) -> f64 {
        let differences = (&self.accumulated - &self.exact).mapv(f64::abs);
        differences.fold(0.0, |most, &value| most.max(value))
    }
}

#[cfg(test)]
mod tests {
    use super::super::process;
    use super::*;

    #[test]
    fn the_accumulated_density_is_the_closed_form_up_to_the_solvers_error() {
        let world = two_on_a_line().unwrap();
        for kind in ["vp", "sub-vp", "edm"] {
            let sde = process(kind).unwrap();
            let error = |method, steps| Along::new(&world, &*sde, method, steps).unwrap().error();
            let errors = [(Method::Heun, 2.0, 2e-2), (Method::Rk4, 4.0, 1e-4)];
            for (method, order, bound) in errors {
                let (coarse, fine) = (error(method, 256), error(method, 512));
                assert!(fine < bound, "{kind}, {method:?}: {fine}");
                let measured = (coarse / fine).log2();
                assert!(
                    measured > order - 0.3,
                    "{kind}, {method:?}: order {measured}"
                );
            }
        }
    }
}
