//! What an autoencoder and a prior of its latents say of an image together.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

/// The bound on −ln P(x) of one image, from one draw z of q(z | x), in nats:
///
/// ```text
/// −ln P(x) ≤ E_q[−ln P(x | z)] + E_q[ln q(z | x) − ln p(z)]
/// ```
///
/// With p = N(0, I) it is the autoencoder's own (Kingma & Welling 2014, eq. 3), with a diffusion's
/// density that of Vahdat, Kreis & Kautz 2021 (eq. 2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatentBound {
    /// −ln P(x | z).
    pub reconstruction: f64,
    /// ln q(z | x).
    pub log_posterior: f64,
    /// ln p(z), of a learned prior.
    pub log_prior: f64,
    /// KL(q(z | x) ‖ N(0, I)), which takes the place of both with a standard normal prior.
    pub standard_kl: f64,
}

impl LatentBound {
    /// ln q(z | x) − ln p(z), of which the mean over z is the divergence from the prior.
    #[must_use]
    pub fn prior(&self) -> f64 {
        self.log_posterior - self.log_prior
    }

    /// The bound with the learned prior.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.reconstruction + self.prior()
    }

    /// The bound with a standard normal prior.
    #[must_use]
    pub fn standard_total(&self) -> f64 {
        self.reconstruction + self.standard_kl
    }
}

/// Nats for an image of `dim` numbers as bits for each.
#[must_use]
pub fn bits_per_dimension(nats: f64, dim: usize) -> f64 {
    nats / (dim as f64 * LN_2)
}
