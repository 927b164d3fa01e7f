//! Samples on their way, each at its own t.

use sde_core::{Score, State, Time};

use crate::Problem;

/// The samples that have not yet arrived; every vector has one entry a sample, and so has x.
pub(super) struct Walking<X> {
    /// Their places in the whole batch.
    pub(super) samples: Vec<usize>,
    pub(super) x: X,
    /// x′_prev.
    pub(super) previous: X,
    pub(super) t: Vec<f64>,
    pub(super) h: Vec<f64>,
}

impl<X: State> Walking<X> {
    /// The lengths of the next steps: h, or what is left to `to`.
    pub(super) fn lengths(&self, to: f64) -> Vec<f64> {
        let pairs = self.t.iter().zip(&self.h);
        pairs.map(|(t, h)| h.min(t - to)).collect()
    }

    /// x − h d(at, times) + √h g(times) z of each sample.
    pub(super) fn step(
        &self,
        problem: &Problem<'_, X>,
        score: &dyn Score<X>,
        at: &X,
        times: &[f64],
        h: &[f64],
        z: &X,
    ) -> X {
        let times: Vec<Time> = times.iter().map(|&t| Time(t)).collect();
        let s = score.score_each(at, &times);
        let rates = times.iter().zip(h).map(|(&t, h)| {
            let g = problem.sde.diffusion(t);
            (-h * problem.sde.drift_rate(t), h * g * g, h.sqrt() * g)
        });
        let (mut of_at, mut of_s, mut of_z) = (Vec::new(), Vec::new(), Vec::new());
        for (drift, score, noise) in rates {
            of_at.push(drift);
            of_s.push(score);
            of_z.push(noise);
        }
        (self.x.clone())
            .axpy_per_sample(&of_at, at)
            .axpy_per_sample(&of_s, &s)
            .axpy_per_sample(&of_z, z)
    }

    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let pick = |values: &[f64]| rows.iter().map(|&i| values[i]).collect();
        Self {
            samples: rows.iter().map(|&i| self.samples[i]).collect(),
            x: self.x.select_samples(rows),
            previous: self.previous.select_samples(rows),
            t: pick(&self.t),
            h: pick(&self.h),
        }
    }

    /// All of `parts`, in the order of the whole batch.
    pub(super) fn joined(parts: &[Self]) -> Self {
        let of = |state: fn(&Self) -> &X| {
            let states: Vec<X> = parts.iter().map(|part| state(part).clone()).collect();
            X::concatenate_samples(&states)
        };
        let all = Self {
            samples: parts.iter().flat_map(|p| p.samples.clone()).collect(),
            x: of(|part| &part.x),
            previous: of(|part| &part.previous),
            t: parts.iter().flat_map(|p| p.t.clone()).collect(),
            h: parts.iter().flat_map(|p| p.h.clone()).collect(),
        };
        let mut places = vec![0; all.samples.len()];
        for (place, &sample) in all.samples.iter().enumerate() {
            places[sample] = place;
        }
        all.select(&places)
    }
}
