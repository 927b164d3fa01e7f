//! Weightings against the tables of their papers, and as plain data.

use proptest::prelude::*;
use sde_core::families::{Edm, VariancePreserving};
use sde_core::objective::Weighting;
use sde_core::{AffineSde, Prediction, Time};
use serde::{Deserialize, Serialize};

use crate::densities::derivative;
use crate::processes::{any_config, any_smooth_config, published};

const SIGMA_DATA: f64 = 0.5;

fn weight(weighting: Weighting, prediction: Prediction, sde: &dyn AffineSde, t: f64) -> f64 {
    weighting.weight(prediction, sde, Time(t), SIGMA_DATA)
}

fn close(found: f64, expected: f64) -> bool {
    (found / expected - 1.0).abs() < 1e-12
}

fn any_weighting() -> impl Strategy<Value = Weighting> {
    prop_oneof![
        Just(Weighting::SigmaSquared),
        Just(Weighting::Likelihood),
        Just(Weighting::Edm),
        (0.1..50.0).prop_map(|gamma| Weighting::MinSnr { gamma }),
    ]
}

#[test]
fn min_snr_has_the_three_forms_of_its_paper() {
    // Hang et al. 2023: min(SNR, γ)/SNR on ε, min(SNR, γ) on x₀, min(SNR, γ)/(SNR + 1) on v.
    let sde = VariancePreserving::default();
    for gamma in [1.0, 5.0, 20.0] {
        let weighting = Weighting::MinSnr { gamma };
        for t in [1e-5, 1e-3, 0.1, 0.2, 0.5, 1.0] {
            let snr = sde.marginal(Time(t)).log_snr().0.exp();
            let least = snr.min(gamma);
            for (prediction, expected) in [
                (Prediction::Epsilon, least / snr),
                (Prediction::X0, least),
                (Prediction::V, least / (snr + 1.0)),
            ] {
                let found = weight(weighting, prediction, &sde, t);
                assert!(close(found, expected), "{gamma} {t}: {found} {expected}");
            }
        }
        // Where all is data the cap holds, however large the ratio.
        assert_eq!(weight(weighting, Prediction::X0, &sde, 0.0), gamma);
    }
}

#[test]
fn edm_s_weight_makes_its_own_prediction_count_alike_everywhere() {
    // Karras et al. 2022, table 1: λ = (σ² + σ_d²)/(σ σ_d)² and c_out = σ σ_d/√(σ² + σ_d²).
    let sde = Edm::default();
    let own = Prediction::Edm {
        sigma_data: SIGMA_DATA,
    };
    for sigma in [0.002, 0.3, 1.0, 80.0] {
        assert!(close(weight(Weighting::Edm, own, &sde, sigma), 1.0));
        let published = (sigma * sigma + 0.25) / (0.5 * sigma).powi(2);
        let found = weight(Weighting::Edm, Prediction::X0, &sde, sigma);
        assert!(close(found, published), "{found} {published}");
    }
    // λ(2) = (4 + ¼)/1.
    assert_eq!(weight(Weighting::Edm, Prediction::X0, &sde, 2.0), 4.25);
}

#[test]
fn simple_is_one_and_sigma_squared_is_simple_for_the_noise() {
    for sde in published() {
        let t = 0.3 * sde.t_max().0;
        let sigma = sde.marginal(Time(t)).sigma;
        for prediction in [Prediction::Epsilon, Prediction::X0, Prediction::Score] {
            assert_eq!(weight(Weighting::Simple, prediction, &*sde, t), 1.0);
        }
        let squared = |prediction| weight(Weighting::SigmaSquared, prediction, &*sde, t);
        assert_eq!(squared(Prediction::Epsilon), 1.0);
        assert!(close(squared(Prediction::Score), sigma * sigma));
        // Ho et al. 2020, eq. 12 in continuous time: g²/σ² on ε.
        let likelihood = weight(Weighting::Likelihood, Prediction::Epsilon, &*sde, t);
        let g = sde.diffusion(Time(t));
        assert!(close(likelihood, (g / sigma).powi(2)));
        assert!(close(
            weight(Weighting::Likelihood, Prediction::Score, &*sde, t),
            g * g
        ));
    }
}

proptest! {
    #[test]
    fn the_likelihood_weight_is_the_fall_of_the_snr_on_x0(
        config in any_smooth_config(),
        fraction in 0.01..0.99,
    ) {
        // Kingma et al. 2021: −d SNR/dt.
        let sde = config.build().unwrap();
        let t = fraction * sde.t_max().0;
        let log_snr = |t: f64| sde.marginal(Time(t)).log_snr().0;
        let fall = -log_snr(t).exp() * derivative(1e-3 * t.min(sde.t_max().0 - t), |h| log_snr(t + h));
        let found = weight(Weighting::Likelihood, Prediction::X0, &*sde, t);
        prop_assert!((found / fall - 1.0).abs() < 1e-7, "{found} {fall}");
    }

    #[test]
    fn an_error_costs_the_same_whatever_it_is_the_error_of(
        weighting in any_weighting(),
        config in any_config(),
        fraction in 0.001..1.0,
    ) {
        let sde = config.build().unwrap();
        let t = fraction * sde.t_max().0;
        let marginal = sde.marginal(Time(t));
        let (alpha, sigma) = (marginal.alpha, marginal.sigma);
        // At a given x, what an error of 1 in x₀ is in the others: x = α x₀ + σ ε stays.
        let epsilon = -alpha / sigma;
        let edm = Prediction::Edm { sigma_data: 0.7 };
        let ratio = sigma / alpha;
        let errors = [
            (Prediction::Epsilon, epsilon),
            (Prediction::V, alpha * epsilon - sigma),
            (Prediction::Score, -epsilon / sigma),
            (edm, ratio.hypot(0.7) / (0.7 * ratio)),
        ];
        let on_x0 = weight(weighting, Prediction::X0, &*sde, t);
        for (prediction, error) in errors {
            let cost = weight(weighting, prediction, &*sde, t) * error * error;
            prop_assert!((cost / on_x0 - 1.0).abs() < 1e-10, "{prediction:?}: {cost} {on_x0}");
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct File {
    weighting: Weighting,
    after: u8,
}

fn read(weighting: &str) -> Result<Weighting, toml::de::Error> {
    toml::from_str::<File>(&format!("weighting = {weighting}\nafter = 1")).map(|f| f.weighting)
}

#[test]
fn names_are_weightings_and_a_parameter_makes_a_table() {
    for (text, expected) in [
        ("\"simple\"", Weighting::Simple),
        ("\"sigma-squared\"", Weighting::SigmaSquared),
        ("\"likelihood\"", Weighting::Likelihood),
        ("\"edm\"", Weighting::Edm),
        ("\"min-snr\"", Weighting::MinSnr { gamma: 5.0 }),
        ("{ kind = \"min-snr\" }", Weighting::MinSnr { gamma: 5.0 }),
        (
            "{ kind = \"min-snr\", gamma = 1.0 }",
            Weighting::MinSnr { gamma: 1.0 },
        ),
        ("{ kind = \"edm\" }", Weighting::Edm),
    ] {
        assert_eq!(read(text).unwrap(), expected, "{text}");

        let file = File {
            weighting: expected,
            after: 1,
        };
        let written = toml::to_string(&file).unwrap();
        assert_eq!(toml::from_str::<File>(&written).unwrap(), file, "{written}");
        let written = serde_json::to_string(&expected).unwrap();
        let back: Weighting = serde_json::from_str(&written).unwrap();
        assert_eq!(back, expected, "{written}");
    }
    for kind in Weighting::KINDS {
        let weighting = read(&format!("\"{kind}\"")).unwrap();
        assert_eq!(
            read(&format!("{{ kind = \"{kind}\" }}")).unwrap(),
            weighting
        );
    }
    assert_eq!(serde_json::to_string(&Weighting::Edm).unwrap(), "\"edm\"");
    let json = r#"{"kind": "min-snr", "gamma": 2.5}"#;
    let read: Weighting = serde_json::from_str(json).unwrap();
    assert_eq!(read, Weighting::MinSnr { gamma: 2.5 });
}

#[test]
fn what_is_no_weighting_is_refused_by_name() {
    for (text, parts) in [
        ("\"minsnr\"", ["minsnr", "min-snr"]),
        ("{ kind = \"karras\" }", ["karras", "edm"]),
        ("{ kind = \"min-snr\", gama = 1.0 }", ["gama", "gamma"]),
        (
            "{ kind = \"edm\", gamma = 1.0 }",
            ["gamma", "unknown field"],
        ),
        ("{ gamma = 1.0 }", ["kind", "missing"]),
        ("3", ["integer", "sigma-squared"]),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(
            parts.iter().all(|part| error.contains(part)),
            "{text}: {error}"
        );
    }
    let wrong = Weighting::MinSnr { gamma: -1.0 };
    assert_eq!(
        wrong.validated().unwrap_err().to_string(),
        "weighting.gamma = -1 is not possible: it must be above 0 and finite"
    );
    let wrong = Weighting::MinSnr { gamma: f64::NAN };
    assert!(wrong.validated().is_err());
    let right = Weighting::MinSnr { gamma: 1.0 };
    assert_eq!(right.validated(), Ok(right));
}
