//! How training goes: means and extremes since the last report, and a running mean of the loss.
//!
//! All of it goes into a checkpoint, to the bit, so that a resumed run reports what an undisturbed one
//! would have.

use serde::{Deserialize, Serialize};

use crate::ElboTerms;

/// The running mean's memory: it looks back over some 1/(1 − d) steps.
const DECAY: f64 = 0.99;

/// A step whose loss is more than this many times the running mean is counted as a spike.
pub const SPIKE: f64 = 3.0;

/// Means and extremes over the steps since the last report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Means {
    /// The loss.
    pub loss: f64,
    /// The largest loss of a step.
    pub loss_max: f64,
    /// The global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// The largest norm of a step.
    pub grad_norm_max: f64,
    /// The share of steps whose gradient was clipped.
    pub clipped: f64,
    /// Steps whose loss was above [`SPIKE`] times the running mean.
    pub spikes: u64,
    /// Steps that were left out because their loss or gradient was not finite.
    pub skipped: u64,
    /// The two terms of the loss, of an autoencoder.
    pub terms: Option<ElboTerms>,
}

/// Sums since the last report, and the running mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    steps: u64,
    #[serde(with = "bits")]
    loss: f64,
    #[serde(with = "bits")]
    loss_max: f64,
    #[serde(with = "bits")]
    norm: f64,
    #[serde(with = "bits")]
    norm_max: f64,
    clipped: u64,
    spikes: u64,
    skipped: u64,
    /// Steps that were left out since the last that was not.
    skipped_in_a_row: u64,
    /// Σ (1 − d) dᵏ loss, and Σ (1 − d) dᵏ.
    #[serde(with = "bits")]
    running: f64,
    #[serde(with = "bits")]
    running_weight: f64,
    /// Of an autoencoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terms: Option<TermSums>,
}

/// Sums of an autoencoder's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct TermSums {
    #[serde(with = "bits")]
    reconstruction: f64,
    #[serde(with = "bits")]
    kl: f64,
}

impl Progress {
    /// A step that was taken.
    pub fn took(&mut self, loss: f64, norm: f64, clipped: bool) {
        self.steps += 1;
        self.skipped_in_a_row = 0;
        self.loss += loss;
        self.loss_max = if self.steps == 1 {
            loss
        } else {
            self.loss_max.max(loss)
        };
        self.norm += norm;
        self.norm_max = self.norm_max.max(norm);
        self.clipped += u64::from(clipped);
        let spike = self.running().is_some_and(|mean| loss > SPIKE * mean);
        self.spikes += u64::from(spike);
        self.running = DECAY * self.running + (1.0 - DECAY) * loss;
        self.running_weight = DECAY * self.running_weight + (1.0 - DECAY);
    }

    /// The terms of the loss of a step that was taken.
    pub fn made_of(&mut self, terms: ElboTerms) {
        let sums = self.terms.get_or_insert_default();
        sums.reconstruction += terms.reconstruction;
        sums.kl += terms.kl;
    }

    /// A step that was left out.
    pub fn skipped(&mut self) {
        self.skipped += 1;
        self.skipped_in_a_row += 1;
    }

    /// How many were left out since the last that was not.
    pub fn skipped_in_a_row(&self) -> u64 {
        self.skipped_in_a_row
    }

    /// The mean loss of the last hundred steps or so, the latest counting most; none before the first
    /// step.
    pub fn running(&self) -> Option<f64> {
        (self.running_weight > 0.0).then(|| self.running / self.running_weight)
    }

    /// The means since the last call, or none if no step was taken.
    pub fn take(&mut self) -> Option<Means> {
        let fresh = Self {
            skipped_in_a_row: self.skipped_in_a_row,
            running: self.running,
            running_weight: self.running_weight,
            ..Self::default()
        };
        let old = std::mem::replace(self, fresh);
        let n = old.steps as f64;
        if old.steps == 0 {
            // What was skipped is told with the next steps that were not.
            self.skipped = old.skipped;
            return None;
        }
        Some(Means {
            loss: old.loss / n,
            loss_max: old.loss_max,
            grad_norm: old.norm / n,
            grad_norm_max: old.norm_max,
            clipped: old.clipped as f64 / n,
            spikes: old.spikes,
            skipped: old.skipped,
            terms: old.terms.map(|sums| ElboTerms {
                reconstruction: sums.reconstruction / n,
                kl: sums.kl / n,
            }),
        })
    }
}

/// An `f64` as its bits, which every reader of JSON gives back unchanged.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_extremes_and_counts_are_those_of_the_steps_since_the_last_call() {
        let mut progress = Progress::default();
        assert_eq!(progress.take(), None);
        for (loss, norm) in [(1.0, 0.5), (3.0, 2.5), (2.0, 3.0)] {
            progress.took(loss, norm, norm > 1.0);
        }
        progress.skipped();
        let means = progress.take().unwrap();
        assert_eq!((means.loss, means.loss_max), (2.0, 3.0));
        assert_eq!((means.grad_norm, means.grad_norm_max), (2.0, 3.0));
        assert!((means.clipped - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!((means.spikes, means.skipped), (0, 1));
        // A row goes on over reports.
        progress.skipped();
        assert_eq!(progress.skipped_in_a_row(), 2);
        // Negative losses, which learned weightings have, have a largest one too.
        progress.took(-2.0, 0.0, false);
        progress.took(-1.0, 0.0, false);
        assert_eq!(progress.take().unwrap().loss_max, -1.0);
    }

    #[test]
    fn a_spike_is_a_loss_far_above_the_running_mean() {
        let mut progress = Progress::default();
        for _ in 0..200 {
            progress.took(0.1, 1.0, false);
        }
        assert!((progress.running().unwrap() - 0.1).abs() < 1e-12);
        progress.took(0.29, 1.0, false);
        progress.took(0.5, 1.0, false);
        assert_eq!(progress.take().unwrap().spikes, 1);
    }

    #[test]
    fn it_goes_on_from_its_state_to_the_bit() {
        let mut one = Progress::default();
        one.took(0.1 + 0.2, 1.0 / 3.0, true);
        let text = serde_json::to_string(&one).unwrap();
        let mut other: Progress = serde_json::from_str(&text).unwrap();
        for progress in [&mut one, &mut other] {
            progress.took(0.7, 0.1, false);
        }
        assert_eq!(one, other);
        assert_eq!(one.take(), other.take());
    }
}
