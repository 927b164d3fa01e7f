//! The process and its objectives as plain data.

use sde_core::damped::{
    DampedLangevin, Matching, VelocityObjective, VelocityPrediction, VelocityWeighting,
};
use sde_core::families::Edm;
use sde_core::{Process, ProcessConfig, SdeConfig, Sigma, Time};

#[test]
fn an_empty_table_is_the_published_process_and_what_is_written_is_what_is_read() {
    let published: DampedLangevin = toml::from_str("").unwrap();
    assert_eq!(published, DampedLangevin::default());
    assert_eq!(
        (published.beta, published.inverse_mass, published.gamma),
        (4.0, 4.0, 0.04)
    );
    assert_eq!((published.friction(), published.mass()), (1.0, 0.25));
    let other = DampedLangevin {
        beta: 8.0,
        inverse_mass: 1.0,
        gamma: 0.5,
    };
    let text = toml::to_string(&other).unwrap();
    assert_eq!(toml::from_str::<DampedLangevin>(&text).unwrap(), other);
    assert!(toml::from_str::<DampedLangevin>("mass = 0.25").is_err());
}

#[test]
fn impossible_parameters_are_refused_with_field_and_value() {
    for (text, message) in [
        ("beta = 0.0", "beta = 0 is not possible: it must be above 0"),
        (
            "beta = inf",
            "beta = inf is not possible: it must be above 0",
        ),
        (
            "inverse_mass = -4.0",
            "inverse_mass = -4 is not possible: it must be above 0",
        ),
        (
            "gamma = 1.5",
            "gamma = 1.5 is not possible: it must be from 0 to 1",
        ),
        (
            "gamma = nan",
            "gamma = NaN is not possible: it must be from 0 to 1",
        ),
    ] {
        let process: DampedLangevin = toml::from_str(text).unwrap();
        let error = process.validated().unwrap_err().to_string();
        assert_eq!(error, format!("sde `damped-langevin`: {message}"));
    }
    assert!(DampedLangevin::default().validated().is_ok());
}

#[test]
fn objectives_are_plain_data_with_the_published_defaults() {
    let published: VelocityObjective = toml::from_str("").unwrap();
    let expected = VelocityObjective {
        matching: Matching::Hybrid,
        prediction: VelocityPrediction::Mixed,
        weighting: VelocityWeighting::Reweighted,
    };
    assert_eq!(published, expected);
    let text = "matching = 'denoising'\nprediction = 'epsilon'\nweighting = 'likelihood'";
    let read: VelocityObjective = toml::from_str(text).unwrap();
    assert_eq!(
        toml::from_str::<VelocityObjective>(&toml::to_string(&read).unwrap()).unwrap(),
        read
    );
    assert_eq!(read.matching, Matching::Denoising);
    assert!(toml::from_str::<VelocityObjective>("lambda = 1").is_err());
}

/// Its coefficients are matrices; it is no kind of the scalar processes.
#[test]
fn the_scalar_processes_do_not_take_its_name() {
    let text = format!("kind = '{}'", DampedLangevin::NAME);
    let error = toml::from_str::<SdeConfig>(&text).unwrap_err().to_string();
    assert!(error.contains("damped-langevin"), "{error}");
}

#[test]
fn a_process_of_either_kind_is_read_by_its_name() {
    let named = |kind: &str| toml::from_str::<ProcessConfig>(&format!("kind = '{kind}'"));
    for kind in SdeConfig::KINDS {
        let config = named(kind).unwrap();
        let alone: SdeConfig = toml::from_str(&format!("kind = '{kind}'")).unwrap();
        assert_eq!(config, ProcessConfig::Affine(alone));
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(json, serde_json::to_string(&alone).unwrap());
        assert_eq!(
            serde_json::from_str::<ProcessConfig>(&json).unwrap(),
            config
        );
        let process = config.build().unwrap();
        assert_eq!(
            (process.name(), process.affine().unwrap().name()),
            (kind, kind)
        );
    }
    let config = named(DampedLangevin::NAME).unwrap();
    assert_eq!(config, DampedLangevin::default().into());
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<ProcessConfig>(&text).unwrap(), config);
    let process = config.build().unwrap();
    assert_eq!(process.name(), DampedLangevin::NAME);
    let error = process.affine().err().unwrap().to_string();
    assert!(
        error.contains("velocity") && error.contains("sub-vp"),
        "{error}"
    );
    let error = named("damped").unwrap_err().to_string();
    assert!(
        error.contains("damped-langevin") && error.contains("vp"),
        "{error}"
    );
    let text = "kind = 'damped-langevin'\nmass = 2.0";
    let error = toml::from_str::<ProcessConfig>(text)
        .unwrap_err()
        .to_string();
    assert!(error.contains("mass"), "{error}");
    let text = "kind = 'damped-langevin'\ngamma = 2.0";
    let error = toml::from_str::<ProcessConfig>(text).unwrap().build();
    assert!(error.err().unwrap().to_string().contains("gamma = 2"));
}

#[test]
fn the_time_of_a_position_s_noise_level_is_the_inverse_of_its_marginal() {
    let process = Process::Damped(DampedLangevin::default());
    for t in [1e-5, 1e-3, 0.1, 0.5, 0.999] {
        let sigma = process.position_marginal(Time(t)).sigma_ratio();
        let found = process.time_at_sigma(sigma).0;
        assert!((found / t - 1.0).abs() < 1e-12, "{found} {t}");
    }
    assert_eq!(process.time_at_sigma(Sigma(1e9)), process.t_max());
    assert!(process.time_at_sigma(Sigma(0.0)).0 < 1e-300);
    // Of a process of positions it is the process's own.
    let edm = ProcessConfig::from(SdeConfig::Edm(Edm::default()))
        .build()
        .unwrap();
    assert_eq!(edm.time_at_sigma(Sigma(3.0)), Time(3.0));
    assert_eq!(edm.position_marginal(Time(3.0)).sigma, 3.0);
}
