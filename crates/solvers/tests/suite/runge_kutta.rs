//! The orders of the Runge-Kutta methods of fixed steps, and of the adaptive one in its tolerance.
#![allow(clippy::print_stdout)]

use ndarray::Array2;
use sde_core::noise::CounterNoise;
use sde_core::worlds::GaussianMixture;
use solvers::{
    FlowVariable, GridConfig, GridSpec, LastStep, Order, Problem, Rk45, RungeKutta, Scheme, Solver,
    TimeGrid, Unobserved, sample_prior, tableau,
};

use crate::flows::{distance, exact};
use crate::{families, regression::order};

type X = Array2<f64>;

#[test]
fn zz_explore() {
    let world = GaussianMixture::eight_gaussians();
    let noise = CounterNoise::new(5);
    for sde in families::all() {
        let sde = sde.as_ref();
        let score = world.under(sde);
        let problem = Problem::new(sde, &score);
        let x_t = sample_prior(sde, &X::zeros((16, 2)), &noise);
        let exact = exact(sde, &world, &x_t);
        for tableau in [&tableau::RK4, &tableau::BOGACKI_SHAMPINE, &tableau::DORMAND_PRINCE] {
          for spacing in [GridConfig::published(sde.name()), GridConfig::LogSnr{}] {
            let errors = [64, 128, 256, 512].map(|steps| {
                let grid = GridSpec::new(spacing, steps)
                    .ending_with(LastStep::Plain)
                    .build(sde)
                    .unwrap();
                let s = RungeKutta::in_time(tableau)
                    .solve(&problem, &grid, x_t.clone(), &noise, &mut Unobserved)
                    .unwrap();
                (steps, distance(&s.x, &exact))
            });
            println!("{:9} {:8} {tableau:?} {} {:.3}", sde.name(), spacing.name(), errors.map(|(_, e)| format!("{e:.2e}")).join(" "), order(&errors));
          }
        }
        for variable in FlowVariable::ALL {
            print!("{:9} {variable:?}: ", sde.name());
            for tol in [1e-3, 1e-4, 1e-5, 1e-6, 1e-8] {
                let solver = Rk45 { variable, ..Rk45::with_tolerance(tol) };
                match solver.transport(&problem, x_t.clone(), sde.t_max(), sde.t_min_sampling()) {
                Ok(run) => {
                let mean = run.costs.iter().map(|c| c.evaluations).sum::<usize>() as f64 / 16.0;
                let rej = run.costs.iter().map(|c| c.rejected).sum::<usize>() as f64 / 16.0;
                print!("{mean:.0}({rej:.0}) {:.1e} | ", distance(&run.x, &exact));
                }
                Err(e) => print!("{e}"),
                }
            }
            println!();
        }
        use solvers::StepControl;
        for (name, p, i, d) in [("I", 0.0, 1.0, 0.0), ("hairer", 0.2, 0.65, 0.0), ("PI34", 0.4, 0.3, 0.0), ("KC PID", 0.14, 0.25, 0.1), ("PI pi42", 0.2, 0.4, 0.0), ("PID H312", 0.0, 2.0/9.0, 1.0/18.0)] {
            print!("{:9} {name}: ", sde.name());
            for tol in [1e-3, 1e-4, 1e-5, 1e-6, 1e-8] {
                let control = StepControl { proportional: p, integral: i, derivative: d, ..StepControl::default() };
                let solver = Rk45 { control, ..Rk45::with_tolerance(tol) };
                let run = solver.transport(&problem, x_t.clone(), sde.t_max(), sde.t_min_sampling()).unwrap();
                let mean = run.costs.iter().map(|c| c.evaluations).sum::<usize>() as f64 / 16.0;
                let rej = run.costs.iter().map(|c| c.rejected).sum::<usize>() as f64 / 16.0;
                print!("{mean:.0}({rej:.0}) {:.1e} | ", distance(&run.x, &exact));
            }
            println!();
        }
    }
    let _ = (TimeGrid::from_times, Order::None, RungeKutta::RK4.info());
}
