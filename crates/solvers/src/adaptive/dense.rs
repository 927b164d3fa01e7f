//! The states at given places, from steps that end elsewhere.

use sde_core::State;

use super::walk::Taken;
use crate::tableau::Tableau;

/// Collects the states of a batch at given u, each when the last of its samples has passed it.
pub(crate) struct Dense<X> {
    tableau: &'static Tableau,
    /// The places, in the order in which they are passed.
    places: Vec<f64>,
    /// How many of them each sample has passed.
    passed: Vec<usize>,
    /// For each place, the states of the samples that have passed it, and which they are.
    parts: Vec<(Vec<X>, Vec<usize>)>,
    /// How many places have been handed out.
    reported: usize,
}

impl<X: State> Dense<X> {
    /// For `batch` samples and the states of `tableau`'s steps at `places`.
    pub(crate) fn new(tableau: &'static Tableau, places: Vec<f64>, batch: usize) -> Self {
        let parts = places.iter().map(|_| (Vec::new(), Vec::new())).collect();
        Self {
            tableau,
            places,
            passed: vec![0; batch],
            parts,
            reported: 0,
        }
    }

    /// Keeps the states within a step.
    pub(crate) fn collect(&mut self, taken: &Taken<'_, X>) {
        loop {
            let passing: Vec<(usize, f64)> = (taken.rows.iter())
                .filter_map(|&row| {
                    let place = *self.places.get(self.passed[taken.samples[row]])?;
                    let theta = (place - taken.from[row]) / taken.h[row];
                    (theta <= 1.0).then_some((row, theta))
                })
                .collect();
            if passing.is_empty() {
                return;
            }
            let rows: Vec<usize> = passing.iter().map(|&(row, _)| row).collect();
            let weights: Vec<Vec<f64>> = (passing.iter())
                .map(|&(row, theta)| {
                    let within = self.tableau.weights_within(theta);
                    within.into_iter().map(|w| w * taken.h[row]).collect()
                })
                .collect();
            let mut y = taken.start.y.select_samples(&rows);
            for (i, slope) in taken.slopes.iter().enumerate() {
                let b: Vec<f64> = weights.iter().map(|w| w[i]).collect();
                y = y.axpy_per_sample(&b, &slope.y.select_samples(&rows));
            }
            for (i, row) in rows.into_iter().enumerate() {
                let sample = taken.samples[row];
                let (states, samples) = &mut self.parts[self.passed[sample]];
                states.push(y.select_samples(&[i]));
                samples.push(sample);
                self.passed[sample] += 1;
            }
        }
    }

    /// The state of the whole batch at the next place that all samples have passed, and its index; each
    /// once, in order.
    pub(crate) fn next_ready(&mut self) -> Option<(usize, X)> {
        let (states, samples) = self.parts.get(self.reported)?;
        if samples.len() < self.passed.len() {
            return None;
        }
        let mut places = vec![0; samples.len()];
        for (place, &sample) in samples.iter().enumerate() {
            places[sample] = place;
        }
        let whole = X::concatenate_samples(states).select_samples(&places);
        self.parts[self.reported].0.clear();
        self.reported += 1;
        Some((self.reported - 1, whole))
    }
}
