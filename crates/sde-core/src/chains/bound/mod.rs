//! The variational bound of a DDPM chain, term by term (Ho et al. 2020, eq. 5).
//!
//! ```text
//! −log p_θ(x₀) ≤ L_T + Σ_{t=2}^{N} L_{t−1} + L_0                       nats
//! L_T     = KL(q(x_T | x₀) ‖ N(0, I))
//! L_{t−1} = E KL(q(x_{t−1} | x_t, x₀) ‖ p_θ(x_{t−1} | x_t))
//! L_0     = E[−log p_θ(x₀ | x₁)]
//! ```
//!
//! The expectations are over x_t ~ q(x_t | x₀); [`DiscreteBound::terms`] takes one draw for each t. With
//! a variance fixed at σ_t² and a network that predicts ε,
//! L_{t−1} = β_t²/(2σ_t² α_t (1 − ᾱ_t)) E‖ε − ε_θ‖² and a constant (eq. 12).
//!
//! For data that have a density, variances that are fixed keep the bound at a distance from −log p that no
//! number of steps closes, and the optimal ε_θ does not either: they are narrower near the data than the
//! reversal is. β̃_2 for the first step costs ½ (1 − ln 2) = 0.153 nats per dimension, and
//! [`Small`](super::FixedVariance::Small) for the others ½ γ = 0.289 more (γ is Euler's constant). Learned
//! variances close it, up to L_T, and at any number of steps if the data are Gaussian.

mod decoder;
mod discrete;
mod elements;
mod hybrid;
mod normal;
mod reverse;

pub use decoder::Decoder;
pub use discrete::{BoundError, BoundTerms, DiscreteBound};
pub use elements::Elements;
pub use hybrid::HybridObjective;
pub use normal::{gaussian_kl, log_normal_interval, log_normal_tail};
pub use reverse::{LogVariance, ReverseStep};
