//! The objective that trains a learned variance.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use crate::State;

/// L_hybrid = L_simple + λ L_vlb (Nichol & Dhariwal 2021, eq. 16), of one term of the bound a sample.
///
/// As in their code the errors of ε are averaged over the elements, and the bound is in bits per
/// dimension; one term L_t at a t drawn uniformly stands for the sum, so it counts N times. The gradient
/// of L_vlb must not reach the mean: give the bound's term a μ_θ that is cut off from the graph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HybridObjective {
    /// λ; 0.001 as published.
    pub vlb_weight: f64,
}

impl Default for HybridObjective {
    fn default() -> Self {
        Self { vlb_weight: 1e-3 }
    }
}

impl HybridObjective {
    /// ‖ε − ε_θ‖²/dim + λ N L_t/(dim ln 2) of each sample, where `terms` holds each sample's L_t in nats
    /// and `steps` is N.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn per_sample<X: State>(
        self,
        steps: usize,
        epsilon: &X,
        predicted: &X,
        terms: &[f64],
    ) -> Vec<f64> {
        assert_eq!(terms.len(), epsilon.batch(), "one term a sample");
        let dim = epsilon.sample_len() as f64;
        let error = epsilon.clone().axpy(-1.0, predicted);
        let weight = self.vlb_weight * steps as f64 / LN_2;
        let squares = error.dots(&error).into_iter();
        (squares
            .zip(terms)
            .map(|(square, term)| (square + weight * term) / dim))
        .collect()
    }
}
