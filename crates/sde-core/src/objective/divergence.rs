//! The divergence of a score: exactly, or by a random probe.

use serde::{Deserialize, Serialize};

use crate::noise::{CounterNoise, Role, fill_signs, fill_standard_normal};
use crate::{DifferentiableScore, Score, State, StepIndex, Time};

/// The law of a random probe v with E[v vᵀ] = I.
///
/// For a matrix J with the symmetric part S = ½ (J + Jᵀ), vᵀ J v has the mean tr J, and the variance
/// that each says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// ±1 with equal chance: of variance 2 (‖S‖² − Σ S_ii²), the least there is (Hutchinson 1990).
    #[default]
    Rademacher,
    /// Standard normal: of variance 2 ‖S‖² (Skilling 1989).
    Gaussian,
}

impl Probe {
    /// A probe of `like`'s shape: the one of [`Role::Probe`] at `step`, sample by sample.
    pub fn draw<X: State>(self, like: &X, noise: CounterNoise, step: StepIndex) -> X {
        let fill = match self {
            Self::Rademacher => fill_signs,
            Self::Gaussian => fill_standard_normal,
        };
        like.filled_like(&mut |i, out| {
            let sample = noise.first_sample + i as u64;
            fill(noise.seed, sample, step.0 as u64, Role::Probe, out);
        })
    }
}

/// How ∇·s is computed: in configuration files `"exact"` or `{ hutchinson = "rademacher" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Divergence {
    /// One vector-Jacobian product a coordinate.
    Exact,
    /// vᵀ (∂s/∂x) v with one random probe, whose mean it is (Hutchinson 1990).
    Hutchinson(Probe),
}

impl Default for Divergence {
    fn default() -> Self {
        Self::Hutchinson(Probe::default())
    }
}

/// s(x_i, t_i), of x's shape, and ∇·s(x_i, t_i), one a sample. A probe is the one of `step`.
///
/// # Panics
/// If `times` has another length than the batch, or a sample has no element.
pub fn score_and_divergence<X: State>(
    score: &dyn DifferentiableScore<X>,
    x: &X,
    times: &[Time],
    divergence: Divergence,
    noise: CounterNoise,
    step: StepIndex,
) -> (X, Vec<f64>) {
    match divergence {
        Divergence::Hutchinson(probe) => {
            let v = probe.draw(x, noise, step);
            let (s, product) = score.score_and_vjp(x, times, &v);
            (s, product.dots(&v))
        }
        Divergence::Exact => score_and_trace(score, x, times),
    }
}

/// s(x_i, t_i), of x's shape, and tr ∂s(x_i, t_i)/∂x_i, one a sample, by a product for each coordinate.
///
/// # Panics
/// As [`score_and_divergence`].
pub fn score_and_trace<X: State>(
    score: &dyn DifferentiableScore<X>,
    x: &X,
    times: &[Time],
) -> (X, Vec<f64>) {
    let column = |d: usize| {
        let unit = x.filled_like(&mut |_, out| {
            out.fill(0.0);
            out[d] = 1.0;
        });
        let (s, product) = score.score_and_vjp(x, times, &unit);
        (s, product.dots(&unit))
    };
    let (s, mut trace) = column(0);
    for d in 1..x.sample_len() {
        for (sum, element) in trace.iter_mut().zip(column(d).1) {
            *sum += element;
        }
    }
    (s, trace)
}

/// A score and its vector-Jacobian product, v_i ↦ v_iᵀ ∂s(x_i, t_i)/∂x_i, as two closures.
///
/// ```
/// # #[cfg(feature = "ndarray")] {
/// use ndarray::{Array2, array};
/// use sde_core::noise::CounterNoise;
/// use sde_core::objective::{Divergence, WithVjp, score_and_divergence};
/// use sde_core::{StepIndex, Time};
///
/// // s = −2x, whose divergence in the plane is −4.
/// let score = WithVjp {
///     score: |x: &Array2<f64>, _: Time| -2.0 * x,
///     vjp: |_: &Array2<f64>, _: &[Time], v: &Array2<f64>| -2.0 * v,
/// };
/// let (x, noise) = (array![[0.3, 1.0]], CounterNoise::new(0));
/// for how in [Divergence::Exact, Divergence::default()] {
///     let (s, divergence) =
///         score_and_divergence(&score, &x, &[Time(0.5)], how, noise, StepIndex(0));
///     assert_eq!((s, divergence), (array![[-0.6, -2.0]], vec![-4.0]));
/// }
/// # }
/// ```
pub struct WithVjp<S, J> {
    /// s(x, t).
    pub score: S,
    /// Of (x, times, v).
    pub vjp: J,
}

impl<X, S: Score<X>, J> Score<X> for WithVjp<S, J> {
    fn score(&self, x: &X, t: Time) -> X {
        self.score.score(x, t)
    }

    fn score_each(&self, x: &X, times: &[Time]) -> X
    where
        X: State,
    {
        self.score.score_each(x, times)
    }
}

impl<X, S, J> DifferentiableScore<X> for WithVjp<S, J>
where
    X: State,
    S: Score<X>,
    J: Fn(&X, &[Time], &X) -> X,
{
    fn score_and_vjp(&self, x: &X, times: &[Time], v: &X) -> (X, X) {
        (self.score_each(x, times), (self.vjp)(x, times, v))
    }
}
