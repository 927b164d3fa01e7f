//! Curves of solvers as tables for reading and as CSV.

use std::fmt::Write as _;

use serde::Serialize;

use super::Measured;

/// What a solver gave at several budgets.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// Its name.
    pub solver: &'static str,
    /// Whether it draws noise.
    pub stochastic: bool,
    /// The spacing of its steps.
    pub grid: &'static str,
    /// One a budget that it can do with.
    pub points: Vec<Point>,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// The evaluations that were allowed.
    pub budget: usize,
    /// The steps of the grid.
    pub steps: usize,
    /// The tolerance, of a solver that chooses its own steps.
    pub tolerance: Option<f64>,
    /// The evaluations, counted.
    pub nfe: usize,
    /// One a measure.
    pub values: Vec<Option<f64>>,
}

/// A table for each measure: a row a solver, a column a budget.
pub fn tables(measures: &[Measured], budgets: &[usize], curves: &[Curve]) -> String {
    let widest = curves.iter().map(|curve| curve.solver.len()).max();
    let name = widest.unwrap_or(0) + 2;
    let mut text = String::new();
    for (index, measure) in measures.iter().enumerate() {
        let floor = measure.floor.map_or_else(String::new, |floor| {
            format!("; real data: {}", written(floor))
        });
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}, by NFE{floor}", measure.title);
        let _ = write!(text, "{:name$}{:>9}", "", "grid");
        for budget in budgets {
            let _ = write!(text, "{budget:>11}");
        }
        text.push('\n');
        for curve in curves {
            let value = |budget: &usize| {
                // The last is that of the smallest tolerance.
                let mut points = curve.points.iter().rev();
                points.find(|point| point.budget == *budget)?.values[index]
            };
            if budgets.iter().all(|budget| value(budget).is_none()) {
                continue;
            }
            let _ = write!(text, "{:name$}{:>9}", curve.solver, curve.grid);
            for budget in budgets {
                let cell = value(budget).map_or_else(|| "-".to_owned(), written);
                let _ = write!(text, "{cell:>11}");
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// A line a run, with a header.
pub fn csv(measures: &[Measured], curves: &[Curve]) -> String {
    let mut text = "solver,stochastic,grid,budget,steps,tolerance,nfe".to_owned();
    for measure in measures {
        text.push(',');
        text.push_str(measure.key);
    }
    text.push('\n');
    for curve in curves {
        for point in &curve.points {
            let (budget, steps, nfe) = (point.budget, point.steps, point.nfe);
            let tolerance = point.tolerance.map_or_else(String::new, |t| t.to_string());
            let _ = write!(
                text,
                "{},{},{},{budget},{steps},{tolerance},{nfe}",
                curve.solver, curve.stochastic, curve.grid
            );
            for value in &point.values {
                text.push(',');
                if let Some(value) = value {
                    let _ = write!(text, "{value}");
                }
            }
            text.push('\n');
        }
    }
    text
}

/// Four significant digits.
fn written(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        m if !(1e-3..1e5).contains(&m) => format!("{value:.2e}"),
        m => {
            let decimals = (3 - m.log10().floor() as i32).max(0) as usize;
            format!("{value:.decimals$}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_that_a_solver_cannot_do_with_are_empty() {
        let measures = [Measured {
            key: "error",
            title: "error".into(),
            floor: Some(0.5),
        }];
        let point = |budget, value| Point {
            budget,
            steps: budget,
            tolerance: None,
            nfe: budget,
            values: vec![value],
        };
        let curves = [
            Curve {
                solver: "euler-ode",
                stochastic: false,
                grid: "uniform",
                points: vec![point(5, Some(1.25)), point(10, Some(2e-5))],
            },
            Curve {
                solver: "edm",
                stochastic: false,
                grid: "karras",
                points: vec![point(10, None)],
            },
        ];
        assert_eq!(
            tables(&measures, &[5, 10], &curves),
            "error, by NFE; real data: 0.5000\n\
             \u{20}               grid          5         10\n\
             euler-ode    uniform      1.250    2.00e-5"
        );
        assert_eq!(
            csv(&measures, &curves),
            "solver,stochastic,grid,budget,steps,tolerance,nfe,error\n\
             euler-ode,false,uniform,5,5,,5,1.25\n\
             euler-ode,false,uniform,10,10,,10,0.00002\n\
             edm,false,karras,10,10,,10,\n"
        );
    }
}
