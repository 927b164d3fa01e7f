//! Chains in configuration files.

use sde_core::SdeConfig;
use sde_core::chains::{BetaSchedule, Ddpm, Smld};

fn read(text: &str) -> Result<SdeConfig, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn a_schedule_is_a_name_or_a_table() {
    let ddpm = |steps, schedule| SdeConfig::Ddpm(Ddpm { steps, schedule });
    let found = read("kind = 'ddpm'\nschedule = 'cosine'\nsteps = 400").unwrap();
    assert_eq!(found, ddpm(400, BetaSchedule::cosine()));
    let found = read("kind = 'ddpm'\n[schedule]\nname = 'linear'\nbeta_end = 0.01").unwrap();
    let expected = BetaSchedule::Linear {
        beta_start: 1e-4,
        beta_end: 0.01,
    };
    assert_eq!(found, ddpm(1000, expected));
    let published = [
        BetaSchedule::linear(),
        BetaSchedule::quadratic(),
        BetaSchedule::cosine(),
        BetaSchedule::sigmoid(),
    ];
    assert_eq!(published.map(BetaSchedule::name), BetaSchedule::NAMES);
    for schedule in published {
        let name = schedule.name();
        let found = read(&format!("kind = 'ddpm'\nschedule = '{name}'")).unwrap();
        assert_eq!(found, ddpm(1000, schedule));
        // As JSON too, where checkpoints keep it.
        let json = format!(r#"{{"kind": "ddpm", "schedule": "{name}", "steps": 1000}}"#);
        assert_eq!(serde_json::from_str::<SdeConfig>(&json).unwrap(), found);
    }
    let found = read("kind = 'smld'\nsteps = 10\nsigma_max = 1.0").unwrap();
    assert_eq!(found, SdeConfig::Smld(Smld::ncsn()));
}

#[test]
fn what_is_wrong_with_a_schedule_is_named() {
    let error = |text: &str| read(&format!("kind = 'ddpm'\n{text}")).unwrap_err();
    let unknown = error("schedule = 'cosin'");
    assert!(
        unknown.contains("`cosin`") && unknown.contains("`quadratic`"),
        "{unknown}"
    );
    let field = error("schedule = { name = 'cosine', beta_end = 0.02 }");
    assert!(field.contains("beta_end"), "{field}");
    let value = error("schedule = 3");
    assert!(value.contains("the name of a schedule"), "{value}");
}

#[test]
fn impossible_chains_are_refused_with_field_and_value() {
    let steps = "it must be at least 2 and at most a million";
    let few = "beta_end * 1000 / steps must be below 1: ask for more steps, or for the cosine \
               schedule, which has no such limit";
    for (text, field, reason) in [
        ("kind = 'ddpm'\nsteps = 1", "steps = 1", steps),
        ("kind = 'smld'\nsteps = 10000000", "steps = 10000000", steps),
        ("kind = 'ddpm'\nsteps = 20", "steps = 20", few),
        (
            "kind = 'ddpm'\nschedule = { name = 'quadratic', beta_start = 0 }",
            "beta_start = 0",
            "it must be above 0",
        ),
        (
            "kind = 'ddpm'\nschedule = { name = 'sigmoid', beta_end = nan }",
            "beta_end = NaN",
            "it must be above beta_start",
        ),
        (
            "kind = 'ddpm'\nschedule = { name = 'cosine', beta_max = 1.0 }",
            "beta_max = 1",
            "it must be above 0 and below 1",
        ),
        (
            "kind = 'ddpm'\nschedule = { name = 'cosine', s = -0.1 }",
            "s = -0.1",
            "it must be at least 0",
        ),
        (
            "kind = 'smld'\nsigma_min = -1.0",
            "sigma_min = -1",
            "it must be above 0",
        ),
        (
            "kind = 'smld'\nsigma_max = 0.01",
            "sigma_max = 0.01",
            "it must be above sigma_min",
        ),
    ] {
        let config = read(text).unwrap();
        let Err(error) = config.build() else {
            panic!("{text} was accepted");
        };
        let expected = format!("{field} is not possible: {reason}");
        assert!(error.to_string().ends_with(&expected), "{error}");
        assert!(config.build_chain().is_err());
    }
}

#[test]
fn only_chains_are_built_as_chains() {
    for kind in SdeConfig::KINDS {
        let config = read(&format!("kind = '{kind}'")).unwrap();
        let chain = config.build_chain().unwrap();
        assert_eq!(chain.is_some(), ["ddpm", "smld"].contains(&kind));
        if let Some(chain) = chain {
            assert_eq!((chain.name(), chain.steps()), (kind, 1000));
        }
    }
}
