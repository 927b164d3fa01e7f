//! Pictures that are no digits, made from digits or from nothing: what the judge must not call one.

mod seen;
#[cfg(test)]
mod tests;
mod unseen;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sde_core::noise::{Role, generator};

use super::picture::Picture;
use super::pool::DigitPool;

/// A way to make a picture that is no digit.
///
/// The ways are told apart so that false alarms can be counted for each, and so that some
/// ([`UNSEEN`](Self::UNSEEN)) stay out of training: what a judge says of them tells how it takes
/// failures that nobody thought of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonDigit {
    /// Two digits of different classes over each other, mixed about evenly or both in full.
    Blend,
    /// A digit cut into tiles that are put back in another order, some of them turned.
    ShuffledPatches,
    /// A half of one digit beside a half of another, out of line.
    GluedHalves,
    /// A 2, 3, 4, 5 or 7 lying on its side, give or take 30°: natural strokes that are no digit.
    Turned,
    /// A digit smeared until its form is lost, then hardened to full ink.
    BlurredAndHardened,
    /// A digit with most of its ink rubbed out.
    ErasedStrokes,
    /// A digit that strokes have been drawn through.
    AddedStrokes,
    /// Round patches of ink, warped.
    ElasticBlobs,
    /// Even paper, of any grey, or a ramp.
    Blank,
    /// White noise, or smooth noise hardened to patches.
    Noise,
    /// The mean of four digits of different classes. Never trained on.
    Average,
    /// A draw from the Gaussian with the mean and covariance of real digits: the best that a linear
    /// model can generate. Never trained on.
    GaussianFit,
    /// The Gaussian's draw, hardened to strokes of full ink. Never trained on.
    HardenedGaussianFit,
    /// Turned outlines of garments and other solid things. Never trained on.
    Silhouette,
    /// A curved line through random places, of a pen's width. By chance some are digits. Never
    /// trained on.
    Scribble,
    /// A 3, 4 or 7 in the mirror: strokes as natural as they come, and yet no digit. Never trained
    /// on.
    Mirrored,
}

impl NonDigit {
    /// The kinds that judges are trained on.
    pub const SEEN: [Self; 10] = [
        Self::Blend,
        Self::ShuffledPatches,
        Self::GluedHalves,
        Self::Turned,
        Self::BlurredAndHardened,
        Self::ErasedStrokes,
        Self::AddedStrokes,
        Self::ElasticBlobs,
        Self::Blank,
        Self::Noise,
    ];

    /// The kinds that judges are never trained on.
    pub const UNSEEN: [Self; 6] = [
        Self::Average,
        Self::GaussianFit,
        Self::HardenedGaussianFit,
        Self::Silhouette,
        Self::Scribble,
        Self::Mirrored,
    ];

    /// `count` pictures of this kind in [−1, 1], `[count, 28, 28]` row by row, made from the digits
    /// of `pool`. Picture i is a function of (seed, i).
    #[must_use]
    pub fn pictures(self, pool: &DigitPool<'_>, count: usize, seed: u64) -> Vec<f32> {
        let mut out = Vec::new();
        for index in 0..count as u64 {
            let mut random = generator(seed, index, self as u64, Role::Data);
            self.draw(pool, &mut random)
                .write(0.0, &mut random, &mut out);
        }
        out
    }

    /// One picture of this kind.
    pub(crate) fn draw(self, pool: &DigitPool<'_>, random: &mut ChaCha8Rng) -> Picture {
        match self {
            Self::Blend => seen::blend(pool, random),
            Self::ShuffledPatches => seen::shuffled_patches(pool, random),
            Self::GluedHalves => seen::glued_halves(pool, random),
            Self::Turned => seen::turned(pool, random),
            Self::BlurredAndHardened => seen::blurred_and_hardened(pool, random),
            Self::ErasedStrokes => seen::erased_strokes(pool, random),
            Self::AddedStrokes => seen::added_strokes(pool, random),
            Self::ElasticBlobs => seen::elastic_blobs(random),
            Self::Blank => seen::blank(random),
            Self::Noise => seen::noise(random),
            Self::Average => unseen::average(pool, random),
            Self::GaussianFit => unseen::gaussian_fit(pool, random),
            Self::HardenedGaussianFit => {
                let threshold = random.random_range(0.3..0.5);
                unseen::gaussian_fit(pool, random).hardened(threshold)
            }
            Self::Silhouette => unseen::silhouette(random),
            Self::Scribble => unseen::scribble(random),
            Self::Mirrored => unseen::mirrored(pool, random),
        }
    }

    /// A seen kind, the rich ones more often than blank paper and noise.
    pub(crate) fn any_seen(random: &mut ChaCha8Rng) -> Self {
        // Tickets in the order of SEEN.
        const TICKETS: [usize; 10] = [4, 3, 3, 3, 3, 2, 2, 3, 1, 1];
        let mut ticket = random.random_range(0..TICKETS.iter().sum());
        for (kind, tickets) in Self::SEEN.into_iter().zip(TICKETS) {
            if ticket < tickets {
                return kind;
            }
            ticket -= tickets;
        }
        Self::Noise
    }
}
