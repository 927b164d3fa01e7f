//! Batches of pairs (x, v) as states.

use crate::State;

use super::{CholeskyFactor, PhaseMatrix};

/// A batch of positions and velocities of one shape, `[batch, ...]` both.
///
/// It is a [`State`] whose samples are pairs, the position's elements before the velocity's, so noise,
/// observers and trajectories take it as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct PhaseState<X> {
    /// x: the data, noised.
    pub position: X,
    /// v.
    pub velocity: X,
}

impl<X: State> PhaseState<X> {
    /// These positions, with velocity 0.
    pub fn at_rest(position: X) -> Self {
        let velocity = position.filled_like(&mut |_, out| out.fill(0.0));
        Self { position, velocity }
    }

    /// Whether every position has a velocity: the batches and the lengths of a sample agree.
    pub fn is_paired(&self) -> bool {
        self.position.batch() == self.velocity.batch()
            && self.position.sample_len() == self.velocity.sample_len()
    }

    /// The map applied to every coordinate.
    ///
    /// # Panics
    /// If positions and velocities differ in shape.
    #[must_use]
    pub fn mapped(&self, map: PhaseMatrix) -> Self {
        let Self { position, velocity } = self;
        Self {
            position: position.clone().lincomb(map.xx, velocity, map.xv),
            velocity: position.clone().lincomb(map.vx, velocity, map.vv),
        }
    }

    /// This state plus L ε: noise of the covariance L Lᵀ, if ε is standard normal.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn noised(self, factor: CholeskyFactor, epsilon: &Self) -> Self {
        Self {
            position: self.position.axpy(factor.xx, &epsilon.position),
            velocity: (self.velocity)
                .axpy(factor.vx, &epsilon.position)
                .axpy(factor.vv, &epsilon.velocity),
        }
    }

    /// What `map` makes of the positions and of the velocities, each of them with its other's.
    fn paired(self, y: &Self, map: impl Fn(X, &X) -> X) -> Self {
        Self {
            position: map(self.position, &y.position),
            velocity: map(self.velocity, &y.velocity),
        }
    }

    fn each(self, map: impl Fn(X) -> X) -> Self {
        Self {
            position: map(self.position),
            velocity: map(self.velocity),
        }
    }
}

impl<X: State> State for PhaseState<X> {
    fn batch(&self) -> usize {
        self.position.batch()
    }

    /// Of the position and of the velocity together.
    fn sample_len(&self) -> usize {
        self.position.sample_len() + self.velocity.sample_len()
    }

    fn scale(self, a: f64) -> Self {
        self.each(|x| x.scale(a))
    }

    fn lincomb(self, a: f64, y: &Self, b: f64) -> Self {
        self.paired(y, |x, y| x.lincomb(a, y, b))
    }

    fn axpy(self, b: f64, y: &Self) -> Self {
        self.paired(y, |x, y| x.axpy(b, y))
    }

    fn axpy_per_sample(self, b: &[f64], y: &Self) -> Self {
        self.paired(y, |x, y| x.axpy_per_sample(b, y))
    }

    fn lincomb_per_sample(self, a: &[f64], y: &Self, b: &[f64]) -> Self {
        self.paired(y, |x, y| x.lincomb_per_sample(a, y, b))
    }

    fn axpy_exp(self, coefficients: [f64; 2], v: &Self, y: &Self) -> Self {
        Self {
            position: (self.position).axpy_exp(coefficients, &v.position, &y.position),
            velocity: (self.velocity).axpy_exp(coefficients, &v.velocity, &y.velocity),
        }
    }

    fn clamped(self, low: f64, high: f64) -> Self {
        self.each(|x| x.clamped(low, high))
    }

    fn dots(&self, y: &Self) -> Vec<f64> {
        let positions = self.position.dots(&y.position);
        let velocities = self.velocity.dots(&y.velocity);
        positions
            .iter()
            .zip(&velocities)
            .map(|(x, v)| x + v)
            .collect()
    }

    fn error_norms(&self, x: &Self, y: &Self, absolute: f64, relative: f64) -> Vec<f64> {
        let part = |e: &X, x: &X, y: &X| e.error_norms(x, y, absolute, relative);
        let positions = part(&self.position, &x.position, &y.position);
        let velocities = part(&self.velocity, &x.velocity, &y.velocity);
        // Each is a root mean square over its own elements.
        let [n, m] = [&self.position, &self.velocity].map(|x| x.sample_len() as f64);
        (positions.iter().zip(&velocities))
            .map(|(x, v)| ((n * x * x + m * v * v) / (n + m)).sqrt())
            .collect()
    }

    fn select_samples(&self, samples: &[usize]) -> Self {
        Self {
            position: self.position.select_samples(samples),
            velocity: self.velocity.select_samples(samples),
        }
    }

    fn concatenate_samples(parts: &[Self]) -> Self {
        let joined = |part: fn(&Self) -> &X| {
            let parts: Vec<X> = parts.iter().map(|z| part(z).clone()).collect();
            X::concatenate_samples(&parts)
        };
        Self {
            position: joined(|z| &z.position),
            velocity: joined(|z| &z.velocity),
        }
    }

    fn is_finite(&self) -> bool {
        self.position.is_finite() && self.velocity.is_finite()
    }

    fn to_host(&self) -> Vec<f64> {
        let (positions, velocities) = (self.position.to_host(), self.velocity.to_host());
        let [n, m] = [&self.position, &self.velocity].map(State::sample_len);
        let samples = 0..self.batch();
        samples
            .flat_map(|i| {
                let (x, v) = (
                    &positions[i * n..(i + 1) * n],
                    &velocities[i * m..(i + 1) * m],
                );
                x.iter().chain(v).copied()
            })
            .collect()
    }

    fn filled_like(&self, fill: &mut dyn FnMut(usize, &mut [f64])) -> Self {
        // `fill` is called once a sample and in order, as it would be for a state of one part.
        let (split, len) = (self.position.sample_len(), self.sample_len());
        let mut values = vec![0.0; self.batch() * len];
        for (i, sample) in values.chunks_exact_mut(len.max(1)).enumerate() {
            fill(i, sample);
        }
        let sample = |i: usize| &values[i * len..(i + 1) * len];
        Self {
            position: (self.position)
                .filled_like(&mut |i, out| out.copy_from_slice(&sample(i)[..split])),
            velocity: (self.velocity)
                .filled_like(&mut |i, out| out.copy_from_slice(&sample(i)[split..])),
        }
    }
}
