//! Solvers, grids and last steps as they stand in configuration files.

use ndarray::Array2;
use sde_core::SdeConfig;
use serde::{Deserialize, Serialize};
use solvers::{
    Ancestral, AncestralVariance, AnnealedLangevin, Corrector, Curvature, DpmSolver2MSde,
    DpmSolver3M, EdmSampler, FlowVariable, GridConfig, GridSpec, LangevinStep, LastStep, Predictor,
    PredictorCorrector, Rk45, Slope, SolverConfig,
};

/// A section of a configuration file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Sampling {
    solver: SolverConfig,
    grid: GridConfig,
    last_step: LastStep,
}

fn all() -> Vec<SolverConfig> {
    SolverConfig::NAMES
        .map(|name| name.parse().unwrap())
        .to_vec()
}

#[test]
fn every_solver_survives_a_round_trip_through_toml() {
    let mut solvers = all();
    solvers.push(SolverConfig::Edm(EdmSampler::imagenet64()));
    solvers.push(SolverConfig::AnnealedLangevin(AnnealedLangevin {
        steps_per_level: 2,
        step: LangevinStep::Snr { r: 0.16 },
    }));
    solvers.push(SolverConfig::Rk45(Rk45 {
        variable: FlowVariable::LogSigma,
        ..Rk45::with_tolerance(1e-7)
    }));
    solvers.push(SolverConfig::Ancestral(Ancestral {
        variance: AncestralVariance::Large,
        clip: Some(1.0),
    }));
    solvers.push(SolverConfig::PredictorCorrector(PredictorCorrector {
        predictor: Predictor::None,
        corrector: Corrector::Langevin { r: 0.1, steps: 2 },
    }));
    solvers.push(SolverConfig::PredictorCorrector(PredictorCorrector {
        predictor: Predictor::Ancestral,
        corrector: Corrector::None {},
    }));
    solvers.push(SolverConfig::DpmSolver2MSde(DpmSolver2MSde {
        eta: 0.3,
        s_noise: 1.01,
        slope: Slope::Heun,
    }));
    solvers.push(SolverConfig::DpmSolver3M(DpmSolver3M {
        curvature: Curvature::Exact,
    }));
    for solver in solvers {
        for grid in GridConfig::NAMES {
            let written = Sampling {
                solver,
                grid: grid.parse().unwrap(),
                last_step: LastStep::Plain,
            };
            let text = toml::to_string(&written).unwrap();
            assert_eq!(
                toml::from_str::<Sampling>(&text).unwrap(),
                written,
                "{text}"
            );
        }
    }
}

#[test]
fn a_name_alone_is_the_published_solver() {
    for name in SolverConfig::NAMES {
        let read: SolverConfig = toml::from_str(&format!("name = '{name}'")).unwrap();
        assert_eq!(read, name.parse().unwrap());
        assert_eq!(read.info().name, name);
    }
    let karras: GridConfig = toml::from_str("name = 'karras'").unwrap();
    assert_eq!(karras, GridConfig::Karras { rho: 7.0 });
    let edm: SolverConfig = toml::from_str("name = 'edm'\ns_churn = 40").unwrap();
    let expected = EdmSampler {
        s_churn: 40.0,
        s_min: 0.0,
        s_max: f64::INFINITY,
        s_noise: 1.0,
    };
    assert_eq!(edm, SolverConfig::Edm(expected));
    let langevin = "name = 'predictor-corrector'\ncorrector = { rule = 'langevin', steps = 2 }";
    let found: SolverConfig = toml::from_str(langevin).unwrap();
    let expected = PredictorCorrector {
        corrector: Corrector::Langevin { r: 0.16, steps: 2 },
        ..PredictorCorrector::default()
    };
    assert_eq!(found, SolverConfig::PredictorCorrector(expected));
}

#[test]
fn a_field_that_a_solver_or_a_grid_does_not_have_is_an_error() {
    for text in [
        "name = 'heun'\ns_churn = 40",
        "name = 'edm'\nchurn = 40",
        "name = 'annealed-langevin'\nepsilon = 0.2",
        "name = 'annealed-langevin'\nstep = { rule = 'snr', epsilon = 0.2 }",
        "name = 'euler'",
        "name = 'rk4'\nrtol = 1e-5",
        "name = 'rk45'\ntolerance = 1e-5",
        "name = 'rk45'\ncontrol = { gain = 1 }",
        "name = 'adaptive-sde'\nrtol = 0.01",
        "name = 'ddim'\ngamma = 2",
        "name = 'dpm-solver++-2m'\neta = 1",
        "name = 'dpm-solver++-3m-sde'\nslope = 'heun'",
        "name = 'predictor-corrector'\ncorrector = { rule = 'none', steps = 1 }",
        "name = 'predictor-corrector'\ncorrector = { rule = 'langevin', snr = 0.16 }",
    ] {
        assert!(toml::from_str::<SolverConfig>(text).is_err(), "{text}");
    }
    assert!(toml::from_str::<GridConfig>("name = 'uniform'\nrho = 7").is_err());
}

#[test]
fn an_unknown_solver_is_an_error_that_lists_the_known_ones() {
    let error = "heune".parse::<SolverConfig>().unwrap_err().to_string();
    assert!(error.contains("`heune`"), "{error}");
    assert!(
        SolverConfig::NAMES.iter().all(|name| error.contains(name)),
        "{error}"
    );
}

#[test]
fn a_parameter_out_of_range_is_refused_when_the_solver_is_built() {
    let config = SolverConfig::Edm(EdmSampler {
        s_noise: f64::NAN,
        ..EdmSampler::default()
    });
    let error = config.build::<Array2<f64>>().unwrap_err().to_string();
    assert!(error.contains("solver `edm`: s_noise = NaN"), "{error}");
}

#[test]
fn every_solver_has_a_default_grid_on_every_family() {
    for solver in all() {
        assert!(solver.build::<Array2<f32>>().is_ok());
        for family in SdeConfig::KINDS {
            let sde: SdeConfig = toml::from_str(&format!("kind = '{family}'")).unwrap();
            let sde = sde.build().unwrap();
            assert_eq!(sde.name(), family);
            let spec = GridSpec::new(solver.default_grid(sde.name()), solver.default_steps());
            assert_eq!(
                spec.build(sde.as_ref()).unwrap().steps(),
                solver.default_steps()
            );
        }
    }
    let uniform = SolverConfig::EulerMaruyama {}.default_grid("vp");
    assert_eq!(uniform, GridConfig::Uniform {});
    let karras = SolverConfig::EulerMaruyama {}.default_grid("edm");
    assert_eq!(karras, GridConfig::Karras { rho: 7.0 });
}
