//! The solvers of pairs as they stand in configuration files, and the solvers of one process asked for the
//! other.

use ndarray::Array2;
use sde_core::Time;
use sde_core::damped::DampedLangevin;
use solvers::damped::{DampedSolverConfig, ScoreStep, Sscs};
use solvers::{GridConfig, GridError, GridSpec, LastStep, SolverConfig};

#[test]
fn every_solver_survives_a_round_trip_through_toml() {
    let mut all = DampedSolverConfig::NAMES
        .map(|name| name.parse::<DampedSolverConfig>().unwrap())
        .to_vec();
    all.push(DampedSolverConfig::Sscs(Sscs::midpoint()));
    for solver in all {
        let text = toml::to_string(&solver).unwrap();
        assert_eq!(toml::from_str::<DampedSolverConfig>(&text).unwrap(), solver);
        let built = solver.build::<Array2<f32>>();
        assert_eq!(built.info(), solver.info());
    }
    for name in DampedSolverConfig::NAMES {
        let read: DampedSolverConfig = toml::from_str(&format!("name = '{name}'")).unwrap();
        assert_eq!(read, name.parse().unwrap());
        assert_eq!(read.info().name, name);
    }
    let text = "name = 'sscs'\nscore-step = 'midpoint'";
    let midpoint: DampedSolverConfig = toml::from_str(text).unwrap();
    let score_step = ScoreStep::Midpoint;
    assert_eq!(midpoint, DampedSolverConfig::Sscs(Sscs { score_step }));
}

#[test]
fn a_field_or_a_name_that_no_solver_of_pairs_has_is_an_error() {
    let error = |text: &str| {
        let read = toml::from_str::<DampedSolverConfig>(text);
        read.unwrap_err().to_string()
    };
    assert!(error("name = 'sscs'\ns_churn = 40").contains("s_churn"));
    let misplaced = error("name = 'damped-heun'\nscore-step = 'euler'");
    assert!(
        misplaced.contains("`damped-heun` has no `score-step`"),
        "{misplaced}"
    );
    let unknown = error("name = 'ssc'");
    assert!(
        unknown.contains("`ssc`") && unknown.contains("sscs, damped-euler"),
        "{unknown}"
    );
}

#[test]
fn a_solver_asked_for_the_other_kind_of_process_is_an_error_that_says_why() {
    for name in SolverConfig::NAMES {
        let text = format!("name = '{name}'");
        let error = toml::from_str::<DampedSolverConfig>(&text)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(name) && error.contains("velocity"),
            "{error}"
        );
        assert!(
            error.contains("damped-langevin") && error.contains("sscs"),
            "{error}"
        );
    }
    for name in DampedSolverConfig::NAMES {
        let error = name.parse::<SolverConfig>().unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains("damped-langevin"),
            "{error}"
        );
        assert!(toml::from_str::<SolverConfig>(&format!("name = '{name}'")).is_err());
    }
}

#[test]
fn a_grid_runs_from_the_prior_to_the_data_in_t_or_its_root() {
    let process = DampedLangevin::default();
    for solver in DampedSolverConfig::NAMES {
        let solver: DampedSolverConfig = solver.parse().unwrap();
        let spec = GridSpec::new(solver.default_grid(), solver.default_steps());
        assert_eq!(
            spec.build_damped(&process).unwrap().steps(),
            solver.default_steps()
        );
    }
    let spec = |spacing| GridSpec::new(spacing, 3).ending_with(LastStep::Plain);
    let end = spec(GridConfig::Uniform {}).between(Time(1.0), Time(0.04));
    let uniform = end.build_damped(&process).unwrap();
    let times: Vec<f64> = uniform.times().iter().map(|t| t.0).collect();
    for (found, expected) in times.iter().zip([1.0, 0.68, 0.36, 0.04]) {
        assert!((found - expected).abs() < 1e-15);
    }
    let quadratic = spec(GridConfig::Quadratic {}).between(Time(1.0), Time(0.04));
    let quadratic = quadratic.build_damped(&process).unwrap();
    let roots: Vec<f64> = quadratic.times().iter().map(|t| t.0.sqrt()).collect();
    for pair in roots.windows(2) {
        assert!((pair[0] - pair[1] - 0.8 / 3.0).abs() < 1e-15);
    }
    let whole = spec(GridConfig::Quadratic {})
        .build_damped(&process)
        .unwrap();
    assert_eq!((whole.start(), whole.end()), (Time(1.0), Time(1e-3)));
}

#[test]
fn a_grid_that_cannot_be_is_an_error() {
    let process = DampedLangevin::default();
    let spec = GridSpec::new(GridConfig::Uniform {}, 5);
    let built = |spec: GridSpec| spec.build_damped(&process).unwrap_err();
    assert_eq!(built(GridSpec { steps: 0, ..spec }), GridError::NoSteps);
    let at_zero = built(spec.between(Time(1.0), Time(0.0)));
    assert!(
        at_zero.to_string().contains("cannot end at t = 0"),
        "{at_zero}"
    );
    for (start, end) in [
        (1.5, 0.1),
        (0.1, 0.5),
        (1.0, -0.1),
        (f64::NAN, 0.1),
        (1.0, f64::NAN),
    ] {
        let error = built(spec.between(Time(start), Time(end)));
        assert!(matches!(error, GridError::Span { .. }), "{error}");
    }
    for spacing in [GridConfig::LogSnr {}, GridConfig::karras()] {
        let error = built(GridSpec { spacing, ..spec }).to_string();
        assert!(
            error.contains(spacing.name()) && error.contains("quadratic"),
            "{error}"
        );
    }
}
