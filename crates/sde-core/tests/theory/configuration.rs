//! Processes as plain data: what is written is what is read, and what is wrong is named.

use proptest::prelude::*;
use sde_core::families::{BetaConvention, Edm, VariancePreserving};
use sde_core::{Prediction, SdeConfig};

use crate::processes::any_config;

proptest! {
    #[test]
    fn any_configuration_survives_toml(config in any_config()) {
        let text = toml::to_string(&config).unwrap();
        prop_assert_eq!(toml::from_str::<SdeConfig>(&text).unwrap(), config);
    }
}

#[test]
fn every_kind_is_its_family_s_name_and_needs_no_parameters() {
    for kind in SdeConfig::KINDS {
        let config: SdeConfig = toml::from_str(&format!("kind = \"{kind}\"")).unwrap();
        assert_eq!(config.build().unwrap().name(), kind);
        let json = serde_json::to_string(&config).unwrap();
        assert!(json.contains(&format!("\"kind\":\"{kind}\"")), "{json}");
        assert_eq!(serde_json::from_str::<SdeConfig>(&json).unwrap(), config);
    }
    let default: SdeConfig = toml::from_str("kind = \"vp\"").unwrap();
    assert_eq!(default, SdeConfig::default());
}

#[test]
fn parameters_are_read_where_given_and_published_where_not() {
    let config: SdeConfig =
        toml::from_str("kind = \"vp\"\nbeta_max = 5.5\nconvention = \"full\"").unwrap();
    assert_eq!(
        config,
        SdeConfig::Vp(VariancePreserving {
            beta_min: 0.1,
            beta_max: 5.5,
            convention: BetaConvention::Full,
        })
    );
    let config: SdeConfig = serde_json::from_str(r#"{"kind": "edm", "sigma_min": 0.01}"#).unwrap();
    assert_eq!(
        config,
        SdeConfig::Edm(Edm {
            sigma_min: 0.01,
            sigma_max: 80.0
        })
    );
}

#[test]
fn unknown_kinds_and_fields_are_refused_by_name() {
    let error = toml::from_str::<SdeConfig>("kind = \"cosmic\"")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cosmic") && error.contains("sub-vp"),
        "{error}"
    );
    assert!(toml::from_str::<SdeConfig>("beta_min = 0.1").is_err());
    for kind in SdeConfig::KINDS {
        let text = format!("kind = \"{kind}\"\nbetamax = 20.0");
        let error = toml::from_str::<SdeConfig>(&text).unwrap_err().to_string();
        assert!(error.contains("betamax"), "{kind}: {error}");
    }
}

#[test]
fn impossible_parameters_are_refused_with_family_field_and_value() {
    for (text, message) in [
        (
            "kind = \"vp\"\nbeta_min = -1.0",
            "sde `vp`: beta_min = -1 is not possible: it must be at least 0",
        ),
        (
            "kind = \"vp\"\nbeta_min = 3.0\nbeta_max = 2.0\nconvention = \"full\"",
            "sde `vp`: beta_max = 2 is not possible: it must be above beta_min",
        ),
        (
            "kind = \"sub-vp\"\nbeta_max = nan",
            "sde `sub-vp`: beta_max = NaN is not possible: it must be above beta_min",
        ),
        (
            "kind = \"ve\"\nsigma_min = 0.0",
            "sde `ve`: sigma_min = 0 is not possible: it must be above 0",
        ),
        (
            "kind = \"ve\"\nsigma_max = inf",
            "sde `ve`: sigma_max = inf is not possible: it must be above sigma_min",
        ),
        (
            "kind = \"edm\"\nsigma_max = 0.001",
            "sde `edm`: sigma_max = 0.001 is not possible: it must be above sigma_min",
        ),
        (
            "kind = \"brownian\"\nt_max = 0.0",
            "sde `brownian`: t_max = 0 is not possible: it must be above 1e-5",
        ),
    ] {
        let config: SdeConfig = toml::from_str(text).unwrap();
        let Err(error) = config.build() else {
            panic!("{text} was accepted");
        };
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn predictions_survive_json() {
    for prediction in [
        Prediction::Epsilon,
        Prediction::X0,
        Prediction::V,
        Prediction::Score,
        Prediction::Edm { sigma_data: 0.5 },
    ] {
        let json = serde_json::to_string(&prediction).unwrap();
        assert_eq!(
            serde_json::from_str::<Prediction>(&json).unwrap(),
            prediction
        );
    }
    assert!(serde_json::from_str::<Prediction>("\"velocity\"").is_err());
}
