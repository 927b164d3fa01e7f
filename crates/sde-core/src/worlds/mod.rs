//! Analytic worlds: data distributions whose every noised version is known in closed form.
//!
//! If x₀ is drawn from a Gaussian mixture and p(x_t | x₀) = N(α x₀, σ² I), then p_t is a Gaussian
//! mixture again, with means α m_k and variances α² s_k² + σ². So the density, the score, its
//! divergence and the posterior mean are exact under every [`AffineSde`](crate::AffineSde), and
//! whatever a solver or a likelihood gets wrong is its own error.
//!
//! ```
//! use sde_core::worlds::GaussianMixture;
//! use sde_core::{AffineSde, Score, families::VariancePreserving};
//!
//! let world = GaussianMixture::eight_gaussians();
//! let sde = VariancePreserving::default();
//! let x_t = world.sample_at(sde.marginal(sde.t_max()), 0, 16);
//! let score = world.under(&sde).score(&x_t, sde.t_max());
//! assert_eq!(score.dim(), (16, 2));
//! ```

mod classes;
mod density;
mod exact_score;
mod gaussian_flow;
mod gaussian_mixture;

use thiserror::Error;

pub use classes::{ClassedMixture, ExactClassifier};
pub use exact_score::ExactScore;
pub use gaussian_mixture::GaussianMixture;

/// A data distribution that cannot be built, or a question that it has no closed answer to.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum WorldError {
    /// There is no component, or a component without coordinates.
    #[error("a mixture of {components} components in {dim} dimensions: give at least one of each")]
    Empty {
        /// The number of components.
        components: usize,
        /// The number of coordinates.
        dim: usize,
    },
    /// The arrays do not describe the same components.
    #[error("{field} has shape {found:?}, but {expected:?} is what the means ask for")]
    Shape {
        /// `weights`, `stds` or `classes`.
        field: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that fits the means.
        expected: Vec<usize>,
    },
    /// A value that no component can have.
    #[error("{field}[{component}] = {value} is not possible: {reason}")]
    Value {
        /// `weights`, `means` or `stds`.
        field: &'static str,
        /// The component's index.
        component: usize,
        /// The value.
        value: f64,
        /// What it must be.
        reason: &'static str,
    },
    /// No component is of this class.
    #[error(
        "no component of the mixture has class {class}: ask for one that was given to `with_classes`"
    )]
    NoSuchClass {
        /// What was asked for.
        class: usize,
    },
    /// The closed form holds for one Gaussian only.
    #[error(
        "the probability flow has a closed form for 1 Gaussian, not for a mixture of {components}: \
         integrate `ProbabilityFlow` instead"
    )]
    NotOneGaussian {
        /// The number of components.
        components: usize,
    },
}
