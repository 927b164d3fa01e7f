//! Autoguidance: a score extrapolated away from a worse one of the same distribution.

use serde::{Deserialize, Serialize};

use super::{Extrapolated, GuidanceError, GuidanceInterval, Scaling, check_scale};
use crate::AffineSde;

/// "Guiding a diffusion model with a bad version of itself" (Karras et al. 2024):
/// s_weak + w (s − s_weak), where s_weak comes from a smaller or less trained network for the same task and
/// the same condition. Where the two err alike, w > 1 leads away from the error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Autoguidance {
    /// w; 1, the default, is the main score alone, and larger ones guide.
    pub scale: f64,
    /// Where guidance acts, in σ/α; outside, the main score stands alone.
    pub interval: GuidanceInterval,
}

impl Default for Autoguidance {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl Autoguidance {
    /// Guidance of scale w at all noise levels.
    #[must_use]
    pub fn new(scale: f64) -> Self {
        Self {
            scale,
            interval: GuidanceInterval::default(),
        }
    }

    /// The rule, its values checked.
    ///
    /// # Errors
    /// The scale must be finite, and the interval begin below its end at a noise level of 0 or above.
    pub fn validated(self) -> Result<Self, GuidanceError> {
        check_scale("autoguidance", self.scale)?;
        self.interval.check("autoguidance")?;
        Ok(self)
    }

    /// The guided score.
    ///
    /// # Errors
    /// As [`Autoguidance::validated`].
    pub fn guide<'a, S: ?Sized, G: ?Sized>(
        self,
        sde: &'a dyn AffineSde,
        score: &'a S,
        weak: &'a G,
    ) -> Result<Extrapolated<'a, S, G>, GuidanceError> {
        let rule = self.validated()?;
        Ok(Extrapolated {
            sde,
            score,
            guide: weak,
            weights: Scaling::FromUnconditional.weights(rule.scale),
            interval: rule.interval,
        })
    }
}
