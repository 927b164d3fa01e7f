//! The process and its objectives as plain data.

use sde_core::SdeConfig;
use sde_core::damped::{
    DampedLangevin, Matching, VelocityObjective, VelocityPrediction, VelocityWeighting,
};

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
