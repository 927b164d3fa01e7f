//! Classifier-free guidance: a conditional score, extrapolated away from the unconditional one.

use serde::{Deserialize, Serialize};

use super::{Extrapolated, GuidanceError, GuidanceInterval, check_scale};
use crate::AffineSde;

/// What a scale w means, for the conditional score s_c and the unconditional s_∅; the same for ε, x₀ and v,
/// all of which are affine in the score with coefficients that both share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// s_∅ + w (s_c − s_∅), the score of p(x) p(c|x)^w: w = 1 is the conditional score, 0 the unconditional
    /// one. Imagen's (Saharia et al. 2022), that of GLIDE, DiT and EDM2, and `guidance_scale` of
    /// diffusers' pipelines.
    #[default]
    FromUnconditional,
    /// s_c + w (s_c − s_∅) = (1 + w) s_c − w s_∅, the score of p(x|c) p(c|x)^w: w = 0 is the conditional
    /// score. As published (Ho & Salimans 2022, eq. 6), and diffusers' guiders with
    /// `use_original_formulation`.
    FromConditional,
    /// s_∅ + w s_c, the score of p(x) p(x|c)^w, that is of p(x)^{1+w} p(c|x)^w: classifier guidance with the
    /// conditional score in the place of the classifier's gradient. The two count 1 + w together, so that
    /// besides guiding it sharpens p itself: at high noise, where both scores are −x/σ², the samples shrink.
    /// For comparison with formulas that have it; the weights of no other scaling sum to anything but 1.
    Sum,
}

impl Scaling {
    /// What s_c and s_∅ count at scale `w`.
    #[must_use]
    pub fn weights(self, w: f64) -> [f64; 2] {
        match self {
            Self::FromUnconditional => [w, 1.0 - w],
            Self::FromConditional => [1.0 + w, -w],
            Self::Sum => [w, 1.0],
        }
    }
}

/// Classifier-free guidance (Ho & Salimans 2022). A negative prompt is the same with the score of what is
/// to be avoided in the place of the unconditional one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierFree {
    /// w; 1 by default, which with the default scaling is the conditional score.
    pub scale: f64,
    /// What w means.
    pub scaling: Scaling,
    /// Where guidance acts, in σ/α; outside, the conditional score stands alone.
    pub interval: GuidanceInterval,
}

impl Default for ClassifierFree {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl ClassifierFree {
    /// Guidance of scale w in [`Scaling::FromUnconditional`], at all noise levels.
    #[must_use]
    pub fn new(scale: f64) -> Self {
        Self {
            scale,
            scaling: Scaling::default(),
            interval: GuidanceInterval::default(),
        }
    }

    /// The rule, its values checked.
    ///
    /// # Errors
    /// The scale must be finite, and the interval begin below its end at a noise level of 0 or above.
    pub fn validated(self) -> Result<Self, GuidanceError> {
        check_scale("classifier-free", self.scale)?;
        self.interval.check("classifier-free")?;
        Ok(self)
    }

    /// The guided score.
    ///
    /// # Errors
    /// As [`ClassifierFree::validated`].
    pub fn guide<'a, S: ?Sized, G: ?Sized>(
        self,
        sde: &'a dyn AffineSde,
        conditional: &'a S,
        unconditional: &'a G,
    ) -> Result<Extrapolated<'a, S, G>, GuidanceError> {
        let rule = self.validated()?;
        Ok(Extrapolated {
            sde,
            score: conditional,
            guide: unconditional,
            weights: rule.scaling.weights(rule.scale),
            interval: rule.interval,
        })
    }
}
