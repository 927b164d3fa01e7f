//! Processes of every family: as published, and with random parameters.

use proptest::prelude::*;
use sde_core::families::{
    BetaConvention, Brownian, Cosine, Edm, LinearBeta, SubVariancePreserving, VarianceExploding,
    VariancePreserving,
};
use sde_core::{AffineSde, SdeConfig};

/// Every family with its default parameters, VP in both conventions.
pub fn published() -> Vec<Box<dyn AffineSde>> {
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

/// Any family whose noise starts at σ(0) = 0, with random parameters: all but VE.
pub fn any_config_from_zero() -> impl Strategy<Value = SdeConfig> {
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
    let ve = (1e-3..0.1, 1.0..100.0).prop_map(|(sigma_min, sigma_max)| {
        SdeConfig::Ve(VarianceExploding {
            sigma_min,
            sigma_max,
        })
    });
    prop_oneof![9 => any_config_from_zero(), 1 => ve]
}
