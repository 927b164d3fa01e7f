//! Data to latents along the probability flow, back, and between.

use sde_core::noise::{Role, fill_standard_normal};
use sde_core::{State, Time};

use crate::adaptive::Transported;
use crate::{Problem, Rk45, SolveError};

/// The latents x_T of states `x` at `t_min`, shape `[batch, ...]`: the code of Song et al. 2021, section
/// 4.3. The inverse is [`decode`] to the same time, up to the tolerance.
///
/// `x` stands for states at t_min, whose noise is too small to be seen; its scale α is 1 to 1e-6 at
/// t = 1e-5.
///
/// # Errors
/// As [`Rk45::transport`].
///
/// # Panics
/// If the score returns another shape than x's.
pub fn encode<X: State>(
    solver: &Rk45,
    problem: &Problem<'_, X>,
    x: X,
    t_min: Time,
) -> Result<Transported<X>, SolveError> {
    solver.transport(problem, x, t_min, problem.sde.t_max())
}

/// The states at `t_min` of latents `x_t` at T, shape `[batch, ...]`.
///
/// # Errors
/// As [`Rk45::transport`].
///
/// # Panics
/// If the score returns another shape than x's.
pub fn decode<X: State>(
    solver: &Rk45,
    problem: &Problem<'_, X>,
    x_t: X,
    t_min: Time,
) -> Result<Transported<X>, SolveError> {
    solver.transport(problem, x_t, problem.sde.t_max(), t_min)
}

/// The states at `t_min` between `a` and `b`, one batch for each of `weights`: their latents, spherical
/// interpolation between them, and back. At 0 it is a and at 1 b, up to the tolerance.
///
/// # Errors
/// As [`Rk45::transport`], and [`SolveError::Interpolation`] if the two differ in size.
///
/// # Panics
/// If the score returns another shape than the states'.
pub fn interpolate<X: State>(
    solver: &Rk45,
    problem: &Problem<'_, X>,
    [a, b]: [X; 2],
    t_min: Time,
    weights: &[f64],
) -> Result<Vec<X>, SolveError> {
    let size = |x: &X| (x.batch(), x.sample_len());
    if size(&a) != size(&b) {
        let (first, second) = (size(&a), size(&b));
        return Err(SolveError::Interpolation { first, second });
    }
    let [a, b] = [
        encode(solver, problem, a, t_min)?.x,
        encode(solver, problem, b, t_min)?.x,
    ];
    let between = weights.iter().map(|&w| slerp(&a, &b, w));
    between
        .map(|latents| Ok(decode(solver, problem, latents, t_min)?.x))
        .collect()
}

/// Below this sine two latents count as parallel or opposite: 1/sin θ would blow up rounding errors.
const PARALLEL: f64 = 1e-4;

/// Spherical interpolation between latents, sample by sample, from `a` at `w` = 0 to `b` at 1 (Shoemake
/// 1985; Song, Meng & Ermon 2021, appendix D.5):
///
/// ```text
/// sin((1 − w) θ)/sin θ · a + sin(w θ)/sin θ · b,   cos θ = ⟨a, b⟩/(‖a‖ ‖b‖)
/// ```
///
/// Between Gaussian latents it keeps the norm that those have, where a straight line would cut through
/// the middle. The exceptions: with a zero vector, or in parallel, it is the straight line. Opposite
/// latents are joined by infinitely many arcs; the one taken turns through a fixed direction that
/// depends on the number of elements only (and on the line itself, to which it is made
/// perpendicular), so that the result is the same in every batch. In one dimension there is no such
/// direction, and the line through 0 is what is left.
///
/// # Panics
/// If the shapes differ.
#[must_use]
pub fn slerp<X: State>(a: &X, b: &X, w: f64) -> X {
    let (norms_a, norms_b) = (a.norms(), b.norms());
    let arcs: Vec<Arc> = (a.dots(b).into_iter())
        .zip(norms_a.iter().zip(&norms_b))
        .map(|(dot, (&a, &b))| Arc::new(dot, a, b, w))
        .collect();
    let of_a: Vec<f64> = arcs.iter().map(|arc| arc.a).collect();
    let of_b: Vec<f64> = arcs.iter().map(|arc| arc.b).collect();
    let on_arc = a.clone().lincomb_per_sample(&of_a, b, &of_b);
    if arcs.iter().all(|arc| arc.across == 0.0) {
        return on_arc;
    }
    // The fixed direction, made perpendicular to a and of unit length where it is needed.
    let fixed = a.filled_like(&mut |_, out| fill_standard_normal(0, 0, 0, Role::Probe, out));
    let along: Vec<f64> = (fixed.dots(a).iter().zip(&norms_a))
        .map(|(dot, norm)| {
            if *norm > 0.0 {
                -dot / (norm * norm)
            } else {
                0.0
            }
        })
        .collect();
    let across = fixed.axpy_per_sample(&along, a);
    let weights: Vec<f64> = (across.norms().into_iter().zip(&arcs))
        .map(|(norm, arc)| if norm > 1e-6 { arc.across / norm } else { 0.0 })
        .collect();
    on_arc.axpy_per_sample(&weights, &across)
}

/// What multiplies a, b and the unit vector across.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Arc {
    a: f64,
    b: f64,
    across: f64,
}

impl Arc {
    fn new(dot: f64, norm_a: f64, norm_b: f64, w: f64) -> Self {
        let line = Self {
            a: 1.0 - w,
            b: w,
            across: 0.0,
        };
        if norm_a == 0.0 || norm_b == 0.0 {
            return line;
        }
        let cosine = (dot / (norm_a * norm_b)).clamp(-1.0, 1.0);
        let theta = cosine.acos();
        let sine = theta.sin();
        if sine >= PARALLEL {
            return Self {
                a: ((1.0 - w) * theta).sin() / sine,
                b: (w * theta).sin() / sine,
                across: 0.0,
            };
        }
        if cosine > 0.0 {
            return line;
        }
        let turned = std::f64::consts::PI * w;
        Self {
            a: turned.cos().max(0.0),
            b: (-turned.cos()).max(0.0),
            across: turned.sin() * ((1.0 - w) * norm_a + w * norm_b),
        }
    }
}
