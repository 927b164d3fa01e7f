//! Guidance: scores made of other scores, so that samples follow a condition more, or less, than the model's
//! own conditional distribution does.
//!
//! | file | rule | the guided score | source |
//! |---|---|---|---|
//! | `classifier_free` | [`ClassifierFree`] | of a conditional and an unconditional score, see [`Scaling`] | Ho & Salimans 2022 |
//! | `classifier` | [`ClassifierGuidance`] | s + w ∇ₓ log p(c \| x, t) | Song et al. 2021, appendix I.1; Dhariwal & Nichol 2021 |
//! | `autoguidance` | [`Autoguidance`] | s_weak + w (s − s_weak) | Karras et al. 2024 |
//!
//! Each rule is plain data; what it makes is a [`Score`](crate::Score), so every solver takes every guidance
//! and guidances can be put into each other. Each applies in a [`GuidanceInterval`] of noise levels only;
//! outside it the score that is guided stands alone and the other is not evaluated, which the count of
//! evaluations shows ([`Score::cost`](crate::Score::cost)). If all parts are
//! [`DifferentiableScore`](crate::DifferentiableScore)s, so is the whole, and has a likelihood; if the guided
//! part has a learned variance, the whole has the same.
//!
//! A guided score is the gradient of log p(x_t) p(c | x_t)^w at every t. For w other than 1 these densities
//! are not the noised versions of one density, so samples follow none of them exactly (Bradley & Nakkiran
//! 2024).
//!
//! ```
//! use sde_core::guidance::ClassifierFree;
//! use sde_core::worlds::GaussianMixture;
//! use sde_core::{AffineSde, Score, Time, families::VariancePreserving};
//!
//! let sde = VariancePreserving::default();
//! let world = GaussianMixture::eight_gaussians().with_classes(vec![0, 1, 0, 1, 0, 1, 0, 1]).unwrap();
//! let (all, one) = (world.mixture().under(&sde), world.of_class(1).unwrap());
//! let one = one.under(&sde);
//! let guided = ClassifierFree::new(3.0).guide(&sde, &one, &all).unwrap();
//! let x = world.mixture().sample_at(sde.marginal(Time(0.3)), 0, 4);
//! assert_eq!(guided.score(&x, Time(0.3)).dim(), (4, 2));
//! ```

mod autoguidance;
mod classifier;
mod classifier_free;
mod extrapolated;
mod interval;

use thiserror::Error;

pub use autoguidance::Autoguidance;
pub use classifier::{
    ClassifierGradient, ClassifierGuidance, ClassifierGuided, DifferentiableClassifier,
};
pub use classifier_free::{ClassifierFree, Scaling};
pub use extrapolated::Extrapolated;
pub use interval::GuidanceInterval;

use crate::State;

/// A value that no guidance can have.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("guidance `{guidance}`: {field} = {value} is not possible: {reason}")]
pub struct GuidanceError {
    /// The rule, in kebab case.
    pub guidance: &'static str,
    /// The field that is wrong.
    pub field: &'static str,
    /// Its value.
    pub value: f64,
    /// What it must be.
    pub reason: &'static str,
}

/// Refuses a scale that is no number.
fn check_scale(guidance: &'static str, scale: f64) -> Result<(), GuidanceError> {
    if scale.is_finite() {
        return Ok(());
    }
    Err(GuidanceError {
        guidance,
        field: "scale",
        value: scale,
        reason: "it must be a finite number; negative ones lead away from the condition",
    })
}

/// `x` with the samples at the places `rows` replaced by those of `parts`.
fn with_rows<X: State>(x: X, parts: X, rows: &[usize]) -> X {
    let batch = x.batch();
    let mut places: Vec<usize> = (0..batch).collect();
    for (i, &row) in rows.iter().enumerate() {
        places[row] = batch + i;
    }
    X::concatenate_samples(&[x, parts]).select_samples(&places)
}
