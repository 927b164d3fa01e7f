//! Data on a finite number of levels.

use sde_core::State;
use sde_core::noise::{CounterNoise, Role, fill_uniform};
use serde::{Deserialize, Serialize};

use super::{LikelihoodError, parameter};
use crate::solver::ParameterError;

/// Elements with 2^bits levels k, each a cell of the interval [low, high] that the score knows data on:
/// x = low + (high − low) (k + u)/2^bits with u uniform on [0, 1).
///
/// With U the cell's volume, ((high − low)/2^bits)^D, ln P(k) ≥ E_u[ln p(x)] + ln U. For data in [−1, 1] that
/// adds `bits` − 1 to the bits per dimension of p, for data in [0, 1] `bits`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantisation {
    /// The bit depth of an element; 8 for usual pictures.
    pub bits: u32,
    /// The lower end of level 0.
    pub low: f64,
    /// The upper end of the highest level.
    pub high: f64,
}

impl Quantisation {
    /// Levels of `bits` bits on [−1, 1].
    #[must_use]
    pub fn symmetric(bits: u32) -> Self {
        Self {
            bits,
            low: -1.0,
            high: 1.0,
        }
    }

    fn levels(self) -> f64 {
        2f64.powi(self.bits as i32)
    }

    /// ln of the width of a cell: ln U is that times the number of elements.
    #[must_use]
    pub fn log_cell(self) -> f64 {
        ((self.high - self.low) / self.levels()).ln()
    }

    /// Points in the cells of `levels`, shape `[batch, ...]`: draw number `draw`.
    #[must_use]
    pub fn dequantised<X: State>(self, levels: &X, noise: CounterNoise, draw: usize) -> X {
        let width = (self.high - self.low) / self.levels();
        // low + width u, then the level.
        let within = levels.filled_like(&mut |i, out| {
            let sample = noise.first_sample + i as u64;
            fill_uniform(noise.seed, sample, draw as u64, Role::Dequantisation, out);
            for value in out {
                *value = self.low + width * *value;
            }
        });
        within.axpy(width, levels)
    }

    pub(super) fn validate(self) -> Result<(), ParameterError> {
        if !(1..=32).contains(&self.bits) {
            let bits = f64::from(self.bits);
            return Err(parameter(
                "quantisation.bits",
                bits,
                "it must be from 1 to 32",
            ));
        }
        if !self.low.is_finite() {
            return Err(parameter("quantisation.low", self.low, "it must be finite"));
        }
        if !(self.high > self.low && self.high.is_finite()) {
            return Err(parameter(
                "quantisation.high",
                self.high,
                "it must be above `low`",
            ));
        }
        Ok(())
    }

    /// Refuses levels that do not exist. Whether they are whole numbers is not looked at.
    pub(super) fn check<X: State>(self, levels: &X) -> Result<(), LikelihoodError> {
        let largest = self.levels() - 1.0;
        let outside = levels
            .clone()
            .axpy(-1.0, &levels.clone().clamped(0.0, largest));
        match outside.norms().iter().position(|&norm| norm != 0.0) {
            None => Ok(()),
            Some(sample) => Err(LikelihoodError::Levels {
                sample,
                largest,
                bits: self.bits,
            }),
        }
    }
}
