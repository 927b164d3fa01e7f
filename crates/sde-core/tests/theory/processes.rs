//! Processes of every family: as published, and with random parameters.

use proptest::prelude::*;
use sde_core::chains::{BetaSchedule, Ddpm, Smld};
use sde_core::families::{
    BetaConvention, Brownian, Cosine, Edm, LinearBeta, SubVariancePreserving, VarianceExploding,
    VariancePreserving,
};
use sde_core::{AffineSde, SdeConfig};

/// Every family with its default parameters, VP in both conventions.
pub fn published() -> Vec<Box<dyn AffineSde>> {
    let chains = [
        SdeConfig::Ddpm(Ddpm::default()),
        SdeConfig::Smld(Smld::default()),
    ];
    let chains = chains.map(|config| config.build().unwrap());
    published_smooth().into_iter().chain(chains).collect()
}

/// The same without the chains, whose coefficients jump: for differences in t.
pub fn published_smooth() -> Vec<Box<dyn AffineSde>> {
    let full = VariancePreserving {
        convention: BetaConvention::Full,
        ..VariancePreserving::default()
    };
    [
        SdeConfig::Vp(VariancePreserving::default()),
        SdeConfig::Vp(full),
        SdeConfig::Ve(VarianceExploding::default()),
        SdeConfig::SubVp(SubVariancePreserving::default()),
        SdeConfig::Cosine(Cosine::default()),
        SdeConfig::Edm(Edm::default()),
        SdeConfig::Brownian(Brownian::default()),
    ]
    .map(|config| config.build().unwrap())
    .into()
}

/// β_min from 0 to 2, β_max up to 30 above it.
pub fn any_schedule() -> impl Strategy<Value = LinearBeta> {
    let beta_min = prop_oneof![1 => Just(0.0), 9 => 0.0..2.0];
    (beta_min, 0.5..30.0).prop_map(|(beta_min, rise)| LinearBeta {
        beta_min,
        beta_max: beta_min + rise,
    })
}

/// A chain of either kind, with random parameters.
pub fn any_chain_config() -> impl Strategy<Value = SdeConfig> {
    let schedule = (0..4, 0.01..0.5, 1.1..50.0, 0.001..0.1, 0.9..0.9999);
    let ddpm = (2..400usize, schedule).prop_map(|(steps, (kind, end, ratio, s, beta_max))| {
        let beta_end = end * steps as f64 / 1000.0;
        let beta_start = beta_end / ratio;
        let schedule = match kind {
            0 => BetaSchedule::Linear {
                beta_start,
                beta_end,
            },
            1 => BetaSchedule::Quadratic {
                beta_start,
                beta_end,
            },
            2 => BetaSchedule::Sigmoid {
                beta_start,
                beta_end,
            },
            _ => BetaSchedule::Cosine { s, beta_max },
        };
        SdeConfig::Ddpm(Ddpm { steps, schedule })
    });
    let smld = (2..400usize, 1e-3..0.1, 1.0..100.0).prop_map(|(steps, sigma_min, sigma_max)| {
        SdeConfig::Smld(Smld {
            steps,
            sigma_min,
            sigma_max,
        })
    });
    prop_oneof![2 => ddpm, 1 => smld]
}

/// Any family whose noise starts at σ(0) = 0, with random parameters: all but VE.
pub fn any_config_from_zero() -> impl Strategy<Value = SdeConfig> {
    prop_oneof![7 => any_smooth_config_from_zero(), 3 => any_chain_config()]
}

/// The same without the chains, whose coefficients jump.
fn any_smooth_config_from_zero() -> impl Strategy<Value = SdeConfig> {
    let convention = prop_oneof![Just(BetaConvention::Half), Just(BetaConvention::Full)];
    let vp =
        (any_schedule(), convention).prop_map(|(LinearBeta { beta_min, beta_max }, convention)| {
            SdeConfig::Vp(VariancePreserving {
                beta_min,
                beta_max,
                convention,
            })
        });
    let sub_vp =
        any_schedule().prop_map(|schedule| SdeConfig::SubVp(SubVariancePreserving { schedule }));
    let edm = (1e-3..0.1, 1.0..100.0).prop_map(|(sigma_min, sigma_max)| {
        SdeConfig::Edm(Edm {
            sigma_min,
            sigma_max,
        })
    });
    let brownian = (0.5..200.0).prop_map(|t_max| SdeConfig::Brownian(Brownian { t_max }));
    let cosine =
        (1e-4..0.1, 0.5..0.999).prop_map(|(s, t_max)| SdeConfig::Cosine(Cosine { s, t_max }));
    prop_oneof![3 => vp, 2 => sub_vp, 2 => cosine, 1 => edm, 1 => brownian]
}

/// Any family with random parameters.
pub fn any_config() -> impl Strategy<Value = SdeConfig> {
    prop_oneof![7 => any_smooth_config(), 3 => any_chain_config()]
}

/// The same without the chains, whose coefficients jump: for differences in t.
pub fn any_smooth_config() -> impl Strategy<Value = SdeConfig> {
    let ve = (1e-3..0.1, 1.0..100.0).prop_map(|(sigma_min, sigma_max)| {
        SdeConfig::Ve(VarianceExploding {
            sigma_min,
            sigma_max,
        })
    });
    prop_oneof![9 => any_smooth_config_from_zero(), 1 => ve]
}
