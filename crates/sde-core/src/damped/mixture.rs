//! The exact law of (x_t, v_t) for Gaussian-mixture data.

use ndarray::{
    Array, Array1, Array2, ArrayView1, ArrayViewMut1, Axis, Dimension, NdFloat, RemoveAxis,
};

use super::{DampedLangevin, PhaseCovariance, PhaseState, VelocityScore};
use crate::noise::{CounterNoise, Noise, Role};
use crate::worlds::GaussianMixture;
use crate::{StepIndex, Time};

/// A [`GaussianMixture`] under a [`DampedLangevin`]: a [`VelocityScore`] without error, and the exact
/// laws at every t.
///
/// As a score it accepts pairs of `f32` and `f64` arrays of shape `[batch, ...]` whose positions,
/// flattened in row-major order, have the world's dimension. It computes in `f64` and rounds once.
#[derive(Clone, Copy)]
pub struct DampedWorld<'a> {
    /// The law of x₀.
    pub world: &'a GaussianMixture,
    /// The process that noises it.
    pub process: &'a DampedLangevin,
}

impl GaussianMixture {
    /// This world under critically damped Langevin diffusion.
    #[must_use]
    pub fn under_damped<'a>(&'a self, process: &'a DampedLangevin) -> DampedWorld<'a> {
        DampedWorld {
            world: self,
            process,
        }
    }
}

/// p_t(x, v): a mixture whose components have, in each coordinate, one 2 × 2 covariance of position
/// and velocity, and none between coordinates.
#[derive(Clone, Debug)]
pub struct PhaseMixture {
    weights: Vec<f64>,
    /// Shape `[components, dim]`.
    coordinates: Array2<Coordinate>,
}

/// One coordinate of one component.
#[derive(Clone, Copy, Debug)]
struct Coordinate {
    /// The means of x and v.
    mean: [f64; 2],
    covariance: PhaseCovariance,
}

impl Coordinate {
    /// ∂ ln N/∂x and ∂ ln N/∂v: −Σ⁻¹ (z − m).
    fn pull(&self, x: f64, v: f64) -> [f64; 2] {
        let PhaseCovariance {
            xx,
            xv,
            vv,
            determinant,
        } = self.covariance;
        let [x, v] = [x - self.mean[0], v - self.mean[1]];
        [
            (xv * v - vv * x) / determinant,
            (xv * x - xx * v) / determinant,
        ]
    }

    /// ln N(z; m, Σ), as the position's density times the velocity's given it.
    fn log_density(&self, x: f64, v: f64) -> f64 {
        let PhaseCovariance {
            xx,
            xv,
            determinant,
            ..
        } = self.covariance;
        let [x, v] = [x - self.mean[0], v - self.mean[1]];
        let rest = v - xv / xx * x;
        let square = x * x / xx + rest * rest * xx / determinant;
        -std::f64::consts::TAU.ln() - 0.5 * (determinant.ln() + square)
    }
}

impl DampedWorld<'_> {
    /// p_t.
    #[must_use]
    pub fn at(&self, t: Time) -> PhaseMixture {
        let mean = self.process.marginal(t).mean;
        let coordinate = |k: usize, d: usize| {
            let (m, s) = (self.world.means()[[k, d]], self.world.stds()[[k, d]]);
            Coordinate {
                mean: [mean.xx * m, mean.vx * m],
                covariance: self.process.covariance(t, s * s),
            }
        };
        let shape = (self.world.components(), self.world.dim());
        PhaseMixture {
            weights: self.world.weights().to_vec(),
            coordinates: Array2::from_shape_fn(shape, |(k, d)| coordinate(k, d)),
        }
    }

    /// `n` pairs of the law p_t over the x₀ of [`GaussianMixture::sample`] with the same seed, both of
    /// shape `[n, dim]`; the noise is that of [`Role::Forward`] at step 0.
    #[must_use]
    pub fn sample_at(&self, t: Time, seed: u64, n: usize) -> PhaseState<Array2<f64>> {
        let z0 = PhaseState::at_rest(self.world.sample(seed, n));
        let noise = CounterNoise::new(seed).standard_normal(&z0, StepIndex(0), Role::Forward);
        self.process.marginal(t).sample(&z0, &noise)
    }

    /// E[x₀ | x_t = x, v_t = v], shape `[dim]`, from each component's conditional mean; no score enters.
    ///
    /// # Panics
    /// If `x` or `v` has another dimension than the world.
    #[must_use]
    pub fn posterior_mean(
        &self,
        t: Time,
        x: ArrayView1<'_, f64>,
        v: ArrayView1<'_, f64>,
    ) -> Array1<f64> {
        let mixture = self.at(t);
        let e = self.process.marginal(t).mean;
        let mut mean = Array1::zeros(self.world.dim());
        for (k, probability) in mixture.posterior(x, v).0.into_iter().enumerate() {
            for (d, mean) in mean.iter_mut().enumerate() {
                let (m, s) = (self.world.means()[[k, d]], self.world.stds()[[k, d]]);
                // Cov(x₀, z) Σ⁻¹ (z − m), with Cov(x₀, z) = s² (E_xx, E_vx).
                let [px, pv] = mixture.coordinates[[k, d]].pull(x[d], v[d]);
                *mean += probability * (m - s * s * (e.xx * px + e.vx * pv));
            }
        }
        mean
    }
}

impl PhaseMixture {
    /// The number of coordinates of a position.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.coordinates.ncols()
    }

    /// The covariance of position and velocity of component `k` in coordinate `d`.
    ///
    /// # Panics
    /// If there is no such component or coordinate.
    #[must_use]
    pub fn covariance(&self, k: usize, d: usize) -> PhaseCovariance {
        self.coordinates[[k, d]].covariance
    }

    /// The means of position and velocity of component `k` in coordinate `d`.
    ///
    /// # Panics
    /// If there is no such component or coordinate.
    #[must_use]
    pub fn mean(&self, k: usize, d: usize) -> [f64; 2] {
        self.coordinates[[k, d]].mean
    }

    /// ln p_t(x, v) in nats; `x` and `v` have shape `[dim]`.
    ///
    /// # Panics
    /// If `x` or `v` has another dimension than the world.
    #[must_use]
    pub fn log_density(&self, x: ArrayView1<'_, f64>, v: ArrayView1<'_, f64>) -> f64 {
        self.posterior(x, v).1
    }

    /// The full score (∇_x, ∇_v) ln p_t(x, v), both of shape `[dim]`.
    ///
    /// # Panics
    /// If `x` or `v` has another dimension than the world.
    #[must_use]
    pub fn score(&self, x: ArrayView1<'_, f64>, v: ArrayView1<'_, f64>) -> PhaseState<Array1<f64>> {
        let mut score = PhaseState {
            position: Array1::zeros(self.dim()),
            velocity: Array1::zeros(self.dim()),
        };
        for (k, probability) in self.posterior(x, v).0.into_iter().enumerate() {
            for d in 0..self.dim() {
                let [px, pv] = self.coordinates[[k, d]].pull(x[d], v[d]);
                score.position[d] += probability * px;
                score.velocity[d] += probability * pv;
            }
        }
        score
    }

    /// Writes the score of the velocity, ∇_v ln p_t(x, v), shape `[dim]`.
    ///
    /// # Panics
    /// If `x`, `v` or `out` has another dimension than the world.
    pub fn velocity_score(
        &self,
        x: ArrayView1<'_, f64>,
        v: ArrayView1<'_, f64>,
        mut out: ArrayViewMut1<'_, f64>,
    ) {
        assert_eq!(out.len(), self.dim(), "the score has the world's dimension");
        out.fill(0.0);
        for (k, probability) in self.posterior(x, v).0.into_iter().enumerate() {
            for (d, out) in out.iter_mut().enumerate() {
                *out += probability * self.coordinates[[k, d]].pull(x[d], v[d])[1];
            }
        }
    }

    /// The divergences (∇_x·∇_x ln p_t, ∇_v·∇_v ln p_t) of the two parts of the score.
    ///
    /// The flow's divergence is −Γβ (M⁻¹ dim + the second).
    ///
    /// # Panics
    /// If `x` or `v` has another dimension than the world.
    #[must_use]
    pub fn divergences(&self, x: ArrayView1<'_, f64>, v: ArrayView1<'_, f64>) -> (f64, f64) {
        let score = self.score(x, v);
        let (mut position, mut velocity) = (0.0, 0.0);
        for (k, probability) in self.posterior(x, v).0.into_iter().enumerate() {
            for d in 0..self.dim() {
                let coordinate = self.coordinates[[k, d]];
                let PhaseCovariance {
                    xx,
                    vv,
                    determinant,
                    ..
                } = coordinate.covariance;
                let [px, pv] = coordinate.pull(x[d], v[d]);
                // The variance of the components' pulls, centred: a difference of squares cancels.
                let (dx, dv) = (px - score.position[d], pv - score.velocity[d]);
                position += probability * (dx * dx - vv / determinant);
                velocity += probability * (dv * dv - xx / determinant);
            }
        }
        (position, velocity)
    }

    /// The probability of each component given (x, v), and ln p_t(x, v).
    fn posterior(&self, x: ArrayView1<'_, f64>, v: ArrayView1<'_, f64>) -> (Vec<f64>, f64) {
        assert_eq!(x.len(), self.dim(), "a position has the world's dimension");
        assert_eq!(v.len(), self.dim(), "a velocity has the world's dimension");
        let mut terms: Vec<f64> = (self.weights.iter().zip(self.coordinates.outer_iter()))
            .map(|(weight, coordinates)| {
                let each = coordinates.iter().zip(x.iter().zip(v));
                let density: f64 = each.map(|(c, (&x, &v))| c.log_density(x, v)).sum();
                weight.ln() + density
            })
            .collect();
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for term in &mut terms {
            *term = (*term - largest).exp();
            total += *term;
        }
        for term in &mut terms {
            *term /= total;
        }
        (terms, largest + total.ln())
    }
}

impl<A, D> VelocityScore<Array<A, D>> for DampedWorld<'_>
where
    A: NdFloat,
    D: Dimension + RemoveAxis,
{
    /// # Panics
    /// If the positions or velocities have another number of elements than the world has dimensions.
    fn velocity_score(&self, z: &PhaseState<Array<A, D>>, t: Time) -> Array<A, D> {
        let mixture = self.at(t);
        let host = |sample: ndarray::ArrayView<'_, A, D::Smaller>| -> Array1<f64> {
            let element = |x: &A| x.to_f64().expect("every float type converts to f64");
            sample.iter().map(element).collect()
        };
        let mut score = z.velocity.clone();
        let mut out = Array1::zeros(self.world.dim());
        let positions = z.position.axis_iter(Axis(0));
        for (mut sample, position) in score.axis_iter_mut(Axis(0)).zip(positions) {
            let (x, v) = (host(position), host(sample.view()));
            mixture.velocity_score(x.view(), v.view(), out.view_mut());
            for (element, &value) in sample.iter_mut().zip(&out) {
                *element = A::from(value).expect("every f64 converts to a float type");
            }
        }
        score
    }
}
