//! What the steps left behind is read, counted, learned from, and refused where it is not finite.

use burn::tensor::Tensor;
use sde_core::Time;

use super::Trainer;
use crate::checkpoint::paths;
use crate::optimizer::{GradientNorm, Refused};
use crate::progress::Means;
use crate::{ElboTerms, TrainingError};

/// As many steps may be left out in a row, under [`NotFinitePolicy::Skip`](crate::NotFinitePolicy::Skip), before a run stops.
pub const SKIPS_IN_A_ROW: u64 = 20;

/// What a step left on the device, not looked at yet.
pub(super) struct Unread {
    /// Counted from 1.
    pub step: u64,
    pub losses: Vec<Tensor<1>>,
    /// Reconstruction and divergence, of an autoencoder.
    pub terms: Vec<[Tensor<1>; 2]>,
    pub norm: Result<GradientNorm, Refused>,
    pub times: Vec<Time>,
}

/// What a look found in a step.
struct Found {
    losses: Vec<f64>,
    terms: Option<ElboTerms>,
    norm: f64,
}

impl Trainer<'_> {
    /// Reads what the last steps left on the device, and refuses to go on from what is not finite.
    ///
    /// # Errors
    /// [`TrainingError::NotFinite`] names the step, the quantity, the layer and the time.
    pub fn look(&mut self) -> Result<(), TrainingError> {
        for mut unread in std::mem::take(&mut self.unread) {
            if let Err(refused) = unread.norm {
                // Left out; the weights know nothing of it.
                tracing::warn!(
                    step = unread.step,
                    "the gradient is not finite: the step is left out"
                );
                self.progress.skipped();
                if self.progress.skipped_in_a_row() > SKIPS_IN_A_ROW {
                    unread.norm = Err(refused);
                    return Err(self.not_finite(unread));
                }
                continue;
            }
            let found = self.read(unread)?;
            self.learn(found);
        }
        Ok(())
    }

    /// Waits for a step's losses and norm.
    fn read(&self, mut unread: Unread) -> Result<(Vec<Time>, Found), TrainingError> {
        let losses = read_all(&unread.losses);
        let norm = unread.norm.and_then(GradientNorm::read);
        match norm {
            Ok(norm) if losses.iter().all(|loss| loss.is_finite()) => {
                let terms = mean_terms(&unread.terms);
                let found = Found {
                    losses,
                    terms,
                    norm,
                };
                Ok((unread.times, found))
            }
            norm => {
                unread.norm = norm.map(GradientNorm::Known);
                Err(self.not_finite(unread))
            }
        }
    }

    /// Counts a step, and has the learned weighting learn from it.
    fn learn(&mut self, (times, found): (Vec<Time>, Found)) {
        let Found {
            losses,
            terms,
            norm,
        } = found;
        let mut loss = losses.iter().sum::<f64>() / losses.len() as f64;
        if let Some((uncertainty, sde)) = self.uncertainty.as_mut().zip(self.task.sde()) {
            let levels = times.iter().map(|&t| uncertainty.at(sde, t));
            let levels: Vec<f64> = levels.collect();
            loss += levels.iter().sum::<f64>() / levels.len() as f64;
            // The losses are divided by e^u already.
            let pairs = losses.iter().zip(&levels);
            let errors: Vec<f64> = pairs.map(|(loss, u)| loss * u.exp()).collect();
            uncertainty.update(sde, &times, &errors);
        }
        let limit = self.config.clip_norm;
        self.progress.took(loss, norm, limit > 0.0 && norm > limit);
        if let Some(terms) = terms {
            self.progress.made_of(terms);
        }
    }

    /// The error that tells of a step that is not finite: in which sample, at which time, in which layer.
    pub(super) fn not_finite(&self, unread: Unread) -> TrainingError {
        let losses = read_all(&unread.losses);
        let sample = losses.iter().position(|loss| !loss.is_finite());
        let smallest = || {
            unread
                .times
                .iter()
                .copied()
                .min_by(|a, b| a.0.total_cmp(&b.0))
        };
        let t = sample.map(|sample| unread.times[sample]).or_else(smallest);
        let t = t.unwrap_or(Time(0.0));
        let parameter = unread.norm.err().and_then(|refused| refused.parameter);
        let layer = |number| paths(&self.optimizer.network()).into_iter().nth(number);
        TrainingError::NotFinite {
            what: if sample.is_some() {
                "the loss"
            } else {
                "the gradient"
            },
            step: unread.step,
            layer: parameter.and_then(layer),
            t: t.0,
            sigma_ratio: self.task.sigma_ratio(t),
        }
    }

    /// The means since the last call, or none if no step was taken.
    ///
    /// # Errors
    /// As [`Trainer::look`], which it calls first.
    pub fn take_means(&mut self) -> Result<Option<Means>, TrainingError> {
        self.look()?;
        Ok(self.progress.take())
    }
}

/// The losses of all parts of a batch, in the order of its samples.
fn read_all(parts: &[Tensor<1>]) -> Vec<f64> {
    let read = |part: &Tensor<1>| -> Vec<f64> { part.to_data().iter::<f64>().collect() };
    parts.iter().flat_map(read).collect()
}

/// The means of an autoencoder's terms over all parts of a batch; none of another network.
fn mean_terms(parts: &[[Tensor<1>; 2]]) -> Option<ElboTerms> {
    if parts.is_empty() {
        return None;
    }
    let [reconstruction, kl] = [0, 1].map(|term| {
        let tensors: Vec<Tensor<1>> = parts.iter().map(|part| part[term].clone()).collect();
        let values = read_all(&tensors);
        values.iter().sum::<f64>() / values.len() as f64
    });
    Some(ElboTerms { reconstruction, kl })
}
