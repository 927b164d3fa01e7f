//! The two reversals of a process: the reverse-time SDE and the probability-flow ODE.
//!
//! Both are built from any [`Sde`] and any [`Score`], and both are written in the forward clock: an
//! integrator walks them from T down to t_min with negative steps.

use crate::{Score, Sde, State, Time};

/// The reverse-time SDE dx = [f(x, t) − g(t)² s(x, t)] dt + g(t) dw̄ (Anderson 1982; Song et al.
/// 2021, eq. 6).
///
/// ```
/// # #[cfg(feature = "ndarray")] {
/// use ndarray::array;
/// use sde_core::families::VariancePreserving;
/// use sde_core::{ReverseSde, Sde, Time};
///
/// // Standard normal data stays standard normal under VP, so its score is −x at every t.
/// let score = |x: &ndarray::Array2<f64>, _: Time| -x;
/// let sde = VariancePreserving::default();
/// let reverse = ReverseSde::new(&sde, &score);
///
/// // f − g² s = −½ β x + β x = ½ β x, with β(1) = 20.
/// let x = array![[0.5, -1.0]];
/// let drift = reverse.drift(&x, Time(1.0));
/// assert!((drift - array![[5.0, -10.0]]).iter().all(|error| error.abs() < 1e-14));
/// # }
/// ```
pub struct ReverseSde<'a, X, P: ?Sized> {
    forward: &'a P,
    score: &'a dyn Score<X>,
}

impl<'a, X: State, P: Sde<X> + ?Sized> ReverseSde<'a, X, P> {
    /// The reversal of `forward`, whose marginals have the score `score`.
    pub fn new(forward: &'a P, score: &'a dyn Score<X>) -> Self {
        Self { forward, score }
    }
}

impl<X: State, P: Sde<X> + ?Sized> Sde<X> for ReverseSde<'_, X, P> {
    fn drift(&self, x: &X, t: Time) -> X {
        let g = self.forward.diffusion(t);
        let score = self.score.score(x, t);
        self.forward.drift(x, t).axpy(-g * g, &score)
    }

    fn diffusion(&self, t: Time) -> f64 {
        self.forward.diffusion(t)
    }
}

/// A process of the forward clock t seen in the generative clock s = T − t: x runs the other way, so
/// the drift changes sign; the diffusion does not.
///
/// Around a [`ReverseSde`] it gives dX = [g² s(X, T−s) − f(X, T−s)] ds + g(T−s) dW, the form in which
/// Huang et al. 2021 write the generative process. Reversing *that*, with the same scores, gives the
/// forward process back.
pub struct GenerativeClock<S> {
    inner: S,
    t_max: Time,
}

impl<S> GenerativeClock<S> {
    /// `inner`, which runs on `[0, t_max]` in its own clock, in the clock s = `t_max` − t.
    pub fn new(inner: S, t_max: Time) -> Self {
        Self { inner, t_max }
    }

    fn forward_time(&self, s: Time) -> Time {
        Time(self.t_max.0 - s.0)
    }
}

impl<X: State, S: Sde<X>> Sde<X> for GenerativeClock<S> {
    fn drift(&self, x: &X, s: Time) -> X {
        self.inner.drift(x, self.forward_time(s)).scale(-1.0)
    }

    fn diffusion(&self, s: Time) -> f64 {
        self.inner.diffusion(self.forward_time(s))
    }
}

/// The probability-flow ODE dx = [f(x, t) − ½ g(t)² s(x, t)] dt, whose solutions have the marginals
/// of the SDE (Song et al. 2021, eq. 13).
pub struct ProbabilityFlow<'a, X, P: ?Sized> {
    forward: &'a P,
    score: &'a dyn Score<X>,
}

impl<'a, X: State, P: Sde<X> + ?Sized> ProbabilityFlow<'a, X, P> {
    /// The flow of `forward`, whose marginals have the score `score`.
    pub fn new(forward: &'a P, score: &'a dyn Score<X>) -> Self {
        Self { forward, score }
    }

    /// dx/dt at (x, t).
    pub fn velocity(&self, x: &X, t: Time) -> X {
        let g = self.forward.diffusion(t);
        let score = self.score.score(x, t);
        self.forward.drift(x, t).axpy(-0.5 * g * g, &score)
    }
}

impl<X: State, P: Sde<X> + ?Sized> Sde<X> for ProbabilityFlow<'_, X, P> {
    fn drift(&self, x: &X, t: Time) -> X {
        self.velocity(x, t)
    }

    fn diffusion(&self, _: Time) -> f64 {
        0.0
    }
}
