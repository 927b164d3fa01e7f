//! Editing: samples that agree with something known of them.
//!
//! What is known is an orthogonal projection P of the picture: some of its pixels ([`Mask`]: inpainting and
//! outpainting), its grey values ([`ChannelMix`]: colourisation), its means over squares
//! ([`AveragePooling`]: super-resolution), or any other [`Projection`]. An [`Observation`] is P x₀ as a state,
//! that is a picture with the known pixels, a grey picture, an enlarged one; what it holds besides is taken
//! out.
//!
//! | method | what it is | solvers | on Gaussian data |
//! |---|---|---|---|
//! | [`Replacement`] | the known part is noised afresh at every time (Song et al. 2021, appendix I.2) | stepwise | biased, however short the steps |
//! | [`Replacement`] with [`Resampling`] | and the steps are taken again (RePaint: Lugmayr et al. 2022) | stepwise | less biased, the more often |
//! | [`Reconstruction`] with [`PosteriorCovariance::Isotropic`] | a guided score (ΠGDM: Song, Vahdat, Mardani & Kautz 2023) | all | exact if the covariance is a multiple of I |
//! | [`Reconstruction`] with [`PosteriorCovariance::Jacobian`] | the same with Tweedie's covariance (Rozet et al. 2024) | all | exact |
//! | [`SdEdit`] | from a noised picture down (Meng et al. 2022) | all | |
//!
//! The first two are of a [`Problem`](crate::Problem), see [`Problem::holding`](crate::Problem::holding);
//! the next two are scores, whose errors from few steps are those of the solver. Replacement and
//! reconstruction work with any guided score.
//!
//! On data that is not Gaussian none of them is exact, because p(x₀ | x_t) is no Gaussian while modes are being
//! chosen. In the example below, the two Gaussians beside the one asked for deserve 0.15 % of the samples, and get
//! 6 of 20.
//!
//! ```
//! use ndarray::{Array2, array};
//! use sde_core::{families::VariancePreserving, noise::CounterNoise, worlds::GaussianMixture};
//! use solvers::editing::{Mask, Observation, PosteriorCovariance, Reconstruction};
//! use solvers::{DpmSolver2M, Problem, Solver, TimeGrid, Unobserved, sample_prior};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let sde = VariancePreserving::default();
//!     let world = GaussianMixture::eight_gaussians();
//!     let score = world.under(&sde);
//!     // The first coordinate is −2.2, near that of one of the eight.
//!     let mask = Mask::new(vec![true, false])?;
//!     let observation = Observation::new(&mask, &array![[-2.2, 0.0]])?;
//!     let rule = Reconstruction {
//!         covariance: PosteriorCovariance::Jacobian { iterations: 1 },
//!         ..Reconstruction::default()
//!     };
//!     let guided = rule.guide(&sde, &score, &observation)?;
//!     let noise = CounterNoise::new(1);
//!     let x_t = sample_prior(&sde, &Array2::<f64>::zeros((20, 2)), &noise);
//!     let grid = TimeGrid::log_snr(&sde, 40)?;
//!     let problem = Problem::new(&sde, &guided);
//!     let x = DpmSolver2M::default().solve(&problem, &grid, x_t, &noise, &mut Unobserved)?.x;
//!     assert!(x.outer_iter().all(|x| (x[0] + 2.2).abs() < 0.01));
//!     Ok(())
//! }
//! ```

mod channels;
mod mask;
mod observation;
mod pooling;
mod projection;
mod reconstruction;
mod replacement;
mod sdedit;

use thiserror::Error;

pub use channels::ChannelMix;
pub use mask::Mask;
pub use observation::Observation;
pub use pooling::AveragePooling;
pub use projection::Projection;
pub use reconstruction::{PosteriorCovariance, Reconstructed, Reconstruction};
pub(crate) use replacement::Move;
pub use replacement::{Replacement, Resampling};
pub use sdedit::SdEdit;

/// What cannot be known of a picture, or not of this one.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EditError {
    /// It was made for pictures of another size.
    #[error(
        "{what} is for samples of {expected} elements, but these have {found}: give both one shape"
    )]
    SampleLen {
        /// What does not fit.
        what: &'static str,
        /// The number of elements that it is for.
        expected: usize,
        /// The number of elements of the samples.
        found: usize,
    },
    /// There is neither one picture for all samples nor one for each.
    #[error(
        "{known} pictures are known for {batch} samples: give one for all{}",
        if *.each { ", or one for each" } else { ", since a score does not know which sample it is asked for" }
    )]
    Batch {
        /// The number of pictures.
        known: usize,
        /// The number of samples.
        batch: usize,
        /// Whether one for each would do.
        each: bool,
    },
    /// A size or value that is not possible.
    #[error("editing: {field} = {value} is not possible: {reason}")]
    Value {
        /// The field that is wrong.
        field: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        reason: &'static str,
    },
    /// Combinations of channels that do not fit together.
    #[error("row {row} of the channels' combinations {problem}")]
    Combination {
        /// Its place.
        row: usize,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
}

fn require(
    holds: bool,
    field: &'static str,
    value: f64,
    reason: &'static str,
) -> Result<(), EditError> {
    if holds {
        return Ok(());
    }
    Err(EditError::Value {
        field,
        value,
        reason,
    })
}
