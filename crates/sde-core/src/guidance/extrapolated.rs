//! One score extrapolated away from another.

use super::{GuidanceInterval, with_rows};
use crate::{AffineSde, DifferentiableScore, LearnedVariance, Score, State, Time};

/// a·s(x, t) + b·s_guide(x, t) within an interval of noise levels, s alone outside: what
/// [`ClassifierFree`](super::ClassifierFree) and [`Autoguidance`](super::Autoguidance) make.
///
/// One call takes the evaluations of both scores; of s alone where guidance does not act, be it for the
/// interval or because b is 0.
#[derive(Clone, Copy)]
pub struct Extrapolated<'a, S: ?Sized, G: ?Sized> {
    pub(super) sde: &'a dyn AffineSde,
    pub(super) score: &'a S,
    pub(super) guide: &'a G,
    /// a and b.
    pub(super) weights: [f64; 2],
    pub(super) interval: GuidanceInterval,
}

impl<S: ?Sized, G: ?Sized> Extrapolated<'_, S, G> {
    /// a and b: what the score and the guide count where guidance acts.
    #[must_use]
    pub fn weights(&self) -> [f64; 2] {
        self.weights
    }

    /// The samples that are guided.
    fn rows(&self, times: &[Time]) -> Vec<usize> {
        if self.weights == [1.0, 0.0] {
            return Vec::new();
        }
        self.interval.rows(self.sde, times)
    }

    /// `value`, of every sample, made the guided one where guidance acts; `guide` gives the guide's for the
    /// samples at some rows, and their times.
    fn combined<X: State>(
        &self,
        value: X,
        times: &[Time],
        guide: impl FnOnce(&[usize], &[Time]) -> X,
    ) -> X {
        let [a, b] = self.weights;
        let rows = self.rows(times);
        if rows.is_empty() {
            value
        } else if rows.len() == times.len() {
            value.lincomb(a, &guide(&rows, times), b)
        } else {
            let at: Vec<Time> = rows.iter().map(|&i| times[i]).collect();
            let guided = (value.select_samples(&rows)).lincomb(a, &guide(&rows, &at), b);
            with_rows(value, guided, &rows)
        }
    }
}

impl<X: State, S: Score<X> + ?Sized, G: Score<X> + ?Sized> Score<X> for Extrapolated<'_, S, G> {
    fn score(&self, x: &X, t: Time) -> X {
        let s = self.score.score(x, t);
        if self.rows(&[t]).is_empty() {
            return s;
        }
        let [a, b] = self.weights;
        s.lincomb(a, &self.guide.score(x, t), b)
    }

    fn score_each(&self, x: &X, times: &[Time]) -> X {
        let s = self.score.score_each(x, times);
        self.combined(s, times, |rows, at| {
            if rows.len() == times.len() {
                self.guide.score_each(x, at)
            } else {
                self.guide.score_each(&x.select_samples(rows), at)
            }
        })
    }

    fn cost(&self, times: &[Time]) -> usize {
        let rows = self.rows(times);
        let guide = if rows.is_empty() {
            0
        } else {
            let at: Vec<Time> = rows.iter().map(|&i| times[i]).collect();
            self.guide.cost(&at)
        };
        self.score.cost(times) + guide
    }

    fn with_learned_variance(&self) -> Option<&dyn LearnedVariance<X>> {
        self.score.with_learned_variance()?;
        Some(self)
    }
}

/// The variance is the guided score's own, as in DiT's sampler (Peebles & Xie 2023).
impl<X: State, S: Score<X> + ?Sized, G: Score<X> + ?Sized> LearnedVariance<X>
    for Extrapolated<'_, S, G>
{
    /// # Panics
    /// If the guided score has no learned variance: [`Score::with_learned_variance`] gives none then.
    fn score_and_variance(&self, x: &X, t: Time) -> (X, X) {
        let learned =
            (self.score.with_learned_variance()).expect("a score with a learned variance");
        let (s, v) = learned.score_and_variance(x, t);
        if self.rows(&[t]).is_empty() {
            return (s, v);
        }
        let [a, b] = self.weights;
        (s.lincomb(a, &self.guide.score(x, t), b), v)
    }
}

impl<X, S, G> DifferentiableScore<X> for Extrapolated<'_, S, G>
where
    X: State,
    S: DifferentiableScore<X> + ?Sized,
    G: DifferentiableScore<X> + ?Sized,
{
    fn score_and_vjp(&self, x: &X, times: &[Time], v: &X) -> (X, X) {
        let (s, product) = self.score.score_and_vjp(x, times, v);
        let mut guides = None;
        let s = self.combined(s, times, |rows, at| {
            let (x, v) = (x.select_samples(rows), v.select_samples(rows));
            let (s, product) = self.guide.score_and_vjp(&x, at, &v);
            guides = Some(product);
            s
        });
        let Some(of_guide) = guides else {
            return (s, product);
        };
        (s, self.combined(product, times, |_, _| of_guide))
    }
}
