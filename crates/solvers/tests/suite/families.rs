//! The families that every claim is checked on.

use sde_core::AffineSde;
use sde_core::families::{
    Brownian, Cosine, Edm, SubVariancePreserving, VarianceExploding, VariancePreserving,
};

/// Every family of `sde-core` with its published parameters.
pub fn all() -> Vec<Box<dyn AffineSde>> {
    vec![
        Box::new(VariancePreserving::default()),
        Box::new(SubVariancePreserving::default()),
        Box::new(Cosine::default()),
        Box::new(VarianceExploding::default()),
        Box::new(Edm::default()),
        Box::new(Brownian::default()),
    ]
}
