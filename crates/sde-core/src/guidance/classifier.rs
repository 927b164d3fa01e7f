//! Classifier guidance: a score and the gradient of a classifier of noised data.

use serde::{Deserialize, Serialize};

use super::{GuidanceError, GuidanceInterval, check_scale, with_rows};
use crate::{AffineSde, DifferentiableScore, LearnedVariance, Score, State, Time};

/// ∇ₓ log p(c | x, t) for one condition c on batches `X` of shape `[batch, ...]`: a classifier of noised
/// data, or any other likelihood of what is wanted.
///
/// Closures `Fn(&X, Time) -> X` are such gradients.
pub trait ClassifierGradient<X> {
    /// ∇ₓ log p(c | x, t), of x's shape; every sample at the same t.
    fn gradient(&self, x: &X, t: Time) -> X;

    /// The same for each sample at a time of its own; `times` has length [`State::batch`]. One sample after
    /// the other by default.
    ///
    /// # Panics
    /// If there is no sample, or `times` has another length than the batch.
    fn gradient_each(&self, x: &X, times: &[Time]) -> X
    where
        X: State,
    {
        assert_eq!(times.len(), x.batch(), "one time a sample");
        let parts: Vec<X> = (times.iter().enumerate())
            .map(|(i, &t)| self.gradient(&x.select_samples(&[i]), t))
            .collect();
        X::concatenate_samples(&parts)
    }

    /// What one call counts among the evaluations of a run, as [`Score::cost`] is: 1 by default.
    fn cost(&self, _times: &[Time]) -> usize {
        1
    }
}

/// A gradient whose Jacobian, the Hessian of log p(c | x, t), multiplies vectors.
pub trait DifferentiableClassifier<X>: ClassifierGradient<X> {
    /// ∇ log p(c | x_i, t_i) and the Hessian's product with v_i, of each sample.
    ///
    /// # Panics
    /// If `v` has another shape than `x`, or `times` another length than the batch.
    fn gradient_and_product(&self, x: &X, times: &[Time], v: &X) -> (X, X);
}

impl<X, F: Fn(&X, Time) -> X> ClassifierGradient<X> for F {
    fn gradient(&self, x: &X, t: Time) -> X {
        self(x, t)
    }
}

/// Classifier guidance, s + w ∇ₓ log p(c | x, t): w = 1 with an unconditional score is the exact conditional
/// one (Song et al. 2021, eq. 14); larger w follow the class more (Dhariwal & Nichol 2021, algorithm 1), and
/// negative ones lead away from it. On a conditional score it is the score of p(x|c) p(c|x)^w.
///
/// Dhariwal & Nichol take the gradient at the mean of the step to come; here it is at the state itself, as
/// in their algorithm 2 for DDIM, so that one rule serves every solver.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierGuidance {
    /// w, of either sign; 1 by default.
    pub scale: f64,
    /// Where guidance acts, in σ/α; outside, the score stands alone.
    pub interval: GuidanceInterval,
}

impl Default for ClassifierGuidance {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl ClassifierGuidance {
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
        check_scale("classifier", self.scale)?;
        self.interval.check("classifier")?;
        Ok(self)
    }

    /// The guided score.
    ///
    /// # Errors
    /// As [`ClassifierGuidance::validated`].
    pub fn guide<'a, S: ?Sized, C: ?Sized>(
        self,
        sde: &'a dyn AffineSde,
        score: &'a S,
        classifier: &'a C,
    ) -> Result<ClassifierGuided<'a, S, C>, GuidanceError> {
        Ok(ClassifierGuided {
            rule: self.validated()?,
            sde,
            score,
            classifier,
        })
    }
}

/// A score with a classifier's gradient; [`ClassifierGuidance::guide`] makes it.
#[derive(Clone, Copy)]
pub struct ClassifierGuided<'a, S: ?Sized, C: ?Sized> {
    rule: ClassifierGuidance,
    sde: &'a dyn AffineSde,
    score: &'a S,
    classifier: &'a C,
}

impl<S: ?Sized, C: ?Sized> ClassifierGuided<'_, S, C> {
    /// The samples that are guided.
    fn rows(&self, times: &[Time]) -> Vec<usize> {
        if self.rule.scale == 0.0 {
            return Vec::new();
        }
        self.rule.interval.rows(self.sde, times)
    }

    /// s with the gradient at one time.
    fn guided<X: State>(&self, s: X, x: &X, t: Time) -> X
    where
        C: ClassifierGradient<X>,
    {
        if self.rows(&[t]).is_empty() {
            return s;
        }
        s.axpy(self.rule.scale, &self.classifier.gradient(x, t))
    }

    /// `value` and w times `addition` where guidance acts.
    fn added<X: State>(&self, value: X, addition: &X, rows: &[usize]) -> X {
        if rows.len() == value.batch() {
            return value.axpy(self.rule.scale, addition);
        }
        let guided = value.select_samples(rows).axpy(self.rule.scale, addition);
        with_rows(value, guided, rows)
    }
}

impl<X, S, C> Score<X> for ClassifierGuided<'_, S, C>
where
    X: State,
    S: Score<X> + ?Sized,
    C: ClassifierGradient<X> + ?Sized,
{
    fn score(&self, x: &X, t: Time) -> X {
        self.guided(self.score.score(x, t), x, t)
    }

    fn score_each(&self, x: &X, times: &[Time]) -> X {
        let s = self.score.score_each(x, times);
        let rows = self.rows(times);
        if rows.is_empty() {
            return s;
        }
        let at: Vec<Time> = rows.iter().map(|&i| times[i]).collect();
        let gradient = self.classifier.gradient_each(&x.select_samples(&rows), &at);
        self.added(s, &gradient, &rows)
    }

    fn cost(&self, times: &[Time]) -> usize {
        let rows = self.rows(times);
        let classifier = if rows.is_empty() {
            0
        } else {
            let at: Vec<Time> = rows.iter().map(|&i| times[i]).collect();
            self.classifier.cost(&at)
        };
        self.score.cost(times) + classifier
    }

    fn with_learned_variance(&self) -> Option<&dyn LearnedVariance<X>> {
        self.score.with_learned_variance()?;
        Some(self)
    }
}

/// The variance is the score's own, as in algorithm 1 of Dhariwal & Nichol 2021.
impl<X, S, C> LearnedVariance<X> for ClassifierGuided<'_, S, C>
where
    X: State,
    S: Score<X> + ?Sized,
    C: ClassifierGradient<X> + ?Sized,
{
    /// # Panics
    /// If the score has no learned variance: [`Score::with_learned_variance`] gives none then.
    fn score_and_variance(&self, x: &X, t: Time) -> (X, X) {
        let learned =
            (self.score.with_learned_variance()).expect("a score with a learned variance");
        let (s, v) = learned.score_and_variance(x, t);
        (self.guided(s, x, t), v)
    }
}

impl<X, S, C> DifferentiableScore<X> for ClassifierGuided<'_, S, C>
where
    X: State,
    S: DifferentiableScore<X> + ?Sized,
    C: DifferentiableClassifier<X> + ?Sized,
{
    fn score_and_vjp(&self, x: &X, times: &[Time], v: &X) -> (X, X) {
        let (s, product) = self.score.score_and_vjp(x, times, v);
        let rows = self.rows(times);
        if rows.is_empty() {
            return (s, product);
        }
        let at: Vec<Time> = rows.iter().map(|&i| times[i]).collect();
        let (x, v) = (x.select_samples(&rows), v.select_samples(&rows));
        let (gradient, curvature) = self.classifier.gradient_and_product(&x, &at, &v);
        (
            self.added(s, &gradient, &rows),
            self.added(product, &curvature, &rows),
        )
    }
}
