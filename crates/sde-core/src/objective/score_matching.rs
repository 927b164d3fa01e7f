//! Score matching: the squared error of a score, ½E‖s − ∇log p_t‖², without knowing ∇log p_t.
//!
//! | objective | its mean, up to a constant without s | source |
//! |---|---|---|
//! | [`explicit`] | E ½‖s − ∇log p_t(x_t)‖² itself | |
//! | [`denoising`] | E ½‖s − ∇log p(x_t given x₀)‖² | Vincent 2011 |
//! | [`implicit`] | E [½‖s‖² + ∇·s] | Hyvärinen 2005, theorem 1 |
//! | [`sliced`] | E [½(vᵀs)² + vᵀ(∂s/∂x)v] | Song, Garg et al. 2019 |
//!
//! The differences are constants by Stein's lemma, E_p[∇·s] = −E_p[sᵀ∇log p], for p the marginal (then
//! implicit) or the law given x₀ (then denoising). So the four order any two scores alike, by the same
//! amount:
//!
//! ```text
//! denoising − explicit = ½E‖∇log p(x_t | x₀)‖² − ½E‖∇log p_t‖²
//! explicit − implicit  = ½E‖∇log p_t‖².
//! ```
//!
//! Each function gives one value a sample, a draw whose mean over samples is the objective at its t.
//! Samples may have times of their own.

use super::{Divergence, Probe, score_and_divergence};
use crate::noise::CounterNoise;
use crate::{AffineSde, DifferentiableScore, Marginal, Prediction, Score, State, StepIndex, Time};

/// ½‖s(x_i, t_i) − s*(x_i, t_i)‖² of each sample, for a score s* that is known.
///
/// # Panics
/// If `times` has another length than the batch.
pub fn explicit<X: State>(
    score: &dyn Score<X>,
    exact: &dyn Score<X>,
    x: &X,
    times: &[Time],
) -> Vec<f64> {
    let error = score
        .score_each(x, times)
        .axpy(-1.0, &exact.score_each(x, times));
    halves(error.dots(&error))
}

/// ½‖s(x_t, t) − ∇log p(x_t | x₀)‖² of each sample at x_t = α x₀ + σ ε, where ∇log p(x_t | x₀) = −ε/σ;
/// `epsilon` is standard normal of x₀'s shape. The times must have σ > 0.
///
/// # Panics
/// If the shapes differ, or `times` has another length than the batch.
pub fn denoising<X: State>(
    score: &dyn Score<X>,
    sde: &dyn AffineSde,
    x0: &X,
    epsilon: &X,
    times: &[Time],
) -> Vec<f64> {
    let marginals: Vec<Marginal> = times.iter().map(|&t| sde.marginal(t)).collect();
    let x = noised(x0, epsilon, &marginals);
    let target: Vec<f64> = (marginals.iter())
        .map(|&marginal| -Prediction::Score.target(marginal).1)
        .collect();
    let error = score
        .score_each(&x, times)
        .axpy_per_sample(&target, epsilon);
    halves(error.dots(&error))
}

/// ½‖s(x_i, t_i)‖² + ∇·s(x_i, t_i) of each sample. With [`Divergence::Hutchinson`] it is sliced score
/// matching with reduced variance (Song, Garg et al. 2019), its probe the one of `step`.
///
/// # Panics
/// If `times` has another length than the batch.
pub fn implicit<X: State>(
    score: &dyn DifferentiableScore<X>,
    x: &X,
    times: &[Time],
    divergence: Divergence,
    noise: CounterNoise,
    step: StepIndex,
) -> Vec<f64> {
    let (s, divergence) = score_and_divergence(score, x, times, divergence, noise, step);
    (halves(s.dots(&s)).into_iter().zip(divergence))
        .map(|(square, divergence)| square + divergence)
        .collect()
}

/// ½(vᵀs(x_i, t_i))² + vᵀ(∂s/∂x)v of each sample, with v the `probe` of `step`.
///
/// # Panics
/// If `times` has another length than the batch.
pub fn sliced<X: State>(
    score: &dyn DifferentiableScore<X>,
    x: &X,
    times: &[Time],
    probe: Probe,
    noise: CounterNoise,
    step: StepIndex,
) -> Vec<f64> {
    let v = probe.draw(x, noise, step);
    let (s, product) = score.score_and_vjp(x, times, &v);
    (s.dots(&v).into_iter().zip(product.dots(&v)))
        .map(|(slice, curvature)| 0.5 * slice * slice + curvature)
        .collect()
}

/// x_t = α x₀ + σ ε, sample by sample.
pub(super) fn noised<X: State>(x0: &X, epsilon: &X, marginals: &[Marginal]) -> X {
    let (alpha, sigma): (Vec<f64>, Vec<f64>) = marginals.iter().map(|m| (m.alpha, m.sigma)).unzip();
    x0.clone().lincomb_per_sample(&alpha, epsilon, &sigma)
}

fn halves(squares: Vec<f64>) -> Vec<f64> {
    squares.into_iter().map(|square| 0.5 * square).collect()
}
